//! Checks that the data can fill what a configuration asks for, and decides passes and blocks.

use std::sync::Arc;

use crate::configuration::{Config, Holds, Unit};
use crate::epoch_length::epoch_length;
use crate::kernel::Kernel;
use crate::layout::{Frequent, IdentityKind, KINDS, Lane, Layout, Stratum};
use crate::pairs::{Key, MISSING, PairIndex};
use crate::pulse::Pulse;
use crate::turns::Shares;
use crate::weights::{explicit, weights};
use crate::{Error, Result};

/// Slots of a block, about.
const BLOCK_ROWS: u64 = 8192;

/// Batches of a block, at least.
const BLOCK_BATCHES: u64 = 64;

/// Rows of an epoch, at most: places in it are counted in 64 bits.
const MOST_ROWS: u64 = 1 << 62;

impl Layout {
    /// Divides the index as the configuration asks, or says why it cannot be.
    pub(crate) fn new(index: Arc<PairIndex>, config: Config, pulse: &Pulse) -> Result<Self> {
        if config.batch_size == 0 || config.batch_size as u64 > u64::from(MISSING) {
            return Err(Error::InvalidArgument(format!(
                "batch_size is {}, expected 1 or more",
                config.batch_size
            )));
        }
        if config.guard_window == 0 {
            return Err(Error::InvalidArgument(
                "guard_window is 0, expected 1 or more".into(),
            ));
        }
        let rows = (config.batch_size as u64).checked_mul(config.guard_window);
        if rows.is_none_or(|rows| rows > u64::from(MISSING)) {
            return Err(Error::InvalidArgument(format!(
                "batch_size = {} times guard_window = {} are more rows than an index can have",
                config.batch_size, config.guard_window
            )));
        }
        let (weights, alone) = both_weights(&index, &config)?;
        let (least, most) = config.ratio.range();
        let mut layout = Self {
            kernel: Kernel::chosen()?,
            strata: strata(&index, &weights, &alone)?,
            index,
            config,
            monolingual: None,
            cross: None,
            // One kind alone is planned for all of a batch: any share of it is less.
            planned: if least < 1.0 && most > 0.0 {
                (least, most)
            } else {
                (0.0, 1.0)
            },
            frequent: Vec::new(),
            len: 0,
        };
        layout.serve(most > 0.0, least < 1.0, pulse)?;
        layout.len = epoch_length(
            &layout.index,
            &weights,
            layout.config.batch_size,
            layout.config.batches_per_epoch,
            layout.config.guard_window,
        )?;
        let size = layout.config.batch_size as u64;
        if layout
            .len
            .checked_mul(size)
            .is_none_or(|rows| rows > MOST_ROWS)
        {
            return Err(Error::InvalidArgument(format!(
                "an epoch of {} batches of {size} rows is longer than the limit of {MOST_ROWS} rows; \
                 give fewer batches_per_epoch",
                layout.len
            )));
        }
        Ok(layout)
    }

    /// Adds a lane for each kind that is wanted and has none. Lanes that were there stay as they are, and so
    /// does what is drawn from them.
    pub(crate) fn serve(&mut self, monolingual: bool, cross: bool, pulse: &Pulse) -> Result<()> {
        let (weights, alone) = both_weights(&self.index, &self.config)?;
        let (own, crossing): (Vec<usize>, Vec<usize>) = (0..self.strata.len())
            .partition(|&one| self.strata[one].query == self.strata[one].passage);
        let added = (
            monolingual && self.monolingual.is_none(),
            cross && self.cross.is_none(),
        );
        let of_batches = self.config.unit == Unit::Batch;
        if added.0 {
            if own.is_empty() {
                return Err(Error::InfeasiblePlan(
                    "no language of a weight above 0 has a cell with both query and passage, so no \
                     batch can be monolingual; set mono_ratio to 0"
                        .into(),
                ));
            }
            let homogeneous = of_batches && self.config.mono == Holds::Homogeneous;
            let weight = |one: &Stratum| alone[one.query];
            self.monolingual = Some(self.lane(own, weight, homogeneous)?);
        }
        if added.1 {
            if crossing.is_empty() {
                return Err(Error::InfeasiblePlan(
                    "no group has a query in one language and a passage in another, both of a weight \
                     above 0, so no batch can be cross-lingual; set mono_ratio to 1"
                        .into(),
                ));
            }
            let homogeneous = of_batches && self.config.cross == Holds::Homogeneous;
            let weight = |one: &Stratum| weights[one.query] * weights[one.passage];
            self.cross = Some(self.lane(crossing, weight, homogeneous)?);
        }
        self.shape(added, pulse)
    }

