//! Throughput of the streaming search, in multiply-adds a second.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use half::bf16;
use hybrid_fast_core::matrix::{Embeddings, View};
use hybrid_fast_core::ranks::Positives;
use hybrid_fast_core::search::{Precision, Search, Targets, score_positives};

const DIMENSION: usize = 384;
const PASSAGES: usize = 4096;

fn uniform(count: usize) -> Vec<f32> {
    let mut state = 13u64;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn search(c: &mut Criterion) {
    let go_on = |_: usize, _: usize| true;
    let p = uniform(PASSAGES * DIMENSION);
    let passages = Embeddings::F32(View::contiguous(&p, PASSAGES, DIMENSION).expect("fits"));
    let halves: Vec<bf16> = p.iter().map(|&value| bf16::from_f32(value)).collect();
    let halves = Embeddings::Bf16(View::contiguous(&halves, PASSAGES, DIMENSION).expect("fits"));
    let labels: Vec<u32> = (0..PASSAGES as u32)
        .map(|id| id * 11 / PASSAGES as u32)
        .collect();
    let mut group = c.benchmark_group("search");
    group.sample_size(10);
    for queries in [1usize, 256] {
        let q = uniform(queries * DIMENSION);
        let view = Embeddings::F32(View::contiguous(&q, queries, DIMENSION).expect("fits"));
        let indptr: Vec<i64> = (0..=queries).map(|query| (query * 11) as i64).collect();
        let ids: Vec<i64> = (0..queries)
            .flat_map(|q| (0..11).map(move |g| (q + g * 372) as i64))
            .collect();
        let own: Vec<u32> = ids.iter().map(|&id| labels[id as usize]).collect();
        let positives = Positives::new(&indptr, &ids, queries, 0, PASSAGES).expect("valid");
        let scores = score_positives(&view, &passages, &positives, 0, None).expect("fits");
        let plain = Search {
            queries: view,
            passages,
            k: 100,
            first_id: 0,
            labels: None,
            targets: None,
            precision: Precision::Auto,
            threads: None,
        };
        let targets = Some(Targets {
            positives,
            scores: &scores,
            labels: Some(&own),
        });
        group.throughput(Throughput::Elements(
            (queries * PASSAGES * DIMENSION) as u64,
        ));
        for (name, search) in [
            ("top 100", plain),
            (
                "top 100 in f32",
                Search {
                    precision: Precision::Plain,
                    ..plain
                },
            ),
            (
                "top 100 of bf16",
                Search {
                    passages: halves,
                    ..plain
                },
            ),
            (
                "top 100, ranks in 11 pools",
                Search {
                    labels: Some(&labels),
                    targets,
                    ..plain
                },
            ),
        ] {
            group.bench_with_input(BenchmarkId::new(name, queries), &search, |b, search| {
                b.iter(|| search.run(&go_on));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, search);
criterion_main!(benches);
