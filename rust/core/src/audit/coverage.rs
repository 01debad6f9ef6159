//! Which pairs came at least once: one bit for each cell and passage language, or, where hardly any of
//! these are pairs, the places of those that came.

use std::collections::HashSet;

use super::numbering::Numbering;
use crate::pairs::{MISSING, PairIndex};
use crate::threads::Threads;
use crate::{Result, room};

/// Parts of the bits, about; a thread at a time works on one.
const PARTS: u64 = 64;

/// The bits of all pairs, filled part by part.
#[derive(Debug)]
pub(super) struct Coverage {
    languages: u64,
    part_bits: u32,
    came: Came,
}

#[derive(Debug)]
enum Came {
    Bits(Vec<u64>),
    /// Of each part.
    Sets(Vec<HashSet<u32>>),
}

/// Bits up to which there is one for each place in any case.
const FEW_BITS: u64 = 1 << 26;

/// Bits a pair up to which they cost less than places would.
const BITS_A_PAIR: u64 = 64;

/// What came at least once, and what there is.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) pairs: Vec<u64>,
    pub(super) query_groups: Vec<u64>,
    pub(super) passage_groups: Vec<u64>,
    pub(super) query_cells: Vec<u64>,
    pub(super) passage_cells: Vec<u64>,
}

/// Places of a run of batches, by part; each as its distance from the part's first place.
pub(super) type Places = Vec<Vec<u32>>;

impl Coverage {
    pub(super) fn new(index: &PairIndex, numbering: &Numbering) -> Result<Self> {
        let languages = index.languages() as u64;
        let bits = index.cells() as u64 * languages;
        // A distance within a part fits 32 bits.
        let part_bits = (bits.div_ceil(PARTS).next_power_of_two().trailing_zeros()).clamp(12, 32);
        let came = if bits <= FEW_BITS.max(BITS_A_PAIR.saturating_mul(numbering.pairs())) {
            let what = || format!("{} cells in {languages} languages", index.cells());
            Came::Bits(room::filled(0, bits.div_ceil(64) as usize, what)?)
        } else {
            Came::Sets(vec![HashSet::new(); (bits >> part_bits) as usize + 1])
        };
        Ok(Self {
            languages,
            part_bits,
            came,
        })
    }

    /// A place p belongs to part p >> `part_bits`.
    pub(super) fn part_bits(&self) -> u32 {
        self.part_bits
    }

    /// Notes places, a thread a part.
    pub(super) fn add(&mut self, runs: &[Places], threads: &Threads) {
        match &mut self.came {
            Came::Bits(bits) => {
                let words = 1usize << (self.part_bits - 6);
                let mut parts: Vec<&mut [u64]> = bits.chunks_mut(words).collect();
                threads.each(&mut parts, |number, part| {
                    for places in runs.iter().filter_map(|run| run.get(number)) {
                        for &place in places {
                            part[place as usize / 64] |= 1 << (place % 64);
                        }
                    }
                });
            }
            Came::Sets(sets) => threads.each(sets, |number, part| {
                for places in runs.iter().filter_map(|run| run.get(number)) {
                    part.extend(places);
                }
            }),
        }
    }

    /// Visits the places that came, increasing.
    #[inline]
    fn each(&self, mut visit: impl FnMut(u64)) {
        match &self.came {
            Came::Bits(bits) => each_bit(bits, visit),
            Came::Sets(sets) => {
                for (number, set) in (0..).zip(sets) {
                    let mut places: Vec<u32> = set.iter().copied().collect();
                    places.sort_unstable();
                    for place in places {
                        visit((number << self.part_bits) + u64::from(place));
                    }
                }
            }
        }
    }

