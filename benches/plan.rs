//! Throughput of the plan: rows a second, and the cost of one batch anywhere in an epoch.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hybrid_fast_core::kernel::Kernel;
use hybrid_fast_core::mixture::Mixing;
use hybrid_fast_core::packing::Guard;
use hybrid_fast_core::pairs::{Columns, PairIndex};
use hybrid_fast_core::permutation::Permutation;
use hybrid_fast_core::plan::{Config, Holds, LanguageWeights, Plan, Unit};
use hybrid_fast_core::ratio::Ratio;

const LANGUAGES: i64 = 11;
const GROUPS: i64 = 20_000;
const BATCHES: u64 = 1_000;
const BATCH_SIZE: usize = 100;

/// 11 languages; every third group asks about the passage of the one before.
fn index() -> Arc<PairIndex> {
    let cells: Vec<i64> = (0..LANGUAGES * GROUPS).collect();
    let group: Vec<i64> = cells.iter().map(|cell| cell / LANGUAGES).collect();
    let language: Vec<i64> = cells.iter().map(|cell| cell % LANGUAGES).collect();
    let identity: Vec<i64> = group.iter().map(|group| group * 2 / 3).collect();
    let columns = Columns {
        group: &group,
        language: &language,
        query: &cells,
        passage: &cells,
        query_identity: None,
        passage_identity: Some(&identity),
    };
    Arc::new(PairIndex::new(columns, LANGUAGES as usize).expect("the columns are well formed"))
}

fn plan(index: &Arc<PairIndex>, mono_ratio: f64, mixing: Mixing, cross: Holds) -> Arc<Plan> {
    let config = Config {
        batch_size: BATCH_SIZE,
        ratio: Ratio::constant(mono_ratio).expect("a share"),
        mixing,
        unit: Unit::Batch,
        mono: Holds::Homogeneous,
        cross,
        language_weights: LanguageWeights::Uniform,
        mono_weights: None,
        batches_per_epoch: Some(BATCHES),
        guard: Guard {
            group: true,
            query: true,
            passage: true,
        },
        guard_window: 1,
        seed: 13,
    };
    Plan::new(Arc::clone(index), config).expect("the data suffices")
}

fn plans(criterion: &mut Criterion) {
    let index = index();
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    group.throughput(Throughput::Elements(BATCHES * BATCH_SIZE as u64));
    for (name, ratio, mixing, cross) in [
        ("monolingual", 1.0, Mixing::Exact, Holds::Mixed),
        ("cross-lingual mixed", 0.0, Mixing::Exact, Holds::Mixed),
        (
            "cross-lingual homogeneous",
            0.0,
            Mixing::Exact,
            Holds::Homogeneous,
        ),
        ("half exact", 0.5, Mixing::Exact, Holds::Mixed),
        ("half coupled", 0.5, Mixing::Coupled, Holds::Mixed),
    ] {
        let plan = plan(&index, ratio, mixing, cross);
        group.bench_function(BenchmarkId::new("rows", name), |bencher| {
            bencher.iter(|| {
                let epoch = plan.epoch(0).expect("an epoch");
                black_box(epoch.batches(0, BATCHES, &|_, _| true).expect("batches"))
            });
        });
    }
    let plan = plan(&index, 0.5, Mixing::Exact, Holds::Mixed);
    group.throughput(Throughput::Elements(1));
    group.bench_function("one batch of a fresh epoch", |bencher| {
        let mut number = 0;
        bencher.iter(|| {
            number = (number + 977) % BATCHES;
            let epoch = plan.epoch(number).expect("an epoch");
            black_box(
                epoch
                    .batches(number, number + 1, &|_, _| true)
                    .expect("a batch"),
            )
        });
    });
    group.finish();
}

fn permutations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("permutation");
    group.throughput(Throughput::Elements(10_000));
    let order = Permutation::new(1_000_003, 13);
    group.bench_function("positions", |bencher| {
        bencher.iter(|| {
            (0..10_000)
                .map(|position| u64::from(order.at(position)))
                .sum::<u64>()
        });
    });
    let kernel = Kernel::detect();
    let mut values = Vec::new();
    group.bench_function("positions at once", |bencher| {
        bencher.iter(|| {
            values.clear();
            order.extend(kernel, 500, 10_000, &mut values);
            values[9_999]
        });
    });
    group.finish();
}

criterion_group!(benches, plans, permutations);
criterion_main!(benches);
