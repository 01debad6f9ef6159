//! Batches as a pure function of index, configuration, seed, epoch and batch number.

use std::sync::Arc;

use crate::epoch::Epoch;
use crate::layout::{Lane, Layout, Stratum};
use crate::pairs::PairIndex;
use crate::probing::probe;
use crate::pulse::Pulse;
use crate::ratio::Ratio;
use crate::{Error, Result};

pub use crate::configuration::{Config, Holds, LanguageWeights, Unit};
pub use crate::layout::{Frequent, IdentityKind};
pub use crate::streams::STREAM_VERSION;

/// A stratum that is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Query language.
    pub query: usize,
    /// Passage language.
    pub passage: usize,
    /// Pairs.
    pub rows: u64,
    /// Share of the batches (or rows) of its kind.
    pub share: f64,
    /// Batches of a homogeneous pass; 0 where rows of several strata mix.
    pub batches: u64,
}

/// A checked configuration over an index: what every epoch has in common.
///
/// ```
/// use std::sync::Arc;
/// use hybrid_fast_core::mixture::Mixing;
/// use hybrid_fast_core::packing::Guard;
/// use hybrid_fast_core::pairs::{Columns, PairIndex};
/// use hybrid_fast_core::ratio::Ratio;
/// use hybrid_fast_core::plan::{Config, Holds, LanguageWeights, Plan, Unit};
///
/// let cells: Vec<i64> = (0..80).collect();
/// let index = PairIndex::new(
///     Columns {
///         group: &cells.iter().map(|cell| cell / 2).collect::<Vec<_>>(),
///         language: &cells.iter().map(|cell| cell % 2).collect::<Vec<_>>(),
///         query: &cells,
///         passage: &cells,
///         query_identity: None,
///         passage_identity: None,
///     },
///     2,
/// )?;
/// let config = Config {
///     batch_size: 4,
///     ratio: Ratio::constant(0.5)?,
///     mixing: Mixing::Exact,
///     unit: Unit::Batch,
///     mono: Holds::Homogeneous,
///     cross: Holds::Mixed,
///     language_weights: LanguageWeights::Uniform,
///     mono_weights: None,
///     batches_per_epoch: None,
///     guard: Guard { group: true, query: true, passage: true },
///     guard_window: 1,
///     seed: 13,
/// };
/// let plan = Plan::new(Arc::new(index), config)?;
/// assert_eq!(plan.len(), 20);
/// let epoch = plan.epoch(0)?;
/// let all = epoch.batches(0, 20, &|_, _| true)?;
/// assert_eq!(all.is_mono.iter().filter(|mono| **mono).count(), 10);
/// assert_eq!(epoch.batches(7, 8, &|_, _| true)?.group, all.group[28..32]);
/// # Ok::<(), hybrid_fast_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Plan {
    layout: Arc<Layout>,
}

impl Plan {
    /// Checks that the data can fill what the configuration asks for.
    ///
    /// # Errors
    /// `InvalidArgument` for a value outside its range, `InfeasiblePlan`, naming stratum and
    /// count, where a batch could not be filled.
    pub fn new(index: Arc<PairIndex>, config: Config) -> Result<Arc<Self>> {
        Self::interruptible(index, config, &|| true)
    }

