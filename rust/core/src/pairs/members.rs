//! Sets of groups: one bit a group where they are many, their numbers where they are few.

use super::format::{Reader, Writer};
use super::store::Store;

/// Words of 64 groups between two counts of a directory.
pub(super) const STRIDE: usize = 8;

/// Groups between two counts of a directory.
pub(super) const BLOCK: usize = 64 * STRIDE;

/// From one in so many groups on, bits take no more room than numbers.
const SPARSE: usize = 32;

/// The groups of a set that is neither empty nor all.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Members {
    /// One bit a group, padded to whole blocks.
    Bits(Store<u64>),
    /// Their numbers, increasing.
    List(Store<u32>),
}

impl Members {
    pub(super) fn touch_all(&self) {
        match self {
            Self::Bits(bits) => bits.touch_all(),
            Self::List(list) => list.touch_all(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bits(bits) => size_of_val(&**bits),
            Self::List(list) => size_of_val(&**list),
        }
    }

    /// Visits the groups, increasing.
    pub(super) fn each(&self, mut visit: impl FnMut(u32)) {
        match self {
            Self::List(list) => list.iter().for_each(|&group| visit(group)),
            Self::Bits(bits) => {
                for (place, &word) in bits.iter().enumerate() {
                    let mut word = word;
                    while word != 0 {
                        visit(place as u32 * 64 + word.trailing_zeros());
                        word &= word - 1;
                    }
                }
            }
        }
    }

    pub(super) fn write<'a>(&'a self, to: &mut Writer<'a>) {
        match self {
            Self::Bits(bits) => {
                to.number(0u64);
                to.run(bits);
            }
            Self::List(list) => {
                to.number(1u64);
                to.run(list);
            }
        }
    }

    pub(super) fn read(from: &mut Reader, groups: usize) -> Option<Self> {
        let words = groups.div_ceil(BLOCK) * STRIDE;
        Some(match from.number()? {
            0 => Self::Bits(from.run().filter(|bits: &Store<u64>| bits.len() == words)?),
            1 => Self::List(from.run().filter(|list: &Store<u32>| list.len() < groups)?),
            _ => return None,
        })
    }
}

/// What a set turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Nothing,
    All,
    Some(Members),
}

/// A set on its way in, its groups increasing.
#[derive(Debug, Clone)]
pub(super) enum Growing {
    List(Vec<u32>),
    Bits(Vec<u64>),
}

impl Default for Growing {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Growing {
    #[inline]
    pub(super) fn add(&mut self, group: u32) {
        match self {
            Self::Bits(words) => {
                let word = group as usize / 64;
                if word >= words.len() {
                    words.resize(word + 1, 0);
                }
                words[word] |= 1 << (group % 64);
            }
            Self::List(list) => {
                list.push(group);
                if list.len() > 16 + group as usize / SPARSE {
                    *self = Self::Bits(bits_of(list, group as usize / 64 + 1));
                }
            }
        }
    }

    /// What it is among `groups` groups, and how many it has.
    pub(super) fn finish(self, groups: usize) -> (Found, u32) {
        let count = match &self {
            Self::List(list) => list.len(),
            Self::Bits(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
        };
        if count == 0 || count == groups {
            let found = if count == 0 {
                Found::Nothing
            } else {
                Found::All
            };
            return (found, count as u32);
        }
        let words = groups.div_ceil(BLOCK) * STRIDE;
        let members = match self {
            Self::List(list) if count * SPARSE >= groups => {
                Members::Bits(bits_of(&list, words).into())
            }
            Self::List(mut list) => {
                list.shrink_to_fit();
                Members::List(list.into())
            }
            Self::Bits(bits) if count * SPARSE < groups => {
                let mut list = Vec::with_capacity(count);
                Members::Bits(bits.into()).each(|group| list.push(group));
                Members::List(list.into())
            }
            Self::Bits(mut bits) => {
                bits.resize(words, 0);
                bits.shrink_to_fit();
                Members::Bits(bits.into())
            }
        };
        (Found::Some(members), count as u32)
    }
}

fn bits_of(list: &[u32], words: usize) -> Vec<u64> {
    let mut bits = vec![0; words];
    for group in list {
        bits[*group as usize / 64] |= 1 << (group % 64);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_added(groups in 1usize..3000, one_in in 1u32..200, seed: u64) {
            let chosen: Vec<u32> = (0..groups as u32)
                .filter(|&group| crate::hash::key(&[seed, u64::from(group)]).is_multiple_of(u64::from(one_in)))
                .collect();
            let mut set = Growing::default();
            chosen.iter().for_each(|&group| set.add(group));
            let (found, count) = set.finish(groups);
            prop_assert_eq!(count as usize, chosen.len());
            match found {
                Found::Nothing => prop_assert!(chosen.is_empty()),
                Found::All => prop_assert_eq!(chosen.len(), groups),
                Found::Some(members) => {
                    let mut listed = Vec::new();
                    members.each(|group| listed.push(group));
                    prop_assert_eq!(&listed, &chosen);
                    prop_assert!(members.bytes() <= 4 * chosen.len() + 64);
                }
            }
        }
    }
}
