//! Leaving rows out of mixed passes where an identity is too frequent to be placed.

use std::collections::BTreeMap;

use crate::Result;
use crate::configuration::Unit;
use crate::hash::{Numbered, mix};
use crate::kernel::Kernel;
use crate::layout::{Frequent, IdentityKind, KINDS, Lane, Layout, Stratum, Thinned};
use crate::packing::Keys;
use crate::pairs::{Key, each_text};
use crate::permutation::Permutation;
use crate::pulse::Pulse;

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
        let mut rows: Vec<Rows> = Vec::with_capacity(shares.len());
        for &(one, _) in &shares {
            pulse.check()?;
            rows.push(self.numbered(&self.strata[one], &mut numbers, pulse)?);
        }
        let ones = |kind: usize| vec![1.0f64; numbers.identities[kind].len()];
        let mut chances = [0, 1, 2, TEXTS].map(ones);
        let chance = |chances: &[Vec<f64>; TEXTS + 1], rows: &Rows, row: usize| {
            rows.identities(row)
                .map(|(kind, number)| chances[kind][number as usize])
                .fold(1.0, f64::min)
        };
        for _ in 0..THINNING_ROUNDS {
            let mut rates = [0, 1, 2, TEXTS].map(|kind| vec![0.0; numbers.identities[kind].len()]);
            for (rows, &(_, share)) in rows.iter().zip(&shares) {
                pulse.check()?;
                let all = 0..rows.keys.len();
                let weights: Vec<f64> = all.map(|row| chance(&chances, rows, row)).collect();
                let sum: f64 = weights.iter().sum();
                for (row, weight) in weights.into_iter().enumerate() {
                    for (kind, number) in rows.identities(row) {
                        if kind == TEXTS || switches[kind] {
                            rates[kind][number as usize] += size * share * weight / sum;
                        }
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
            let mut heavy: Vec<Heavy> = Vec::new();
            for row in 0..rows.keys.len() {
                let own = chance(&chances, rows, row);
                if own < 1.0 {
                    let given =
                        |(kind, number): (usize, u32)| numbers.identities[kind][number as usize];
                    let of_row = rows
                        .identities(row)
                        .filter(|&(kind, number)| chances[kind][number as usize] < 1.0);
                    let rarest = of_row
                        .clone()
                        .filter(|&(kind, _)| kind == TEXTS)
                        .map(|of| (chances[TEXTS][of.1 as usize], given(of)))
                        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                    let text = rarest.map_or(0, |(_, text)| text);
                    let keys = [2, 1, 0].map(|kind| given((kind, rows.keys[row][kind])));
                    heavy.push(([text, keys[0], keys[1], keys[2]], row as u32, own));
                    for of in of_row {
                        let entry = found.entry((of.0, given(of))).or_default();
                        *entry = (entry.0 + 1, entry.1 + own);
                    }
                }
            }
            self.strata[one].thinned = thinned(heavy, rows.keys.len());
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
        Ok(())
    }

    /// The rows of a stratum by the numbers of their identities.
    fn numbered(&self, stratum: &Stratum, numbers: &mut Numbers, pulse: &Pulse) -> Result<Rows> {
        let mut rows = Rows {
            keys: Vec::with_capacity(stratum.rows as usize),
            texts: Vec::new(),
            bounds: Vec::new(),
        };
        let has_texts = self.guards_texts();
        if has_texts {
            rows.bounds.push(0);
        }
        for row in 0..stratum.rows {
            let pair = self.pair(stratum, row);
            let keys = self.keys(pair);
            rows.keys
                .push([0, 1, 2].map(|kind| numbers.of(kind, keys[kind])));
            if has_texts {
                pulse.check()?;
                let texts = each_text(self.index.texts(pair));
                rows.texts.extend(texts.map(|text| numbers.of(TEXTS, text)));
                rows.bounds.push(rows.texts.len());
            }
        }
        Ok(rows)
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

/// Numbers for the identities of each kind, one after the other as they come.
#[derive(Default)]
struct Numbers {
    known: [Numbered<u32, u32>; TEXTS + 1],
    identities: [Vec<u32>; TEXTS + 1],
}

impl Numbers {
    fn of(&mut self, kind: usize, identity: u32) -> u32 {
        let identities = &mut self.identities[kind];
        let new = || {
            identities.push(identity);
            identities.len() as u32 - 1
        };
        *self.known[kind].entry(identity).or_insert_with(new)
    }
}

/// Numbers of the identities of a stratum's rows.
struct Rows {
    keys: Vec<Keys>,
    /// Those of their texts, one row after another; empty where none are guarded.
    texts: Vec<u32>,
    /// Where the texts of each row begin, and the end of the last.
    bounds: Vec<usize>,
}

impl Rows {
    /// Kinds and numbers of a row's identities.
    fn identities(&self, row: usize) -> impl Iterator<Item = (usize, u32)> + Clone {
        let bounds = self.bounds.get(row).zip(self.bounds.get(row + 1));
        let texts = bounds.map_or(&[][..], |(&start, &end)| &self.texts[start..end]);
        let keys = self.keys[row].into_iter().enumerate();
        keys.chain(texts.iter().map(|&text| (TEXTS, text)))
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
