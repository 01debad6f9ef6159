//! Streaming search: top-k and ranks without the whole score matrix.
//!
//! Passages are packed in chunks; within a chunk every block of queries is a task of the pool. A task
//! owns its queries' lists and counts, so no sum crosses a thread. Where passages have pools, they are
//! visited pool after pool, and one count serves both the rank over all passages and the rank in the pool.

use std::ops::Range;

use crate::kernel::{Column, GROUP, Kernel, LANES, Lane, pack_passages, pack_queries};
use crate::matrix::{Embeddings, MOST};
use crate::ranks::{Positives, Tally, Target, tally};
use crate::threads::Threads;
use crate::topk::{Best, Ids, Score, first_nan, joined};
use crate::{Error, Result};

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
    /// Threads; `None`: `RAYON_NUM_THREADS`, else all cores.
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

/// `f32` values of a strip of packed passages: it stays in the second-level cache.
const STRIP: usize = 1 << 16;
/// `f32` values packed at a time, at least and at most.
const CHUNK: Range<usize> = 1 << 20..1 << 23;
/// Multiply-adds between two calls of the progress callback.
const STEP: usize = 1 << 31;
/// Most queries in a task.
const BLOCK: usize = 64;

/// Passages of one pool that are scored together.
struct Strip {
    /// Positions in the order of visiting.
    place: Range<usize>,
    label: u32,
}

