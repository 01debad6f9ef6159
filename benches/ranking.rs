//! Throughput of dense top-k, ranks and measures, in scores (or ranks) a second.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hybrid_fast_core::matrix::View;
use hybrid_fast_core::metrics::{Measure, measure};
use hybrid_fast_core::ranks::{Positives, ranks};
use hybrid_fast_core::topk::topk;

/// Queries and passages of one language of XQuAD-R, about.
const SHAPE: (usize, usize) = (256, 1200);

fn uniform(count: usize) -> Vec<f32> {
    let mut state = 13u64;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / 16_777_216.0
        })
        .collect()
}

fn dense(c: &mut Criterion) {
    let (queries, passages) = SHAPE;
    let data = uniform(queries * passages);
    let scores = View::contiguous(&data, queries, passages).expect("fits");
    let go_on = |_: usize, _: usize| true;

    let mut group = c.benchmark_group("topk");
    group.throughput(Throughput::Elements((queries * passages) as u64));
    for k in [1, 10, 100] {
        group.bench_with_input(BenchmarkId::new("k", k), &k, |b, &k| {
            b.iter(|| topk(&scores, k, None, &go_on));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("ranks");
    group.throughput(Throughput::Elements((queries * passages) as u64));
    for golds in [1usize, 11, 100] {
        let indptr: Vec<i64> = (0..=queries).map(|query| (query * golds) as i64).collect();
        let ids: Vec<i64> = (0..queries)
            .flat_map(|query| (0..golds).map(move |gold| ((query + gold * 11) % passages) as i64))
            .collect();
        let positives = Positives::new(&indptr, &ids, queries, 0, passages).expect("valid");
        group.bench_with_input(BenchmarkId::new("positives", golds), &golds, |b, _| {
            b.iter(|| ranks(&scores, &positives, None, &go_on));
        });
    }
    group.finish();
}

fn measures(c: &mut Criterion) {
    let (queries, golds) = (10_000usize, 11usize);
    let indptr: Vec<i64> = (0..=queries).map(|query| (query * golds) as i64).collect();
    let ranks: Vec<f64> = uniform(queries * golds)
        .into_iter()
        .map(|u| 1.0 + f64::from((u * 13_014.0).floor()))
        .collect();
    let names = [
        "AP",
        "RR",
        "RR@10",
        "nDCG@10",
        "R@1",
        "R@10",
        "R@100",
        "rank_distance",
    ];
    let wanted: Vec<Measure> = names
        .iter()
        .map(|name| Measure::named(name).expect("known"))
        .collect();
    let mut group = c.benchmark_group("measures");
    group.throughput(Throughput::Elements((queries * golds) as u64));
    group.bench_function("eight of 11 golds", |b| {
        b.iter(|| measure(&wanted, &indptr, &ranks, None))
    });
    group.finish();
}

criterion_group!(benches, dense, measures);
criterion_main!(benches);
