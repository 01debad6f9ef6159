//! The guard where rows seldom clash: a row whose identity came before in its batch changes places with a
//! later row of its class, and where none is left with any other.

use std::ops::Range;

use crate::pairs::{PairTexts, meet};

/// Rows tried in exchange for one that clashes.
const PARTNERS: usize = 64;

/// Candidates that may be exchanged for each other, and which of them stands at each slot.
pub(crate) struct Board<'a> {
    /// Slots that must not hold an identity twice.
    pub(crate) size: usize,
    /// Identities of the candidates, for each guarded kind.
    pub(crate) keys: &'a [Vec<u32>],
    /// Texts of the candidates that must not come twice either; empty where there are none.
    pub(crate) texts: &'a [PairTexts<'a>],
    /// How many candidates there are.
    pub(crate) candidates: usize,
    /// First candidates of the classes, ascending.
    pub(crate) classes: &'a [u32],
    /// Candidate at each slot.
    pub(crate) at: &'a mut [u32],
}

/// Which identities came in a batch; one table serves batch after batch.
struct Seen {
    /// Number of the batch, and identity.
    entries: Vec<u64>,
    shift: u32,
}

impl Seen {
    /// Room for `size` identities of a batch.
    fn new(size: usize) -> Self {
        let bits = (4 * size).next_power_of_two().trailing_zeros().max(4);
        Self {
            entries: vec![u64::MAX; 1 << bits],
            shift: u32::BITS - bits,
        }
    }

    /// Where an identity of a batch stands in the table, or where it would.
    #[inline(always)]
    fn place(&self, batch: u32, identity: u32) -> (usize, bool) {
        let own = u64::from(batch) << 32 | u64::from(identity);
        let mut place = (identity.wrapping_mul(0x9E37_79B1) >> self.shift) as usize;
        loop {
            let there = self.entries[place];
            if there == own {
                return (place, true);
            }
            if (there >> 32) as u32 != batch {
                return (place, false);
            }
            place = (place + 1) & (self.entries.len() - 1);
        }
    }

    /// Whether an identity came before in a batch; it did afterwards.
    #[inline(always)]
    fn came(&mut self, batch: u32, identity: u32) -> bool {
        let (place, came) = self.place(batch, identity);
        self.entries[place] = u64::from(batch) << 32 | u64::from(identity);
        came
    }
}

