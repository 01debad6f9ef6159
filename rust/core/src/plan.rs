//! Batches as a pure function of index, configuration, seed, epoch and batch number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::mixture::{Cursor, Kinds, Mixing, Shares, Turns};
use crate::packing::{Candidate, Guard, Keys, clash, pack};
use crate::pairs::{MISSING, Pair, PairIndex};
use crate::permutation::{Permutation, key, mix};
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

const KINDS: [IdentityKind; 3] = [
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
    /// Query language of the stratum.
    pub query: usize,
    /// Passage language of the stratum.
    pub passage: usize,
    /// Rows of the stratum that have it.
    pub rows: u64,
    /// Rows that one pass can place.
    pub placed: u64,
}

/// Slots of a block, about.
const BLOCK_ROWS: u64 = 8192;

/// Batches of a block, at least.
const BLOCK_BATCHES: u64 = 64;

/// Blocks kept ready beside those in use.
const SPARE_BLOCKS: usize = 8;

/// Streams of random numbers within an epoch.
#[derive(Clone, Copy)]
enum Stream {
    Kind = 1,
    MonolingualTurn = 2,
    CrossTurn = 3,
    Pass = 4,
    Packing = 5,
    Substitute = 6,
}

/// A stratum that may be drawn.
#[derive(Debug, Clone)]
struct Stratum {
    query: usize,
    passage: usize,
    rows: u64,
    /// Batches of a homogeneous pass.
    batches: u64,
    /// Blocks of a homogeneous pass.
    blocks: u64,
}

/// The strata that share the batches (or rows) of one kind.
#[derive(Debug, Clone)]
struct Lane {
    strata: Vec<usize>,
    shares: Shares,
    homogeneous: bool,
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
    index: Arc<PairIndex>,
    config: Config,
    strata: Vec<Stratum>,
    monolingual: Option<Lane>,
    cross: Option<Lane>,
    /// Batches of a block whose rows come from several strata.
    block_batches: u64,
    frequent: Vec<Frequent>,
    len: u64,
}

