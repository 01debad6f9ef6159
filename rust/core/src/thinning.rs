//! Leaving rows out of mixed passes where an identity is too frequent to be placed.

use std::collections::BTreeMap;

use crate::configuration::Unit;
use crate::hash::mix;
use crate::kernel::Kernel;
use crate::layout::{Frequent, IdentityKind, KINDS, Lane, Layout, Thinned};
use crate::packing::Keys;
use crate::pairs::{Key, PairTexts, each_text};
use crate::permutation::Permutation;

/// The number of texts among the kinds of identities.
const TEXTS: usize = KINDS.len();

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
    pub(crate) fn thin(&mut self, lanes: &[Lane]) {
        let size = self.guarded_rows() as f64;
        let (least, most) = self.config.ratio.range();
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
            return;
        }
        let switches = self.config.guard.switches();
        let rows: Vec<Vec<Keys>> = shares
            .iter()
            .map(|&(one, _)| {
                let stratum = &self.strata[one];
                (0..stratum.rows)
                    .map(|row| self.keys(self.pair(stratum, row)))
                    .collect()
            })
            .collect();
        let texts: Vec<Vec<PairTexts<'_>>> = shares
            .iter()
            .map(|&(one, _)| {
                let stratum = &self.strata[one];
                let rows = if self.guards_texts() { stratum.rows } else { 0 };
                (0..rows)
                    .map(|row| self.index.texts(self.pair(stratum, row)))
                    .collect()
            })
            .collect();
        let texts_of = |place: usize, row: usize| {
            let of_row = texts[place].get(row).copied().into_iter();
            of_row.flat_map(|one| each_text(one).map(|text| (TEXTS, text)))
        };
        let mut chances: BTreeMap<(usize, u32), f64> = BTreeMap::new();
        let chance =
            |chances: &BTreeMap<(usize, u32), f64>, keys: &Keys, place: usize, row: usize| {
                keys.iter()
                    .copied()
                    .enumerate()
                    .chain(texts_of(place, row))
                    .filter_map(|of| chances.get(&of).copied())
                    .fold(1.0, f64::min)
            };
        for _ in 0..THINNING_ROUNDS {
            let mut rates: BTreeMap<(usize, u32), f64> = BTreeMap::new();
            for (place, (rows, &(_, share))) in rows.iter().zip(&shares).enumerate() {
                let weights: Vec<f64> = (0..)
                    .zip(rows)
                    .map(|(row, keys)| chance(&chances, keys, place, row))
                    .collect();
                let sum: f64 = weights.iter().sum();
                for ((row, keys), weight) in rows.iter().enumerate().zip(weights) {
                    let kinds = (0..3).filter(|&kind| switches[kind]);
                    for of in kinds
                        .map(|kind| (kind, keys[kind]))
                        .chain(texts_of(place, row))
                    {
                        *rates.entry(of).or_default() += size * share * weight / sum;
                    }
                }
            }
            rates.retain(|_, rate| *rate > 1.0 + 1e-9);
            if rates.is_empty() {
                break;
            }
            for (identity, rate) in rates {
                *chances.entry(identity).or_insert(1.0) /= rate;
            }
        }
        let mut found: BTreeMap<(usize, u32), (u64, f64)> = BTreeMap::new();
        let mut of_strata = Vec::with_capacity(shares.len());
        for (place, rows) in rows.iter().enumerate() {
            let mut heavy: Vec<Heavy> = Vec::new();
            for (row, keys) in rows.iter().enumerate() {
                let chance = chance(&chances, keys, place, row);
                if chance < 1.0 {
                    let rarest = texts_of(place, row)
                        .filter_map(|of| Some((chances.get(&of)?, of.1)))
                        .min_by(|a, b| a.0.total_cmp(b.0).then(a.1.cmp(&b.1)));
                    let text = rarest.map_or(0, |(_, text)| text);
                    heavy.push(([text, keys[2], keys[1], keys[0]], row as u32, chance));
                    let of_row = keys.iter().copied().enumerate();
                    for of in of_row.chain(texts_of(place, row)) {
                        if chances.contains_key(&of) {
                            let entry = found.entry(of).or_default();
                            *entry = (entry.0 + 1, entry.1 + chance);
                        }
                    }
                }
            }
            of_strata.push(thinned(heavy, rows.len()));
        }
        for (&(one, _), thinned) in shares.iter().zip(of_strata) {
            self.strata[one].thinned = thinned;
        }
        self.frequent
            .extend(
                found
                    .into_iter()
                    .map(|((kind, identity), (rows, placed))| Frequent {
                        kind: KINDS.get(kind).copied().unwrap_or(IdentityKind::Text),
                        identity,
                        stratum: None,
                        rows,
                        placed: placed.round() as u64,
                    }),
            );
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
                let texts = if self.guards_texts() {
                    self.index.most_texts(stratum.query, stratum.passage)
                } else {
                    0
                };
                share * (texts as f64).max(f64::from(most)) / stratum.rows as f64
            })
            .sum();
        bound * self.guarded_rows() as f64 > 1.0
    }
}

/// A row that is too frequent: what it is ordered by, its number and its chance.
type Heavy = ([u32; 4], u32, f64);

/// Which of the heavy rows of a stratum each pass keeps.
fn thinned(mut heavy: Vec<Heavy>, rows: usize) -> Option<Thinned> {
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
    heavy.sort_unstable_by_key(|&(keys, row, _)| (keys, row));
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
