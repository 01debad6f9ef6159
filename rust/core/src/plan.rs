//! Batches as a pure function of index, configuration, seed, epoch and batch number.

use std::sync::Arc;

use crate::epoch::Epoch;
use crate::mixture::{Kinds, Mixing, Shares};
use crate::packing::{Guard, Keys};
use crate::pairs::{MISSING, Pair, PairIndex};
use crate::thinning::Thinned;
use crate::{Error, Result};

/// Changes whenever the same configuration would give other batches.
pub const STREAM_VERSION: u64 = 1;

/// What is drawn by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The whole batch is of one kind.
    Batch,
    /// Each row is drawn by kind.
    Row,
}

/// What a cross-lingual batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cross {
    /// Rows of several strata.
    Mixed,
    /// Rows of one stratum.
    Homogeneous,
}

/// How much of the batches each language gets.
#[derive(Debug, Clone, PartialEq)]
pub enum LanguageWeights {
    /// The same for every language.
    Uniform,
    /// Proportional to size^t.
    Power(f64),
    /// One weight a language, 0 or more.
    Explicit(Vec<f64>),
}

/// Everything that decides a plan, beside the index and the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rows of a global batch.
    pub batch_size: usize,
    /// α, the share of monolingual batches (or rows).
    pub mono_ratio: f64,
    /// How the kinds alternate.
    pub mixing: Mixing,
    /// What is drawn by kind.
    pub unit: Unit,
    /// What a cross-lingual batch holds.
    pub cross: Cross,
    /// How much each language gets.
    pub language_weights: LanguageWeights,
    /// Batches of an epoch; by default Σ over languages of ⌊drawable queries / batch size⌋.
    pub batches_per_epoch: Option<u64>,
    /// What must not come twice in a batch.
    pub guard: Guard,
    /// Seed of everything random.
    pub seed: u64,
}

/// A kind of identity that the guard looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// The group.
    Group,
    /// The query identity.
    Query,
    /// The passage identity.
    Passage,
}

pub(crate) const KINDS: [IdentityKind; 3] = [
    IdentityKind::Group,
    IdentityKind::Query,
    IdentityKind::Passage,
];

/// An identity that has more rows in a stratum than a pass can place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequent {
    /// Which identity.
    pub kind: IdentityKind,
    /// Its value, as given.
    pub identity: u32,
    /// Query and passage language of the stratum; `None` for all strata together whose rows
    /// mix in a batch.
    pub stratum: Option<(usize, usize)>,
    /// Rows that have it.
    pub rows: u64,
    /// Rows that one pass can place.
    pub placed: u64,
}

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

/// Slots of a block, about.
const BLOCK_ROWS: u64 = 8192;

/// Batches of a block, at least.
const BLOCK_BATCHES: u64 = 64;

/// A stratum that may be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Stratum {
    pub(crate) query: usize,
    pub(crate) passage: usize,
    pub(crate) rows: u64,
    /// Batches of a homogeneous pass.
    pub(crate) batches: u64,
    /// Blocks of a homogeneous pass.
    pub(crate) blocks: u64,
    /// Which rows a mixed pass leaves out.
    pub(crate) thinned: Option<Thinned>,
}

impl Stratum {
    /// Rows of a pass.
    pub(crate) fn drawn(&self) -> u64 {
        self.thinned.as_ref().map_or(self.rows, |thinned| {
            self.rows - thinned.heavy.len() as u64 + thinned.kept
        })
    }
}

/// The strata that share the batches (or rows) of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) strata: Vec<usize>,
    pub(crate) shares: Shares,
    pub(crate) homogeneous: bool,
}

/// A checked configuration over an index: what every epoch has in common.
///
/// ```
/// use std::sync::Arc;
/// use hybrid_fast_core::mixture::Mixing;
/// use hybrid_fast_core::packing::Guard;
/// use hybrid_fast_core::pairs::{Columns, PairIndex};
/// use hybrid_fast_core::plan::{Config, Cross, LanguageWeights, Plan, Unit};
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
///     mono_ratio: 0.5,
///     mixing: Mixing::Exact,
///     unit: Unit::Batch,
///     cross: Cross::Mixed,
///     language_weights: LanguageWeights::Uniform,
///     batches_per_epoch: None,
///     guard: Guard { group: true, query: true, passage: true },
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
    pub(crate) index: Arc<PairIndex>,
    pub(crate) config: Config,
    pub(crate) strata: Vec<Stratum>,
    pub(crate) monolingual: Option<Lane>,
    pub(crate) cross: Option<Lane>,
    /// Batches of a block whose rows come from several strata.
    pub(crate) block_batches: u64,
    pub(crate) frequent: Vec<Frequent>,
    pub(crate) len: u64,
}