    fn lane(
        &self,
        strata: Vec<usize>,
        weight: impl Fn(&Stratum) -> f64,
        homogeneous: bool,
    ) -> Result<Lane> {
        let weights: Vec<f64> = strata
            .iter()
            .map(|&one| weight(&self.strata[one]))
            .collect();
        Ok(Lane {
            shares: Arc::new(Shares::new(&weights)?),
            strata,
            homogeneous,
            block_batches: 0,
        })
    }

    /// Checks the strata of the lanes that were added and decides passes and blocks.
    fn shape(&mut self, added: (bool, bool), pulse: &Pulse) -> Result<()> {
        let lanes: Vec<Lane> = [(&self.monolingual, added.0), (&self.cross, added.1)]
            .into_iter()
            .filter(|&(_, added)| added)
            .filter_map(|(lane, _)| lane.clone())
            .collect();
        for lane in lanes.iter().filter(|lane| lane.homogeneous) {
            for &one in &lane.strata {
                pulse.check()?;
                self.fill(one)?;
                if !self.is_windowed() {
                    self.shape_homogeneous(one, pulse)?;
                }
            }
        }
        let mixed: Vec<Lane> = lanes
            .into_iter()
            .filter(|lane| !lane.homogeneous || self.is_windowed())
            .collect();
        // Lanes that share no batch are looked at one by one.
        let parts = if self.shares_blocks() && !mixed.is_empty() {
            vec![&mixed[..]]
        } else {
            mixed.chunks(1).collect()
        };
        for part in parts {
            if self.shares_blocks() {
                let both = [&self.monolingual, &self.cross].into_iter().flatten();
                let both: Vec<Lane> = both.cloned().collect();
                self.spread(&both)?;
                self.spread_texts(&both, pulse)?;
            } else {
                self.spread(part)?;
                self.spread_texts(part, pulse)?;
            }
            self.thin(part, pulse)?;
        }
        let blocks = [&self.monolingual, &self.cross].map(|lane| {
            let lane = lane.as_ref().filter(|lane| !lane.homogeneous);
            lane.map(|lane| self.own_block_batches(lane))
        });
        for (lane, batches) in [&mut self.monolingual, &mut self.cross]
            .into_iter()
            .zip(blocks)
        {
            if let (Some(lane), Some(batches)) = (lane, batches) {
                lane.block_batches = batches;
            }
        }
        Ok(())
    }

    /// The groups of strata whose rows share batches; refuses fewer than a batch needs.
    fn spread(&self, lanes: &[Lane]) -> Result<()> {
        let size = self.guarded_rows() as u64;
        let named: Vec<(usize, usize)> = lanes
            .iter()
            .flat_map(|lane| &lane.strata)
            .map(|&one| (self.strata[one].query, self.strata[one].passage))
            .collect();
        let groups = self.index.groups_of(named.iter().copied())?;
        if groups >= size {
            return Ok(());
        }
        let what = if self.shares_blocks() {
            "all strata together"
        } else if named[0].0 == named[0].1 {
            "the monolingual strata together"
        } else {
            "the cross-lingual strata together"
        };
        let rows = if self.is_windowed() {
            "guard_window · batch_size"
        } else {
            "batch_size"
        };
        Err(Error::InfeasiblePlan(format!(
            "{what} have {groups} groups, fewer than {rows} = {size}; take smaller batches or more data"
        )))
    }

    /// Batches of a block, unless there is a reason for others.
    pub(crate) fn usual_block_batches(&self) -> u64 {
        let size = self.config.batch_size as u64;
        BLOCK_BATCHES
            .max(BLOCK_ROWS.div_ceil(size))
            .next_multiple_of(self.config.guard_window)
    }