impl Board<'_> {
    /// Exchanges rows until no identity comes twice in a batch; returns whether that succeeded.
    pub(crate) fn clear(&mut self) -> bool {
        let mut slot_of = Vec::new();
        let left = self.sweep(&mut slot_of);
        left.into_iter()
            .all(|slot| self.exchange(slot, &mut slot_of))
    }

    /// Goes over all slots once and exchanges rows that clash with later ones; returns the slots where no
    /// later row fitted. `slot_of` is filled with the slot of each candidate once it is needed.
    fn sweep(&mut self, slot_of: &mut Vec<u32>) -> Vec<usize> {
        let mut seen: Vec<Seen> = self.keys.iter().map(|_| Seen::new(self.size)).collect();
        let mut texts_seen = Seen::new(self.most_texts());
        let mut left = Vec::new();
        for slot in 0..self.at.len() {
            let batch = (slot / self.size) as u32;
            let mut one = self.at[slot];
            let clashes = |seen: &[Seen], texts_seen: &Seen, one: u32| {
                let mut both = seen.iter().zip(self.keys);
                both.any(|(seen, keys)| seen.place(batch, keys[one as usize]).1)
                    || !self.texts.is_empty() && self.brings(texts_seen, batch, one)
            };
            if clashes(&seen, &texts_seen, one) {
                if slot_of.is_empty() {
                    slot_of.resize(self.candidates, u32::MAX);
                    for (slot, &one) in self.at.iter().enumerate() {
                        slot_of[one as usize] = slot as u32;
                    }
                }
                let end = (batch + 1) * self.size as u32;
                let fits = |partner: usize| {
                    slot_of[partner] >= end && !clashes(&seen, &texts_seen, partner as u32)
                };
                if let Some(partner) = self.partners(one).find(|&partner| fits(partner)) {
                    let there = slot_of[partner];
                    if there != u32::MAX {
                        self.at[there as usize] = one;
                    }
                    slot_of[one as usize] = there;
                    slot_of[partner] = slot as u32;
                    one = partner as u32;
                    self.at[slot] = one;
                } else {
                    left.push(slot);
                }
            }
            for (seen, keys) in seen.iter_mut().zip(self.keys) {
                seen.came(batch, keys[one as usize]);
            }
            if !self.texts.is_empty() {
                for text in self.texts(one) {
                    texts_seen.came(batch, text);
                }
            }
        }
        left
    }

    /// Whether a candidate brings a text that came; apart, so that the loop without texts stays short.
    #[inline(never)]
    fn brings(&self, came: &Seen, batch: u32, one: u32) -> bool {
        self.texts(one).any(|text| came.place(batch, text).1)
    }

    fn texts(&self, one: u32) -> impl Iterator<Item = u32> + use<'_> {
        let both = self.texts.get(one as usize).into_iter().flatten();
        both.flat_map(|list| list.iter().copied())
    }

    /// How many texts a batch may hold.
    fn most_texts(&self) -> usize {
        let counts = self.texts.iter().map(|both| both[0].len() + both[1].len());
        let (all, most) = counts.fold((0, 0), |(all, most), one| (all + one, one.max(most)));
        all.min(most.saturating_mul(self.size))
    }

    /// Rows of the class of `one`, from all over it: neighbours often stand in one batch.
    fn partners(&self, one: u32) -> impl Iterator<Item = usize> + use<> {
        let class = self.class(one);
        let length = class.len();
        let (first, start) = (class.start, one as usize - class.start);
        let stride = (length / (PARTNERS + 1)).max(1);
        (1..length.min(PARTNERS + 1)).map(move |step| first + (start + step * stride) % length)
    }

    fn exchange(&mut self, slot: usize, slot_of: &mut [u32]) -> bool {
        let one = self.at[slot];
        if self.fits(one, slot) {
            return true;
        }
        for partner in self.partners(one) {
            let other = slot_of[partner];
            let there = other as usize;
            if other != u32::MAX && there / self.size == slot / self.size {
                continue;
            }
            if self.fits(partner as u32, slot) && (other == u32::MAX || self.fits(one, there)) {
                self.at[slot] = partner as u32;
                slot_of[partner] = slot as u32;
                slot_of[one as usize] = other;
                if other != u32::MAX {
                    self.at[there] = one;
                }
                return true;
            }
        }
        false
    }

    fn class(&self, one: u32) -> Range<usize> {
        let next = self.classes.partition_point(|&first| first <= one);
        let end = self
            .classes
            .get(next)
            .map_or(self.candidates, |&end| end as usize);
        self.classes[next - 1] as usize..end
    }

    /// Whether a row shares no identity and no text with the others of the batch of `slot`.
    fn fits(&self, one: u32, slot: usize) -> bool {
        let start = slot / self.size * self.size;
        let slots = &self.at[start..start + self.size];
        if let Some(&own) = self.texts.get(one as usize)
            && own.iter().any(|list| !list.is_empty())
            && slots.iter().enumerate().any(|(place, &other)| {
                start + place != slot && meet(own, self.texts[other as usize])
            })
        {
            return false;
        }
        self.keys.iter().all(|keys| {
            let own = keys[one as usize];
            let same = slots
                .iter()
                .map(|&other| usize::from(keys[other as usize] == own));
            // The row that leaves may be the one that clashes.
            same.sum::<usize>() == usize::from(keys[self.at[slot] as usize] == own)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn what_is_cleared_holds_no_identity_twice(
            size in 1usize..9, batches in 1usize..12, spare in 0usize..5,
            few in 5u32..300, parts in 1usize..4, seed: u64,
        ) {
            let count = size * batches + spare;
            let draw = |kind: u64, one: usize| {
                (crate::hash::key(&[seed, kind, one as u64]) % u64::from(few)) as u32
            };
            let keys: Vec<Vec<u32>> = (0..2)
                .map(|kind| (0..count).map(|one| draw(kind, one)).collect())
                .collect();
            let classes: Vec<u32> = (0..parts).map(|part| (part * count / parts) as u32).collect();
            let class = |one: u32| classes.partition_point(|&first| first <= one);
            let before: Vec<u32> = (0..(size * batches) as u32).collect();
            let mut at = before.clone();
            let mut board = Board {
                size, keys: &keys, texts: &[], candidates: count, classes: &classes, at: &mut at,
            };
            let cleared = board.clear();
            let twice = at.chunks(size).any(|batch| {
                keys.iter().any(|keys| {
                    let mut seen = HashSet::new();
                    batch.iter().any(|&one| !seen.insert(keys[one as usize]))
                })
            });
            prop_assert!(!(cleared && twice));
            let different: HashSet<u32> = at.iter().copied().collect();
            prop_assert_eq!(different.len(), at.len());
            for (now, then) in at.iter().zip(&before) {
                prop_assert_eq!(class(*now), class(*then));
            }
        }
    }

    #[test]
    fn a_single_clash_is_exchanged() {
        let keys = [vec![1, 1, 2, 3, 4, 5]];
        let mut at = [0, 1, 2, 3, 4, 5];
        let mut board = Board {
            size: 2,
            keys: &keys,
            texts: &[],
            candidates: 6,
            classes: &[0],
            at: &mut at,
        };
        assert!(board.clear());
        assert_eq!(at, [0, 2, 1, 3, 4, 5]);
    }
}
