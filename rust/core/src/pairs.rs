//! The pair index: groups × languages → query rows, passage rows and identities.
//!
//! One index serves every ordered language pair. A stratum (query language, passage language)
//! is never stored: it is the groups whose query exists in the one and whose passage exists in
//! the other language, found by counting set bits.

use crate::permutation::{key, mix};
use crate::{Error, Result};

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

/// A column of numbers that costs nothing where it follows a rule.
#[derive(Debug, Clone)]
enum Column {
    /// Every value is this one.
    Constant(u32),
    /// The position divided by this.
    Quotient(u32),
    /// The position modulo this.
    Remainder(u32),
    /// The position times this.
    Multiple(u32),
    Values(Vec<u32>),
}

impl Column {
    fn compress(values: impl Iterator<Item = u32> + Clone) -> Self {
        let mut rest = values.clone();
        let Some(first) = rest.next() else {
            return Self::Constant(0);
        };
        if values.clone().all(|value| value == first) {
            return Self::Constant(first);
        }
        if first == 0 {
            let run = values.clone().take_while(|&value| value == 0).count() as u32;
            if numbered(values.clone()).all(|(position, value)| value == position / run) {
                return Self::Quotient(run);
            }
            let climb = numbered(values.clone())
                .take_while(|&(p, value)| value == p)
                .count();
            let climb = climb as u32;
            if numbered(values.clone()).all(|(position, value)| value == position % climb) {
                return Self::Remainder(climb);
            }
            let step = values.clone().nth(1).unwrap_or(0);
            let multiple =
                |(position, value): (u32, u32)| position.checked_mul(step) == Some(value);
            if numbered(values.clone()).all(multiple) {
                return Self::Multiple(step);
            }
        }
        Self::Values(values.collect())
    }

    #[inline]
    fn at(&self, position: u32) -> u32 {
        match self {
            Self::Constant(value) => *value,
            Self::Quotient(by) => position / by,
            Self::Remainder(by) => position % by,
            Self::Multiple(by) => position * by,
            Self::Values(values) => values[position as usize],
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Values(values) => values.len() * size_of::<u32>(),
            _ => 0,
        }
    }
}

fn numbered(values: impl Iterator<Item = u32>) -> impl Iterator<Item = (u32, u32)> {
    values
        .enumerate()
        .map(|(position, value)| (position as u32, value))
}

/// One bit a group.
type Bits = Vec<u64>;

/// Words of 64 groups between two counts of a stratum's directory.
const STRIDE: usize = 8;

/// The groups of one stratum: how many, and how many before every [`STRIDE`] words.
#[derive(Debug, Clone, Default)]
struct Directory {
    rows: u32,
    before: Vec<u32>,
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
    group: Column,
    language: Column,
    query: Column,
    passage: Column,
    query_identity: Option<Column>,
    passage_identity: Option<Column>,
    /// Cells sorted by group, then language.
    order: Column,
    /// First position in `order` of each group, and the end.
    first: Column,
    groups: usize,
    strata: Vec<Directory>,
    has_query: Vec<Bits>,
    has_passage: Vec<Bits>,
    fingerprint: u64,
}

