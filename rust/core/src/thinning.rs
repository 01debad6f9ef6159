//! Leaving rows out of mixed passes where an identity is too frequent to be placed.

use std::collections::BTreeMap;

use crate::Result;
use crate::configuration::Unit;
use crate::hash::{Numbered, mix};
use crate::kernel::Kernel;
use crate::layout::{Frequent, KINDS, Lane, Layout, Thinned};
use crate::packing::Keys;
use crate::pairs::Key;
use crate::permutation::Permutation;
use crate::pulse::Pulse;

/// Rounds in which the chances of frequent identities settle.
const THINNING_ROUNDS: usize = 12;

impl Thinned {
    /// The rows kept in one pass: a systematic sample, so each row has exactly its chance.
    pub(crate) fn keep(&self, seed: u64) -> Vec<u32> {
        let offset = (mix(seed) >> 11) as f64 / (1u64 << 53) as f64;
        let mut before = 0.0;
        let mut kept = Vec::with_capacity(self.kept as usize);
        for &(row, sum) in &self.chances {
            if (sum + offset).floor() > (before + offset).floor() {
                kept.push(row);
            }
            before = sum;
        }
        kept
    }

    /// The `number`-th row that is not heavy.
    pub(crate) fn light(&self, number: u32) -> u32 {
        let (mut low, mut high) = (0, self.heavy.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.heavy[middle] - middle as u32 <= number {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        number + low as u32
    }
}

/// The rows of one pass in their order.
pub(crate) struct Order<'a> {
    pub(crate) permutation: Permutation,
    pub(crate) thinned: Option<(&'a Thinned, Vec<u32>)>,
}

impl Order<'_> {
    /// Appends the rows at `count` positions from `start` on.
    pub(crate) fn extend(&self, kernel: Kernel, start: u64, count: usize, rows: &mut Vec<u32>) {
        let first = rows.len();
        self.permutation.extend(kernel, start, count, rows);
        let Some((thinned, kept)) = &self.thinned else {
            return;
        };
        let light = self.permutation.len() - kept.len() as u64;
        for row in &mut rows[first..] {
            *row = match u64::from(*row).checked_sub(light) {
                Some(place) => kept[place as usize],
                None => thinned.light(*row),
            };
        }
    }
}

impl Layout {
    /// Leaves rows out of mixed passes where an identity would be due more than once a batch.
    ///
    /// An identity's rate is the number of its rows in a batch, on average. A rate above 1
    /// cannot be placed, so each of its rows comes in a pass with chance 1 / rate only; the
    /// rates of the others rise by that, which is followed over a few rounds.
    pub(crate) fn thin(&mut self, lanes: &[Lane], pulse: &Pulse) -> Result<()> {
        let size = self.guarded_rows() as f64;
        let (least, most) = self.planned;
        let mut shares = Vec::new();
        for lane in lanes {
            let monolingual =
                self.strata[lane.strata[0]].query == self.strata[lane.strata[0]].passage;
            let of_lane = match (self.config.unit, monolingual) {
                (Unit::Batch, _) if !self.is_windowed() => 1.0,
                (_, true) => most,
                (_, false) => 1.0 - least,
            };
            for (item, &one) in lane.strata.iter().enumerate() {
                shares.push((one, lane.shares.share(item) * of_lane));
            }
        }
        if !self.may_be_heavy(&shares) {
            return Ok(());
        }
        let switches = self.config.guard.switches();
        let mut numbers = Numbers::default();
        let mut rows: Vec<Vec<Keys>> = Vec::with_capacity(shares.len());
        for &(one, _) in &shares {
            pulse.check()?;
            let stratum = &self.strata[one];
            let numbered = |row| numbers.of(self.keys(self.pair(stratum, row)));
            rows.push((0..stratum.rows).map(numbered).collect());
        }
        let ones = |kind: usize| vec![1.0f64; numbers.identities[kind].len()];
        let mut chances = [0, 1, 2].map(ones);
        let chance = |chances: &[Vec<f64>; 3], keys: &Keys| {
            (0..3)
                .map(|kind| chances[kind][keys[kind] as usize])
                .fold(1.0, f64::min)
        };
        for _ in 0..THINNING_ROUNDS {
            let mut rates = [0, 1, 2].map(|kind| vec![0.0; numbers.identities[kind].len()]);
            for (rows, &(_, share)) in rows.iter().zip(&shares) {
                pulse.check()?;
                let weights: Vec<f64> = rows.iter().map(|keys| chance(&chances, keys)).collect();
                let sum: f64 = weights.iter().sum();
                for (keys, weight) in rows.iter().zip(weights) {
                    for kind in (0..3).filter(|&kind| switches[kind]) {
                        rates[kind][keys[kind] as usize] += size * share * weight / sum;
                    }
                }
            }
            let mut settled = true;
            for (chances, rates) in chances.iter_mut().zip(rates) {
                for (chance, rate) in chances.iter_mut().zip(rates) {
                    if rate > 1.0 + 1e-9 {
                        *chance /= rate;
                        settled = false;
                    }
                }
            }
            if settled {
                break;
            }
        }
        let mut found: BTreeMap<(usize, u32), (u64, f64)> = BTreeMap::new();
        for (rows, &(one, _)) in rows.iter().zip(&shares) {
            pulse.check()?;
            let mut heavy: Vec<(Keys, u32, f64)> = Vec::new();
            for (row, keys) in rows.iter().enumerate() {
                let own = chance(&chances, keys);
                if own < 1.0 {
                    let given = [0, 1, 2].map(|kind| numbers.identities[kind][keys[kind] as usize]);
                    heavy.push((given, row as u32, own));
                    for kind in 0..3 {
                        if chances[kind][keys[kind] as usize] < 1.0 {
                            let entry = found.entry((kind, given[kind])).or_default();
                            *entry = (entry.0 + 1, entry.1 + own);
                        }
                    }
                }
            }
            self.strata[one].thinned = thinned(heavy, rows.len());
        }
        self.frequent
            .extend(
                found
                    .into_iter()
                    .map(|((kind, identity), (rows, placed))| Frequent {
                        kind: KINDS[kind],
                        identity,
                        stratum: None,
                        rows,
                        placed: placed.round() as u64,
                    }),
            );
        Ok(())
    }

