//! Texts that rows bring beside their query and passage identities: a guard over all that a row holds.
//!
//! Query identities are compared with query identities only, passage identities likewise. A text that
//! occurs in more than one role (a question here, a passage or a negative there) needs one number for all
//! of them: each cell may list such numbers, and a pair brings those of both its cells.

use super::column::Column;
use super::format::{Reader, Writer};
use super::plain::bytes_of;
use super::store::Store;
use super::survey::{Growing, PIECE};
use super::{LIMIT, Numbers, Pair, PairIndex};
use crate::hash::key;
use crate::{Error, Result, room};
use xxhash_rust::xxh3::xxh3_64;

/// What a pair brings: the lists of its query's cell and of its passage's cell (empty where both are one
/// cell), each increasing.
pub(crate) type PairTexts<'a> = [&'a [u32]; 2];

/// Each text that a pair brings, once.
pub(crate) fn each([asked, answered]: PairTexts<'_>) -> impl Iterator<Item = u32> + Clone {
    let more = answered
        .iter()
        .filter(move |text| asked.binary_search(text).is_err());
    asked.iter().chain(more).copied()
}

/// Whether two pairs bring a common text.
pub(crate) fn meet(one: PairTexts<'_>, other: PairTexts<'_>) -> bool {
    one.iter()
        .any(|one| other.iter().any(|other| lists_meet(one, other)))
}

fn lists_meet(mut one: &[u32], mut other: &[u32]) -> bool {
    while let (Some(a), Some(b)) = (one.first(), other.first()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => one = &one[1..],
            std::cmp::Ordering::Greater => other = &other[1..],
            std::cmp::Ordering::Equal => return true,
        }
    }
    false
}

/// A list for each cell, in compressed sparse rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Texts {
    /// Where each cell's list begins, and the end of the last.
    bounds: Column,
    ids: Store<u32>,
    /// The most cells of one language that list the same text, a value for each language.
    most: Vec<u32>,
    /// The texts of the longest list.
    longest: u32,
}

impl Texts {
    pub(super) fn bytes(&self) -> usize {
        self.bounds.bytes() + self.ids.len() * size_of::<u32>()
    }

    fn of(&self, cell: u32) -> &[u32] {
        let bounds = self.bounds.at(cell) as usize..self.bounds.at(cell + 1) as usize;
        let Some(list) = self.ids.get(bounds.clone()) else {
            return &[];
        };
        self.ids.touch_range(bounds);
        list
    }

    pub(super) fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.column(&self.bounds);
        to.run(&self.ids);
        for &most in &self.most {
            to.number(most);
        }
        to.number(self.longest);
    }

    pub(super) fn read(from: &mut Reader, cells: usize, languages: usize) -> Option<Self> {
        Some(Self {
            bounds: from.column(cells + 1)?,
            ids: from.run()?,
            most: (0..languages)
                .map(|_| from.narrow())
                .collect::<Option<_>>()?,
            longest: from.narrow()?,
        })
    }
}

