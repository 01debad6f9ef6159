//! The pair index: groups × languages → query rows, passage rows and identities.
//!
//! One index serves every ordered language pair. A stratum (query language, passage language)
//! is never stored: it is the groups whose query exists in the one and whose passage exists in
//! the other language, found by counting set bits.

mod arrange;
mod build;
mod column;
mod divisor;
mod file;
mod format;
mod gather;
mod image;
mod masks;
mod members;
mod numbers;
mod order;
mod plain;
#[cfg(test)]
mod samples;
mod sharing;
mod store;
mod strata;
mod survey;
mod table;
mod texts;

use std::sync::Arc;

use crate::Result;
use column::Column;
use image::Image;
use masks::Masks;
use strata::Strata;
use texts::Texts;

pub use gather::Key;
pub use image::Damage;
pub use numbers::Numbers;
pub use sharing::Sharing;
pub use strata::StratumSize;
pub(crate) use texts::{PairTexts, each as each_text, meet};

/// Marks a side that a cell does not have.
pub const MISSING: u32 = u32::MAX;

/// The largest value of any column; [`MISSING`] is taken.
pub const LIMIT: i64 = u32::MAX as i64 - 1;

/// The columns of an index, one value a cell.
///
/// `query` and `passage` are row numbers, −1 where the cell has no such side. Identities of
/// `None` are the rows themselves.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Group id; ids may have gaps.
    pub group: &'a [i64],
    /// Language number, from 0.
    pub language: &'a [i64],
    /// Query row or −1.
    pub query: &'a [i64],
    /// Passage row or −1.
    pub passage: &'a [i64],
    /// Equal for cells that ask the same question.
    pub query_identity: Option<&'a [i64]>,
    /// Equal for cells whose passages must not meet in a batch.
    pub passage_identity: Option<&'a [i64]>,
}

/// The columns of an index as any whole numbers; otherwise as [`Columns`].
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Group id; ids may have gaps.
    pub group: &'a dyn Numbers,
    /// Language number, from 0.
    pub language: &'a dyn Numbers,
    /// Query row or −1.
    pub query: &'a dyn Numbers,
    /// Passage row or −1.
    pub passage: &'a dyn Numbers,
    /// Equal for cells that ask the same question.
    pub query_identity: Option<&'a dyn Numbers>,
    /// Equal for cells whose passages must not meet in a batch.
    pub passage_identity: Option<&'a dyn Numbers>,
}

/// A question-passage pair: the cell of its query and the cell of its passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Position of the query's cell in the columns.
    pub query_cell: u32,
    /// Position of the passage's cell in the columns.
    pub passage_cell: u32,
}

/// Groups × languages → query rows, passage rows and identities.
///
/// ```
/// use hybrid_fast_core::pairs::{Columns, PairIndex};
/// // Two groups in languages 0 and 1; group 9 has no passage in language 1.
/// let index = PairIndex::new(
///     Columns {
///         group: &[4, 4, 9, 9],
///         language: &[0, 1, 0, 1],
///         query: &[0, 1, 2, 3],
///         passage: &[0, 1, 2, -1],
///         query_identity: None,
///         passage_identity: None,
///     },
///     2,
/// )?;
/// assert_eq!(index.stratum_len(0, 0), 2);
/// assert_eq!(index.stratum_len(0, 1), 1);
/// assert_eq!(index.stratum_len(1, 0), 2);
/// let pair = index.pair(1, 0, 1);
/// assert_eq!((pair.query_cell, pair.passage_cell), (3, 2));
/// # Ok::<(), hybrid_fast_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PairIndex {
    languages: usize,
    cells: usize,
    /// The smallest group id, if the ids have no gaps.
    first_id: Option<u32>,
    group: Column,
    language: Column,
    query: Column,
    passage: Column,
    query_identity: Option<Column>,
    passage_identity: Option<Column>,
    /// Cells sorted by group, then language.
    order: Column,
    /// First position in `order` of each group.
    first: Column,
    groups: usize,
    masks: Masks,
    strata: Strata,
    sharing: [Sharing; 3],
    texts: Option<Texts>,
    fingerprint: u64,
    /// The file that it was opened from.
    image: Option<Arc<Image>>,
}

impl PairIndex {
    /// How many languages.
    #[must_use]
    pub fn languages(&self) -> usize {
        self.languages
    }