    /// [`new`](Self::new), asking now and then whether to go on.
    ///
    /// # Errors
    /// As `new`; `Interrupted` if `go_on` returned false.
    pub fn interruptible(
        index: Arc<PairIndex>,
        config: Config,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Arc<Self>> {
        let pulse = Pulse::new(go_on);
        let layout = Arc::new(Layout::new(index, config, &pulse)?);
        probe(&layout, &pulse)?;
        Ok(Arc::new(Self { layout }))
    }

    /// The same plan with another share of monolingual batches from some batch on; batches before it stay
    /// as they are if `ratio` does and the change is at a [`free_batch`](Self::free_batch).
    ///
    /// # Errors
    /// As [`new`](Self::new), where a kind comes up that the plan had none of; `InvalidArgument` where
    /// frequent identities are deferred by a share outside the planned range.
    pub fn with_ratio(&self, ratio: Ratio, go_on: &dyn Fn() -> bool) -> Result<Arc<Self>> {
        let layout = &self.layout;
        let ((least, most), (low, high)) = (layout.planned, ratio.range());
        let wider = low < least || high > most;
        let thinned = layout.strata.iter().any(|one| one.thinned.is_some());
        if wider && thinned && layout.shares_blocks() {
            return Err(Error::InvalidArgument(format!(
                "mono_ratio goes to {low} … {high}, outside the planned {least} … {most}, by which \
                 frequent identities are deferred; plan for the whole range from the start"
            )));
        }
        let lacks = |lane: &Option<Lane>, needed: bool| needed && lane.is_none();
        let grows = lacks(&layout.monolingual, high > 0.0) || lacks(&layout.cross, low < 1.0);
        let pulse = Pulse::new(go_on);
        let mut layout = Layout::clone(layout);
        layout.config.ratio = ratio;
        if grows {
            layout.serve(high > 0.0, low < 1.0, &pulse)?;
        }
        let layout = Arc::new(layout);
        if grows || wider {
            probe(&layout, &pulse)?;
        }
        Ok(Arc::new(Self { layout }))
    }

    /// The first batch of an epoch, from `batch` on, at which the share may change without touching an
    /// earlier one: the next block where all kinds share blocks.
    #[must_use]
    pub fn free_batch(&self, batch: u64) -> u64 {
        if self.layout.shares_blocks() {
            batch.next_multiple_of(self.layout.block_batches(false))
        } else {
            batch
        }
    }

    /// Batches of an epoch.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.layout.len
    }