impl Plan {
    /// Checks that the data can fill what the configuration asks for.
    ///
    /// # Errors
    /// `InvalidArgument` for a value outside its range, `InfeasiblePlan`, naming stratum and
    /// count, where a batch could not be filled.
    pub fn new(index: Arc<PairIndex>, config: Config) -> Result<Arc<Self>> {
        if config.batch_size == 0 || config.batch_size as u64 > u64::from(MISSING) {
            return Err(Error::InvalidArgument(format!(
                "batch_size is {}, expected 1 or more",
                config.batch_size
            )));
        }
        Kinds::new(Mixing::Exact, config.mono_ratio, 0, 0)?;
        let weights = weights(&index, &config.language_weights)?;
        let strata = strata(&index, &weights);
        let weight = |one: &Stratum| weights[one.query] * weights[one.passage];
        let mut plan = Self {
            strata: strata.iter().map(|(one, _)| one.clone()).collect(),
            monolingual: None,
            cross: None,
            block_batches: 0,
            frequent: Vec::new(),
            len: 0,
            index,
            config,
        };
        let (mono, cross): (Vec<usize>, Vec<usize>) = (0..plan.strata.len())
            .partition(|&one| plan.strata[one].query == plan.strata[one].passage);
        if plan.config.mono_ratio > 0.0 {
            if mono.is_empty() {
                return Err(Error::InfeasiblePlan(
                    "no language has a cell with both query and passage, so no batch can be \
                     monolingual; set mono_ratio to 0"
                        .into(),
                ));
            }
            let shares = Shares::new(
                &mono
                    .iter()
                    .map(|&one| weights[plan.strata[one].query])
                    .collect::<Vec<_>>(),
            )?;
            let homogeneous = plan.config.unit == Unit::Batch;
            plan.monolingual = Some(Lane {
                strata: mono,
                shares,
                homogeneous,
            });
        }
        if plan.config.mono_ratio < 1.0 {
            if cross.is_empty() {
                return Err(Error::InfeasiblePlan(
                    "no group has a query in one language and a passage in another, so no batch \
                     can be cross-lingual; set mono_ratio to 1"
                        .into(),
                ));
            }
            let shares = Shares::new(
                &cross
                    .iter()
                    .map(|&one| weight(&plan.strata[one]))
                    .collect::<Vec<_>>(),
            )?;
            let homogeneous =
                plan.config.unit == Unit::Batch && plan.config.cross == Cross::Homogeneous;
            plan.cross = Some(Lane {
                strata: cross,
                shares,
                homogeneous,
            });
        }
        plan.shape()?;
        plan.len = plan.epoch_len(&weights)?;
        let plan = Arc::new(plan);
        plan.epoch(0)?.probe()?;
        Ok(plan)
    }

    /// Batches of an epoch.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether an epoch has no batch; never so for a plan that was made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The index that is drawn from.
    #[must_use]
    pub fn index(&self) -> &PairIndex {
        &self.index
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Strata that are drawn.
    #[must_use]
    pub fn shares(&self) -> Vec<Share> {
        [&self.monolingual, &self.cross]
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
                    } = self.strata[one];
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
        &self.frequent
    }

    /// The batches of epoch `epoch`.
    ///
    /// # Errors
    /// None for a plan that was made; the type leaves room for a table that cannot be built.
    pub fn epoch(self: &Arc<Self>, epoch: u64) -> Result<Epoch> {
        Epoch::new(Arc::clone(self), epoch)
    }

    pub(crate) fn name(&self, stratum: &Stratum) -> String {
        if stratum.query == stratum.passage {
            format!("the monolingual stratum of language {}", stratum.query)
        } else {
            format!(
                "the cross-lingual stratum language {} → language {}",
                stratum.query, stratum.passage
            )
        }
    }

    pub(crate) fn keys(&self, pair: Pair) -> Keys {
        [
            self.index.group(pair.query_cell),
            self.index.query_identity(pair.query_cell),
            self.index.passage_identity(pair.passage_cell),
        ]
    }

    pub(crate) fn pair(&self, stratum: &Stratum, row: u64) -> Pair {
        self.index.pair(stratum.query, stratum.passage, row as u32)
    }

