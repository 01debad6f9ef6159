//! From columns to an index: every value checked, what follows a rule left out.

use super::arrange::arrange;
use super::order::Places;
use super::sharing::sharing;
use super::survey::{PIECE, Survey, survey};
use super::{Columns, Given, LIMIT, MISSING, PairIndex, Sharing};
use crate::hash::key;
use crate::{Error, Result};

impl PairIndex {
    /// Builds the index and checks every value.
    ///
    /// # Errors
    /// `InvalidShape` for columns of unequal length; `InvalidArgument`, naming the cell, for a
    /// language outside `0..languages`, a negative value other than −1, a value above
    /// 2³² − 2, no cells at all, or the same (group, language) twice.
    pub fn new(columns: Columns<'_>, languages: usize) -> Result<Self> {
        Self::build(
            Given {
                group: &columns.group,
                language: &columns.language,
                query: &columns.query,
                passage: &columns.passage,
                query_identity: columns.query_identity.as_ref().map(|one| one as _),
                passage_identity: columns.passage_identity.as_ref().map(|one| one as _),
            },
            languages,
        )
    }

    /// Like [`new`](Self::new), from columns of any whole numbers. Each is read once, a piece
    /// at a time; columns that follow a rule take no memory, others 4 bytes a cell (languages
    /// 1), and cells that are not in order of group and language another 4.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn build(columns: Given<'_>, languages: usize) -> Result<Self> {
        let cells = columns.group.len();
        check_lengths(&columns, cells)?;
        let id = (0, LIMIT);
        let group = survey("group", columns.group, id, &format!("0 to {LIMIT}"))?;
        let language = survey(
            "language",
            columns.language,
            (0, languages as i64 - 1),
            &format!("the position of one of the {languages} languages, from 0"),
        )?;
        let side = |name: &str, numbers| {
            let expected = format!("-1 (none) or 0 to {LIMIT}");
            survey(name, numbers, (-1, LIMIT), &expected)
        };
        let query = side("query", columns.query)?;
        let passage = side("passage", columns.passage)?;
        let identity = |name: &str, numbers, rows: &Survey| {
            let identity = side(name, numbers)?;
            check_identity(name, &identity, rows, cells)?;
            let same = identity.hash == rows.hash && identity.column == rows.column;
            Ok::<_, Error>((identity.hash, (!same).then_some(identity.column)))
        };
        let (query_hash, query_identity) = match columns.query_identity {
            Some(numbers) => identity("query_identity", numbers, &query)?,
            None => (query.hash, None),
        };
        let (passage_hash, passage_identity) = match columns.passage_identity {
            Some(numbers) => identity("passage_identity", numbers, &passage)?,
            None => (passage.hash, None),
        };
        let fingerprint = key(&[
            languages as u64,
            cells as u64,
            group.hash,
            language.hash,
            query.hash,
            passage.hash,
            query_hash,
            passage_hash,
        ]);
        let places = Places {
            cells,
            languages,
            group: &group.column,
            language: &language.column,
            ids: (group.least as u32, group.most as u32),
        };
        let arranged = arrange(
            &places,
            query.lacks().then_some(&query.column),
            passage.lacks().then_some(&passage.column),
        )?;
        let spread = group.most - group.least + 1 - arranged.groups as i64;
        let mut index = Self {
            languages,
            cells,
            first_id: (spread == 0).then_some(group.least as u32),
            group: group.column,
            language: language.column,
            query: query.column,
            passage: passage.column,
            query_identity,
            passage_identity,
            order: arranged.order,
            first: arranged.first,
            groups: arranged.groups,
            masks: arranged.masks,
            strata: arranged.strata,
            sharing: [(); 3].map(|()| Sharing::default()),
            texts: None,
            fingerprint,
            image: None,
        };
        index.sharing = sharing(&index);
        Ok(index)
    }
}

fn check_lengths(columns: &Given<'_>, cells: usize) -> Result<()> {
    let named = [
        ("language", Some(columns.language)),
        ("query", Some(columns.query)),
        ("passage", Some(columns.passage)),
        ("query_identity", columns.query_identity),
        ("passage_identity", columns.passage_identity),
    ];
    for (name, numbers) in named {
        if let Some(numbers) = numbers
            && numbers.len() != cells
        {
            return Err(Error::InvalidShape(format!(
                "{name} has {} values and group has {cells}; every column needs one value a cell",
                numbers.len()
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
    Ok(())
}

/// A cell that has a side needs its identity.
fn check_identity(name: &str, identity: &Survey, rows: &Survey, cells: usize) -> Result<()> {
    if !identity.lacks() {
        return Ok(());
    }
    let (mut identities, mut given) = (Vec::new(), Vec::new());
    for start in (0..cells).step_by(PIECE) {
        let count = PIECE.min(cells - start);
        identity.column.read(start as u32, &mut identities, count);
        rows.column.read(start as u32, &mut given, count);
        let wrong = |(&identity, &row): (&u32, &u32)| identity == MISSING && row != MISSING;
        if let Some(place) = identities.iter().zip(&given).position(wrong) {
            return Err(Error::InvalidArgument(format!(
                "{name} of cell {} is -1, expected an identity of 0 or more, for the cell has \
                 that side",
                start + place
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::sample;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cell_that_comes_twice_is_named(sample in sample(), which: prop::sample::Index) {
            let mut sample = sample;
            let cell = which.index(sample.group.len());
            let last = sample.group.len();
            for column in [
                Some(&mut sample.group),
                Some(&mut sample.language),
                Some(&mut sample.query),
                Some(&mut sample.passage),
                sample.query_identity.as_mut(),
                sample.passage_identity.as_mut(),
            ]
            .into_iter()
            .flatten()
            {
                column.push(column[cell]);
            }
            let wrong = PairIndex::new(sample.columns(), sample.languages).err();
            let expected = format!(
                "cells {cell} and {last} are both group {}, language {}; \
                 give each (group, language) once",
                sample.group[cell], sample.language[cell]
            );
            prop_assert_eq!(wrong, Some(Error::InvalidArgument(expected)));
        }

        #[test]
        fn any_kind_of_numbers_makes_the_same_index(sample in sample()) {
            let narrow = |column: &[i64]| -> Vec<u32> {
                column.iter().map(|&one| one.max(0) as u32).collect()
            };
            let wide = |column: &[i64]| -> Vec<i64> { column.iter().map(|&one| one.max(0)).collect() };
            let (query, passage) = (narrow(&sample.query), narrow(&sample.passage));
            let group = narrow(&sample.group);
            let language: Vec<u8> = sample.language.iter().map(|&one| one as u8).collect();
            let given = Given {
                group: &&group[..],
                language: &&language[..],
                query: &&query[..],
                passage: &&passage[..],
                query_identity: None,
                passage_identity: None,
            };
            let columns = Columns {
                query: &wide(&sample.query),
                passage: &wide(&sample.passage),
                query_identity: None,
                passage_identity: None,
                ..sample.columns()
            };
            let index = PairIndex::build(given, sample.languages)?;
            prop_assert_eq!(index, PairIndex::new(columns, sample.languages)?);
        }
    }
}
