//! What a plan draws, counted from its batches alone.
//!
//! Nothing here asks the packer what it did: identities are read from the index and compared anew,
//! counts come from the rows. The result is the same for any number of threads.

mod chunk;
mod coverage;
mod deviation;
mod drift;
mod numbering;
mod recount;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::Xxh3;

use crate::plan::{Plan, Unit};
use crate::threads::Threads;
use crate::{Error, Result};
use chunk::{Chunk, Counting};
use coverage::Coverage;
use deviation::Deviation;
use drift::Drift;
use numbering::Numbering;

pub use drift::Mark;

/// Rows counted by one thread at a time, about.
const CHUNK_ROWS: usize = 1 << 14;

/// Chunks of each thread between two foldings.
const CHUNKS_A_THREAD: usize = 32;

/// Elementary steps of a row, about.
const STEPS_A_ROW: u64 = 16;

/// How to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Threads; `None`: the default number.
    pub threads: Option<usize>,
    /// How many marks of the mix over time to keep, beside the one at the start.
    pub marks: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: None,
            marks: 100,
        }
    }
}

/// What a plan draws. Columns of strata are aligned with [`PairIndex::strata`](crate::pairs::PairIndex::strata).
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// Rows drawn of each stratum.
    pub strata: Vec<u64>,
    /// Different pairs drawn of each stratum.
    pub pairs: Vec<u64>,
    /// Groups seen with the query in each language.
    pub query_groups: Vec<u64>,
    /// Groups seen with the passage in each language.
    pub passage_groups: Vec<u64>,
    /// Groups of the index with a query in each language.
    pub query_cells: Vec<u64>,
    /// Groups of the index with a passage in each language.
    pub passage_cells: Vec<u64>,
    /// Monolingual batches (rows, when rows are drawn by kind).
    pub monolingual: u64,
    /// The greatest distance of the monolingual count from the ratio over every prefix of an epoch.
    pub drift: f64,
    /// The greatest distance of each stratum's count from its share of the batches (rows, where rows
    /// of several strata mix) of its kind, over every prefix of an epoch.
    pub deviations: Vec<f64>,
    /// Rows whose group, query identity and passage identity came before within the guarded batches.
    pub repeated: [u64; 3],
    /// Rows that bring a text which an earlier row brought within the guarded batches.
    pub repeated_texts: u64,
    /// Rows that stand in for a row of the pass that could not be placed.
    pub substitutes: u64,
    /// The mix over time.
    pub marks: Vec<Mark>,
    /// XXH3-128 of the XXH3-128 of each batch: pair ids as 8 bytes each, then kinds as one byte each;
    /// everything least byte first.
    pub digest: u128,
}