    /// Checks the strata of each lane and decides passes and blocks.
    fn shape(&mut self) -> Result<()> {
        let size = self.config.batch_size as u64;
        let lanes: Vec<Lane> = [&self.monolingual, &self.cross]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let (whole, mixed): (Vec<Lane>, Vec<Lane>) =
            lanes.into_iter().partition(|lane| lane.homogeneous);
        for lane in &whole {
            for &one in &lane.strata {
                self.shape_homogeneous(one)?;
            }
        }
        if mixed.is_empty() {
            return Ok(());
        }
        let named: Vec<(usize, usize)> = mixed
            .iter()
            .flat_map(|lane| &lane.strata)
            .map(|&one| (self.strata[one].query, self.strata[one].passage))
            .collect();
        let groups = self.index.groups_of(&named);
        if groups < size {
            let what = match self.config.unit {
                Unit::Batch => "the cross-lingual strata together",
                Unit::Row => "all strata together",
            };
            return Err(Error::InfeasiblePlan(format!(
                "{what} have {groups} groups, fewer than batch_size = {size}; \
                 take smaller batches or more data"
            )));
        }
        self.thin(&mixed);
        self.block_batches = self.mixed_block_batches(&mixed);
        Ok(())
    }

    fn mixed_block_batches(&self, lanes: &[Lane]) -> u64 {
        let size = self.config.batch_size as u64;
        let target = BLOCK_BATCHES.max(BLOCK_ROWS.div_ceil(size));
        // Where all strata end their passes together, blocks end there too, if that is soon.
        let [lane] = lanes else { return target };
        let rows = self.strata[lane.strata[0]].drawn();
        let even = (1..lane.shares.len()).all(|item| {
            lane.shares.share(item) == lane.shares.share(0)
                && self.strata[lane.strata[item]].drawn() == rows
        });
        let together = rows * lane.shares.len() as u64;
        let batches = together / gcd(together, size);
        if even && self.config.unit == Unit::Batch && batches * size <= 4 * BLOCK_ROWS {
            batches * (target / batches).max(1)
        } else {
            target
        }
    }

    fn shape_homogeneous(&mut self, one: usize) -> Result<()> {
        let size = self.config.batch_size as u64;
        let stratum = self.strata[one].clone();
        if stratum.rows < size {
            return Err(Error::InfeasiblePlan(format!(
                "{} has {} rows, fewer than batch_size = {size}; take smaller batches, give one \
                 of its languages weight 0 or leave it out",
                self.name(&stratum),
                stratum.rows
            )));
        }
        let mut batches = stratum.rows / size;
        let mut busiest = 0;
        let mut surplus = Vec::new();
        for (number, kind) in KINDS.into_iter().enumerate().skip(1) {
            if !self.config.guard.switches()[number] {
                continue;
            }
            let counts = self.identity_counts(&stratum, number);
            let most = counts.iter().map(|&(_, count)| count).max().unwrap_or(0);
            busiest = busiest.max(most);
            if most <= stratum.rows / size {
                continue;
            }
            let placed = most_batches(&counts, stratum.rows / size, size);
            if placed == 0 {
                let different = counts.len();
                let what = if kind == IdentityKind::Query {
                    "query"
                } else {
                    "passage"
                };
                return Err(Error::InfeasiblePlan(format!(
                    "{} has {} rows but only {different} different {what} identities, fewer than \
                     batch_size = {size}; take smaller batches, or guard=(…) without \"{what}\"",
                    self.name(&stratum),
                    stratum.rows
                )));
            }
            batches = batches.min(placed);
            surplus.extend(
                counts
                    .into_iter()
                    .map(|(identity, count)| (kind, identity, count)),
            );
        }
        let of = Some((stratum.query, stratum.passage));
        self.frequent
            .extend(surplus.into_iter().filter(|one| one.2 > batches).map(
                |(kind, identity, rows)| Frequent {
                    kind,
                    identity,
                    stratum: of,
                    rows,
                    placed: batches,
                },
            ));
        let target = BLOCK_BATCHES.max(BLOCK_ROWS.div_ceil(size));
        // A busy identity must be spread over the whole pass, so the pass is one block.
        let blocks = if busiest > batches / 4 {
            1
        } else {
            (batches / target).max(1)
        };
        self.strata[one].batches = batches;
        self.strata[one].blocks = blocks;
        Ok(())
    }

    /// Identities of a stratum that come more than once and their counts; those that come
    /// once are in the list too, so its length is how many there are.
    fn identity_counts(&self, stratum: &Stratum, kind: usize) -> Vec<(u32, u64)> {
        let mut all: Vec<u32> = (0..stratum.rows)
            .map(|row| self.keys(self.pair(stratum, row))[kind])
            .collect();
        all.sort_unstable();
        all.chunk_by(|a, b| a == b)
            .map(|run| (run[0], run.len() as u64))
            .collect()
    }

