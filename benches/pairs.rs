//! The pair index: nanoseconds a pair for batches of random rows, and cells a second when built.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hybrid_fast_core::hash::key;
use hybrid_fast_core::pairs::{Columns, Key, Pair, PairIndex};
use hybrid_fast_core::permutation::Permutation;

const LANGUAGES: u64 = 11;
const CELLS: u64 = 1_000_000;
const ROWS: usize = 12_800;

struct Cells {
    group: Vec<i64>,
    language: Vec<i64>,
    rows: Vec<i64>,
}

impl Cells {
    /// Groups in 11 languages; `missing` of 16 cells are not there.
    fn new(missing: u64, shuffled: bool) -> Self {
        let mut cells: Vec<(u64, u64)> = (0..CELLS)
            .map(|cell| (cell / LANGUAGES, cell % LANGUAGES))
            .filter(|&(group, language)| key(&[group, language]) % 16 >= missing)
            .collect();
        if shuffled {
            let order = Permutation::new(cells.len() as u64, 13);
            cells = (0..cells.len() as u64)
                .map(|position| cells[order.at(position) as usize])
                .collect();
        }
        Self {
            group: cells.iter().map(|cell| cell.0 as i64).collect(),
            language: cells.iter().map(|cell| cell.1 as i64).collect(),
            rows: (0..cells.len() as i64).collect(),
        }
    }

    fn index(&self) -> PairIndex {
        let columns = Columns {
            group: &self.group,
            language: &self.language,
            query: &self.rows,
            passage: &self.rows,
            query_identity: None,
            passage_identity: None,
        };
        PairIndex::new(columns, LANGUAGES as usize).expect("the columns are well formed")
    }
}

const KINDS: [(&str, u64, bool); 4] = [
    ("full, sorted", 0, false),
    ("full, shuffled", 0, true),
    ("missing cells, sorted", 4, false),
    ("missing cells, shuffled", 4, true),
];

fn gathers(criterion: &mut Criterion) {
    for (name, missing, shuffled) in KINDS {
        let index = Cells::new(missing, shuffled).index();
        let mut group = criterion.benchmark_group(format!("pairs of {name}"));
        group.throughput(Throughput::Elements(ROWS as u64));
        let order = Permutation::new(index.stratum_len(2, 7), 13);
        let rows: Vec<u32> = (0..ROWS as u64).map(|one| order.at(one)).collect();
        let mut pairs: Vec<Pair> = Vec::new();
        group.bench_function("one by one", |bencher| {
            bencher.iter(|| {
                pairs.clear();
                pairs.extend(rows.iter().map(|&row| index.pair(2, 7, row)));
                black_box(pairs.len())
            });
        });
        group.bench_function("at once", |bencher| {
            bencher.iter(|| {
                pairs.clear();
                index.pairs_into(2, 7, &rows, &mut pairs);
                black_box(pairs.len())
            });
        });
        for key in [Key::Group, Key::Query, Key::Passage] {
            let mut keys = Vec::new();
            group.bench_function(BenchmarkId::new("keys", format!("{key:?}")), |bencher| {
                bencher.iter(|| {
                    keys.clear();
                    index.keys_into(key, &pairs, &mut keys);
                    black_box(keys.len())
                });
            });
        }
        let (mut rows, mut languages) = (Vec::new(), Vec::new());
        group.bench_function("columns of a batch", |bencher| {
            bencher.iter(|| {
                rows.clear();
                languages.clear();
                index.groups_into(&pairs, &mut rows);
                index.queries_into(&pairs, &mut rows);
                index.passages_into(&pairs, &mut rows);
                index.query_languages_into(&pairs, &mut languages);
                index.passage_languages_into(&pairs, &mut languages);
                black_box((rows.len(), languages.len()))
            });
        });
        group.finish();
    }
}

fn building(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10);
    for (name, missing, shuffled) in KINDS {
        let cells = Cells::new(missing, shuffled);
        group.throughput(Throughput::Elements(cells.group.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(cells.index())));
    }
    group.finish();
}

criterion_group!(benches, gathers, building);
criterion_main!(benches);
