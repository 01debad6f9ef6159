//! Streaming search: top-k and ranks without the whole score matrix.
//!
//! Passages are visited in panels of one pool each, queries in blocks; a block and a share of the
//! panels is a task, which owns its queries' lists and counts, so no sum crosses a thread. One count
//! serves both the rank over all passages and the rank in the pool. Where the machine multiplies bytes
//! fast, a coarse pass bounds every score first, and only those within the bound of a threshold
//! are computed: the answer is the same.

mod coarse;
mod golds;
mod panels;
mod scan;
mod shortlist;

use std::ops::Range;

use crate::kernel::{GROUP, Kernel, LANES, MOST_COLUMNS, PANEL};
use crate::matrix::{Embeddings, MOST, View};
use crate::ranks::{Positives, Tally};
use crate::threads::Threads;
use crate::{Error, Result, room};
use coarse::{Centres, CoarsePanel, CoarseQueries, Form};
use golds::Golds;
use panels::Visit;
use scan::{Block, Scan, score_some};

/// Positives whose scores are known; they may be passages of another shard.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// The golds of each query, ids as in the whole corpus.
    pub positives: Positives<'a>,
    /// The score of each gold, from [`score_positives`].
    pub scores: &'a [f32],
    /// The pool of each gold; needed with [`Search::labels`].
    pub labels: Option<&'a [u32]>,
}

/// How scores are found; the answer is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// In `f32`, every one.
    Plain,
    /// Bounded in whole numbers first where that is faster, and only then in `f32`.
    Auto,
    /// Bounded first on any machine and at any size, for tests.
    Coarse,
}

impl Precision {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::Plain),
            "coarse" => Ok(Self::Coarse),
            _ => Err(Error::InvalidArgument(format!(
                "precision is {name:?}, expected \"auto\" or \"f32\""
            ))),
        }
    }
}

/// What to search.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// One query a row.
    pub queries: Embeddings<'a>,
    /// One passage a row.
    pub passages: Embeddings<'a>,
    /// Passages to keep per query.
    pub k: usize,
    /// Id of the first passage: 0, or the number of passages in the shards before this one.
    pub first_id: usize,
    /// The pool of each passage.
    pub labels: Option<&'a [u32]>,
    /// The positives to rank.
    pub targets: Option<Targets<'a>>,
    /// How scores are found.
    pub precision: Precision,
    /// Threads; `None`: as [`crate::threads::VARIABLES`] say, else all cores.
    pub threads: Option<usize>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Columns of `ids` and `scores`: the smaller of k and the number of passages.
    pub columns: usize,
    /// Passage ids, best first, row after row.
    pub ids: Vec<i64>,
    /// Their scores.
    pub scores: Vec<f32>,
    /// Counts over all passages, aligned with the targets; empty without targets.
    pub tallies: Vec<Tally>,
    /// Counts over the passages of the target's own pool; empty without targets or labels.
    pub pool_tallies: Vec<Tally>,
}

/// Panels worked on between two waits of all threads.
const CHUNK: usize = 128;
/// Multiply-adds between two calls of the progress callback, plain and bounded first.
const STEP: (usize, usize) = (1 << 33, 1 << 36);
/// Most queries in a task: their bytes stay in the second-level cache beside a panel.
const BLOCK: usize = 480;
/// Fewest queries and columns that pay for turning passages into bytes.
const WORTH_BYTES: (usize, usize) = (24, 64);
/// Bytes of passages above which lists are made exact while their passages are at hand, since going
/// back to them at the end could read a file again.
const AT_HAND: usize = 1 << 30;

/// Rounding errors that are independent add up like their root: this many times the root of the number
/// of columns is hardly ever exceeded. It only guides the search, and is checked at its end.
const LIKELY: f64 = 4.0;

/// The score of each positive, aligned with the positives. A NaN is returned as it is: the search
/// meets the same score again and names it.
///
/// # Errors
/// [`Error::InvalidShape`] when dimensions or numbers of queries differ;
/// [`Error::InvalidArgument`] for zero threads.
pub fn score_positives(
    queries: &Embeddings<'_>,
    passages: &Embeddings<'_>,
    positives: &Positives<'_>,
    first_id: usize,
    threads: Option<usize>,
) -> Result<Vec<f32>> {
    check_dimensions(queries, passages)?;
    let work = positives.len() as u64 * queries.columns() as u64 / LANES as u64;
    let threads = Threads::new(threads, work)?;
    let kernel = Kernel::chosen()?;
    let mut scores = vec![0f32; positives.len()];
    let mut tasks = Vec::new();
    let mut rest = &mut scores[..];
    for first in (0..queries.rows()).step_by(BLOCK) {
        let block = first..(first + BLOCK).min(queries.rows());
        let count = positives.range(block.end - 1).end - positives.range(block.start).start;
        let (own, others) = rest.split_at_mut(count);
        tasks.push((block, own));
        rest = others;
    }
    threads.each(&mut tasks, |_, (block, own)| {
        let mut own = &mut own[..];
        for query in block.clone() {
            for ids in positives.row(query).chunks(PANEL) {
                let rows = ids.iter().map(|&id| id as usize - first_id);
                let (here, rest) = std::mem::take(&mut own).split_at_mut(ids.len());
                score_some(kernel, (queries, query), passages, rows, here);
                own = rest;
            }
        }
    });
    Ok(scores)
}

