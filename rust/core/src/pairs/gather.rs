//! Many pairs at once: the same answers as the functions for one pair, with overlapping loads.

use super::masks::Masks;
use super::{Column, Pair, PairIndex};

/// Rows looked up together; what is between two steps stays in the first cache.
const CHUNK: usize = 512;

/// What a guard compares between the pairs of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The group id.
    Group,
    /// The identity of the query.
    Query,
    /// The identity of the passage.
    Passage,
}

impl PairIndex {
    /// Appends the pairs of some rows of a stratum, as [`pair`](Self::pair) gives them.
    ///
    /// # Panics
    /// If a row is not below [`stratum_len`](Self::stratum_len).
    pub fn pairs_into(&self, query: usize, passage: usize, rows: &[u32], out: &mut Vec<Pair>) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("popcnt") {
            #[allow(unsafe_code)] // the instruction was found just now
            // SAFETY: the processor has the instruction.
            return unsafe { self.pairs_counted(query, passage, rows, out) };
        }
        self.pairs_plain(query, passage, rows, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "popcnt")]
    fn pairs_counted(&self, query: usize, passage: usize, rows: &[u32], out: &mut Vec<Pair>) {
        self.pairs_plain(query, passage, rows, out);
    }

    #[inline(always)]
    fn pairs_plain(&self, query: usize, passage: usize, rows: &[u32], out: &mut Vec<Pair>) {
        let room = rows.len().min(CHUNK);
        let (mut ordinals, mut positions) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let (mut asked, mut answered) = (Vec::with_capacity(room), Vec::with_capacity(room));
        out.reserve(rows.len());
        for rows in rows.chunks(CHUNK) {
            ordinals.clear();
            self.strata.ordinals(query, passage, rows, &mut ordinals);
            self.cells_into(query as u32, &ordinals, &mut positions, &mut asked);
            if query == passage {
                out.extend(asked.iter().map(|&cell| Pair {
                    query_cell: cell,
                    passage_cell: cell,
                }));
                continue;
            }
            self.cells_into(passage as u32, &ordinals, &mut positions, &mut answered);
            let pairs = asked.iter().zip(&answered);
            out.extend(pairs.map(|(&query_cell, &passage_cell)| Pair {
                query_cell,
                passage_cell,
            }));
        }
    }

    /// The cells of one language of groups that have it.
    #[inline(always)]
    pub(super) fn cells_into(
        &self,
        language: u32,
        ordinals: &[u32],
        positions: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        out.clear();
        positions.clear();
        let below = (1u64 << (language % 64)) - 1;
        let all = ordinals.iter().copied();
        match &self.masks {
            Masks::Full => {
                let languages = self.languages as u32;
                positions.extend(all.map(|ordinal| ordinal * languages + language));
            }
            Masks::Sixteen(of) => {
                of.touch_each(all.clone());
                let of = &**of;
                let before = |ordinal| (of[ordinal as usize] & below as u16).count_ones();
                self.positions_into(all, before, positions);
            }
            Masks::ThirtyTwo(of) => {
                of.touch_each(all.clone());
                let of = &**of;
                let before = |ordinal| (of[ordinal as usize] & below as u32).count_ones();
                self.positions_into(all, before, positions);
            }
            Masks::SixtyFour(of) => {
                of.touch_each(all.clone());
                let of = &**of;
                let before = |ordinal| (of[ordinal as usize] & below).count_ones();
                self.positions_into(all, before, positions);
            }
            Masks::TooMany => {
                out.extend(all.map(|ordinal| self.cell(ordinal, language)));
                return;
            }
        }
        self.order
            .gather(positions.iter().copied(), out, |cell| cell);
    }

    #[inline(always)]
    fn positions_into(
        &self,
        ordinals: impl ExactSizeIterator<Item = u32> + Clone,
        before: impl Fn(u32) -> u32,
        positions: &mut Vec<u32>,
    ) {
        self.first
            .gather(ordinals.clone(), positions, |first| first);
        for (position, ordinal) in positions.iter_mut().zip(ordinals) {
            *position += before(ordinal);
        }
    }

    /// Appends what a guard compares: group ids, query identities or passage identities.
    pub fn keys_into(&self, key: Key, pairs: &[Pair], out: &mut Vec<u32>) {
        match key {
            Key::Group => self.group.gather(asked(pairs), out, |id| id),
            Key::Query => self.identities(key).gather(asked(pairs), out, |id| id),
            Key::Passage => self.identities(key).gather(answered(pairs), out, |id| id),
        }
    }

    /// Appends the group ids of pairs, as given.
    pub fn groups_into(&self, pairs: &[Pair], out: &mut Vec<i64>) {
        self.group.gather(asked(pairs), out, i64::from);
    }

    /// Appends the query rows of pairs, as given.
    pub fn queries_into(&self, pairs: &[Pair], out: &mut Vec<i64>) {
        self.query.gather(asked(pairs), out, i64::from);
    }

    /// Appends the passage rows of pairs, as given.
    pub fn passages_into(&self, pairs: &[Pair], out: &mut Vec<i64>) {
        self.passage.gather(answered(pairs), out, i64::from);
    }

    /// Appends the languages of the queries of pairs.
    pub fn query_languages_into(&self, pairs: &[Pair], out: &mut Vec<i16>) {
        self.language.gather(asked(pairs), out, |one| one as i16);
    }

    /// Appends the languages of the passages of pairs.
    pub fn passage_languages_into(&self, pairs: &[Pair], out: &mut Vec<i16>) {
        self.language.gather(answered(pairs), out, |one| one as i16);
    }

    /// The column that a guard by `key` reads.
    pub(super) fn identities(&self, key: Key) -> &Column {
        match key {
            Key::Group => &self.group,
            Key::Query => self.query_identity.as_ref().unwrap_or(&self.query),
            Key::Passage => self.passage_identity.as_ref().unwrap_or(&self.passage),
        }
    }
}