/// The queries of one task: each has its list and counts.
struct Block {
    queries: Range<usize>,
    shard: usize,
    best: Vec<Best<f32>>,
    targets: Range<usize>,
    tallies: Vec<Tally>,
    pool_tallies: Vec<Tally>,
    /// (position of the passage, query) of the first NaN.
    nan: Option<(usize, usize)>,
}

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
    let threads = Threads::new(threads, positives.len() as u64 * queries.columns() as u64)?;
    let kernel = Kernel::chosen()?;
    let mut rows: Vec<(usize, Vec<f32>)> = (0..queries.rows())
        .map(|query| (query, Vec::new()))
        .collect();
    let mut tasks: Vec<_> = rows.chunks_mut(BLOCK).collect();
    threads.each(&mut tasks, |_, block| {
        let (mut of_query, mut of_passage) = (Vec::new(), Vec::new());
        for (query, scores) in block.iter_mut() {
            let row = queries.row(*query, &mut of_query);
            scores.extend(positives.row(*query).iter().map(|&id| {
                kernel.pair(row, passages.row(id as usize - first_id, &mut of_passage))
            }));
        }
    });
    Ok(rows.into_iter().flat_map(|(_, scores)| scores).collect())
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
        let threads = Threads::new(self.threads, u64::try_from(work).unwrap_or(u64::MAX))?;
        self.run_on(&threads, tick)
    }

    fn run_on(&self, threads: &Threads, tick: &dyn Fn(usize, usize) -> bool) -> Result<Found> {
        let (queries, passages) = (self.queries.rows(), self.passages.rows());
        let dimension = self.queries.columns();
        let kernel = Kernel::chosen()?;

        let order = self.labels.and_then(order_by_label);
        let per_strip = (STRIP / dimension.max(1) / LANES).max(1) * LANES;
        let strips = self.strips(order.as_deref(), per_strip);
        let targets = self.sorted_targets();
        let columns = self.k.min(passages);
        let mut blocks = self.blocks(columns, &targets, threads.count(), strips.len());

        let in_chunk = (STEP / queries.max(1)).clamp(CHUNK.start, CHUNK.end);
        let strips_in_chunk = (in_chunk / (per_strip * dimension.max(1))).max(1);
        let in_step = (STEP / (strips_in_chunk * per_strip * dimension.max(1))).max(BLOCK);
        let shards = blocks.last().map_or(1, |block| block.shard + 1);
        let blocks_in_step = in_step.div_ceil(BLOCK) * shards;
        let steps = strips.len().div_ceil(strips_in_chunk) * blocks.len().div_ceil(blocks_in_step);

        let mut packed: Vec<Vec<Lane>> = Vec::new();
        let mut done = 0;
        for chunk in strips.chunks(strips_in_chunk) {
            packed.resize_with(chunk.len(), Vec::new);
            threads.each(&mut packed, |number, lanes| {
                let place = chunk[number].place.clone();
                lanes.resize(place.len().div_ceil(LANES) * dimension, [0.0; LANES]);
                let mut scratch = Vec::new();
                let rows = place.map(|p| order.as_ref().map_or(p, |order| order[p] as usize));
                pack_passages(&self.passages, rows, lanes, &mut scratch);
            });
            for step in blocks.chunks_mut(blocks_in_step) {
                threads.each(step, |_, block| {
                    let task = Task {
                        search: self,
                        kernel,
                        shards,
                        order: order.as_deref(),
                    };
                    task.score(block, chunk, &packed, &targets);
                });
                done += 1;
                if !tick(done, steps) {
                    return Err(Error::Interrupted);
                }
            }
            if let Some((place, query)) = blocks.iter().filter_map(|block| block.nan).min() {
                let passage = order.as_ref().map_or(place, |order| order[place] as usize);
                return Err(Error::NotANumber(format!(
                    "the score of query {query} and passage {} is NaN: a NaN in their embeddings, or \
                     infinities that cancel",
                    passage + self.first_id
                )));
            }
        }
        Ok(self.collect(blocks, shards, columns, &targets))
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

    /// Cuts the order of visiting into strips of one pool each.
    fn strips(&self, order: Option<&[u32]>, length: usize) -> Vec<Strip> {
        let passages = self.passages.rows();
        let label = |place: usize| match (self.labels, order) {
            (None, _) => 0,
            (Some(labels), None) => labels[place],
            (Some(labels), Some(order)) => labels[order[place] as usize],
        };
        let mut strips = Vec::new();
        let mut start = 0;
        while start < passages {
            let own = label(start);
            let longest = (start + length).min(passages);
            let end = (start..longest)
                .find(|&place| label(place) != own)
                .unwrap_or(longest);
            strips.push(Strip {
                place: start..end,
                label: own,
            });
            start = end;
        }
        strips
    }

    /// The targets, in ascending order of score within each query.
    fn sorted_targets(&self) -> Vec<Target<f32>> {
        let Some(targets) = &self.targets else {
            return Vec::new();
        };
        let mut sorted = Vec::with_capacity(targets.positives.len());
        for query in 0..self.queries.rows() {
            let range = targets.positives.range(query);
            let start = sorted.len();
            sorted.extend(
                range
                    .zip(targets.positives.row(query))
                    .map(|(place, &id)| Target {
                        score: targets.scores[place],
                        id: id as u32,
                        label: targets.labels.map_or(0, |labels| labels[place]),
                        place,
                    }),
            );
            sorted[start..].sort_by(|a, b| a.score.ascending(&b.score));
        }
        sorted
    }

    /// Query blocks; few queries are divided further into shards of the passages.
    fn blocks(
        &self,
        columns: usize,
        targets: &[Target<f32>],
        threads: usize,
        strips: usize,
    ) -> Vec<Block> {
        let queries = self.queries.rows();
        let height = queries
            .div_ceil(4 * threads)
            .next_multiple_of(GROUP)
            .clamp(GROUP, BLOCK);
        let wanted = if threads == 1 { 1 } else { 2 * threads };
        let shards = wanted
            .div_ceil(queries.div_ceil(height).max(1))
            .clamp(1, strips.max(1));
        let mut blocks = Vec::new();
        for first in (0..queries).step_by(height) {
            let range = first..(first + height).min(queries);
            let own = self.targets.as_ref().map_or(0..0, |targets| {
                targets.positives.range(range.start).start
                    ..targets.positives.range(range.end - 1).end
            });
            let counted = vec![Tally::default(); own.len()];
            let in_pool = if self.labels.is_some() {
                counted.clone()
            } else {
                Vec::new()
            };
            debug_assert!(own.end <= targets.len());
            blocks.extend((0..shards).map(|shard| Block {
                queries: range.clone(),
                shard,
                best: vec![Best::new(columns); range.len()],
                targets: own.clone(),
                tallies: counted.clone(),
                pool_tallies: in_pool.clone(),
                nan: None,
            }));
        }
        blocks
    }

    fn collect(
        &self,
        blocks: Vec<Block>,
        shards: usize,
        columns: usize,
        targets: &[Target<f32>],
    ) -> Found {
        let counted = if self.targets.is_some() {
            targets.len()
        } else {
            0
        };
        let in_pool = if self.labels.is_some() { counted } else { 0 };
        let size = columns * self.queries.rows();
        let mut found = Found {
            columns,
            ids: Vec::with_capacity(size),
            scores: Vec::with_capacity(size),
            tallies: vec![Tally::default(); counted],
            pool_tallies: vec![Tally::default(); in_pool],
        };
        let mut blocks = blocks.into_iter().peekable();
        while blocks.peek().is_some() {
            let mut lists = Vec::new();
            for block in blocks.by_ref().take(shards) {
                for (target, tally) in targets[block.targets.clone()].iter().zip(block.tallies) {
                    found.tallies[target.place] += tally;
                }
                for (target, tally) in targets[block.targets].iter().zip(block.pool_tallies) {
                    found.pool_tallies[target.place] += tally;
                }
                lists.push(block.best.into_iter());
            }
            while let Some(parts) = lists
                .iter_mut()
                .map(Iterator::next)
                .collect::<Option<Vec<_>>>()
            {
                for (score, id) in joined(parts) {
                    found.scores.push(score);
                    found.ids.push(i64::from(id));
                }
            }
        }
        found
    }
}