/// Counts `batches` batches from the start of epoch `epoch`, going on with the next epochs.
/// `tick` is called now and then with (done, total) and stops the work by returning false.
///
/// ```
/// # use std::sync::Arc;
/// # use hybrid_fast_core::mixture::Mixing;
/// # use hybrid_fast_core::packing::Guard;
/// # use hybrid_fast_core::pairs::{Columns, PairIndex};
/// # use hybrid_fast_core::ratio::Ratio;
/// # use hybrid_fast_core::plan::{Config, Holds, LanguageWeights, Plan, Unit};
/// use hybrid_fast_core::audit::{Options, audit};
/// # let cells: Vec<i64> = (0..80).collect();
/// # let index = PairIndex::new(
/// #     Columns {
/// #         group: &cells.iter().map(|cell| cell / 2).collect::<Vec<_>>(),
/// #         language: &cells.iter().map(|cell| cell % 2).collect::<Vec<_>>(),
/// #         query: &cells,
/// #         passage: &cells,
/// #         query_identity: None,
/// #         passage_identity: None,
/// #     },
/// #     2,
/// # )?;
/// # let config = Config {
/// #     batch_size: 4,
/// #     ratio: Ratio::constant(0.5)?,
/// #     mixing: Mixing::Exact,
/// #     unit: Unit::Batch,
/// #     mono: Holds::Homogeneous,
/// #     cross: Holds::Mixed,
/// #     language_weights: LanguageWeights::Uniform,
/// #     mono_weights: None,
/// #     batches_per_epoch: None,
/// #     guard: Guard { group: true, query: true, passage: true },
/// #     guard_window: 1,
/// #     seed: 13,
/// # };
/// let plan = Plan::new(Arc::new(index), config)?;
/// let found = audit(&plan, 0, plan.len(), Options::default(), &|_, _| true)?;
/// assert_eq!(found.strata.iter().sum::<u64>(), 80);
/// assert_eq!(found.repeated, [0, 0, 0]);
/// assert!(found.drift <= 0.5);
/// # Ok::<(), hybrid_fast_core::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` for 0 threads, more than memory holds or an index whose file was cut short,
/// `Interrupted` if `tick` says so, and what
/// [`Epoch::batches`](crate::epoch::Epoch::batches) returns.
pub fn audit(
    plan: &Arc<Plan>,
    epoch: u64,
    batches: u64,
    options: Options,
    tick: &dyn Fn(usize, usize) -> bool,
) -> Result<Audit> {
    let size = plan.config().batch_size;
    let steps = batches
        .saturating_mul(size as u64)
        .saturating_mul(STEPS_A_ROW);
    let threads = Threads::new(options.threads, steps)?;
    let index = plan.index();
    let numbering = Numbering::new(index)?;
    let mut coverage = Coverage::new(index, &numbering)?;
    let counting = Counting::new(plan, &numbering, coverage.part_bits());
    let (ratio, slots) = match plan.config().unit {
        Unit::Batch => (plan.config().ratio.clone(), 1),
        Unit::Row => (plan.config().ratio.over_rows(size as u64)?, size as u64),
    };
    let mut drift = Drift::new(
        ratio,
        plan.len() * slots,
        epoch,
        batches * slots,
        options.marks,
    );
    let mut deviation = Deviation::new(counting.shares(), &numbering.alone());
    let mut strata = vec![0; numbering.len()];
    let (mut repeated, mut repeated_texts, mut substitutes) = ([0; 3], 0, 0);
    let mut digest = Xxh3::new();
    let window = counting.window();
    let step = (CHUNK_ROWS / size).max(1).next_multiple_of(window) as u64;
    let mut current = (epoch, Arc::new(plan.epoch(epoch)?));
    let mut planned = 0;
    while planned < batches {
        index.whole()?;
        let mut wave = Vec::new();
        let begun = planned;
        while planned < batches && wave.len() < threads.count() * CHUNKS_A_THREAD {
            let (later, start) = (planned / plan.len(), planned % plan.len());
            if current.0 != epoch + later {
                current = (epoch + later, Arc::new(plan.epoch(epoch + later)?));
            }
            let stop = (start + step)
                .min(plan.len())
                .min(start + batches - planned);
            wave.push(Chunk::new(Arc::clone(&current.1), start..stop));
            planned += stop - start;
        }
        let done = AtomicU64::new(begun);
        let work = |_: usize, chunk: &mut Chunk| {
            chunk.count(&counting);
            done.fetch_add(chunk.len(), Ordering::Relaxed);
        };
        let go_on = || {
            tick(done.load(Ordering::Relaxed) as usize, batches as usize) && index.whole().is_ok()
        };
        if !threads.each_while(&mut wave, work, go_on) {
            index.whole()?;
            return Err(Error::Interrupted);
        }
        let mut places = Vec::with_capacity(wave.len());
        for chunk in wave {
            let first = chunk.is_first();
            let counted = chunk.counted()?;
            if first {
                drift.start_epoch();
                deviation.start_epoch();
            }
            drift.add(&counted.is_mono);
            deviation.add(&counted.monolingual, &counted.cross);
            for (stratum, rows) in counted.strata {
                strata[stratum as usize] += rows;
            }
            for (sum, one) in repeated.iter_mut().zip(counted.repeated) {
                *sum += one;
            }
            repeated_texts += counted.repeated_texts;
            substitutes += counted.substitutes;
            digest.update(&counted.hashes);
            places.push(counted.places);
        }
        coverage.add(&places, &threads);
        if !tick(planned as usize, batches as usize) {
            return Err(Error::Interrupted);
        }
    }
    let seen = coverage.seen(index, &numbering)?;
    Ok(Audit {
        strata,
        pairs: seen.pairs,
        query_groups: seen.query_groups,
        passage_groups: seen.passage_groups,
        query_cells: seen.query_cells,
        passage_cells: seen.passage_cells,
        monolingual: drift.monolingual(),
        drift: drift.most(),
        deviations: deviation.most(),
        repeated,
        repeated_texts,
        substitutes,
        marks: drift.marks(),
        digest: digest.digest128(),
    })
}

#[cfg(test)]
mod tests;