impl PairIndex {
    /// The same index with a list of texts for each cell: no two rows of a batch may bring the same text.
    ///
    /// `bounds` has a value more than there are cells: the list of cell c is `ids[bounds[c]..bounds[c + 1]]`.
    /// Only texts that occur in more than one role need to be listed. Order and repetition within a list
    /// mean nothing; with empty lists only, the index stays as it is.
    ///
    /// ```
    /// use hybrid_fast_core::pairs::{Columns, PairIndex};
    /// // The question of the first group is the passage of the second: text 7.
    /// let columns = Columns {
    ///     group: &[0, 1, 2],
    ///     language: &[0, 0, 0],
    ///     query: &[0, 1, 2],
    ///     passage: &[0, 1, 2],
    ///     query_identity: None,
    ///     passage_identity: None,
    /// };
    /// let index = PairIndex::new(columns, 1)?.with_texts(&&[0i64, 1, 2, 2][..], &&[7i64, 7][..])?;
    /// assert!(index.has_texts());
    /// assert_eq!(index.texts(index.pair(0, 0, 1)), [&[7][..], &[]]);
    /// # Ok::<(), hybrid_fast_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidShape` for bounds of another length; `InvalidArgument` for bounds that do not rise from 0 to
    /// the number of ids, or an id outside 0 to 2³² − 2.
    pub fn with_texts(mut self, bounds: &dyn Numbers, ids: &dyn Numbers) -> Result<Self> {
        if bounds.len() != self.cells + 1 {
            return Err(Error::InvalidShape(format!(
                "texts has {} bounds and the index {} cells, expected one bound more than cells",
                bounds.len(),
                self.cells
            )));
        }
        if ids.len() as i64 > LIMIT {
            return Err(Error::InvalidArgument(format!(
                "texts has {} ids, more than the limit of {LIMIT}",
                ids.len()
            )));
        }
        // The ids and the bounds, and each id with its language while they are counted.
        let room = 3 * ids.len() + self.cells + 1;
        room::check(room, size_of::<u32>(), || {
            format!("{} texts of {} cells", ids.len(), self.cells)
        })?;
        let mut held = checked(ids)?;
        let mut growing = Growing::new(self.cells + 1, false);
        growing.push(&[0]);
        // Lists are put in order and without repetition where they are; what is left moves up.
        let (mut end, mut kept, mut longest) = (first_bound(bounds)?, 0usize, 0);
        let mut wide = vec![0; PIECE.min(self.cells)];
        let mut narrow = Vec::with_capacity(wide.len());
        for start in (0..self.cells).step_by(PIECE) {
            let wide = &mut wide[..PIECE.min(self.cells - start)];
            bounds.read(start + 1, wide);
            narrow.clear();
            for (cell, &next) in (start..).zip(&*wide) {
                if next < end as i64 || next > held.len() as i64 {
                    return Err(Error::InvalidArgument(format!(
                        "texts: the list of cell {cell} goes from {end} to {next}, expected bounds that \
                         rise from 0 to the number of ids, {}",
                        held.len()
                    )));
                }
                let list = end..next as usize;
                held[list.clone()].sort_unstable();
                let first = kept;
                for place in list {
                    if kept == first || held[kept - 1] != held[place] {
                        held[kept] = held[place];
                        kept += 1;
                    }
                }
                end = next as usize;
                longest = longest.max(kept - first);
                narrow.push(kept as u32);
            }
            growing.push(&narrow);
        }
        if end != held.len() {
            return Err(Error::InvalidArgument(format!(
                "texts: the last bound is {end}, expected the number of ids, {}",
                held.len()
            )));
        }
        held.truncate(kept);
        held.shrink_to_fit();
        if held.is_empty() {
            return Ok(self);
        }
        let mut texts = Texts {
            bounds: growing.finish(),
            ids: Store::from(held),
            most: Vec::new(),
            longest: longest as u32,
        };
        texts.most = self.most_listed(&texts);
        let mut hashes = vec![self.fingerprint, xxh3_64(bytes_of(&texts.ids))];
        for start in (0..=self.cells).step_by(PIECE) {
            let count = PIECE.min(self.cells + 1 - start);
            texts.bounds.read(start as u32, &mut narrow, count);
            hashes.push(xxh3_64(bytes_of(&narrow)));
        }
        self.fingerprint = key(&hashes);
        self.texts = Some(texts);
        Ok(self)
    }

    /// Whether some cell lists a text.
    #[must_use]
    pub fn has_texts(&self) -> bool {
        self.texts.is_some()
    }

    /// The texts of the query's cell and of the passage's cell (none if that is the same cell), each
    /// increasing.
    #[must_use]
    pub fn texts(&self, pair: Pair) -> [&[u32]; 2] {
        let Some(texts) = &self.texts else {
            return [&[], &[]];
        };
        let asked = texts.of(pair.query_cell);
        if pair.query_cell == pair.passage_cell {
            return [asked, &[]];
        }
        [asked, texts.of(pair.passage_cell)]
    }

    /// The most pairs of a stratum that bring the same text, at most.
    pub(crate) fn most_texts(&self, query: usize, passage: usize) -> u64 {
        let Some(texts) = &self.texts else { return 0 };
        let of = |language: usize| u64::from(texts.most.get(language).copied().unwrap_or(0));
        if query == passage {
            of(query)
        } else {
            of(query) + of(passage)
        }
    }

    /// The most texts that a pair can bring.
    pub(crate) fn longest_texts(&self) -> u64 {
        self.texts
            .as_ref()
            .map_or(0, |texts| 2 * u64::from(texts.longest))
    }

    fn most_listed(&self, texts: &Texts) -> Vec<u32> {
        let mut listed: Vec<(u32, u32)> = (0..self.cells as u32)
            .flat_map(|cell| {
                let language = self.language.at(cell);
                texts.of(cell).iter().map(move |&text| (language, text))
            })
            .collect();
        listed.sort_unstable();
        let mut most = vec![0; self.languages];
        for run in listed.chunk_by(|a, b| a == b) {
            let most = &mut most[run[0].0 as usize];
            *most = (run.len() as u32).max(*most);
        }
        most
    }
}

fn first_bound(bounds: &dyn Numbers) -> Result<usize> {
    let mut first = [0];
    bounds.read(0, &mut first);
    if first[0] != 0 {
        return Err(Error::InvalidArgument(format!(
            "texts: the first bound is {}, expected 0",
            first[0]
        )));
    }
    Ok(0)
}

