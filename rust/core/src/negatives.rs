//! Hard negatives of a batch: from each query's list, those that are no positive of the batch.

use crate::{Error, Result, room};

/// Marks a place for which the list holds no admissible passage.
pub const MASKED: i64 = -1;

/// Candidates of every query, best first, in compressed sparse rows.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    /// One entry more than there are lists; list q is the entries `indptr[q]..indptr[q + 1]`.
    pub indptr: &'a [i64],
    /// Passage row of each entry.
    pub passages: &'a [i64],
    /// Passage identity of each entry.
    pub identities: &'a [i64],
    /// Language of each entry, where only those in the language of the positive are wanted.
    pub languages: Option<&'a [i16]>,
}

/// The rows of batches, one batch after another.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Query row, which is the number of its list; a query past the last list has none.
    pub query: &'a [i64],
    /// Passage identity of the positive.
    pub identity: &'a [i64],
    /// Language of the positive.
    pub language: &'a [i16],
}

/// Takes `count` negatives for each row of batches of `width` rows.
///
/// First every row, in order, takes the first entry of its list whose identity is neither that of a
/// positive of its batch nor that of a negative already taken in it; then every row takes its second,
/// and so on. Where a list is used up the place is [`MASKED`]. A batch depends on nothing outside it.
///
/// Returns passage rows, `[rows, count]` row by row.
///
/// ```
/// use hybrid_fast_core::negatives::{Lists, MASKED, Rows, take};
/// let lists = Lists {
///     indptr: &[0, 2, 3],
///     passages: &[11, 12, 12],
///     identities: &[1, 2, 2],
///     languages: None,
/// };
/// // The positive of query 1 has identity 1, so query 0 gets its second entry, and query 1 none.
/// let rows = Rows { query: &[0, 1], identity: &[0, 1], language: &[0, 0] };
/// assert_eq!(take(&lists, &rows, 2, 1)?, [12, MASKED]);
/// # Ok::<(), hybrid_fast_core::Error>(())
/// ```
///
/// # Errors
/// `InvalidShape` for columns of unequal length, or rows that are not whole batches; `InvalidArgument` for
/// more negatives than memory holds.
pub fn take(lists: &Lists<'_>, rows: &Rows<'_>, width: usize, count: usize) -> Result<Vec<i64>> {
    let n = rows.query.len();
    let entries = lists.passages.len();
    if rows.identity.len() != n
        || rows.language.len() != n
        || lists.identities.len() != entries
        || lists.languages.is_some_and(|one| one.len() != entries)
    {
        return Err(Error::InvalidShape(
            "the columns of the negatives, or those of the rows, are of unequal length".to_owned(),
        ));
    }
    if width == 0 || !n.is_multiple_of(width) {
        return Err(Error::InvalidShape(format!(
            "{n} rows are no whole number of batches of {width} rows"
        )));
    }
    let what = || format!("{count} negatives for each of {n} rows");
    let mut taken = room::filled(MASKED, n.saturating_mul(count), what)?;
    let mut seen = Seen::new(width.saturating_mul(count.saturating_add(1)), what)?;
    let mut next = vec![0..0; width];
    for first in (0..n).step_by(width) {
        seen.clear();
        for (row, rest) in next.iter_mut().enumerate() {
            seen.insert(rows.identity[first + row]);
            *rest = list(lists, rows.query[first + row]);
        }
        for place in 0..count {
            for (row, rest) in next.iter_mut().enumerate() {
                let language = rows.language[first + row];
                let found = rest.find(|&entry| {
                    lists.languages.is_none_or(|of| of[entry] == language)
                        && seen.insert(lists.identities[entry])
                });
                if let Some(entry) = found {
                    taken[(first + row) * count + place] = lists.passages[entry];
                }
            }
        }
    }
    Ok(taken)
}

/// The entries of a query's list; none where the bounds make no sense.
fn list(lists: &Lists<'_>, query: i64) -> std::ops::Range<usize> {
    usize::try_from(query)
        .ok()
        .and_then(|query| lists.indptr.get(query..)?.first_chunk::<2>())
        .and_then(|&[from, to]| Some(usize::try_from(from).ok()?..usize::try_from(to).ok()?))
        .filter(|range| range.end <= lists.passages.len())
        .unwrap_or(0..0)
}