    /// Whether some identity may be due more than once a batch, from counts a language: cheap,
    /// and never wrong when it says no.
    fn may_be_heavy(&self, shares: &[(usize, f64)]) -> bool {
        let guard = self.config.guard;
        let most = |on: bool, key: Key, language: usize| {
            if on {
                self.index.sharing(key).most[language]
            } else {
                0
            }
        };
        let bound: f64 = shares
            .iter()
            .map(|&(one, share)| {
                let stratum = &self.strata[one];
                let most = most(guard.query, Key::Query, stratum.query)
                    .max(most(guard.passage, Key::Passage, stratum.passage))
                    .max(u32::from(guard.group));
                share * f64::from(most) / stratum.rows as f64
            })
            .sum();
        bound * self.guarded_rows() as f64 > 1.0
    }
}

/// Numbers for the identities of each kind, one after the other as they come.
#[derive(Default)]
struct Numbers {
    known: [Numbered<u32, u32>; 3],
    identities: [Vec<u32>; 3],
}

impl Numbers {
    fn of(&mut self, keys: Keys) -> Keys {
        [0, 1, 2].map(|kind| {
            let identities = &mut self.identities[kind];
            let new = || {
                identities.push(keys[kind]);
                identities.len() as u32 - 1
            };
            *self.known[kind].entry(keys[kind]).or_insert_with(new)
        })
    }
}

/// Which of the heavy rows (keys, row, chance) of a stratum each pass keeps.
fn thinned(mut heavy: Vec<(Keys, u32, f64)>, rows: usize) -> Option<Thinned> {
    if heavy.is_empty() {
        return None;
    }
    let wanted: f64 = heavy.iter().map(|one| one.2).sum();
    // At least one row must be left in a pass.
    let least = u64::from(heavy.len() == rows);
    let kept = (wanted.floor() as u64).max(least);
    let scale = if wanted > 0.0 {
        kept as f64 / wanted
    } else {
        0.0
    };
    let mut rows_only: Vec<u32> = heavy.iter().map(|one| one.1).collect();
    rows_only.sort_unstable();
    heavy.sort_unstable_by_key(|&(keys, row, _)| (keys[2], keys[1], keys[0], row));
    let mut sum = 0.0;
    let mut chances: Vec<(u32, f64)> = heavy
        .into_iter()
        .map(|(_, row, chance)| {
            sum += chance * scale;
            (row, sum)
        })
        .collect();
    if let Some(last) = chances.last_mut() {
        last.1 = kept as f64;
    }
    Some(Thinned {
        heavy: rows_only,
        chances,
        kept,
    })
}