    /// How many cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// How many different groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// A hash of every value, for refusing the state of another index.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Bytes held by columns, orders and directories.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns = [&self.group, &self.language, &self.query, &self.passage];
        let others = [&self.order, &self.first];
        let identities = [&self.query_identity, &self.passage_identity];
        columns.iter().map(|column| column.bytes()).sum::<usize>()
            + others.iter().map(|column| column.bytes()).sum::<usize>()
            + identities
                .iter()
                .map(|one| one.as_ref().map_or(0, Column::bytes))
                .sum::<usize>()
            + self.masks.bytes()
            + self.strata.bytes()
            + self.texts.as_ref().map_or(0, Texts::bytes)
    }

    /// Pairs whose query is in language `query` and whose passage is in language `passage`.
    #[must_use]
    pub fn stratum_len(&self, query: usize, passage: usize) -> u64 {
        u64::from(self.strata.rows(query, passage))
    }

    /// The strata that have pairs, row by row of query languages.
    ///
    /// # Errors
    /// `InvalidArgument` for more of them than memory holds.
    pub fn strata(&self) -> Result<Vec<StratumSize>> {
        self.strata.sizes()
    }

    /// For each language, the pairs of the largest stratum with its passages.
    #[must_use]
    pub fn largest_strata(&self) -> Vec<u32> {
        self.strata.greatest()
    }

    /// For each language, its cells with a query whose group has a passage in one of the languages
    /// `passages`.
    ///
    /// # Errors
    /// `InvalidArgument` for more groups than memory holds a bit each of.
    pub fn drawable_queries(&self, passages: &[usize]) -> Result<Vec<u64>> {
        self.strata.drawable(passages)
    }

    /// Groups with a pair in at least one of `strata` (query language, passage language).
    ///
    /// # Errors
    /// `InvalidArgument` for more groups than memory holds a bit each of.
    pub fn groups_of(&self, strata: impl Iterator<Item = (usize, usize)>) -> Result<u64> {
        self.strata.union(strata)
    }

    /// Refuses an index whose file was cut short since it was opened.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the file.
    pub fn whole(&self) -> Result<()> {
        self.image.as_ref().map_or(Ok(()), |image| image.whole())
    }

    /// The `row`-th pair of a stratum, in the order of group ids.
    ///
    /// # Panics
    /// If `row` is not below [`stratum_len`](Self::stratum_len).
    #[must_use]
    pub fn pair(&self, query: usize, passage: usize, row: u32) -> Pair {
        let ordinal = self.strata.ordinal(query, passage, row);
        Pair {
            query_cell: self.cell(ordinal, query as u32),
            passage_cell: self.cell(ordinal, passage as u32),
        }
    }

    fn cell(&self, ordinal: u32, language: u32) -> u32 {
        let end = if ordinal as usize + 1 < self.groups {
            self.first.at(ordinal + 1)
        } else {
            self.cells as u32
        };
        (self.first.at(ordinal)..end)
            .map(|position| self.order.at(position))
            .find(|&cell| self.language.at(cell) == language)
            .unwrap_or(MISSING)
    }

    /// The cell of the same group as `cell` in `language`, if there is one.
    #[must_use]
    pub fn sibling(&self, cell: u32, language: usize) -> Option<u32> {
        let ordinal = self.ordinal(self.group.at(cell));
        Some(self.cell(ordinal, language as u32)).filter(|&cell| cell != MISSING)
    }

    /// The place of a group id among all, which must be one of them.
    fn ordinal(&self, id: u32) -> u32 {
        if let Some(first) = self.first_id {
            return id - first;
        }
        let (mut low, mut high) = (0, self.groups as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.group.at(self.order.at(self.first.at(middle))) < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// How far rows share query identities or passage identities (group ids: never).
    ///
    /// ```
    /// use hybrid_fast_core::pairs::{Columns, Key, PairIndex};
    /// // Two groups in two languages; both ask about one passage.
    /// let columns = Columns {
    ///     group: &[0, 0, 1, 1],
    ///     language: &[0, 1, 0, 1],
    ///     query: &[0, 1, 2, 3],
    ///     passage: &[0, 1, 2, 3],
    ///     query_identity: None,
    ///     passage_identity: Some(&[5, 5, 5, 5]),
    /// };
    /// let index = PairIndex::new(columns, 2)?;
    /// assert!(!index.sharing(Key::Query).across_groups);
    /// assert!(index.sharing(Key::Passage).across_groups);
    /// assert_eq!(index.sharing(Key::Passage).most, [2, 2]);
    /// # Ok::<(), hybrid_fast_core::Error>(())
    /// ```
    #[must_use]
    pub fn sharing(&self, key: Key) -> &Sharing {
        &self.sharing[match key {
            Key::Group => 0,
            Key::Query => 1,
            Key::Passage => 2,
        }]
    }

    /// Group id of a cell, as given.
    #[must_use]
    pub fn group(&self, cell: u32) -> u32 {
        self.group.at(cell)
    }

    /// Language of a cell.
    #[must_use]
    pub fn language(&self, cell: u32) -> u32 {
        self.language.at(cell)
    }

    /// Query row of a cell, as given, or [`MISSING`].
    #[must_use]
    pub fn query(&self, cell: u32) -> u32 {
        self.query.at(cell)
    }

    /// Passage row of a cell, as given, or [`MISSING`].
    #[must_use]
    pub fn passage(&self, cell: u32) -> u32 {
        self.passage.at(cell)
    }

    /// Identity of a cell's query.
    #[must_use]
    pub fn query_identity(&self, cell: u32) -> u32 {
        self.query_identity.as_ref().unwrap_or(&self.query).at(cell)
    }

    /// Identity of a cell's passage.
    #[must_use]
    pub fn passage_identity(&self, cell: u32) -> u32 {
        self.passage_identity
            .as_ref()
            .unwrap_or(&self.passage)
            .at(cell)
    }
}

/// Equal columns make equal indexes, wherever they are held.
impl PartialEq for PairIndex {
    fn eq(&self, other: &Self) -> bool {
        let columns = |one: &Self| {
            let held = [&one.group, &one.language, &one.query, &one.passage];
            held.map(Column::clone)
        };
        columns(self) == columns(other)
            && self.query_identity == other.query_identity
            && self.passage_identity == other.passage_identity
            && (self.languages, self.cells, self.groups, self.first_id)
                == (other.languages, other.cells, other.groups, other.first_id)
            && (&self.order, &self.first, &self.masks) == (&other.order, &other.first, &other.masks)
            && (&self.strata, &self.sharing) == (&other.strata, &other.sharing)
            && self.texts == other.texts
            && self.fingerprint == other.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::StratumSize;
    use super::samples::sample;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strata_hold_the_groups_with_both_sides(sample in sample()) {
            let index = sample.index();
            for (from, to) in sample.strata() {
                    let expected = sample.stratum(from, to);
                    prop_assert_eq!(index.stratum_len(from, to), expected.len() as u64);
                    for (row, &(asked, answered)) in expected.iter().enumerate() {
                        let pair = index.pair(from, to, row as u32);
                        prop_assert_eq!(pair.query_cell, asked);
                        prop_assert_eq!(pair.passage_cell, answered);
                        prop_assert_eq!(index.sibling(asked, to), Some(answered));
                        let (asked, answered) = (asked as usize, answered as usize);
                        prop_assert_eq!(i64::from(index.group(pair.query_cell)), sample.group[asked]);
                        prop_assert_eq!(i64::from(index.query(pair.query_cell)), sample.query[asked]);
                        prop_assert_eq!(
                            i64::from(index.passage(pair.passage_cell)),
                            sample.passage[answered]
                        );
                        prop_assert_eq!(index.language(pair.query_cell), from as u32);
                        prop_assert_eq!(index.language(pair.passage_cell), to as u32);
                    }
            }
        }

        #[test]
        fn groups_are_counted_once(sample in sample(), seed: u64) {
            let index = sample.index();
            let languages = sample.languages;
            let strata: Vec<(usize, usize)> = (0..languages * languages)
                .filter(|one| seed >> (one % 64) & 1 == 1)
                .map(|one| (one / languages, one % languages))
                .collect();
            let groups = |strata: &[(usize, usize)]| {
                let mut groups: Vec<i64> = strata
                    .iter()
                    .flat_map(|&(from, to)| sample.stratum(from, to))
                    .map(|(asked, _)| sample.group[asked as usize])
                    .collect();
                groups.sort_unstable();
                groups.dedup();
                groups.len() as u64
            };
            prop_assert_eq!(index.groups_of(strata.iter().copied())?, groups(&strata));
            let some: Vec<usize> = (0..languages).filter(|one| seed >> (one % 64) & 1 == 0).collect();
            let drawn: Vec<(usize, usize)> = some.iter().map(|&to| (0, to)).collect();
            prop_assert_eq!(index.drawable_queries(&some)?[0], groups(&drawn));
            let mut every = Vec::new();
            let mut largest = vec![0; languages];
            for (query, passage) in (0..languages * languages).map(|one| (one / languages, one % languages)) {
                let pairs = sample.stratum(query, passage).len() as u32;
                largest[passage] = pairs.max(largest[passage]);
                if pairs > 0 {
                    every.push(StratumSize { query: query as u32, passage: passage as u32, pairs });
                }
            }
            prop_assert_eq!(index.strata()?, every);
            prop_assert_eq!(index.largest_strata(), largest);
        }
    }
}