/// The order that visits passages pool after pool, ids up within a pool; `None` when they stand so.
fn order_by_label(labels: &[u32]) -> Option<Vec<u32>> {
    if labels.is_sorted() {
        return None;
    }
    let mut order: Vec<u32> = (0..labels.len() as u32).collect();
    order.sort_by_key(|&passage| labels[passage as usize]);
    Some(order)
}

/// What a task of the pool needs besides its block.
struct Task<'a> {
    search: &'a Search<'a>,
    kernel: Kernel,
    shards: usize,
    order: Option<&'a [u32]>,
}

impl Task<'_> {
    /// Scores a block's queries against its share of a chunk.
    fn score(
        &self,
        block: &mut Block,
        chunk: &[Strip],
        packed: &[Vec<Lane>],
        targets: &[Target<f32>],
    ) {
        if block.nan.is_some() {
            return;
        }
        let dimension = self.search.queries.columns();
        let groups = block.queries.len().div_ceil(GROUP);
        let mut columns: Vec<Column> = vec![[0.0; GROUP]; groups * dimension];
        let mut scratch = Vec::new();
        for group in 0..groups {
            let place = group * dimension..(group + 1) * dimension;
            let first = block.queries.start + group * GROUP;
            pack_queries(
                &self.search.queries,
                first,
                &mut columns[place],
                &mut scratch,
            );
        }
        let widest = chunk
            .iter()
            .map(|strip| strip.place.len())
            .max()
            .unwrap_or(0);
        let mut scores: [Vec<f32>; GROUP] =
            std::array::from_fn(|_| vec![0.0; widest.next_multiple_of(LANES)]);
        let mut counting = Counting::default();
        for number in (block.shard..chunk.len()).step_by(self.shards) {
            let strip = &chunk[number];
            for group in 0..groups {
                let place = group * dimension..(group + 1) * dimension;
                self.kernel
                    .tile(&columns[place], &packed[number], &mut scores);
                for (member, row) in scores.iter().enumerate() {
                    let place = group * GROUP + member;
                    if place < block.queries.len() {
                        self.take(
                            block,
                            place,
                            &row[..strip.place.len()],
                            strip,
                            targets,
                            &mut counting,
                        );
                    }
                }
            }
            if block.nan.is_some() {
                return;
            }
        }
    }

    /// Hands one query's scores of a strip to its list and counts.
    fn take(
        &self,
        block: &mut Block,
        place: usize,
        scores: &[f32],
        strip: &Strip,
        targets: &[Target<f32>],
        counting: &mut Counting,
    ) {
        let query = block.queries.start + place;
        if self.kernel.any_nan(scores) {
            if let Some(offset) = first_nan(scores) {
                let here = (strip.place.start + offset, query);
                block.nan = Some(block.nan.map_or(here, |nan| nan.min(here)));
            }
            return;
        }
        let first_id = self.search.first_id as u32;
        let ids = match self.order {
            None => Ids::From(first_id + strip.place.start as u32),
            Some(order) if first_id == 0 => Ids::Listed(&order[strip.place.clone()]),
            Some(order) => {
                counting.ids.clear();
                counting
                    .ids
                    .extend(order[strip.place.clone()].iter().map(|id| id + first_id));
                Ids::Listed(&counting.ids)
            }
        };
        block.best[place].offer(self.kernel, scores, ids);
        let Some(given) = &self.search.targets else {
            return;
        };
        let range = given.positives.range(query);
        if range.is_empty() {
            return;
        }
        let own = range.start - block.targets.start..range.end - block.targets.start;
        let targets = &targets[range];
        let tallies = &mut block.tallies[own.clone()];
        if self.search.labels.is_none() {
            tally(
                self.kernel,
                scores,
                ids,
                targets,
                tallies,
                &mut counting.histogram,
            );
            return;
        }
        counting.here.clear();
        counting.here.resize(targets.len(), Tally::default());
        tally(
            self.kernel,
            scores,
            ids,
            targets,
            &mut counting.here,
            &mut counting.histogram,
        );
        let pools = &mut block.pool_tallies[own];
        for (((target, here), tally), pool) in
            targets.iter().zip(&counting.here).zip(tallies).zip(pools)
        {
            *tally += *here;
            if target.label == strip.label {
                *pool += *here;
            }
        }
    }
}

/// Working memory of a task.
#[derive(Default)]
struct Counting {
    histogram: Vec<u32>,
    here: Vec<Tally>,
    ids: Vec<u32>,
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
            (queries, passages, dimension) in (0usize..30, 0usize..300, 1usize..9),
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
                threads: Some(threads),
            };
            search.check().expect("valid");
            // As if the work were large, to meet several shards and blocks.
            let pool = Threads::new(Some(threads), u64::MAX).expect("valid");
            let found = search.run_on(&pool, &go_on).expect("no NaN");
            let plain = Search { labels: None, ..search }.run(&go_on).expect("no NaN");
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