    fn epoch_len(&self, weights: &[f64]) -> Result<u64> {
        if let Some(given) = self.config.batches_per_epoch {
            if given == 0 {
                return Err(Error::InvalidArgument(
                    "batches_per_epoch is 0, expected 1 or more".into(),
                ));
            }
            return Ok(given);
        }
        let size = self.config.batch_size as u64;
        let drawn: Vec<usize> = (0..self.index.languages())
            .filter(|&language| weights[language] > 0.0)
            .collect();
        let len = drawn
            .iter()
            .map(|&language| self.index.drawable_queries(language, &drawn) / size)
            .sum();
        if len == 0 {
            return Err(Error::InfeasiblePlan(format!(
                "an epoch would have 0 batches, for no language has {size} cells with a drawable \
                 query; give batches_per_epoch or take smaller batches"
            )));
        }
        Ok(len)
    }
}

/// The most batches, up to `limit`, of `size` rows with no identity twice in one.
fn most_batches(counts: &[(u32, u64)], limit: u64, size: u64) -> u64 {
    let enough = |batches: u64| {
        counts
            .iter()
            .map(|&(_, count)| count.min(batches))
            .sum::<u64>()
            >= batches * size
    };
    let (mut low, mut high) = (0, limit);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if enough(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The weight of each language; 0 where it has nothing to draw.
fn weights(index: &PairIndex, rule: &LanguageWeights) -> Result<Vec<f64>> {
    let all: Vec<usize> = (0..index.languages()).collect();
    let size = |language: usize| match index.stratum_len(language, language) {
        0 => index.drawable_queries(language, &all).max(
            all.iter()
                .map(|&other| index.stratum_len(other, language))
                .max()
                .unwrap_or(0),
        ),
        rows => rows,
    };
    match rule {
        LanguageWeights::Uniform => Ok(vec![1.0; all.len()]),
        LanguageWeights::Power(exponent) => {
            if !exponent.is_finite() {
                return Err(Error::InvalidArgument(format!(
                    "language_weights is the exponent {exponent}, expected a finite number"
                )));
            }
            let weight = |rows: u64| {
                if rows == 0 {
                    0.0
                } else {
                    (rows as f64).powf(*exponent)
                }
            };
            Ok(all.iter().map(|&language| weight(size(language))).collect())
        }
        LanguageWeights::Explicit(weights) => {
            if weights.len() != all.len() {
                return Err(Error::InvalidShape(format!(
                    "language_weights has {} weights for {} languages",
                    weights.len(),
                    all.len()
                )));
            }
            if let Some(language) = all
                .into_iter()
                .find(|&one| !(weights[one].is_finite() && weights[one] >= 0.0))
            {
                return Err(Error::InvalidArgument(format!(
                    "the weight of language {language} is {}, expected 0 or more",
                    weights[language]
                )));
            }
            if weights.iter().all(|&weight| weight == 0.0) {
                return Err(Error::InvalidArgument(
                    "every language has weight 0; give at least one a weight above 0".into(),
                ));
            }
            Ok(weights.clone())
        }
    }
}

/// Strata with pairs and a weight above 0, and that weight.
fn strata(index: &PairIndex, weights: &[f64]) -> Vec<(Stratum, f64)> {
    let languages = index.languages();
    (0..languages * languages)
        .map(|number| (number / languages, number % languages))
        .filter_map(|(query, passage)| {
            let rows = index.stratum_len(query, passage);
            let weight = weights[query] * weights[passage];
            let stratum = Stratum {
                query,
                passage,
                rows,
                batches: 0,
                blocks: 0,
                thinned: None,
            };
            (rows > 0 && weight > 0.0).then_some((stratum, weight))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::Columns;
    use crate::permutation::key;
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
            mono_ratio,
            mixing: Mixing::Exact,
            unit: Unit::Batch,
            cross: Cross::Mixed,
            language_weights: LanguageWeights::Uniform,
            batches_per_epoch: Some(60),
            guard: Guard {
                group: true,
                query: true,
                passage: true,
            },
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
                config.cross = Cross::Homogeneous;
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

        #[test]
        fn the_most_batches_is_the_brute_force_answer(
            counts in prop::collection::vec(1u64..12, 1..20),
            size in 1u64..6,
        ) {
            let counts: Vec<(u32, u64)> = (0..).zip(counts).collect();
            let rows: u64 = counts.iter().map(|one| one.1).sum();
            // Taking the identities with most rows left first is optimal for one key.
            let mut left: Vec<u64> = counts.iter().map(|one| one.1).collect();
            let mut batches = 0;
            loop {
                left.sort_unstable_by(|a, b| b.cmp(a));
                if (left.len() as u64) < size || left[size as usize - 1] == 0 {
                    break;
                }
                left[..size as usize].iter_mut().for_each(|one| *one -= 1);
                batches += 1;
            }
            prop_assert_eq!(most_batches(&counts, rows / size, size), batches);
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
