//! Dense ranks, top-k and measures in bytes of scores a second, next to a pure read of the same bytes:
//! their quotient is what a machine's speed cancels out of.
//!
//! `cargo bench --bench ranking` uses the whole sizes (half a gigabyte a matrix); in test mode they are
//! small.

use std::hint::black_box;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use half::f16;
use hybrid_fast_core::kernel::{BOUNDS, Halves, Hits, Kernel, LONGEST, Maxima, Reached};
use hybrid_fast_core::matrix::View;
use hybrid_fast_core::metrics::{Measure, measure};
use hybrid_fast_core::ranks::{Positives, ranks};
use hybrid_fast_core::topk::topk;

fn go_on(_: usize, _: usize) -> bool {
    true
}

/// Whether the benches run once each, to see that they do.
fn testing() -> bool {
    !std::env::args().any(|argument| argument == "--bench")
}

fn uniform(count: usize) -> Vec<f32> {
    let mut state = 13u64;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / 16_777_216.0
    };
    (0..count).map(|_| draw()).collect()
}

/// `golds` passages of each query, none twice.
fn positives(queries: usize, passages: usize, golds: usize) -> (Vec<i64>, Vec<i64>) {
    let indptr = (0..=queries).map(|query| (query * golds) as i64).collect();
    let step = passages / golds.max(1);
    let of = |query: usize| (0..golds).map(move |gold| gold * step + query * 7919 % step);
    let ids = (0..queries).flat_map(of).map(|id| id as i64).collect();
    (indptr, ids)
}

/// The sum of the bits, sixteen sums side by side: nothing but reading, as fast as the machine does it.
fn read(words: &[u32]) -> u32 {
    let mut sums = [0u32; 64];
    let (runs, _) = words.as_chunks::<64>();
    for run in runs {
        for (sum, word) in sums.iter_mut().zip(run) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}

/// Ranks and top-k of whole matrices, on one thread and on all.
fn matrices(c: &mut Criterion) {
    let sizes = [
        ("13k", 10_000, 13_000),
        ("100k", 1000, 100_000),
        ("1M", 100, 1_000_000),
    ];
    for (name, queries, passages) in sizes {
        let queries = if testing() { 2 } else { queries };
        let data = uniform(queries * passages);
        let scores = View::contiguous(&data, queries, passages).expect("fits");
        let mut group = c.benchmark_group(format!("matrix {name}"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10);
        group.throughput(Throughput::Bytes(size_of_val(&data[..]) as u64));
        let words: Vec<u32> = data.iter().map(|score| score.to_bits()).collect();
        group.bench_function("pure read", |b| b.iter(|| read(black_box(&words))));
        drop(words);
        for (threads, label) in [(Some(1), "one thread"), (None, "all threads")] {
            for golds in [1, 3, 11, 40] {
                let (indptr, ids) = positives(queries, passages, golds);
                let positives = Positives::new(&indptr, &ids, queries, 0, passages).expect("valid");
                group.bench_function(format!("ranks of {golds}, {label}"), |b| {
                    b.iter(|| ranks(&scores, &positives, threads, &go_on));
                });
            }
            for k in [100, 1000] {
                group.bench_function(format!("top {k}, {label}"), |b| {
                    b.iter(|| topk(&scores, k, threads, &go_on));
                });
            }
        }
        group.finish();

        let halves: Vec<f16> = data.iter().map(|&score| f16::from_f32(score)).collect();
        let scores = View::contiguous(&halves, queries, passages).expect("fits");
        let mut group = c.benchmark_group(format!("matrix {name} of f16"));
        group.sampling_mode(SamplingMode::Flat).sample_size(10);
        group.throughput(Throughput::Bytes(size_of_val(&halves[..]) as u64));
        for golds in [3, 11] {
            let (indptr, ids) = positives(queries, passages, golds);
            let positives = Positives::new(&indptr, &ids, queries, 0, passages).expect("valid");
            group.bench_function(format!("ranks of {golds}"), |b| {
                b.iter(|| ranks(&scores, &positives, Some(1), &go_on));
            });
        }
        group.bench_function("top 100", |b| {
            b.iter(|| topk(&scores, 100, Some(1), &go_on));
        });
        group.finish();
    }
}

/// Each loop of each instruction set, on one row that is in the cache.
fn kernels(c: &mut Criterion) {
    let row = uniform(13_000);
    let bounds: Vec<f32> = (0..BOUNDS).map(|i| i as f32 / BOUNDS as f32).collect();
    for kernel in Kernel::available() {
        let mut group = c.benchmark_group(format!("row on {}", kernel.name()));
        group.throughput(Throughput::Bytes(size_of_val(&row[..]) as u64));
        for few in [0, 1, 3] {
            group.bench_function(format!("count against {few}"), |b| {
                b.iter(|| kernel.count_few(black_box(&row), &bounds[..few]));
            });
        }
        let (mut above, mut hits) = ([0; BOUNDS], Hits::default());
        group.bench_function(format!("bisect among {BOUNDS}"), |b| {
            b.iter(|| {
                for run in black_box(&row).chunks(LONGEST) {
                    kernel.bisect(run, &bounds, &mut above, &mut hits);
                }
            });
        });
        let mut maxima = Maxima::default();
        group.bench_function("maxima", |b| {
            b.iter(|| {
                maxima.begin(600);
                kernel.maxima(black_box(&row), 8, &mut maxima)
            });
        });
        let (mut scores, mut halves, mut bound) = (Vec::new(), Halves::default(), 0.0);
        group.bench_function("100th of 600 maxima", |b| {
            b.iter(|| {
                scores.clone_from(&maxima.groups);
                bound = kernel.kth_greatest(&mut scores, 100, &mut halves);
            });
        });
        let mut reached = Reached::default();
        group.bench_function("collect", |b| {
            b.iter(|| {
                reached.begin(100);
                let blocks = (&maxima.blocks[..], 8);
                kernel.collect(black_box(&row), 0, blocks, bound, &mut reached);
            });
        });
        group.finish();
    }
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

criterion_group!(benches, matrices, kernels, measures);
criterion_main!(benches);