impl PairIndex {
    /// Builds the index and checks every value.
    ///
    /// # Errors
    /// `InvalidShape` for columns of unequal length; `InvalidArgument`, naming the cell, for a
    /// language outside `0..languages`, a negative value other than −1, a value above
    /// 2³² − 2, no cells at all, or the same (group, language) twice.
    pub fn new(columns: Columns<'_>, languages: usize) -> Result<Self> {
        let cells = check(&columns, languages)?;
        let narrow = |values: &[i64]| {
            Column::compress(
                values
                    .iter()
                    .map(|&value| u32::try_from(value).unwrap_or(MISSING)),
            )
        };
        let group = narrow(columns.group);
        let language = narrow(columns.language);
        let query = narrow(columns.query);
        let passage = narrow(columns.passage);
        let query_identity = columns
            .query_identity
            .filter(|identity| *identity != columns.query)
            .map(narrow);
        let passage_identity = columns
            .passage_identity
            .filter(|identity| *identity != columns.passage)
            .map(narrow);

        let place = |cell: u32| (group.at(cell), language.at(cell));
        let count = cells as u32;
        let order = if (1..count).all(|cell| place(cell - 1) < place(cell)) {
            Column::Quotient(1)
        } else {
            let mut order: Vec<u32> = (0..count).collect();
            order.sort_unstable_by_key(|&cell| place(cell));
            if let Some(twice) = order.windows(2).find(|two| place(two[0]) == place(two[1])) {
                let (group, language) = place(twice[0]);
                let (a, b) = (twice[0].min(twice[1]), twice[0].max(twice[1]));
                return Err(Error::InvalidArgument(format!(
                    "cells {a} and {b} are both group {group}, language {language}; \
                     give each (group, language) once"
                )));
            }
            Column::Values(order)
        };

        let mut first = Vec::new();
        let mut previous = None;
        for position in 0..count {
            let id = group.at(order.at(position));
            if previous != Some(id) {
                first.push(position);
                previous = Some(id);
            }
        }
        let groups = first.len();
        first.push(count);
        let words = groups.div_ceil(64);
        let mut has_query = vec![vec![0u64; words]; languages];
        let mut has_passage = vec![vec![0u64; words]; languages];
        for (ordinal, ends) in first.windows(2).enumerate() {
            for position in ends[0]..ends[1] {
                let cell = order.at(position);
                let of = language.at(cell) as usize;
                let (word, bit) = (ordinal / 64, 1u64 << (ordinal % 64));
                if query.at(cell) != MISSING {
                    has_query[of][word] |= bit;
                }
                if passage.at(cell) != MISSING {
                    has_passage[of][word] |= bit;
                }
            }
        }
        let strata = (0..languages * languages)
            .map(|number| {
                directory(
                    &has_query[number / languages],
                    &has_passage[number % languages],
                )
            })
            .collect();
        let fingerprint = fingerprint(&columns, languages);
        Ok(Self {
            languages,
            cells,
            group,
            language,
            query,
            passage,
            query_identity,
            passage_identity,
            order,
            first: Column::compress(first.iter().copied()),
            groups,
            strata,
            has_query,
            has_passage,
            fingerprint,
        })
    }

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
        let bits = |sides: &[Bits]| sides.iter().map(|bits| bits.len() * 8).sum::<usize>();
        columns.iter().map(|column| column.bytes()).sum::<usize>()
            + others.iter().map(|column| column.bytes()).sum::<usize>()
            + identities
                .iter()
                .map(|one| one.as_ref().map_or(0, Column::bytes))
                .sum::<usize>()
            + bits(&self.has_query)
            + bits(&self.has_passage)
            + self
                .strata
                .iter()
                .map(|stratum| stratum.before.len() * 4)
                .sum::<usize>()
    }

    /// Pairs whose query is in language `query` and whose passage is in language `passage`.
    #[must_use]
    pub fn stratum_len(&self, query: usize, passage: usize) -> u64 {
        u64::from(self.strata[query * self.languages + passage].rows)
    }

    /// Cells of language `query` whose group has a passage in one of the languages `passages`.
    #[must_use]
    pub fn drawable_queries(&self, query: usize, passages: &[usize]) -> u64 {
        let mut count = 0;
        for (word, &queries) in self.has_query[query].iter().enumerate() {
            let any = passages
                .iter()
                .fold(0, |any, &one| any | self.has_passage[one][word]);
            count += u64::from((queries & any).count_ones());
        }
        count
    }

    /// Groups with a pair in at least one of `strata` (query language, passage language).
    #[must_use]
    pub fn groups_of(&self, strata: &[(usize, usize)]) -> u64 {
        (0..self.groups.div_ceil(64))
            .map(|word| {
                strata
                    .iter()
                    .fold(0u64, |any, &(query, passage)| {
                        any | (self.has_query[query][word] & self.has_passage[passage][word])
                    })
                    .count_ones()
            })
            .map(u64::from)
            .sum()
    }

    /// The `row`-th pair of a stratum, in the order of group ids.
    ///
    /// # Panics
    /// If `row` is not below [`stratum_len`](Self::stratum_len).
    #[must_use]
    pub fn pair(&self, query: usize, passage: usize, row: u32) -> Pair {
        let ordinal = self.group_of_row(query, passage, row);
        Pair {
            query_cell: self.cell(ordinal, query as u32),
            passage_cell: self.cell(ordinal, passage as u32),
        }
    }

    fn group_of_row(&self, query: usize, passage: usize, row: u32) -> u32 {
        let stratum = &self.strata[query * self.languages + passage];
        assert!(
            row < stratum.rows,
            "row {row} of a stratum of {} rows",
            stratum.rows
        );
        if stratum.rows as usize == self.groups {
            return row;
        }
        let step = stratum.before.partition_point(|&before| before <= row) - 1;
        let mut left = row - stratum.before[step];
        let queries = &self.has_query[query];
        let passages = &self.has_passage[passage];
        for word in step * STRIDE..queries.len() {
            let mut both = queries[word] & passages[word];
            let here = both.count_ones();
            if left < here {
                for _ in 0..left {
                    both &= both - 1;
                }
                return word as u32 * 64 + both.trailing_zeros();
            }
            left -= here;
        }
        unreachable!("the directory counts every group of the stratum")
    }

    fn cell(&self, ordinal: u32, language: u32) -> u32 {
        let (start, end) = (self.first.at(ordinal), self.first.at(ordinal + 1));
        (start..end)
            .map(|position| self.order.at(position))
            .find(|&cell| self.language.at(cell) == language)
            .unwrap_or(MISSING)
    }

    /// The cell of the same group as `cell` in `language`, if there is one.
    #[must_use]
    pub fn sibling(&self, cell: u32, language: usize) -> Option<u32> {
        let id = self.group.at(cell);
        let (mut low, mut high) = (0, self.groups as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.group.at(self.order.at(self.first.at(middle))) < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(self.cell(low, language as u32)).filter(|&cell| cell != MISSING)
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

fn directory(queries: &Bits, passages: &Bits) -> Directory {
    let mut rows = 0;
    let mut before = Vec::with_capacity(queries.len().div_ceil(STRIDE));
    for (left, right) in queries.chunks(STRIDE).zip(passages.chunks(STRIDE)) {
        before.push(rows);
        rows += left
            .iter()
            .zip(right)
            .map(|(a, b)| (a & b).count_ones())
            .sum::<u32>();
    }
    if rows == 0 {
        Directory::default()
    } else {
        Directory { rows, before }
    }
}

fn check(columns: &Columns<'_>, languages: usize) -> Result<usize> {
    let cells = columns.group.len();
    let named = [
        ("language", Some(columns.language)),
        ("query", Some(columns.query)),
        ("passage", Some(columns.passage)),
        ("query_identity", columns.query_identity),
        ("passage_identity", columns.passage_identity),
    ];
    for (name, values) in named {
        if let Some(values) = values
            && values.len() != cells
        {
            return Err(Error::InvalidShape(format!(
                "{name} has {} values and group has {cells}; every column needs one value a cell",
                values.len()
            )));
        }
    }
    if cells == 0 {
        return Err(Error::InvalidArgument(
            "the index has no cells; give at least one".into(),
        ));
    }
    if cells as i64 > LIMIT {
        return Err(Error::InvalidArgument(format!(
            "{cells} cells are more than the limit of {LIMIT}"
        )));
    }
    let wrong = |name: &str, cell: usize, value: i64, expected: &str| {
        Err(Error::InvalidArgument(format!(
            "{name} of cell {cell} is {value}, expected {expected}"
        )))
    };
    for (cell, &value) in columns.group.iter().enumerate() {
        if !(0..=LIMIT).contains(&value) {
            return wrong("group", cell, value, &format!("0 to {LIMIT}"));
        }
    }
    for (cell, &value) in columns.language.iter().enumerate() {
        if !(0..languages as i64).contains(&value) {
            let expected = format!("the position of one of the {languages} languages, from 0");
            return wrong("language", cell, value, &expected);
        }
    }
    for (name, values) in &named[1..] {
        for (cell, &value) in values.iter().copied().flatten().enumerate() {
            if !(-1..=LIMIT).contains(&value) {
                return wrong(name, cell, value, &format!("-1 (none) or 0 to {LIMIT}"));
            }
        }
    }
    for (name, rows, identities) in [
        ("query_identity", columns.query, columns.query_identity),
        (
            "passage_identity",
            columns.passage,
            columns.passage_identity,
        ),
    ] {
        let Some(identities) = identities else {
            continue;
        };
        if let Some(cell) = (0..cells).find(|&cell| rows[cell] >= 0 && identities[cell] < 0) {
            return wrong(
                name,
                cell,
                -1,
                "an identity of 0 or more, for the cell has that side",
            );
        }
    }
    Ok(cells)
}

fn fingerprint(columns: &Columns<'_>, languages: usize) -> u64 {
    let fold = |values: &[i64]| {
        values.iter().fold(values.len() as u64, |hash, &value| {
            mix(hash.rotate_left(23) ^ (value as u64).wrapping_mul(0xA076_1D64_78BD_642F))
        })
    };
    key(&[
        languages as u64,
        fold(columns.group),
        fold(columns.language),
        fold(columns.query),
        fold(columns.passage),
        fold(columns.query_identity.unwrap_or(columns.query)),
        fold(columns.passage_identity.unwrap_or(columns.passage)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_compressed_column_reads_back(
            rule in 0usize..5,
            by in 1u32..9,
            len in 0u32..200,
            seed: u64,
        ) {
            let values: Vec<u32> = (0..len)
                .map(|position| match rule {
                    0 => by,
                    1 => position / by,
                    2 => position % by,
                    3 => position * by,
                    _ => mix(seed ^ u64::from(position)) as u32 % 3,
                })
                .collect();
            let column = Column::compress(values.iter().copied());
            for (position, &value) in values.iter().enumerate() {
                prop_assert_eq!(column.at(position as u32), value);
            }
            prop_assert!(rule == 4 || column.bytes() == 0);
        }

        #[test]
        fn strata_hold_the_groups_with_both_sides(
            groups in 1usize..1500,
            languages in 1usize..5,
            holes in 0u64..4,
            seed: u64,
        ) {
            let there = |side: u64, group: usize, language: usize| {
                key(&[seed, side, group as u64, language as u64]) % 8 >= holes
            };
            let cells: Vec<(usize, usize)> = (0..groups)
                .flat_map(|group| (0..languages).map(move |language| (group, language)))
                .collect();
            let rows = |side: u64| -> Vec<i64> {
                cells
                    .iter()
                    .enumerate()
                    .map(|(row, &(group, language))| {
                        if there(side, group, language) { row as i64 } else { -1 }
                    })
                    .collect()
            };
            let index = PairIndex::new(
                Columns {
                    group: &cells.iter().map(|cell| cell.0 as i64 * 3).collect::<Vec<_>>(),
                    language: &cells.iter().map(|cell| cell.1 as i64).collect::<Vec<_>>(),
                    query: &rows(0),
                    passage: &rows(1),
                    query_identity: None,
                    passage_identity: None,
                },
                languages,
            )?;
            for from in 0..languages {
                for to in 0..languages {
                    let expected: Vec<usize> = (0..groups)
                        .filter(|&group| there(0, group, from) && there(1, group, to))
                        .collect();
                    prop_assert_eq!(index.stratum_len(from, to), expected.len() as u64);
                    for (row, group) in expected.into_iter().enumerate() {
                        let pair = index.pair(from, to, row as u32);
                        prop_assert_eq!(index.group(pair.query_cell), group as u32 * 3);
                        prop_assert_eq!(index.language(pair.query_cell), from as u32);
                        prop_assert_eq!(index.language(pair.passage_cell), to as u32);
                        prop_assert_eq!(
                            index.sibling(pair.query_cell, to),
                            Some(pair.passage_cell)
                        );
                    }
                }
            }
        }
    }
}