fn asked(pairs: &[Pair]) -> impl ExactSizeIterator<Item = u32> + Clone {
    pairs.iter().map(|pair| pair.query_cell)
}

fn answered(pairs: &[Pair]) -> impl ExactSizeIterator<Item = u32> + Clone {
    pairs.iter().map(|pair| pair.passage_cell)
}

#[cfg(test)]
mod tests {
    use super::super::samples::sample;
    use super::*;
    use crate::hash::mix;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_at_once_are_the_same_as_one_by_one(sample in sample(), count in 0u64..1500, seed: u64) {
            let index = sample.index();
            for (from, to) in sample.strata() {
                    let len = index.stratum_len(from, to);
                    let count = if len == 0 { 0 } else { count };
                    let rows: Vec<u32> = (0..count)
                        .map(|one| (mix(seed ^ one) % len) as u32)
                        .chain((0..len as u32).rev())
                        .collect();
                    let before = Pair { query_cell: 7, passage_cell: 7 };
                    let mut pairs = vec![before];
                    index.pairs_into(from, to, &rows, &mut pairs);
                    prop_assert_eq!(pairs.remove(0), before);
                    let expected: Vec<Pair> =
                        rows.iter().map(|&row| index.pair(from, to, row)).collect();
                    prop_assert_eq!(&pairs, &expected);
                    let mut plain = Vec::new();
                    index.pairs_plain(from, to, &rows, &mut plain);
                    prop_assert_eq!(&plain, &expected);
                    check_columns(&index, &pairs)?;
            }
        }

        #[test]
        fn select_finds_every_set_bit(block: [u64; 8], sparse: [u64; 8], dense: u64) {
            let blocks = [
                block,
                std::array::from_fn(|word| block[word] & sparse[word] & dense),
                std::array::from_fn(|word| block[word] | sparse[word] | dense),
                [u64::MAX; 8],
            ];
            for block in blocks {
                let set = (0..512).filter(|bit| block[bit / 64] >> (bit % 64) & 1 == 1);
                for (left, bit) in set.enumerate() {
                    prop_assert_eq!(super::super::strata::select(&block, left as u32), bit as u32);
                }
            }
        }
    }

    fn check_columns(index: &PairIndex, pairs: &[Pair]) -> Result<(), TestCaseError> {
        for key in [Key::Group, Key::Query, Key::Passage] {
            let mut all = Vec::new();
            index.keys_into(key, pairs, &mut all);
            let one = |pair: &Pair| match key {
                Key::Group => index.group(pair.query_cell),
                Key::Query => index.query_identity(pair.query_cell),
                Key::Passage => index.passage_identity(pair.passage_cell),
            };
            prop_assert_eq!(all, pairs.iter().map(one).collect::<Vec<_>>());
        }
        let (mut groups, mut queries, mut passages) = (vec![], vec![], vec![]);
        index.groups_into(pairs, &mut groups);
        index.queries_into(pairs, &mut queries);
        index.passages_into(pairs, &mut passages);
        let (mut asked, mut answered) = (vec![], vec![]);
        index.query_languages_into(pairs, &mut asked);
        index.passage_languages_into(pairs, &mut answered);
        for (one, pair) in pairs.iter().enumerate() {
            let (from, to) = (pair.query_cell, pair.passage_cell);
            prop_assert_eq!(groups[one], i64::from(index.group(from)));
            prop_assert_eq!(queries[one], i64::from(index.query(from)));
            prop_assert_eq!(passages[one], i64::from(index.passage(to)));
            prop_assert_eq!(asked[one] as u32, index.language(from));
            prop_assert_eq!(answered[one] as u32, index.language(to));
        }
        Ok(())
    }
}
