//! How far rows share identities, so that a guard knows what it need not look at.

use super::column::Column;
use super::survey::PIECE;
use super::{Key, MISSING, PairIndex};

/// How far the rows of an index share one kind of key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sharing {
    /// Whether two different groups can have the same key; if not, a guard by group does it all.
    pub across_groups: bool,
    /// The largest number of rows of one language with the same key, a value for each language.
    pub most: Vec<u32>,
}

impl Sharing {
    /// One key a row: what rows numbered by cell have.
    fn none(rows: impl Iterator<Item = u32>) -> Self {
        Self {
            across_groups: false,
            most: rows.map(|rows| rows.min(1)).collect(),
        }
    }
}

/// Facts about group ids, query identities and passage identities.
pub(super) fn sharing(index: &PairIndex) -> [Sharing; 3] {
    let groups = Sharing {
        across_groups: false,
        most: vec![1; index.languages],
    };
    [
        groups,
        of_key(index, Key::Query),
        of_key(index, Key::Passage),
    ]
}

fn of_key(index: &PairIndex, key: Key) -> Sharing {
    let side = Side {
        index,
        rows: if key == Key::Query {
            &index.query
        } else {
            &index.passage
        },
        identities: index.identities(key),
        of_language: index.strata.side(usize::from(key == Key::Passage)),
        passages: key == Key::Passage,
    };
    if !side.meet() {
        return Sharing::none(side.of_language.iter().copied());
    }
    let languages = 0..index.languages;
    let mut most: Vec<u32> = Vec::with_capacity(index.languages);
    let mut counts = Vec::new();
    for language in languages {
        let rows = side.identities_of(language);
        most.push(longest(rows, &mut counts));
    }
    Sharing {
        across_groups: true,
        most,
    }
}

/// How often the most frequent value comes; `counts` is working memory.
fn longest(mut values: Vec<u32>, counts: &mut Vec<u32>) -> u32 {
    let largest = values.iter().copied().max().unwrap_or(0) as usize;
    if largest > 4 * values.len() + 1024 {
        values.sort_unstable();
        let runs = values.chunk_by(|a, b| a == b).map(<[u32]>::len);
        return runs.max().unwrap_or(0) as u32;
    }
    counts.clear();
    counts.resize(largest + 1, 0);
    let mut most = 0;
    for value in values {
        let count = &mut counts[value as usize];
        *count += 1;
        most = most.max(*count);
    }
    most
}

/// One side of the cells.
struct Side<'a> {
    index: &'a PairIndex,
    rows: &'a Column,
    identities: &'a Column,
    of_language: &'a [u32],
    passages: bool,
}

impl Side<'_> {
    /// Whether two groups share an identity.
    fn meet(&self) -> bool {
        let cells = self.index.cells;
        if self.identities.is_strictly_rising(cells)
            || (self.index.groups == 1)
            || (matches!(
                self.identities,
                Column::Quotient(..) | Column::Remainder(..)
            ) && same_rule(self.identities, &self.index.group))
        {
            return false;
        }
        let mut largest = 0;
        self.each(|identity, _| {
            largest = largest.max(identity);
            true
        });
        let room = largest as usize + 1;
        if room > 4 * cells + 1024 {
            return self.meet_sorted();
        }
        let mut seen = vec![0u64; room.div_ceil(64)];
        let alone = self.each(|identity, _| {
            let (word, bit) = (&mut seen[identity as usize / 64], 1 << (identity % 64));
            let first = *word & bit == 0;
            *word |= bit;
            first
        });
        if alone {
            return false;
        }
        drop(seen);
        let mut owner = vec![MISSING; room];
        !self.each(|identity, group| {
            let owner = &mut owner[identity as usize];
            let same = *owner == MISSING || *owner == group;
            *owner = group;
            same
        })
    }

    /// The same by sorting, for identities too far apart for a table.
    fn meet_sorted(&self) -> bool {
        let mut pairs = Vec::new();
        self.each(|identity, group| {
            pairs.push(u64::from(identity) << 32 | u64::from(group));
            true
        });
        pairs.sort_unstable();
        let differ = |two: &[u64]| two[0] >> 32 == two[1] >> 32 && two[0] != two[1];
        pairs.windows(2).any(differ)
    }

    /// Visits identity and group of every cell that has the side, until told to stop; whether
    /// it got to the end.
    fn each(&self, mut visit: impl FnMut(u32, u32) -> bool) -> bool {
        let cells = self.index.cells;
        let (mut rows, mut identities, mut groups) = (vec![], vec![], vec![]);
        for start in (0..cells).step_by(PIECE) {
            let count = PIECE.min(cells - start);
            self.rows.read(start as u32, &mut rows, count);
            self.identities.read(start as u32, &mut identities, count);
            self.index.group.read(start as u32, &mut groups, count);
            for ((&row, &identity), &group) in rows.iter().zip(&identities).zip(&groups) {
                if row != MISSING && !visit(identity, group) {
                    return false;
                }
            }
        }
        true
    }

    /// The identities of one language.
    fn identities_of(&self, language: usize) -> Vec<u32> {
        let mut out = Vec::with_capacity(self.of_language[language] as usize);
        let (mut positions, mut cells) = (vec![], vec![]);
        let mut some = |ordinals: &[u32]| {
            self.index
                .cells_into(language as u32, ordinals, &mut positions, &mut cells);
            self.identities
                .gather(cells.iter().copied(), &mut out, |one| one);
        };
        self.index
            .strata
            .each_member(self.passages, language, &mut some);
        out
    }
}

/// Whether two columns follow one rule, up to what it starts from.
fn same_rule(one: &Column, other: &Column) -> bool {
    match (one, other) {
        (Column::Quotient(_, a), Column::Quotient(_, b))
        | (Column::Remainder(_, a), Column::Remainder(_, b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Sample, sample};
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn expected(sample: &Sample, rows: &[i64], identities: &[i64]) -> Sharing {
        let mut groups: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        let mut counts: BTreeMap<(i64, i64), u32> = BTreeMap::new();
        let mut most = vec![0; sample.languages];
        for (cell, &identity) in identities
            .iter()
            .enumerate()
            .filter(|&(cell, _)| rows[cell] >= 0)
        {
            groups
                .entry(identity)
                .or_default()
                .insert(sample.group[cell]);
            let language = sample.language[cell];
            let count = counts.entry((language, identity)).or_default();
            *count += 1;
            let most = &mut most[language as usize];
            *most = (*most).max(*count);
        }
        Sharing {
            across_groups: groups.values().any(|groups| groups.len() > 1),
            most,
        }
    }

    proptest! {
        #[test]
        fn sharing_is_what_counting_finds(sample in sample()) {
            let index = sample.index();
            let queries = sample.query_identity.as_ref().unwrap_or(&sample.query);
            let passages = sample.passage_identity.as_ref().unwrap_or(&sample.passage);
            prop_assert_eq!(index.sharing(Key::Query), &expected(&sample, &sample.query, queries));
            prop_assert_eq!(
                index.sharing(Key::Passage),
                &expected(&sample, &sample.passage, passages)
            );
            prop_assert!(!index.sharing(Key::Group).across_groups);
        }
    }
}
