//! The languages of each group as bits, so that a cell is found by counting and not by looking.

/// The languages of each group.
#[derive(Debug, Clone)]
pub(super) enum Masks {
    /// Every group has every language, but the last may lack its last ones.
    Full,
    Sixteen(Vec<u16>),
    ThirtyTwo(Vec<u32>),
    SixtyFour(Vec<u64>),
    /// More languages than a word has bits: none are kept.
    TooMany,
}

impl Masks {
    /// No languages yet, for `groups` groups.
    pub(super) fn empty(languages: usize, groups: usize) -> Self {
        match languages {
            ..=16 => Self::Sixteen(vec![0; groups]),
            17..=32 => Self::ThirtyTwo(vec![0; groups]),
            33..=64 => Self::SixtyFour(vec![0; groups]),
            _ => Self::TooMany,
        }
    }

    pub(super) fn add(&mut self, group: usize, language: u32) {
        match self {
            Self::Sixteen(of) => of[group] |= 1 << language,
            Self::ThirtyTwo(of) => of[group] |= 1 << language,
            Self::SixtyFour(of) => of[group] |= 1 << language,
            Self::Full | Self::TooMany => {}
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Sixteen(of) => size_of_val(of.as_slice()),
            Self::ThirtyTwo(of) => size_of_val(of.as_slice()),
            Self::SixtyFour(of) => size_of_val(of.as_slice()),
            Self::Full | Self::TooMany => 0,
        }
    }
}