    /// Batches of the blocks of a lane: where all its strata end their passes together, blocks end there too,
    /// if that is soon.
    fn own_block_batches(&self, lane: &Lane) -> u64 {
        let (size, target) = (self.config.batch_size as u64, self.usual_block_batches());
        let rows = self.strata[lane.strata[0]].drawn();
        let even = (1..lane.shares.len()).all(|item| {
            lane.shares.share(item) == lane.shares.share(0)
                && self.strata[lane.strata[item]].drawn() == rows
        });
        let together = rows * lane.shares.len() as u64;
        let batches = together / gcd(together, size);
        if even && batches * size <= 4 * BLOCK_ROWS {
            batches * (target / batches).max(1)
        } else {
            target
        }
    }

    /// Refuses a stratum that cannot fill a batch.
    fn fill(&self, one: usize) -> Result<()> {
        let (stratum, size) = (&self.strata[one], self.config.batch_size as u64);
        if stratum.rows >= size {
            return Ok(());
        }
        Err(Error::InfeasiblePlan(format!(
            "{} has {} rows, fewer than batch_size = {size}; take smaller batches, give one of its \
             languages weight 0 or leave it out",
            self.name(stratum),
            stratum.rows
        )))
    }

    /// The most rows of a stratum that share an identity of a kind.
    fn most_rows(&self, stratum: &Stratum, kind: IdentityKind) -> u64 {
        let language = if kind == IdentityKind::Query {
            stratum.query
        } else {
            stratum.passage
        };
        u64::from(self.index.sharing(Key::from(kind)).most[language])
    }

    fn shape_homogeneous(&mut self, one: usize, pulse: &Pulse) -> Result<()> {
        let size = self.config.batch_size as u64;
        let stratum = self.strata[one].clone();
        let mut batches = stratum.rows / size;
        let mut busiest = 0;
        let mut surplus = Vec::new();
        for (number, kind) in KINDS.into_iter().enumerate().skip(1) {
            // The rows of a language are at least those of its strata: no need to count them where even
            // they are few.
            if !self.config.guard.switches()[number]
                || self.most_rows(&stratum, kind) <= stratum.rows / size / 4
            {
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
        let common = self.index.most_texts(stratum.query, stratum.passage);
        if self.guards_texts() && common > stratum.rows / size / 4 {
            let found = self.text_classes(&[&stratum], pulse)?;
            busiest = busiest.max(found.most());
            if found.most() > stratum.rows / size {
                let placed = most_batches(&found.classes, stratum.rows / size, size);
                if placed == 0 {
                    return Err(self.too_common(&self.name(&stratum), stratum.rows, &found));
                }
                batches = batches.min(placed);
                let texts = found.texts.into_iter();
                surplus.extend(texts.map(|(text, count)| (IdentityKind::Text, text, count)));
            }
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

/// The weight of each language, and its weight in monolingual batches.
fn both_weights(index: &PairIndex, config: &Config) -> Result<(Vec<f64>, Vec<f64>)> {
    let weights = weights(index, &config.language_weights)?;
    let alone = match &config.mono_weights {
        Some(given) => {
            explicit("mono_weights", given, index.languages())?;
            given.clone()
        }
        None => weights.clone(),
    };
    Ok((weights, alone))
}

/// Strata with pairs and a weight above 0; `alone` are the weights of the monolingual ones.
fn strata(index: &PairIndex, weights: &[f64], alone: &[f64]) -> Result<Vec<Stratum>> {
    let sizes = index.strata()?;
    let strata = sizes.into_iter().map(|one| Stratum {
        query: one.query as usize,
        passage: one.passage as usize,
        rows: u64::from(one.pairs),
        batches: 0,
        blocks: 0,
        thinned: None,
    });
    let drawn = strata.filter(|one| {
        let weight = if one.query == one.passage {
            alone[one.query]
        } else {
            weights[one.query] * weights[one.passage]
        };
        weight > 0.0
    });
    Ok(drawn.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

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
}