    /// Whether an epoch has no batch; never so for a plan that was made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.len == 0
    }

    /// The index that is drawn from.
    #[must_use]
    pub fn index(&self) -> &PairIndex {
        &self.layout.index
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.layout.config
    }

    /// Strata that are drawn.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        [&self.layout.monolingual, &self.layout.cross]
            .into_iter()
            .flatten()
            .flat_map(|lane| {
                lane.strata.iter().enumerate().map(|(item, &one)| {
                    let Stratum {
                        query,
                        passage,
                        rows,
                        batches,
                        ..
                    } = self.layout.strata[one];
                    Share {
                        query,
                        passage,
                        rows,
                        share: lane.shares.share(item),
                        batches,
                    }
                })
            })
            .collect()
    }

    /// Identities with more rows than a pass can place; the surplus rows are deferred.
    #[must_use]
    pub fn frequent(&self) -> &[Frequent] {
        &self.layout.frequent
    }

    /// The batches of epoch `epoch`.
    ///
    /// # Errors
    /// None for a plan that was made; the type leaves room for a table that cannot be built.
    pub fn epoch(self: &Arc<Self>, epoch: u64) -> Result<Epoch> {
        Epoch::new(Arc::clone(&self.layout), epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::key;
    use crate::mixture::Mixing;
    use crate::packing::Guard;
    use crate::pairs::Columns;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn index(languages: usize, groups: usize, shared: usize, holes: u64, seed: u64) -> PairIndex {
        let cells: Vec<(usize, usize)> = (0..groups)
            .flat_map(|group| (0..languages).map(move |language| (group, language)))
            .collect();
        let side = |side: u64| -> Vec<i64> {
            (0..cells.len())
                .map(|row| {
                    if key(&[seed, side, row as u64]) % 16 < holes {
                        -1
                    } else {
                        row as i64
                    }
                })
                .collect()
        };
        let column = |value: fn(&(usize, usize)) -> usize| -> Vec<i64> {
            cells.iter().map(|cell| value(cell) as i64).collect()
        };
        let identity: Vec<i64> = cells.iter().map(|cell| (cell.0 / shared) as i64).collect();
        let columns = Columns {
            group: &column(|cell| cell.0),
            language: &column(|cell| cell.1),
            query: &side(0),
            passage: &side(1),
            query_identity: None,
            passage_identity: Some(&identity),
        };
        PairIndex::new(columns, languages).expect("the columns are well formed")
    }

    fn config(batch_size: usize, mono_ratio: f64, seed: u64) -> Config {
        Config {
            batch_size,
            ratio: Ratio::constant(mono_ratio).expect("a share"),
            mixing: Mixing::Exact,
            unit: Unit::Batch,
            mono: Holds::Homogeneous,
            cross: Holds::Mixed,
            language_weights: LanguageWeights::Uniform,
            mono_weights: None,
            batches_per_epoch: Some(60),
            guard: Guard {
                group: true,
                query: true,
                passage: true,
            },
            guard_window: 1,
            seed,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn no_identity_twice_in_a_batch(
            languages in 2usize..6,
            groups in 30usize..120,
            shared in 1usize..4,
            holes in 0u64..4,
            size in 1usize..7,
            ratio in 0.0f64..=1.0,
            homogeneous: bool,
            row: bool,
            seed: u64,
        ) {
            let index = Arc::new(index(languages, groups, shared, holes, seed));
            let mut config = config(size, ratio, seed);
            if homogeneous {
                config.cross = Holds::Homogeneous;
            }
            if row {
                config.unit = Unit::Row;
            }
            let plan = match Plan::new(Arc::clone(&index), config) {
                Ok(plan) => plan,
                Err(Error::InfeasiblePlan(_)) => return Ok(()),
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            };
            let epoch = plan.epoch(3)?;
            let all = epoch.batches(0, 60, &|_, _| true)?;
            for batch in 0..60 {
                let rows = batch * size..(batch + 1) * size;
                let groups: BTreeSet<_> = all.group[rows.clone()].iter().collect();
                let passages: BTreeSet<_> = all.group[rows.clone()]
                    .iter()
                    .map(|group| group / shared as i64)
                    .collect();
                prop_assert_eq!((groups.len(), passages.len()), (size, size));
                for place in rows {
                    let mono = all.is_mono[if row { place } else { batch }];
                    prop_assert_eq!(mono, all.query_language[place] == all.passage_language[place]);
                }
            }
            let part = plan.epoch(3)?.batches(23, 31, &|_, _| true)?;
            prop_assert_eq!(&part.pair[..], &all.pair[23 * size..31 * size]);
        }
    }

    #[test]
    fn a_thinned_pass_holds_no_row_twice() -> Result<()> {
        // Half of the groups share one passage, so most of their rows are left out of a pass.
        let cells: Vec<(i64, i64)> = (0..80).flat_map(|g| (0..3).map(move |l| (g, l))).collect();
        let rows: Vec<i64> = (0..240).collect();
        let columns = Columns {
            group: &cells.iter().map(|cell| cell.0).collect::<Vec<_>>(),
            language: &cells.iter().map(|cell| cell.1).collect::<Vec<_>>(),
            query: &rows,
            passage: &rows,
            query_identity: None,
            passage_identity: Some(
                &cells
                    .iter()
                    .map(|cell| if cell.0 < 40 { 999 } else { cell.0 })
                    .collect::<Vec<_>>(),
            ),
        };
        let plan = Plan::new(Arc::new(PairIndex::new(columns, 3)?), config(8, 0.0, 5))?;
        let frequent = plan.frequent();
        assert_eq!(
            (frequent.len(), frequent[0].identity, frequent[0].rows),
            (1, 999, 240)
        );
        assert!(frequent[0].placed < 60);
        let all = plan.epoch(0)?.batches(0, 60, &|_, _| true)?;
        let heavy = all.group.iter().filter(|group| **group < 40).count();
        assert!((50..=60).contains(&heavy), "{heavy}");
        Ok(())
    }

    #[test]
    fn refusals_name_stratum_and_count() {
        let index = Arc::new(index(2, 5, 1, 0, 0));
        let refuse = |config| match Plan::new(Arc::clone(&index), config) {
            Err(Error::InfeasiblePlan(message)) => message,
            other => panic!("{other:?}"),
        };
        assert!(refuse(config(6, 1.0, 0)).contains("language 0 has 5 rows"));
        assert!(refuse(config(6, 0.0, 0)).contains("5 groups"));
        let long = Config {
            batches_per_epoch: None,
            ..config(6, 0.5, 0)
        };
        assert!(refuse(long).contains("5 rows"));
    }
}