    /// Counts what came, and what there is in the index.
    pub(super) fn seen(&self, index: &PairIndex, numbering: &Numbering) -> Result<Seen> {
        let languages = self.languages as usize;
        let ordinals = Ordinals::new(index);
        let zeros = || vec![0u64; languages];
        let mut seen = Seen {
            pairs: vec![0; numbering.len()],
            query_groups: zeros(),
            passage_groups: zeros(),
            query_cells: zeros(),
            passage_cells: zeros(),
        };
        for cell in 0..index.cells() as u32 {
            let language = index.language(cell) as usize;
            seen.query_cells[language] += u64::from(index.query(cell) != MISSING);
            seen.passage_cells[language] += u64::from(index.passage(cell) != MISSING);
        }
        let mut answered = match self.came {
            Came::Bits(_) => {
                let bits = (ordinals.len() * self.languages).div_ceil(64) as usize;
                let what = || format!("{} groups in {languages} languages", ordinals.len());
                Answered::Bits(room::filled(0, bits, what)?)
            }
            Came::Sets(_) => Answered::List(Vec::new()),
        };
        let by = Divisor::new(self.languages);
        let (mut latest, mut language, mut ordinal) = (u64::MAX, 0, 0);
        self.each(|place| {
            let cell = by.divide(place);
            if cell != latest {
                latest = cell;
                language = index.language(cell as u32) as usize;
                ordinal = ordinals.of(index.group(cell as u32));
                seen.query_groups[language] += 1;
            }
            let passage = place - cell * self.languages;
            if let Some(number) = numbering.number(language, passage as usize) {
                seen.pairs[number as usize] += 1;
            }
            let bit = ordinal * self.languages + passage;
            match &mut answered {
                Answered::Bits(bits) => bits[(bit / 64) as usize] |= 1 << (bit % 64),
                Answered::List(list) => list.push(bit),
            }
        });
        let mut count = |bit: u64| {
            let passage = bit - by.divide(bit) * self.languages;
            seen.passage_groups[passage as usize] += 1;
        };
        match answered {
            Answered::Bits(bits) => each_bit(&bits, count),
            Answered::List(mut list) => {
                list.sort_unstable();
                list.dedup();
                list.into_iter().for_each(&mut count);
            }
        }
        Ok(seen)
    }
}

/// Groups and passage languages that came: a place for each, or those that did.
enum Answered {
    Bits(Vec<u64>),
    List(Vec<u64>),
}

/// Visits the bits that are set, first to last.
#[inline]
fn each_bit(words: &[u64], mut visit: impl FnMut(u64)) {
    for (position, &word) in (0..).zip(words) {
        let mut word = word;
        while word != 0 {
            visit(position * 64 + u64::from(word.trailing_zeros()));
            word &= word - 1;
        }
    }
}

/// Division by one number of fewer than 16 bits, of numbers of fewer than 48, by a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divisor {
    by: u64,
    inverse: u64,
}

impl Divisor {
    pub(super) fn new(by: u64) -> Self {
        Self {
            by,
            inverse: (u64::MAX / by.max(1)).wrapping_add(1),
        }
    }

    #[inline]
    pub(super) fn divide(self, number: u64) -> u64 {
        if self.by == 1 {
            return number;
        }
        ((u128::from(number) * u128::from(self.inverse)) >> 64) as u64
    }
}

/// Numbers for group ids: the ids themselves where they are nearly gapless, else their order.
#[derive(Debug)]
enum Ordinals {
    Ids(u64),
    Sorted(Vec<u32>),
}

impl Ordinals {
    fn new(index: &PairIndex) -> Self {
        let ids = (0..index.cells() as u32).map(|cell| index.group(cell));
        let end = ids.clone().max().map_or(0, |id| u64::from(id) + 1);
        if end <= 4 * index.groups() as u64 + 64 {
            return Self::Ids(end);
        }
        let mut sorted: Vec<u32> = ids.collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self::Sorted(sorted)
    }

    fn len(&self) -> u64 {
        match self {
            Self::Ids(end) => *end,
            Self::Sorted(ids) => ids.len() as u64,
        }
    }

    #[inline]
    fn of(&self, group: u32) -> u64 {
        match self {
            Self::Ids(_) => u64::from(group),
            Self::Sorted(ids) => ids.partition_point(|&id| id < group) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_product_divides(number in 0u64..1 << 48, by in 1u64..1 << 15) {
            prop_assert_eq!(Divisor::new(by).divide(number), number / by);
            let edge = number / by * by;
            prop_assert_eq!(Divisor::new(by).divide(edge), number / by);
            prop_assert_eq!(Divisor::new(by).divide(edge.saturating_sub(1)), edge.saturating_sub(1) / by);
        }
    }
}
