//! The best passages of one query while their scores are known only within bounds.

use crate::Result;
use crate::kernel::PANEL;
use crate::room::too_large;

/// Candidates for the `k` best. Each entry has a likely lower bound of its score and a certain upper
/// one; an entry is dropped when k others likely reach a score that it certainly does not. At the end
/// the exact scores tell whether k passages did reach every score that was counted on: then the `k`
/// best are certified, else the query must be searched again.
#[derive(Debug, Clone)]
pub(super) struct Shortlist {
    k: usize,
    /// Likely lower bound and id in one key: smaller is better.
    entries: Vec<u64>,
    /// Entries at which the list is cut down again.
    limit: usize,
    /// A score that k passages likely reach.
    threshold: f32,
    /// The same, the highest that was not made sure by exact scores.
    guess: f32,
    /// Most that a score may exceed its likely lower bound; 0 when all scores are exact.
    width: f64,
}

/// Loose entries that are borne, beyond eight times k, before scores are made exact.
const CROWD: usize = 1024;

impl Shortlist {
    /// An empty list, with the room that it needs to take the best of `passages` passages.
    pub(super) fn with_room(k: usize, passages: usize) -> Result<Self> {
        let mut list = Self::new(k);
        let most = if k == 0 {
            0
        } else {
            room(k).min(passages) + PANEL
        };
        if list.entries.try_reserve_exact(most).is_err() {
            return Err(too_large(&format!("{k} passages for each query")));
        }
        Ok(list)
    }

    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            entries: Vec::new(),
            limit: room(k),
            threshold: f32::NEG_INFINITY,
            guess: f32::NEG_INFINITY,
            width: 0.0,
        }
    }

    /// A passage whose score is certainly below this is likely not among the best.
    pub(super) fn threshold(&self) -> f32 {
        if self.k == 0 {
            f32::INFINITY
        } else {
            self.threshold
        }
    }

    /// Adds passages with likely lower bounds of their scores and how much a score may exceed its bound.
    /// Returns whether so many loose entries are crowded near the threshold that they should be made exact.
    pub(super) fn push(&mut self, lower: impl Iterator<Item = (f32, u32)>, width: f64) -> bool {
        if self.k == 0 {
            return false;
        }
        self.width = self.width.max(width);
        self.entries.reserve(PANEL);
        self.entries.extend(lower.map(|(lower, id)| key(lower, id)));
        if self.entries.len() < self.limit {
            return false;
        }
        self.cut();
        self.limit = room(self.entries.len());
        self.entries.len() > 8 * self.k + CROWD
    }

    fn cut(&mut self) {
        if self.entries.len() < self.k {
            return;
        }
        let (_, worst, _) = self.entries.select_nth_unstable(self.k - 1);
        self.threshold = self.threshold.max(score(*worst));
        if self.width == 0.0 {
            self.entries.truncate(self.k);
            return;
        }
        self.guess = self.guess.max(self.threshold);
        let last = self.last();
        self.entries.retain(|&entry| entry <= last);
    }

    /// Replaces bounds by exact scores, which `exact(ids, scores)` writes, and keeps the `k` best.
    /// Returns how many were scored.
    pub(super) fn settle(&mut self, mut exact: impl FnMut(&[u32], &mut [f32])) -> usize {
        let mut scored = 0;
        if self.width > 0.0 {
            self.cut();
            // The most promising first: their scores turn most of the others away.
            let first = self.k.min(self.entries.len());
            score_all(&mut self.entries[..first], &mut exact);
            if first == self.k {
                let worst = self.entries[..first]
                    .iter()
                    .max()
                    .map_or(f32::NEG_INFINITY, |&key| score(key));
                self.threshold = self.threshold.max(worst);
            }
            let last = self.last();
            let mut kept = first;
            for place in first..self.entries.len() {
                if self.entries[place] <= last {
                    self.entries[kept] = self.entries[place];
                    kept += 1;
                }
            }
            self.entries.truncate(kept);
            score_all(&mut self.entries[first..], &mut exact);
            scored = kept;
            self.width = 0.0;
        }
        if self.k > 0 {
            self.cut();
            self.limit = room(self.entries.len());
        }
        scored
    }

    /// The greatest key that may still be among the best.
    fn last(&self) -> u64 {
        let least = (f64::from(self.threshold) - self.width) as f32;
        // One step down covers the rounding of the line above.
        key(least.next_down(), u32::MAX)
    }

    /// Takes over all entries of another part of the same query.
    pub(super) fn absorb(&mut self, other: Self) {
        self.width = self.width.max(other.width);
        self.threshold = self.threshold.max(other.threshold);
        self.guess = self.guess.max(other.guess);
        self.entries.extend(other.entries);
    }

    /// Whether settled entries are certainly the `k` best.
    pub(super) fn is_certified(&self) -> bool {
        let worst = self.entries.iter().max().map(|&entry| score(entry));
        self.k == 0 || worst.is_none_or(|worst| worst >= self.guess)
    }

    /// The (score, id) of settled entries, best first.
    pub(super) fn into_sorted(mut self) -> impl Iterator<Item = (f32, u32)> {
        self.entries.sort_unstable();
        self.entries.truncate(self.k);
        self.entries
            .into_iter()
            .map(|entry| (score(entry), entry as u32))
    }
}