fn checked(ids: &dyn Numbers) -> Result<Vec<u32>> {
    let mut held = Vec::with_capacity(ids.len());
    let mut wide = vec![0; PIECE.min(ids.len())];
    for start in (0..ids.len()).step_by(PIECE) {
        let wide = &mut wide[..PIECE.min(ids.len() - start)];
        ids.read(start, wide);
        if let Some(place) = wide.iter().position(|one| !(0..=LIMIT).contains(one)) {
            return Err(Error::InvalidArgument(format!(
                "texts: id {} is {}, expected 0 to {LIMIT}",
                start + place,
                wide[place]
            )));
        }
        held.extend(wide.iter().map(|&one| one as u32));
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::super::samples::sample;
    use super::*;
    use crate::hash::mix;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Random lists, as (bounds, ids).
    fn lists(cells: usize, few: u64, seed: u64) -> (Vec<i64>, Vec<i64>) {
        let (mut bounds, mut ids) = (vec![0], Vec::new());
        for cell in 0..cells as u64 {
            let count = (mix(seed ^ cell) % 7).saturating_sub(3);
            ids.extend((0..count).map(|one| (mix(seed ^ (cell << 8 | one)) % few) as i64));
            bounds.push(ids.len() as i64);
        }
        (bounds, ids)
    }

    proptest! {
        #[test]
        fn lists_read_back_as_sets_and_pass_through_a_file(sample in sample(), few in 1u64..40, seed: u64) {
            let (bounds, ids) = lists(sample.group.len(), few, seed);
            let plain = sample.index();
            let index = sample.index().with_texts(&&bounds[..], &&ids[..])?;
            let set = |cell: u32| -> Vec<u32> {
                let list = bounds[cell as usize] as usize..bounds[cell as usize + 1] as usize;
                let set: BTreeSet<u32> = ids[list].iter().map(|&one| one as u32).collect();
                set.into_iter().collect()
            };
            prop_assert_eq!(index.has_texts(), !ids.is_empty());
            prop_assert_eq!(index.fingerprint() != plain.fingerprint(), !ids.is_empty());
            let mut counts: BTreeMap<(i64, u32), u64> = BTreeMap::new();
            for (cell, &language) in sample.language.iter().enumerate() {
                set(cell as u32).into_iter().for_each(|one| *counts.entry((language, one)).or_default() += 1);
            }
            for (from, to) in sample.strata() {
                for (asked, answered) in sample.stratum(from, to) {
                    let [one, other] = index.texts(Pair { query_cell: asked, passage_cell: answered });
                    prop_assert_eq!(one, &set(asked)[..]);
                    let expected = if asked == answered { vec![] } else { set(answered) };
                    prop_assert_eq!(other, &expected[..]);
                }
                let of = |language: usize| counts.iter().filter(|one| one.0.0 as usize == language).map(|one| *one.1).max();
                let most = of(from).unwrap_or(0) + if from == to { 0 } else { of(to).unwrap_or(0) };
                prop_assert_eq!(index.most_texts(from, to), most);
            }
            let mut bytes = Vec::new();
            index.write(b"note", &mut bytes).expect("memory takes it");
            let (read, _) = PairIndex::from_bytes(&bytes, "it")?;
            prop_assert_eq!(&read, &index);
            prop_assert_eq!(bytes[8], if ids.is_empty() { 2 } else { 3 });
            let longest = (0..sample.group.len() as u32).map(|cell| set(cell).len()).max().unwrap_or(0);
            prop_assert_eq!(index.longest_texts(), 2 * longest as u64);
        }

        #[test]
        fn damage_to_lists_is_found_before_they_are_read(
            sample in sample(), seed: u64, place: prop::sample::Index, bit in 0u32..8,
        ) {
            let (bounds, ids) = lists(sample.group.len(), 40, seed);
            let index = sample.index().with_texts(&&bounds[..], &&ids[..])?;
            let mut bytes = Vec::new();
            index.write(b"note", &mut bytes).expect("memory takes it");
            prop_assert!(PairIndex::from_bytes(&bytes[..place.index(bytes.len())], "it").is_err());
            let header = u64::from_le_bytes(bytes[16..24].try_into().expect("a word")) as usize;
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let padding = header..header.next_multiple_of(64);
            prop_assert_eq!(PairIndex::from_bytes(&bytes, "it").is_err(), !padding.contains(&place));
        }

        #[test]
        fn meeting_is_what_sets_say(lists in prop::array::uniform4(prop::collection::btree_set(0u32..30, 0..5))) {
            let held = lists.each_ref().map(|one| one.iter().copied().collect::<Vec<u32>>());
            let [a, b, c, d] = &held;
            let one: BTreeSet<u32> = lists[0].union(&lists[1]).copied().collect();
            let other: BTreeSet<u32> = lists[2].union(&lists[3]).copied().collect();
            prop_assert_eq!(meet([a, b], [c, d]), !one.is_disjoint(&other));
        }

        #[test]
        fn wrong_lists_are_named(sample in sample(), wrong in 0usize..5) {
            let cells = sample.group.len();
            let (mut bounds, mut ids) = (vec![0i64; cells + 1], vec![3i64, 4]);
            bounds[cells] = 2;
            match wrong {
                0 => bounds.push(2),
                1 => ids[1] = -1,
                2 => ids.push(1),
                3 => bounds[0] = 1,
                _ => bounds[cells] = 3,
            }
            let error = sample.index().with_texts(&&bounds[..], &&ids[..]).err();
            let said = error.map(|one| one.to_string()).unwrap_or_default();
            let expected = [
                "bounds and the index", "id 1 is -1", "the last bound is 2", "the first bound is 1", "from 0 to 3",
            ];
            prop_assert!(said.contains(expected[wrong]), "{}", said);
        }
    }
}
