//! From columns to an index: every value checked, what follows a rule left out.

use super::column::Column;
use super::masks::Masks;
use super::sharing::sharing;
use super::strata::{Strata, bits};
use super::{Columns, LIMIT, MISSING, PairIndex, Sharing};
use crate::permutation::{key, mix};
use crate::{Error, Result};

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
            Column::Position
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
        let mut has_query = vec![bits(groups); languages];
        let mut has_passage = vec![bits(groups); languages];
        // The last group may lack its last languages.
        let full = (0..count)
            .all(|position| language.at(order.at(position)) == position % languages as u32)
            && first
                .windows(2)
                .rev()
                .skip(1)
                .all(|ends| (ends[1] - ends[0]) as usize == languages);
        let mut masks = if full {
            Masks::Full
        } else {
            Masks::empty(languages, groups)
        };
        for (ordinal, ends) in first.windows(2).enumerate() {
            for position in ends[0]..ends[1] {
                let cell = order.at(position);
                masks.add(ordinal, language.at(cell));
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
        let fingerprint = fingerprint(&columns, languages);
        let mut index = Self {
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
            masks,
            strata: Strata::new(groups, has_query, has_passage),
            sharing: [(); 3].map(|()| Sharing::default()),
            fingerprint,
        };
        index.sharing = sharing(&index);
        Ok(index)
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