/// Replaces the bounds of entries by exact scores.
fn score_all(entries: &mut [u64], exact: &mut impl FnMut(&[u32], &mut [f32])) {
    let (mut ids, mut scores) = ([0u32; PANEL], [0f32; PANEL]);
    for part in entries.chunks_mut(PANEL) {
        for (id, entry) in ids.iter_mut().zip(&*part) {
            *id = *entry as u32;
        }
        exact(&ids[..part.len()], &mut scores[..part.len()]);
        for (entry, (id, score)) in part.iter_mut().zip(ids.iter().zip(scores)) {
            *entry = key(score, *id);
        }
    }
}

/// Entries that a list of some length may grow to before it is cut.
pub(super) fn room(length: usize) -> usize {
    length + length / 2 + PANEL
}

/// Score down, then id up, as one number; scores are never −0.
fn key(score: f32, id: u32) -> u64 {
    let bits = score.to_bits();
    let ascending = bits ^ (((bits as i32) >> 31) as u32 | 0x8000_0000);
    u64::from(!ascending) << 32 | u64::from(id)
}

fn score(key: u64) -> f32 {
    let ascending = !((key >> 32) as u32);
    let bits = ascending ^ ((((!ascending) as i32) >> 31) as u32 | 0x8000_0000);
    f32::from_bits(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_keep_the_order_and_give_the_score_back() {
        let scores = [
            f32::INFINITY,
            3.5,
            1e-40,
            0.0,
            -1e-40,
            -2.0,
            f32::NEG_INFINITY,
        ];
        for pair in scores.windows(2) {
            assert!(key(pair[0], 9) < key(pair[1], 3));
        }
        for value in scores {
            assert_eq!(score(key(value, 7)).to_bits(), value.to_bits());
            assert!(key(value, 7) < key(value, 8));
        }
    }

    proptest! {
        #[test]
        fn certified_lists_are_right_and_honest_bounds_are_certified(
            scores in prop::collection::vec(-40i16..40, 0..900), k in 0usize..60, error in 0u8..20,
            honest in any::<bool>(), seed in any::<u32>(),
        ) {
            let exact: Vec<f32> = scores.iter().map(|&s| f32::from(s)).collect();
            let error = f32::from(error);
            // A likely lower bound that is none: half of what it should allow for.
            let allowed = if honest { error } else { error / 2.0 };
            let look_up = |ids: &[u32], scores: &mut [f32]| {
                ids.iter().zip(scores).for_each(|(&id, score)| *score = exact[id as usize]);
            };
            let mut list = Shortlist::new(k);
            for (id, &value) in exact.iter().enumerate() {
                let noise = (id as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8;
                let seen = value + error * (noise as f32 / 8_388_608.0 - 1.0);
                let width = f64::from(allowed + error);
                let one = std::iter::once((seen - allowed, id as u32));
                if seen + error >= list.threshold() && list.push(one, width) {
                    list.settle(look_up);
                }
            }
            list.settle(look_up);
            prop_assert!(list.is_certified() || !honest);
            if list.is_certified() {
                let found: Vec<(f32, u32)> = list.into_sorted().collect();
                let mut expected: Vec<(f32, u32)> = exact.iter().copied().zip(0u32..).collect();
                expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                expected.truncate(k);
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn a_guess_that_no_passage_reaches_is_told() {
        let mut list = Shortlist::new(1);
        for id in 0..200 {
            list.push(std::iter::once((5.0, id)), 1.0);
        }
        list.settle(|_, scores| scores.fill(4.5));
        assert!(!list.is_certified());
    }
}