/// Batches one after another; rows are flattened, `batch_size` a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batches {
    /// One a batch, or one a row if rows are drawn by kind.
    pub is_mono: Vec<bool>,
    /// Group ids as given.
    pub group: Vec<i64>,
    /// Query rows as given.
    pub query: Vec<i64>,
    /// Passage rows as given.
    pub passage: Vec<i64>,
    /// Language of each query.
    pub query_language: Vec<i16>,
    /// Language of each passage.
    pub passage_language: Vec<i16>,
    /// Position of the query's cell × languages + passage language.
    pub pair: Vec<i64>,
    /// Rows that stand in for a row of the pass that could not be placed.
    pub substitutes: u64,
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

    /// Strata that are drawn: query language, passage language, rows and share of their kind.
    #[must_use]
    pub fn shares(&self) -> Vec<(usize, usize, u64, f64)> {
        [&self.monolingual, &self.cross]
            .into_iter()
            .flatten()
            .flat_map(|lane| {
                lane.strata.iter().enumerate().map(|(item, &one)| {
                    let stratum = &self.strata[one];
                    let rows = self.index.stratum_len(stratum.query, stratum.passage);
                    (
                        stratum.query,
                        stratum.passage,
                        rows,
                        lane.shares.share(item),
                    )
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

    fn name(&self, stratum: &Stratum) -> String {
        if stratum.query == stratum.passage {
            format!("the monolingual stratum of language {}", stratum.query)
        } else {
            format!(
                "the cross-lingual stratum language {} → language {}",
                stratum.query, stratum.passage
            )
        }
    }

    fn keys(&self, pair: Pair) -> Keys {
        [
            self.index.group(pair.query_cell),
            self.index.query_identity(pair.query_cell),
            self.index.passage_identity(pair.passage_cell),
        ]
    }

    fn pair(&self, stratum: &Stratum, row: u64) -> Pair {
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
        self.block_batches = self.mixed_block_batches(&mixed);
        Ok(())
    }

    fn mixed_block_batches(&self, lanes: &[Lane]) -> u64 {
        let size = self.config.batch_size as u64;
        let target = BLOCK_BATCHES.max(BLOCK_ROWS.div_ceil(size));
        // Where all strata end their passes together, blocks end there too, if that is soon.
        let [lane] = lanes else { return target };
        let rows = self.strata[lane.strata[0]].rows;
        let even = (1..lane.shares.len()).all(|item| {
            lane.shares.share(item) == lane.shares.share(0)
                && self.strata[lane.strata[item]].rows == rows
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
        let (query, passage) = (stratum.query, stratum.passage);
        self.frequent
            .extend(surplus.into_iter().filter(|one| one.2 > batches).map(
                |(kind, identity, rows)| Frequent {
                    kind,
                    identity,
                    query,
                    passage,
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

    fn homogeneous_block(
        &self,
        streams: Streams,
        one: usize,
        pass: u64,
        block: u64,
    ) -> Result<Block> {
        let stratum = &self.strata[one];
        let size = self.config.batch_size as u64;
        let (start, end) = (batch_bound(stratum, block), batch_bound(stratum, block + 1));
        let left = stratum.rows - stratum.batches * size;
        let row_bound = |block: u64, batch: u64| batch * size + left * block / stratum.blocks;
        let order = self.order(streams, one, pass);
        let pairs: Vec<Pair> = (row_bound(block, start)..row_bound(block + 1, end))
            .map(|position| self.pair(stratum, order.at(position)))
            .collect();
        let slots = vec![0; ((end - start) * size) as usize];
        let classes = [one];
        self.packed(
            &slots,
            &classes,
            &vec![0; pairs.len()],
            pairs,
            streams.number(
                Stream::Packing,
                &[stratum.query as u64, stratum.passage as u64, pass, block],
            ),
        )
    }

    fn order(&self, streams: Streams, one: usize, pass: u64) -> Permutation {
        let stratum = &self.strata[one];
        let of = [stratum.query as u64, stratum.passage as u64, pass];
        Permutation::new(stratum.rows, streams.number(Stream::Pass, &of))
    }

    /// Rows for `turns`, one (stratum, earlier turns of it) a slot.
    fn mixed_block(&self, streams: Streams, turns: &[(usize, u64)], block: u64) -> Result<Block> {
        let mut numbers = BTreeMap::new();
        let mut classes = Vec::new();
        let mut orders = Vec::new();
        let mut slots = Vec::with_capacity(turns.len());
        let mut pairs = Vec::with_capacity(turns.len());
        for &(one, turn) in turns {
            let rows = self.strata[one].rows;
            let pass = turn / rows;
            let class = *numbers.entry((one, pass)).or_insert_with(|| {
                classes.push(one);
                orders.push(self.order(streams, one, pass));
                classes.len() - 1
            });
            slots.push(class as u32);
            pairs.push(self.pair(&self.strata[one], orders[class].at(turn % rows)));
        }
        let seed = streams.number(Stream::Packing, &[u64::MAX, block]);
        self.packed(&slots, &classes, &slots, pairs, seed)
    }

    fn packed(
        &self,
        slots: &[u32],
        classes: &[usize],
        class_of: &[u32],
        pairs: Vec<Pair>,
        seed: u64,
    ) -> Result<Block> {
        let size = self.config.batch_size;
        let candidates: Vec<Candidate> = pairs
            .iter()
            .zip(class_of)
            .map(|(&pair, &class)| Candidate {
                class,
                keys: self.keys(pair),
            })
            .collect();
        let packed = pack(slots, size, &candidates, self.config.guard, seed);
        let mut rows: Vec<Option<Pair>> = packed
            .into_iter()
            .map(|one| one.map(|one| pairs[one as usize]))
            .collect();
        let mut substituted = vec![0u32; rows.len() / size];
        for slot in 0..rows.len() {
            if rows[slot].is_none() {
                let batch = slot / size;
                let range = batch * size..(batch + 1) * size;
                let strata: Vec<usize> = slots[range.clone()]
                    .iter()
                    .map(|&class| classes[class as usize])
                    .collect();
                let seed = key(&[Stream::Substitute as u64, seed, slot as u64]);
                self.substitute(&mut rows[range], &strata, slot % size, seed)?;
                substituted[batch] += 1;
            }
        }
        Ok(Block {
            pairs: rows.into_iter().flatten().collect(),
            substituted,
        })
    }

    /// Fills one place of a batch with any row of its stratum that clashes with no other; if
    /// there is none, one other row of the batch is exchanged too.
    fn substitute(
        &self,
        batch: &mut [Option<Pair>],
        strata: &[usize],
        place: usize,
        seed: u64,
    ) -> Result<()> {
        let switches = self.config.guard.switches();
        let clashes = |batch: &[Option<Pair>], keys: Keys| -> Vec<usize> {
            (0..batch.len())
                .filter(|&other| {
                    batch[other].is_some_and(|there| clash(keys, self.keys(there), switches))
                })
                .collect()
        };
        let rows = |one: usize, seed: u64| {
            let stratum = &self.strata[one];
            let start = mix(seed) % stratum.rows;
            (0..stratum.rows).map(move |step| (start + step) % stratum.rows)
        };
        let mut second = Vec::new();
        for row in rows(strata[place], seed) {
            let pair = self.pair(&self.strata[strata[place]], row);
            match clashes(batch, self.keys(pair))[..] {
                [] => {
                    batch[place] = Some(pair);
                    return Ok(());
                }
                [other] if second.len() < 4096 => second.push((pair, other)),
                _ => {}
            }
        }
        for (pair, other) in second {
            let before = batch[other].take();
            batch[place] = Some(pair);
            for row in rows(strata[other], seed) {
                let partner = self.pair(&self.strata[strata[other]], row);
                if clashes(batch, self.keys(partner)).is_empty() {
                    batch[other] = Some(partner);
                    return Ok(());
                }
            }
            batch[other] = before;
            batch[place] = None;
        }
        Err(Error::InfeasiblePlan(format!(
            "{} has too few different groups, queries or passages for its share of a batch of {}; \
             take smaller batches, give one of its languages weight 0 or switch a guard off",
            self.name(&self.strata[strata[place]]),
            self.config.batch_size
        )))
    }
}

/// Hashes the streams of one epoch apart.
#[derive(Debug, Clone, Copy)]
struct Streams {
    base: u64,
}

impl Streams {
    fn number(self, stream: Stream, parts: &[u64]) -> u64 {
        let mut all = vec![self.base, stream as u64];
        all.extend_from_slice(parts);
        key(&all)
    }
}

/// Consecutive batches whose rows were packed together.
#[derive(Debug)]
struct Block {
    pairs: Vec<Pair>,
    /// Rows of each batch that stand in for another.
    substituted: Vec<u32>,
}

/// Which block: a homogeneous one (stratum, pass, number), or one of several strata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockId {
    Homogeneous(usize, u64, u64),
    Mixed(u64),
}

/// The batches of one epoch.
#[derive(Debug)]
pub struct Epoch {
    plan: Arc<Plan>,
    streams: Streams,
    kinds: Kinds,
    monolingual: Option<Turns>,
    cross: Option<Turns>,
    /// Blocks built last, the latest at the end.
    recent: Mutex<Vec<(BlockId, Arc<Block>)>>,
}

impl Epoch {
    fn new(plan: Arc<Plan>, epoch: u64) -> Result<Self> {
        let streams = Streams {
            base: key(&[STREAM_VERSION, plan.config.seed, epoch]),
        };
        let size = plan.config.batch_size as u64;
        let units = match plan.config.unit {
            Unit::Batch => plan.len,
            Unit::Row => plan.len * size,
        };
        let kinds = Kinds::new(
            plan.config.mixing,
            plan.config.mono_ratio,
            streams.number(Stream::Kind, &[]),
            units,
        )?;
        let mono = kinds.monolingual_before(units);
        let turns = |lane: &Lane, stream: Stream, units: u64| {
            let rows_per_unit = if lane.homogeneous || plan.config.unit == Unit::Row {
                1
            } else {
                size
            };
            Turns::new(
                lane.shares.clone(),
                streams.number(stream, &[]),
                units * rows_per_unit,
            )
        };
        let monolingual = plan
            .monolingual
            .as_ref()
            .map(|lane| turns(lane, Stream::MonolingualTurn, mono));
        let cross = plan
            .cross
            .as_ref()
            .map(|lane| turns(lane, Stream::CrossTurn, units - mono));
        Ok(Self {
            streams,
            kinds,
            monolingual,
            cross,
            recent: Mutex::default(),
            plan,
        })
    }

    /// Batches `start..stop` of the epoch; `tick` is called between batches with (done, total)
    /// and stops the work by returning false.
    ///
    /// # Errors
    /// `OutOfRange` past the epoch's end, `Interrupted` if `tick` says so, `InfeasiblePlan` if
    /// a batch cannot be filled without an identity twice.
    pub fn batches(
        &self,
        start: u64,
        stop: u64,
        tick: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Batches> {
        if stop > self.plan.len || start > stop {
            return Err(Error::OutOfRange(format!(
                "batches {start} to {stop} are not within the epoch's {}",
                self.plan.len
            )));
        }
        let mut out = Batches::default();
        let size = self.plan.config.batch_size;
        let rows = (stop - start) as usize * size;
        for column in [
            &mut out.group,
            &mut out.query,
            &mut out.passage,
            &mut out.pair,
        ] {
            column.reserve_exact(rows);
        }
        out.query_language.reserve_exact(rows);
        out.passage_language.reserve_exact(rows);
        let mut readers = Readers::default();
        for (done, number) in (start..stop).enumerate() {
            if done % 256 == 255 && !tick(done, (stop - start) as usize) {
                return Err(Error::Interrupted);
            }
            let (block, batch) = match self.plan.config.unit {
                Unit::Row => {
                    let slots = number * size as u64..(number + 1) * size as u64;
                    out.is_mono
                        .extend(slots.map(|slot| self.kinds.is_monolingual(slot)));
                    self.mixed(number)?
                }
                Unit::Batch => {
                    let mono = self.kinds.is_monolingual(number);
                    out.is_mono.push(mono);
                    self.of_kind(mono, number, &mut readers)?
                }
            };
            out.substitutes += u64::from(block.substituted[batch]);
            for &pair in &block.pairs[batch * size..(batch + 1) * size] {
                self.write(pair, &mut out);
            }
        }
        Ok(out)
    }

    /// Builds the first block of every lane, so that data that cannot fill a batch is
    /// refused before training and not in the middle of it.
    fn probe(&self) -> Result<()> {
        let lanes = [&self.plan.monolingual, &self.plan.cross];
        for lane in lanes.into_iter().flatten().filter(|lane| lane.homogeneous) {
            for &one in &lane.strata {
                self.homogeneous(one, 0, 0)?;
            }
        }
        if self.plan.block_batches > 0 {
            self.mixed(0)?;
        }
        Ok(())
    }

    fn homogeneous(&self, one: usize, pass: u64, block: u64) -> Result<Arc<Block>> {
        self.block(BlockId::Homogeneous(one, pass, block), || {
            self.plan.homogeneous_block(self.streams, one, pass, block)
        })
    }

    fn write(&self, pair: Pair, out: &mut Batches) {
        let index = &self.plan.index;
        let to = index.language(pair.passage_cell);
        out.group.push(i64::from(index.group(pair.query_cell)));
        out.query.push(i64::from(index.query(pair.query_cell)));
        out.passage
            .push(i64::from(index.passage(pair.passage_cell)));
        out.query_language
            .push(index.language(pair.query_cell) as i16);
        out.passage_language.push(to as i16);
        let languages = index.languages() as i64;
        out.pair
            .push(i64::from(pair.query_cell) * languages + i64::from(to));
    }

    fn of_kind<'a>(
        &'a self,
        mono: bool,
        number: u64,
        readers: &mut Readers<'a>,
    ) -> Result<(Arc<Block>, usize)> {
        let before = self.kinds.monolingual_before(number);
        let (lane, turns, turn, reader) = if mono {
            (
                &self.plan.monolingual,
                &self.monolingual,
                before,
                &mut readers.monolingual,
            )
        } else {
            (
                &self.plan.cross,
                &self.cross,
                number - before,
                &mut readers.cross,
            )
        };
        let (Some(lane), Some(turns)) = (lane, turns) else {
            return Err(Error::InfeasiblePlan(
                "no stratum serves this kind of batch".into(),
            ));
        };
        if !lane.homogeneous {
            return self.mixed(turn);
        }
        let reader = match reader {
            Some(reader) if reader.position() == turn => reader,
            _ => reader.insert(turns.cursor(turn)),
        };
        let (item, count) = reader.advance();
        let one = lane.strata[item];
        let stratum = &self.plan.strata[one];
        let (pass, batch) = (count / stratum.batches, count % stratum.batches);
        let block = ((batch + 1) * stratum.blocks).div_ceil(stratum.batches) - 1;
        let built = self.homogeneous(one, pass, block)?;
        Ok((built, (batch - batch_bound(stratum, block)) as usize))
    }

    fn mixed(&self, number: u64) -> Result<(Arc<Block>, usize)> {
        let batches = self.plan.block_batches;
        let block = number / batches;
        let built = self.block(BlockId::Mixed(block), || {
            let size = self.plan.config.batch_size as u64;
            let first = block * batches * size;
            let turns = self.turns(first, (batches * size) as usize);
            self.plan.mixed_block(self.streams, &turns, block)
        })?;
        Ok((built, (number % batches) as usize))
    }

    /// Stratum and earlier turns of it for each of `count` slots from slot `first`.
    fn turns(&self, first: u64, count: usize) -> Vec<(usize, u64)> {
        let read = |lane: &Option<Lane>, cursor: &mut Option<Cursor<'_>>| {
            let (Some(lane), Some(cursor)) = (lane, cursor) else {
                return (0, 0);
            };
            let (item, turn) = cursor.advance();
            (lane.strata[item], turn)
        };
        if self.plan.config.unit == Unit::Batch {
            let mut cross = self.cross.as_ref().map(|one| one.cursor(first));
            return (0..count)
                .map(|_| read(&self.plan.cross, &mut cross))
                .collect();
        }
        let before = self.kinds.monolingual_before(first);
        let mut mono = self.monolingual.as_ref().map(|one| one.cursor(before));
        let mut cross = self.cross.as_ref().map(|one| one.cursor(first - before));
        (first..first + count as u64)
            .map(|slot| {
                if self.kinds.is_monolingual(slot) {
                    read(&self.plan.monolingual, &mut mono)
                } else {
                    read(&self.plan.cross, &mut cross)
                }
            })
            .collect()
    }

    fn block(&self, id: BlockId, build: impl FnOnce() -> Result<Block>) -> Result<Arc<Block>> {
        let keep = self.plan.strata.len() + SPARE_BLOCKS;
        if let Ok(mut recent) = self.recent.lock()
            && let Some(place) = recent.iter().rposition(|(one, _)| *one == id)
        {
            let found = recent.remove(place);
            let block = Arc::clone(&found.1);
            recent.push(found);
            return Ok(block);
        }
        let block = Arc::new(build()?);
        if let Ok(mut recent) = self.recent.lock() {
            if recent.len() >= keep {
                recent.remove(0);
            }
            recent.push((id, Arc::clone(&block)));
        }
        Ok(block)
    }
}

/// Where the reading of each kind's turns stands.
#[derive(Default)]
struct Readers<'a> {
    monolingual: Option<Cursor<'a>>,
    cross: Option<Cursor<'a>>,
}

/// First batch of a block of a homogeneous pass.
fn batch_bound(stratum: &Stratum, block: u64) -> u64 {
    stratum.batches * block / stratum.blocks
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
            };
            (rows > 0 && weight > 0.0).then_some((stratum, weight))
        })
        .collect()
}
