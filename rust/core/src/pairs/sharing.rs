//! How far rows share identities, so that a guard knows what it need not look at.

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
    let rows = if key == Key::Query {
        &index.query
    } else {
        &index.passage
    };
    let identities = index.identities(key);
    let cells = index.cells as u32;
    let mut by_language: Vec<Vec<u32>> = vec![Vec::new(); index.languages];
    let mut all = Vec::with_capacity(index.cells);
    for cell in (0..cells).filter(|&cell| rows.at(cell) != MISSING) {
        let identity = identities.at(cell);
        by_language[index.language.at(cell) as usize].push(identity);
        all.push((identity, index.group.at(cell)));
    }
    let none = Sharing::none(by_language.iter().map(|rows| rows.len() as u32));
    all.sort_unstable();
    let across_groups = all
        .windows(2)
        .any(|two| two[0].0 == two[1].0 && two[0].1 != two[1].1);
    if !across_groups {
        return none;
    }
    let most = by_language.into_iter().map(|mut rows| {
        rows.sort_unstable();
        let runs = rows.chunk_by(|a, b| a == b).map(<[u32]>::len);
        runs.max().unwrap_or(0) as u32
    });
    Sharing {
        across_groups,
        most: most.collect(),
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