fn check_dimensions(queries: &Embeddings<'_>, passages: &Embeddings<'_>) -> Result<()> {
    if queries.columns() == passages.columns() {
        return Ok(());
    }
    Err(Error::InvalidShape(format!(
        "queries have {} dimensions, passages have {}",
        queries.columns(),
        passages.columns()
    )))
}

impl Search<'_> {
    /// Runs the search; `tick` is called with (steps done, steps) between steps.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] for lengths that do not fit together; [`Error::NotANumber`] names the
    /// first query and passage whose score is NaN; [`Error::Interrupted`] when `tick` returns `false`.
    pub fn run(&self, tick: &dyn Fn(usize, usize) -> bool) -> Result<Found> {
        self.check()?;
        let (queries, passages) = (self.queries.rows(), self.passages.rows());
        let work = queries as u128 * passages as u128 * self.queries.columns().max(1) as u128;
        // A multiply-add costs a sixteenth of the steps that threads are counted out by.
        let work = u64::try_from(work / LANES as u128).unwrap_or(u64::MAX);
        let threads = Threads::new(self.threads, work)?;
        self.run_on(&threads, Kernel::chosen()?, tick)
    }

    fn run_on(
        &self,
        threads: &Threads,
        kernel: Kernel,
        tick: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Found> {
        let columns = self.k.min(self.passages.rows());
        let bytes = self.passages.rows() * self.passages.columns() * self.passages.width();
        let spread = bytes <= AT_HAND;
        self.check_room(columns)?;
        let visit = Visit::new(self.passages.rows(), self.labels, spread)?;
        let golds = Golds::new(self.targets.as_ref(), self.queries.rows())?;
        let centres = self.is_coarse(kernel).then(|| {
            let form = Form::new(kernel, self.targets.is_some());
            Centres::new(form, &self.queries, &self.passages)
        });
        let mut blocks = self.blocks(columns, &golds, threads.count(), visit.panels.len())?;
        let shards = blocks.last().map_or(1, |block| block.shard + 1);
        if let Some(centres) = &centres {
            threads.each(&mut blocks, |_, block| {
                let range = block.queries.clone();
                if let Some(coarse) = CoarseQueries::new(kernel, &self.queries, range, centres) {
                    block.refine(coarse, &golds);
                }
            });
        }
        let scan = Scan {
            search: self,
            kernel,
            visit: &visit,
            golds: &golds,
            shards,
            likely: (LIKELY / (self.queries.columns().max(1) as f64).sqrt()).min(1.0),
            at_hand: !spread,
        };
        let step = if centres.is_some() { STEP.1 } else { STEP.0 };
        let products = CHUNK * PANEL * self.queries.columns().max(1) * BLOCK;
        let blocks_in_step = (step / products).max(threads.count()) * shards;
        let blocks_in_task = (blocks_in_step.min(blocks.len()) / (4 * threads.count())).max(1);
        let chunks = visit.panels.len().div_ceil(CHUNK);
        let steps = chunks * blocks.len().div_ceil(blocks_in_step);
        let mut coarse: Vec<CoarsePanel> = Vec::new();
        let mut done = 0;
        for (number, chunk) in visit.panels.chunks(CHUNK).enumerate() {
            if let Some(centres) = &centres {
                coarse.resize_with(chunk.len(), CoarsePanel::empty);
                threads.each(&mut coarse, |place, panel| {
                    let rows = chunk[place]
                        .places
                        .clone()
                        .map(|place| visit.passage(place));
                    let (mut bytes, mut scratch) = (Vec::new(), Vec::new());
                    panel.fill(
                        kernel,
                        &self.passages,
                        rows,
                        centres,
                        &mut bytes,
                        &mut scratch,
                    );
                });
            }
            for step in blocks.chunks_mut(blocks_in_step) {
                let mut tasks: Vec<_> = step.chunks_mut(blocks_in_task).collect();
                threads.each(&mut tasks, |_, blocks| {
                    scan.chunk(blocks, number * CHUNK, chunk, &coarse)
                });
                done += 1;
                if !tick(done, steps) {
                    return Err(Error::Interrupted);
                }
            }
            // Where panels from all over come early, the first NaN may come late.
            let nan = blocks.iter().filter_map(|block| block.nan).min();
            if let Some((place, query)) = nan.filter(|_| !spread || number + 1 == chunks) {
                return Err(Error::NotANumber(format!(
                    "the score of query {query} and passage {} is NaN: a NaN in their embeddings, or \
                     infinities that cancel",
                    visit.passage(place) + self.first_id
                )));
            }
        }
        let (mut found, open) = self.collect(threads, &scan, blocks, shards, columns);
        self.search_again(threads, kernel, &open, &mut found, &|_, _| {
            tick(steps, steps)
        })?;
        Ok(found)
    }

    /// Whether scores are bounded in whole numbers first.
    fn is_coarse(&self, kernel: Kernel) -> bool {
        let (queries, columns) = (self.queries.rows(), self.queries.columns());
        match self.precision {
            Precision::Plain => false,
            Precision::Coarse => (1..=MOST_COLUMNS).contains(&columns),
            Precision::Auto => {
                kernel.has_fast_products()
                    && queries >= WORTH_BYTES.0
                    && (WORTH_BYTES.1..=MOST_COLUMNS).contains(&columns)
            }
        }
    }

    fn check(&self) -> Result<()> {
        check_dimensions(&self.queries, &self.passages)?;
        let passages = self.passages.rows();
        if self
            .first_id
            .checked_add(passages)
            .is_none_or(|end| end > MOST)
        {
            return Err(Error::InvalidShape(format!(
                "{passages} passages from id {} on exceed the limit of {MOST}",
                self.first_id
            )));
        }
        if self.labels.is_some_and(|labels| labels.len() != passages) {
            return Err(Error::InvalidShape(format!(
                "pools has {} labels, there are {passages} passages",
                self.labels.map_or(0, <[u32]>::len)
            )));
        }
        if let Some(targets) = &self.targets {
            let labelled = targets
                .labels
                .map_or(usize::from(self.labels.is_some()), <[u32]>::len);
            if targets.scores.len() != targets.positives.len()
                || (self.labels.is_some() && labelled != targets.positives.len())
            {
                return Err(Error::InvalidShape(
                    "each positive needs one score, and one label where passages have labels"
                        .into(),
                ));
            }
        }
        Ok(())
    }

    /// Refuses more passages to keep than memory holds: the answer, and the lists that it comes from.
    fn check_room(&self, columns: usize) -> Result<()> {
        let queries = self.queries.rows();
        let entries = shortlist::room(columns).min(self.passages.rows()) + PANEL;
        let bytes = columns * (size_of::<i64>() + size_of::<f32>()) + entries * size_of::<u64>();
        room::check(queries, bytes, || {
            format!("{columns} passages for each of {queries} queries")
        })
    }

    /// Query blocks; few queries are divided further into shards of the panels.
    fn blocks(
        &self,
        columns: usize,
        golds: &Golds,
        threads: usize,
        panels: usize,
    ) -> Result<Vec<Block>> {
        let queries = self.queries.rows();
        let height = queries
            .div_ceil(4 * threads)
            .next_multiple_of(GROUP)
            .clamp(GROUP, BLOCK);
        let wanted = if threads == 1 { 1 } else { 2 * threads };
        let shards = wanted
            .div_ceil(queries.div_ceil(height).max(1))
            .clamp(1, panels.max(1));
        (0..queries)
            .step_by(height)
            .map(|first| first..(first + height).min(queries))
            .flat_map(|range: Range<usize>| (0..shards).map(move |shard| (range.clone(), shard)))
            .map(|(range, shard)| {
                let passages = self.passages.rows().div_ceil(shards) + PANEL;
                Block::new(range, shard, (columns, passages), golds)
            })
            .collect()
    }

    fn collect(
        &self,
        threads: &Threads,
        scan: &Scan<'_>,
        blocks: Vec<Block>,
        shards: usize,
        columns: usize,
    ) -> (Found, Vec<usize>) {
        let size = columns * self.queries.rows();
        let mut found = Found {
            columns,
            ids: vec![0; size],
            scores: vec![0.0; size],
            tallies: Vec::new(),
            pool_tallies: Vec::new(),
        };
        if let Some(targets) = &self.targets {
            found.tallies = vec![Tally::default(); targets.positives.len()];
            if self.labels.is_some() {
                found.pool_tallies = found.tallies.clone();
            }
            for block in &blocks {
                scan.golds.collect(
                    block.queries.start,
                    &block.counts,
                    &mut found.tallies,
                    &mut found.pool_tallies,
                );
            }
        }
        let (mut ids, mut scores) = (&mut found.ids[..], &mut found.scores[..]);
        let mut tasks = Vec::new();
        let mut blocks = blocks.into_iter().peekable();
        while blocks.peek().is_some() {
            let parts: Vec<Block> = blocks.by_ref().take(shards).collect();
            let own = columns * parts[0].queries.len();
            let (own_ids, other_ids) = ids.split_at_mut(own);
            let (own_scores, other_scores) = scores.split_at_mut(own);
            (ids, scores) = (other_ids, other_scores);
            tasks.push((parts, own_ids, own_scores, Vec::new()));
        }
        threads.each(&mut tasks, |_, (parts, ids, scores, open)| {
            *open = scan.write_best(parts, columns, ids, scores);
        });
        let open: Vec<usize> = tasks.into_iter().flat_map(|task| task.3).collect();
        (found, open)
    }

    /// Searches some queries plainly and writes what they find.
    fn search_again(
        &self,
        threads: &Threads,
        kernel: Kernel,
        queries: &[usize],
        found: &mut Found,
        tick: &dyn Fn(usize, usize) -> bool,
    ) -> Result<()> {
        if queries.is_empty() {
            return Ok(());
        }
        let (mut rows, mut scratch) = (Vec::new(), Vec::new());
        for &query in queries {
            rows.extend_from_slice(self.queries.row(query, &mut scratch));
        }
        let rows = View::contiguous(&rows, queries.len(), self.queries.columns())?;
        let plain = Search {
            queries: Embeddings::F32(rows),
            labels: None,
            targets: None,
            precision: Precision::Plain,
            ..*self
        };
        let again = plain.run_on(threads, kernel, tick)?;
        let columns = found.columns;
        for (place, query) in queries.iter().enumerate() {
            let (own, other) = (place * columns, query * columns);
            found.ids[other..other + columns].copy_from_slice(&again.ids[own..own + columns]);
            found.scores[other..other + columns].copy_from_slice(&again.scores[own..own + columns]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::inner_product;
    use crate::matrix::View;
    use crate::ranks::Ties;
    use crate::topk::better;
    use proptest::prelude::*;

    fn go_on(_: usize, _: usize) -> bool {
        true
    }

    fn embeddings(data: &[f32], columns: usize) -> Embeddings<'_> {
        Embeddings::F32(View::contiguous(data, data.len() / columns, columns).expect("fits"))
    }

    #[test]
    fn one_query_by_hand() {
        let (q, p) = ([1.0, 0.0], [0.2, 9.0, 0.8, 0.0, 0.8, 1.0, 0.5, 0.5]);
        let (queries, passages) = (embeddings(&q, 2), embeddings(&p, 2));
        let positives = Positives::new(&[0, 2], &[2, 3], 1, 0, 4).expect("valid");
        let scores = score_positives(&queries, &passages, &positives, 0, None).expect("fits");
        assert_eq!(scores, [0.8, 0.5]);
        let labels = [1, 0, 1, 0];
        let search = Search {
            queries,
            passages,
            k: 3,
            first_id: 0,
            labels: Some(&labels),
            targets: Some(Targets {
                positives,
                scores: &scores,
                labels: Some(&[1, 0]),
            }),
            precision: Precision::Auto,
            threads: None,
        };
        let found = search.run(&go_on).expect("no NaN");
        assert_eq!(
            (found.ids, found.scores),
            (vec![1, 2, 3], vec![0.8, 0.8, 0.5])
        );
        let ranks = |tallies: &[Tally]| -> Vec<i64> {
            tallies.iter().map(|tally| tally.rank(Ties::Id)).collect()
        };
        assert_eq!(ranks(&found.tallies), [2, 3]);
        assert_eq!(ranks(&found.pool_tallies), [1, 2]);
    }

    #[test]
    fn a_nan_score_names_query_and_passage() {
        let (q, p) = ([1.0, 0.0, 0.0, 1.0], [1.0, 1.0, f32::INFINITY, 2.0]);
        let search = Search {
            queries: embeddings(&q, 2),
            passages: embeddings(&p, 2),
            k: 1,
            first_id: 10,
            labels: None,
            targets: None,
            precision: Precision::Auto,
            threads: None,
        };
        let error = search.run(&go_on).expect_err("∞·0");
        assert!(
            error
                .to_string()
                .starts_with("the score of query 1 and passage 11 is NaN"),
            "{error}"
        );
    }

    #[test]
    fn dimensions_must_agree_and_none_scores_zero() {
        let (queries, passages) = (embeddings(&[1.0, 2.0], 2), embeddings(&[1.0], 1));
        let search = Search {
            queries,
            passages,
            k: 1,
            first_id: 0,
            labels: None,
            targets: None,
            precision: Precision::Auto,
            threads: Some(1),
        };
        assert!(matches!(search.run(&go_on), Err(Error::InvalidShape(_))));
        let flat = Embeddings::F32(View::new(&[], 0, (3, 0), 0).expect("fits"));
        let found = Search {
            queries: flat,
            passages: flat,
            k: 2,
            ..search
        }
        .run(&go_on);
        assert_eq!(found.expect("no NaN").ids, [0, 1, 0, 1, 0, 1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn equals_the_whole_matrix(
            (queries, passages, dimension) in (0usize..30, 0usize..600, 1usize..24),
            k in 0usize..40,
            pools in 1u32..6,
            threads in 1usize..5,
            first_id in prop::sample::select(vec![0usize, 1000]),
            sorted in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let mut state = seed;
            let mut draw = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % below
            };
            let mut values = |count: usize| -> Vec<f32> {
                (0..count).map(|_| draw(5) as f32 - 2.0).collect()
            };
            let (q, p) = (values(queries * dimension), values(passages * dimension));
            let mut labels: Vec<u32> = (0..passages).map(|_| draw(u64::from(pools)) as u32).collect();
            if sorted {
                labels.sort_unstable();
            }
            let (mut indptr, mut ids) = (vec![0i64], Vec::new());
            for _ in 0..queries {
                let share = 1 + draw(20);
                ids.extend((0..passages).filter(|_| draw(12) < share / 4).map(|id| (id + first_id) as i64));
                indptr.push(ids.len() as i64);
            }
            let own: Vec<u32> = ids.iter().map(|&id| labels[id as usize - first_id]).collect();
            let (q, p) = (embeddings(&q, dimension), embeddings(&p, dimension));
            let positives = Positives::new(&indptr, &ids, queries, first_id, passages).expect("valid");
            let scores = score_positives(&q, &p, &positives, first_id, None).expect("fits");
            let search = Search {
                queries: q,
                passages: p,
                k,
                first_id,
                labels: Some(&labels),
                targets: Some(Targets { positives, scores: &scores, labels: Some(&own) }),
                precision: Precision::Auto,
                threads: Some(threads),
            };
            search.check().expect("valid");
            // As if the work were large, to meet several shards and blocks.
            let pool = Threads::new(Some(threads), u64::MAX).expect("valid");
            let plain = Search { labels: None, precision: Precision::Plain, ..search }.run(&go_on).expect("no NaN");
            let found = search.run_on(&pool, Kernel::PORTABLE, &go_on).expect("no NaN");
            for kernel in Kernel::available() {
                for precision in [Precision::Plain, Precision::Coarse] {
                    let again = Search { precision, ..search }.run_on(&pool, kernel, &go_on).expect("no NaN");
                    prop_assert_eq!(&again, &found);
                }
            }
            prop_assert_eq!(&plain.tallies, &found.tallies);
            prop_assert_eq!((&plain.ids, &plain.scores), (&found.ids, &found.scores));
            prop_assert_eq!(found.columns, k.min(passages));
            let (mut s, mut t) = (Vec::new(), Vec::new());
            for query in 0..queries {
                let row: Vec<(f32, u32)> = (0..passages)
                    .map(|i| (inner_product(q.row(query, &mut s), p.row(i, &mut t)), (i + first_id) as u32))
                    .collect();
                let mut best = row.clone();
                best.sort_by(better);
                let range = query * found.columns..(query + 1) * found.columns;
                prop_assert_eq!(
                    &found.ids[range],
                    &best.iter().take(k).map(|item| i64::from(item.1)).collect::<Vec<_>>()
                );
                for place in positives.range(query) {
                    let mine = row[ids[place] as usize - first_id];
                    let ahead = |same_pool: bool| 1 + row.iter().filter(|other| {
                        let label = labels[other.1 as usize - first_id];
                        better(other, &mine).is_lt() && (!same_pool || label == own[place])
                    }).count() as i64;
                    prop_assert_eq!(found.tallies[place].rank(Ties::Id), ahead(false));
                    prop_assert_eq!(found.pool_tallies[place].rank(Ties::Id), ahead(true));
                }
            }
        }
    }
}