/// A set of numbers that is emptied in constant time: a slot counts only if its round is the current one.
struct Seen {
    slots: Vec<(i64, u32)>,
    round: u32,
    shift: u32,
}

impl Seen {
    fn new(most: usize, what: impl FnOnce() -> String) -> Result<Self> {
        let size = most.saturating_mul(2).checked_next_power_of_two();
        let size = size.unwrap_or(usize::MAX).max(2);
        Ok(Self {
            slots: room::filled((0, 0), size, what)?,
            round: 0,
            shift: 64 - size.trailing_zeros(),
        })
    }

    fn clear(&mut self) {
        if self.round == u32::MAX {
            self.slots.fill((0, 0));
            self.round = 0;
        }
        self.round += 1;
    }

    /// Adds a number; false if it was there.
    fn insert(&mut self, value: i64) -> bool {
        let mut slot = ((value as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize;
        loop {
            let (held, round) = self.slots[slot];
            if round != self.round {
                self.slots[slot] = (value, self.round);
                return true;
            }
            if held == value {
                return false;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The rule word for word, with nothing remembered between places.
    fn plain(lists: &Lists<'_>, rows: &Rows<'_>, width: usize, count: usize) -> Vec<i64> {
        let mut taken = vec![MASKED; rows.query.len() * count];
        for first in (0..rows.query.len()).step_by(width) {
            let batch = first..first + width;
            let mut used: HashSet<i64> = rows.identity[batch.clone()].iter().copied().collect();
            for place in 0..count {
                for row in batch.clone() {
                    for entry in list(lists, rows.query[row]) {
                        let fits = lists
                            .languages
                            .is_none_or(|of| of[entry] == rows.language[row]);
                        if fits && !used.contains(&lists.identities[entry]) {
                            used.insert(lists.identities[entry]);
                            taken[row * count + place] = lists.passages[entry];
                            break;
                        }
                    }
                }
            }
        }
        taken
    }

    proptest! {
        #[test]
        fn equals_the_rule(
            sizes in prop::collection::vec(0usize..6, 1..12),
            values in prop::collection::vec((0i64..15, 0i16..2), 80),
            rows in prop::collection::vec((-1i64..14, 0i64..15, 0i16..2), 24),
            width in prop::sample::select(vec![1usize, 2, 3, 4, 6, 8, 12, 24]),
            count in 0usize..4,
            match_language: bool,
        ) {
            let mut indptr = vec![0i64];
            for size in &sizes {
                indptr.push(indptr.last().map_or(0, |end| end + *size as i64));
            }
            let entries = indptr.last().map_or(0, |&end| end as usize);
            let identities: Vec<i64> = values[..entries].iter().map(|one| one.0).collect();
            let languages: Vec<i16> = values[..entries].iter().map(|one| one.1).collect();
            let passages: Vec<i64> = (0..entries as i64).map(|entry| 1000 + entry).collect();
            let lists = Lists {
                indptr: &indptr,
                passages: &passages,
                identities: &identities,
                languages: match_language.then_some(&languages[..]),
            };
            let query: Vec<i64> = rows.iter().map(|row| row.0).collect();
            let identity: Vec<i64> = rows.iter().map(|row| row.1).collect();
            let language: Vec<i16> = rows.iter().map(|row| row.2).collect();
            let rows = Rows { query: &query, identity: &identity, language: &language };
            prop_assert_eq!(take(&lists, &rows, width, count).ok(), Some(plain(&lists, &rows, width, count)));
        }
    }

    #[test]
    fn bad_bounds_are_empty_lists() {
        let lists = Lists {
            indptr: &[0, -3, 9, 2],
            passages: &[5, 6],
            identities: &[5, 6],
            languages: None,
        };
        let rows = Rows {
            query: &[0, 1, 2, i64::MAX],
            identity: &[1, 2, 3, 4],
            language: &[0; 4],
        };
        assert_eq!(take(&lists, &rows, 4, 1), Ok(vec![MASKED; 4]));
        assert!(take(&lists, &rows, 3, 1).is_err());
    }

    #[test]
    fn emptied_sets_forget() {
        let mut seen = Seen::new(2, String::new).expect("little");
        seen.round = u32::MAX - 1;
        for _ in 0..4 {
            seen.clear();
            assert!(seen.insert(7) && seen.insert(-7) && !seen.insert(7));
        }
    }
}
