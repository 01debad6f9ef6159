//! The languages of each group as bits, so that a cell is found by counting and not by looking.

use super::format::{NONE, Reader, Writer};
use super::store::Store;

/// The languages of each group.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Masks {
    /// Every group has every language, but the last may lack its last ones.
    Full,
    Sixteen(Store<u16>),
    ThirtyTwo(Store<u32>),
    SixtyFour(Store<u64>),
    /// More languages than a word has bits: none are kept.
    TooMany,
}

impl Masks {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Sixteen(of) => of.len() * 2,
            Self::ThirtyTwo(of) => of.len() * 4,
            Self::SixtyFour(of) => of.len() * 8,
            Self::Full | Self::TooMany => 0,
        }
    }
}

/// Masks on their way in, full as long as every group is.
#[derive(Debug)]
pub(super) struct GrowingMasks {
    languages: usize,
    groups: usize,
    /// Languages of the group at hand.
    mask: u64,
    held: Option<Held>,
    /// Whether a group before the one at hand, or its order, was not full.
    broken: bool,
}

#[derive(Debug)]
enum Held {
    Sixteen(Vec<u16>),
    ThirtyTwo(Vec<u32>),
    SixtyFour(Vec<u64>),
}

impl GrowingMasks {
    pub(super) fn new(languages: usize) -> Self {
        Self {
            languages,
            groups: 0,
            mask: 0,
            held: None,
            broken: false,
        }
    }

    /// One more cell of the group at hand; `nth` is how many it had.
    #[inline]
    pub(super) fn add(&mut self, language: u32, nth: u32) {
        self.mask |= 1u64 << (language % 64);
        self.broken |= language != nth;
    }

    /// The group at hand had `cells` cells; another begins.
    #[inline]
    pub(super) fn close(&mut self, cells: u32, last: bool) {
        self.broken |= !last && cells as usize != self.languages;
        let mask = std::mem::take(&mut self.mask);
        if self.broken && self.languages <= 64 {
            let groups = self.groups;
            let all = u64::MAX >> (64 - self.languages);
            let held = self.held.get_or_insert_with(|| match self.languages {
                0..=16 => Held::Sixteen(vec![all as u16; groups]),
                17..=32 => Held::ThirtyTwo(vec![all as u32; groups]),
                _ => Held::SixtyFour(vec![all; groups]),
            });
            match held {
                Held::Sixteen(of) => of.push(mask as u16),
                Held::ThirtyTwo(of) => of.push(mask as u32),
                Held::SixtyFour(of) => of.push(mask),
            }
        }
        self.groups += 1;
    }

    pub(super) fn finish(self) -> Masks {
        match self.held {
            Some(Held::Sixteen(mut of)) => {
                of.shrink_to_fit();
                Masks::Sixteen(of.into())
            }
            Some(Held::ThirtyTwo(mut of)) => {
                of.shrink_to_fit();
                Masks::ThirtyTwo(of.into())
            }
            Some(Held::SixtyFour(mut of)) => {
                of.shrink_to_fit();
                Masks::SixtyFour(of.into())
            }
            None if self.broken => Masks::TooMany,
            None => Masks::Full,
        }
    }
}

impl Masks {
    pub(super) fn write<'a>(&'a self, to: &mut Writer<'a>) {
        match self {
            Self::Full => to.number(0u64),
            Self::Sixteen(of) => {
                to.number(16u64);
                to.run(of);
            }
            Self::ThirtyTwo(of) => {
                to.number(32u64);
                to.run(of);
            }
            Self::SixtyFour(of) => {
                to.number(64u64);
                to.run(of);
            }
            Self::TooMany => to.number(NONE),
        }
    }

    pub(super) fn read(from: &mut Reader, groups: usize) -> Option<Self> {
        Some(match from.number()? {
            0 => Self::Full,
            16 => Self::Sixteen(from.run().filter(|of| of.len() == groups)?),
            32 => Self::ThirtyTwo(from.run().filter(|of| of.len() == groups)?),
            64 => Self::SixtyFour(from.run().filter(|of| of.len() == groups)?),
            NONE => Self::TooMany,
            _ => return None,
        })
    }
}
