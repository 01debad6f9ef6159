//! Which groups make a stratum, and which of them is its n-th.
//!
//! A stratum is never stored. The groups that have a query (a passage) in a language are a set;
//! a stratum is the groups in both sets. Equal sets are kept once, empty and complete ones not at all,
//! and strata of the same two sets share one directory. Two sets that have no group in common have no
//! directory, so that everything here costs what exists, however many languages there are.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::format::{Reader, Writer};
use super::members::{BLOCK, Found, Growing, Members, STRIDE};
use super::plain::bytes_of;
use super::store::Store;
use crate::{Result, room};

/// The number of the set without groups, and of the set of all groups; others follow.
const NOTHING: u32 = 0;
const ALL: u32 = 1;

/// What all strata are listed for takes about so many bytes for each: its place in a plan, shares, counts. Asked
/// for before the list is made.
const BYTES_A_STRATUM: usize = 128;

/// Pairs with the query in one language and the passage in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StratumSize {
    /// Language of the queries.
    pub query: u32,
    /// Language of the passages.
    pub passage: u32,
    /// How many pairs; never 0.
    pub pairs: u32,
}

/// The groups that two sets have in common, counted.
#[derive(Debug, Clone, PartialEq)]
struct Directory {
    /// Numbers of the sets, the greater one first.
    sets: (u32, u32),
    rows: u32,
    kind: Kind,
}

/// How the n-th group is found.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// They are the first groups.
    First,
    /// They are the list of the greater set.
    Greater,
    List(Store<u32>),
    /// By counting the bits that both sets have.
    Counted(Counts),
}

/// How many rows there are before each block.
#[derive(Debug, Clone, PartialEq)]
struct Counts {
    /// Rows before each block, and past them `range` times the largest number.
    before: Store<u32>,
    /// The block of every 2^`shift`-th row.
    samples: Store<u32>,
    shift: u32,
    /// Blocks from a sample to the last one that a row before the next sample can be in.
    range: usize,
}

/// The strata of an index.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Strata {
    groups: usize,
    /// The sets from number 2 on.
    sets: Vec<Members>,
    /// Sorted by the numbers of their sets.
    directories: Vec<Directory>,
    /// First directory of each set as the greater one, and the number of all.
    first: Vec<u32>,
    /// Groups with a query, and with a passage, in each language.
    sides: [Vec<u32>; 2],
    /// Number of the set of the groups with a query, and with a passage, in each language.
    sets_of: [Vec<u32>; 2],
}

/// The sets as they are found, equal ones once.
#[derive(Default)]
struct Known {
    sets: Vec<Members>,
    by_hash: HashMap<u64, Vec<u32>>,
}

impl Known {
    fn number(&mut self, found: Found) -> u32 {
        let set = match found {
            Found::Nothing => return NOTHING,
            Found::All => return ALL,
            Found::Some(set) => set,
        };
        let hash = match &set {
            Members::Bits(bits) => xxh3_64(bytes_of(bits)),
            Members::List(list) => xxh3_64(bytes_of(list)),
        };
        let alike = self.by_hash.entry(hash).or_default();
        let known = alike
            .iter()
            .find(|&&one| self.sets[one as usize - 2] == set);
        known.copied().unwrap_or_else(|| {
            self.sets.push(set);
            let number = self.sets.len() as u32 + 1;
            alike.push(number);
            number
        })
    }

    fn side(&mut self, side: Vec<Growing>, groups: usize) -> (Vec<u32>, Vec<u32>) {
        let sets = side.into_iter().map(|set| {
            let (found, count) = set.finish(groups);
            (self.number(found), count)
        });
        sets.unzip()
    }
}

impl Strata {
    /// All groups have everything.
    pub(super) fn complete(groups: usize, languages: usize) -> Self {
        let all = || vec![ALL; languages];
        let counts = || vec![groups as u32; languages];
        Self::of(groups, Vec::new(), [counts(), counts()], [all(), all()])
    }

    /// From the groups with a query and those with a passage, a set for each language; without the
    /// latter they are the same.
    pub(super) fn new(
        groups: usize,
        queries: Vec<Growing>,
        passages: Option<Vec<Growing>>,
    ) -> Self {
        let mut known = Known::default();
        let (queries, asked) = known.side(queries, groups);
        let (passages, answered) = match passages {
            Some(passages) => known.side(passages, groups),
            None => (queries.clone(), asked.clone()),
        };
        Self::of(groups, known.sets, [asked, answered], [queries, passages])
    }

    fn of(groups: usize, sets: Vec<Members>, sides: [Vec<u32>; 2], sets_of: [Vec<u32>; 2]) -> Self {
        let numbers = sets.len() + 2;
        let used = [0, 1].map(|side| {
            let mut used = vec![false; numbers];
            sets_of[side]
                .iter()
                .for_each(|&set| used[set as usize] = true);
            used
        });
        let needed = |one: u32, other: u32| {
            let (one, other) = (one as usize, other as usize);
            used[0][one] && used[1][other] || used[0][other] && used[1][one]
        };
        let listed = Meeting::new(groups, &sets);
        let dense: Vec<u32> = (ALL + 1..)
            .zip(&sets)
            .filter(|(_, set)| matches!(set, Members::Bits(_)))
            .map(|(number, _)| number)
            .collect();
        let mut directories = Vec::new();
        let mut first = vec![0, 0];
        let mut met = vec![0u32; numbers];
        let mut others: Vec<u32> = Vec::new();
        for greater in ALL..numbers as u32 {
            others.clear();
            match (greater.checked_sub(2)).map(|place| &sets[place as usize]) {
                None => others.push(ALL),
                Some(Members::Bits(_)) => others.extend(ALL..=greater),
                Some(Members::List(list)) => {
                    others.push(ALL);
                    others.extend(dense.iter().filter(|&&one| one < greater));
                    for &group in &**list {
                        for &other in listed.of(group) {
                            if other <= greater
                                && std::mem::replace(&mut met[other as usize], greater) != greater
                            {
                                others.push(other);
                            }
                        }
                    }
                    others.sort_unstable();
                }
            }
            let pairs = others.iter().filter(|&&other| needed(greater, other));
            directories
                .extend(pairs.filter_map(|&other| Directory::new((greater, other), groups, &sets)));
            first.push(directories.len() as u32);
        }
        Self {
            groups,
            sets,
            directories,
            first,
            sides,
            sets_of,
        }
    }

    /// Groups with a query (0) or a passage (1) in each language.
    pub(super) fn side(&self, side: usize) -> &[u32] {
        &self.sides[side]
    }

    /// Hands out the groups that have a query (or a passage) in a language, increasing, some at a time.
    pub(super) fn each_member(
        &self,
        passages: bool,
        language: usize,
        visit: &mut dyn FnMut(&[u32]),
    ) {
        const SOME: usize = 4096;
        let mut some = Vec::with_capacity(SOME);
        let mut one = |group| {
            some.push(group);
            if some.len() == SOME {
                visit(&some);
                some.clear();
            }
        };
        match self.sets_of[usize::from(passages)][language] {
            NOTHING => {}
            ALL => (0..self.groups as u32).for_each(one),
            set => {
                let set = self.set(set);
                set.touch_all();
                set.each(&mut one);
            }
        }
        if !some.is_empty() {
            visit(&some);
        }
    }

    fn set(&self, number: u32) -> &Members {
        &self.sets[number as usize - 2]
    }

    /// The directory of two sets, unless they have nothing in common.
    #[inline]
    fn directory_of(&self, one: u32, other: u32) -> Option<&Directory> {
        let (greater, smaller) = (one.max(other), one.min(other));
        let [start, end] = [greater, greater + 1].map(|at| self.first[at as usize] as usize);
        let own = &self.directories[start..end];
        let place = own.binary_search_by_key(&smaller, |one| one.sets.1).ok()?;
        Some(&own[place])
    }

    fn directory(&self, query: usize, passage: usize) -> Option<&Directory> {
        self.directory_of(self.sets_of[0][query], self.sets_of[1][passage])
    }

    /// Groups of a stratum.
    pub(super) fn rows(&self, query: usize, passage: usize) -> u32 {
        self.directory(query, passage).map_or(0, |one| one.rows)
    }

    /// For each set, the sets that it has groups in common with, and how many.
    fn neighbours(&self) -> Vec<Vec<(u32, u32)>> {
        let mut neighbours = vec![Vec::new(); self.sets.len() + 2];
        for one in &self.directories {
            let (greater, smaller) = one.sets;
            neighbours[greater as usize].push((smaller, one.rows));
            if smaller != greater {
                neighbours[smaller as usize].push((greater, one.rows));
            }
        }
        neighbours
    }

    /// The strata that have pairs, row by row of query languages.
    pub(super) fn sizes(&self) -> Result<Vec<StratumSize>> {
        let neighbours = self.neighbours();
        let mut languages_of = vec![Vec::new(); neighbours.len()];
        for (language, &set) in (0u32..).zip(&self.sets_of[1]) {
            languages_of[set as usize].push(language);
        }
        let met = |set: u32| {
            let met = neighbours[set as usize].iter();
            met.map(|&(other, pairs)| (&languages_of[other as usize], pairs))
        };
        let count = |&set: &u32| {
            met(set)
                .map(|(languages, _)| languages.len())
                .sum::<usize>()
        };
        let count = self.sets_of[0].iter().map(count).sum();
        room::check(count, BYTES_A_STRATUM, || format!("{count} language pairs"))?;
        let mut sizes = Vec::with_capacity(count);
        for (query, &set) in (0u32..).zip(&self.sets_of[0]) {
            let start = sizes.len();
            for (languages, pairs) in met(set) {
                sizes.extend(languages.iter().map(|&passage| StratumSize {
                    query,
                    passage,
                    pairs,
                }));
            }
            sizes[start..].sort_unstable_by_key(|one| one.passage);
        }
        Ok(sizes)
    }

    /// The groups of the largest stratum of each passage language.
    pub(super) fn greatest(&self) -> Vec<u32> {
        let mut asks = vec![false; self.sets.len() + 2];
        self.sets_of[0]
            .iter()
            .for_each(|&set| asks[set as usize] = true);
        let neighbours = self.neighbours();
        let greatest = |&set: &u32| {
            let met = neighbours[set as usize].iter();
            met.filter(|(other, _)| asks[*other as usize])
                .map(|&(_, rows)| rows)
                .max()
                .unwrap_or(0)
        };
        self.sets_of[1].iter().map(greatest).collect()
    }

    /// For each language, its groups with a query and with a passage in one of `passages`.
    pub(super) fn drawable(&self, passages: &[usize]) -> Result<Vec<u64>> {
        let mut wanted: Vec<u32> = passages.iter().map(|&one| self.sets_of[1][one]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.contains(&ALL) {
            return Ok(self.sides[0]
                .iter()
                .map(|&count| u64::from(count))
                .collect());
        }
        let mut answered = self.no_groups()?;
        for &set in wanted.iter().filter(|&&set| set != NOTHING) {
            add(&mut answered, self.set(set));
        }
        let has = |group: u32| answered[group as usize / 64] >> (group % 64) & 1;
        let mut counts: Vec<u64> = vec![0, popcount(&answered)];
        counts.extend(self.sets.iter().map(|set| {
            set.touch_all();
            match set {
                Members::Bits(bits) => {
                    let both = bits.iter().zip(&answered).map(|(a, b)| a & b);
                    both.map(|word| u64::from(word.count_ones())).sum::<u64>()
                }
                Members::List(list) => list.iter().map(|&group| has(group)).sum(),
            }
        }));
        let count = |&set: &u32| counts[set as usize];
        Ok(self.sets_of[0].iter().map(count).collect())
    }

    /// Groups of at least one of `strata`.
    pub(super) fn union(&self, strata: impl Iterator<Item = (usize, usize)>) -> Result<u64> {
        let mut seen = vec![false; self.directories.len()];
        let mut groups = self.no_groups()?;
        for (query, passage) in strata {
            let Some(one) = self.directory(query, passage) else {
                continue;
            };
            if one.sets == (ALL, ALL) {
                return Ok(self.groups as u64);
            }
            // Directories lie one after another.
            let place = (one as *const Directory).addr() - self.directories.as_ptr().addr();
            if std::mem::replace(&mut seen[place / size_of::<Directory>()], true) {
                continue;
            }
            self.sound(one);
            match &one.kind {
                Kind::First => (0..one.rows).for_each(|group| set_bit(&mut groups, group)),
                Kind::Greater => add(&mut groups, self.set(one.sets.0)),
                Kind::List(list) => list.iter().for_each(|&group| set_bit(&mut groups, group)),
                Kind::Counted(_) => {
                    let (left, right) = self.both(one);
                    for (word, (a, b)) in groups.iter_mut().zip(left.iter().zip(right)) {
                        *word |= a & b;
                    }
                }
            }
        }
        Ok(popcount(&groups))
    }

    /// A bit for each group, none set, padded as sets are.
    fn no_groups(&self) -> Result<Vec<u64>> {
        let words = self.groups.div_ceil(BLOCK) * STRIDE;
        room::filled(0u64, words, || format!("{} groups", self.groups))
    }

    /// The bits of both sets of a directory that counts them.
    #[inline(always)]
    fn both(&self, one: &Directory) -> (&[u64], &[u64]) {
        let bits = |set: u32| match self.sets.get(set.wrapping_sub(2) as usize) {
            Some(Members::Bits(bits)) => &**bits,
            _ => &[],
        };
        let left = bits(one.sets.0);
        let right = if one.sets.1 == ALL {
            left
        } else {
            bits(one.sets.1)
        };
        (left, right)
    }

    /// Lets a directory and what it stands on be read.
    #[inline]
    fn sound(&self, one: &Directory) {
        match &one.kind {
            Kind::First => {}
            Kind::Greater => self.set(one.sets.0).touch_all(),
            Kind::List(list) => list.touch_all(),
            Kind::Counted(counts) => {
                counts.before.touch_all();
                counts.samples.touch_all();
                for set in [one.sets.0, one.sets.1] {
                    if set > ALL {
                        self.set(set).touch_all();
                    }
                }
            }
        }
    }

    /// The `row`-th group of a stratum, by a search of its counts.
    ///
    /// # Panics
    /// If the stratum has no such row.
    pub(super) fn ordinal(&self, query: usize, passage: usize, row: u32) -> u32 {
        let stratum = self.stratum(query, passage, row);
        let counts = match &stratum.kind {
            Kind::First => return row,
            Kind::Greater => return self.listed(stratum)[row as usize],
            Kind::List(list) => {
                list.touch_all();
                return list[row as usize];
            }
            Kind::Counted(counts) => counts,
        };
        self.sound(stratum);
        let blocks = &counts.before[..self.groups.div_ceil(BLOCK)];
        let step = blocks.partition_point(|&before| before <= row) - 1;
        let mut left = row - counts.before[step];
        let (one, other) = self.both(stratum);
        for word in step * STRIDE..one.len() {
            let mut both = one[word] & other[word];
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

    /// The directory of a stratum that has a row.
    #[inline(always)]
    fn stratum(&self, query: usize, passage: usize, row: u32) -> &Directory {
        let found = self.directory(query, passage);
        match found.filter(|one| row < one.rows) {
            Some(one) => one,
            None => panic!(
                "row {row} of a stratum of {} rows",
                found.map_or(0, |one| one.rows)
            ),
        }
    }

    /// The list that a directory takes from its greater set.
    #[inline(always)]
    fn listed(&self, one: &Directory) -> &[u32] {
        match self.set(one.sets.0) {
            Members::List(list) => {
                list.touch_all();
                list
            }
            Members::Bits(_) => &[],
        }
    }

    /// Appends the group of each row of a stratum; like [`ordinal`](Self::ordinal), but with
    /// sampled counts and without branches that depend on the row.
    #[inline(always)]
    pub(super) fn ordinals(&self, query: usize, passage: usize, rows: &[u32], out: &mut Vec<u32>) {
        let Some(most) = rows.iter().copied().max() else {
            return;
        };
        let stratum = self.stratum(query, passage, most);
        self.sound(stratum);
        let from = out.len();
        out.extend_from_slice(rows);
        let out = &mut out[from..];
        // Loops in this function and not in `extend`, whose code would lack the caller's
        // instructions.
        match &stratum.kind {
            Kind::First => {}
            Kind::Greater => {
                let list = self.listed(stratum);
                out.iter_mut().for_each(|row| *row = list[*row as usize]);
            }
            Kind::List(list) => {
                let list: &[u32] = list;
                out.iter_mut().for_each(|row| *row = list[*row as usize]);
            }
            Kind::Counted(counts) if stratum.sets.1 == ALL || stratum.sets.1 == stratum.sets.0 => {
                let blocks = self.both(stratum).0.as_chunks::<STRIDE>().0;
                let counts = counts.searched();
                for row in out {
                    let (block, left) = counts.block(*row);
                    *row = block * BLOCK as u32 + select(&blocks[block as usize], left);
                }
            }
            Kind::Counted(counts) => {
                let (ones, others) = self.both(stratum);
                let ones = ones.as_chunks::<STRIDE>().0;
                let others = others.as_chunks::<STRIDE>().0;
                let counts = counts.searched();
                for row in out {
                    let (block, left) = counts.block(*row);
                    let (one, other) = (&ones[block as usize], &others[block as usize]);
                    let mut both = [0; STRIDE];
                    for (both, (one, other)) in both.iter_mut().zip(one.iter().zip(other)) {
                        *both = one & other;
                    }
                    *row = block * BLOCK as u32 + select(&both, left);
                }
            }
        }
    }

    pub(super) fn write<'a>(&'a self, to: &mut Writer<'a>) {
        to.size(self.sets.len());
        self.sets.iter().for_each(|set| set.write(to));
        to.size(self.directories.len());
        for one in &self.directories {
            to.number(one.sets.0);
            to.number(one.sets.1);
            to.number(one.rows);
            match &one.kind {
                Kind::First => to.number(0u64),
                Kind::Greater => to.number(1u64),
                Kind::List(list) => {
                    to.number(2u64);
                    to.run(list);
                }
                Kind::Counted(counts) => {
                    to.number(3u64);
                    to.run(&counts.before);
                    to.run(&counts.samples);
                    to.number(counts.shift);
                    to.size(counts.range);
                }
            }
        }
        for (counts, sets) in self.sides.iter().zip(&self.sets_of) {
            for (&count, &set) in counts.iter().zip(sets) {
                to.number(count);
                to.number(set);
            }
        }
    }

    pub(super) fn read(from: &mut Reader, groups: usize, languages: usize) -> Option<Self> {
        let count = from.size()?;
        let sets: Vec<Members> = (0..count)
            .map(|_| Members::read(from, groups))
            .collect::<Option<_>>()?;
        let numbers = u32::try_from(count).ok()?.checked_add(2)?;
        let directories = from.size()?;
        let directories: Vec<Directory> = (0..directories)
            .map(|_| Directory::read(from, groups, &sets))
            .collect::<Option<_>>()?;
        if !directories.is_sorted_by(|one, next| one.sets < next.sets) {
            return None;
        }
        let before = |number: u32| directories.partition_point(|one| one.sets.0 < number) as u32;
        let first = (0..=numbers).map(before).collect();
        let mut side = || -> Option<(Vec<u32>, Vec<u32>)> {
            (0..languages)
                .map(|_| Some((from.narrow()?, from.narrow().filter(|&set| set < numbers)?)))
                .collect()
        };
        let ((asked, queries), (answered, passages)) = (side()?, side()?);
        Some(Self {
            groups,
            sets,
            directories,
            first,
            sides: [asked, answered],
            sets_of: [queries, passages],
        })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let own = self.directories.iter().map(|one| match &one.kind {
            Kind::First | Kind::Greater => 0,
            Kind::List(list) => size_of_val(&**list),
            Kind::Counted(counts) => size_of_val(&*counts.before) + size_of_val(&*counts.samples),
        });
        self.sets.iter().map(Members::bytes).chain(own).sum()
    }
}

/// For each group, the listed sets that it is in.
struct Meeting {
    starts: Vec<u32>,
    sets: Vec<u32>,
}

impl Meeting {
    fn new(groups: usize, sets: &[Members]) -> Self {
        let lists = || {
            (ALL + 1..).zip(sets).filter_map(|(number, set)| match set {
                Members::List(list) => Some((number, &**list)),
                Members::Bits(_) => None,
            })
        };
        if lists().next().is_none() {
            return Self {
                starts: Vec::new(),
                sets: Vec::new(),
            };
        }
        let mut starts = vec![0u32; groups + 2];
        lists()
            .flat_map(|(_, list)| list)
            .for_each(|&group| starts[group as usize + 2] += 1);
        for group in 2..starts.len() {
            starts[group] += starts[group - 1];
        }
        let mut of = vec![0; starts[groups + 1] as usize];
        for (number, list) in lists() {
            for &group in list {
                let place = &mut starts[group as usize + 1];
                of[*place as usize] = number;
                *place += 1;
            }
        }
        Self { starts, sets: of }
    }

    fn of(&self, group: u32) -> &[u32] {
        let [start, end] = [0, 1].map(|next| self.starts[group as usize + next] as usize);
        &self.sets[start..end]
    }
}

fn set_bit(bits: &mut [u64], group: u32) {
    bits[group as usize / 64] |= 1 << (group % 64);
}

fn add(bits: &mut [u64], set: &Members) {
    set.touch_all();
    match set {
        Members::Bits(own) => bits
            .iter_mut()
            .zip(&**own)
            .for_each(|(word, own)| *word |= own),
        Members::List(list) => list.iter().for_each(|&group| set_bit(bits, group)),
    }
}

fn popcount(bits: &[u64]) -> u64 {
    bits.iter().map(|word| u64::from(word.count_ones())).sum()
}

impl Directory {
    /// The directory of two sets, the greater number first; `None` where they have nothing in common.
    fn new(numbers: (u32, u32), groups: usize, sets: &[Members]) -> Option<Self> {
        let set = |number: u32| &sets[number as usize - 2];
        let of = |rows: usize, kind| {
            let directory = Self {
                sets: numbers,
                rows: rows as u32,
                kind,
            };
            (rows > 0).then_some(directory)
        };
        let listed = |list: Vec<u32>| {
            let first = list
                .last()
                .is_some_and(|&last| last as usize + 1 == list.len());
            of(
                list.len(),
                if first {
                    Kind::First
                } else {
                    Kind::List(list.into())
                },
            )
        };
        if numbers == (ALL, ALL) {
            return of(groups, Kind::First);
        }
        let one = set(numbers.0);
        let other = if numbers.1 == ALL {
            one
        } else {
            set(numbers.1)
        };
        match (one, other) {
            (Members::List(list), _) if numbers.1 == ALL || numbers.0 == numbers.1 => {
                let first = list
                    .last()
                    .is_some_and(|&last| last as usize + 1 == list.len());
                of(list.len(), if first { Kind::First } else { Kind::Greater })
            }
            (Members::List(list), Members::Bits(bits))
            | (Members::Bits(bits), Members::List(list)) => {
                let has = |group: &u32| bits[*group as usize / 64] >> (group % 64) & 1 == 1;
                listed(list.iter().copied().filter(has).collect())
            }
            (Members::List(left), Members::List(right)) => listed(common(left, right)),
            (Members::Bits(left), Members::Bits(right)) => Self::counted(numbers, left, right),
        }
    }

    fn counted(sets: (u32, u32), left: &[u64], right: &[u64]) -> Option<Self> {
        let mut rows = 0;
        let mut before = Vec::with_capacity(left.len() / STRIDE);
        for (left, right) in left.chunks(STRIDE).zip(right.chunks(STRIDE)) {
            before.push(rows);
            let both = left.iter().zip(right).map(|(a, b)| (a & b).count_ones());
            rows += both.sum::<u32>();
        }
        if rows == 0 {
            return None;
        }
        let both = |word: usize| left[word] & right[word];
        let whole = rows as usize / 64;
        if (0..whole).all(|word| both(word) == u64::MAX)
            && (rows.is_multiple_of(64) || both(whole) == (1 << (rows % 64)) - 1)
        {
            let kind = Kind::First;
            return Some(Self { sets, rows, kind });
        }
        // One or two samples a block, so that a row is in its sample's block or the next.
        let a_block = rows / before.len() as u32;
        let shift = (a_block / 2 + 1).next_power_of_two().ilog2();
        let mut samples: Vec<u32> = Vec::with_capacity((rows >> shift) as usize + 1);
        let mut range = 1;
        for block in 0..before.len() {
            let end = before.get(block + 1).copied().unwrap_or(rows);
            if before[block] == end {
                continue;
            }
            if let Some(&last) = samples.last() {
                range = range.max(block - last as usize + 1);
            }
            while (samples.len() as u64) << shift < u64::from(end) {
                samples.push(block as u32);
            }
        }
        before.resize(before.len() + range, u32::MAX);
        Some(Self {
            sets,
            rows,
            kind: Kind::Counted(Counts {
                before: before.into(),
                samples: samples.into(),
                shift,
                range,
            }),
        })
    }

    fn read(from: &mut Reader, groups: usize, sets: &[Members]) -> Option<Self> {
        let numbers = (from.narrow()?, from.narrow()?);
        let rows = from
            .narrow()
            .filter(|&rows| rows > 0 && rows as usize <= groups)?;
        if numbers.1 == NOTHING || numbers.1 > numbers.0 || numbers.0 as usize >= sets.len() + 2 {
            return None;
        }
        let set = |number: u32| sets.get(number.wrapping_sub(2) as usize);
        let bits = |number: u32| matches!(set(number), Some(Members::Bits(_)));
        let kind = match from.number()? {
            0 => Kind::First,
            1 => match set(numbers.0)? {
                Members::List(list) if list.len() == rows as usize => Kind::Greater,
                _ => return None,
            },
            2 => Kind::List(
                from.run()
                    .filter(|list: &Store<u32>| list.len() == rows as usize)?,
            ),
            3 if bits(numbers.0) && (numbers.1 == ALL || bits(numbers.1)) => {
                Kind::Counted(Counts {
                    before: from.run()?,
                    samples: from.run()?,
                    shift: from.narrow().filter(|&shift| shift < 32)?,
                    range: from.size()?,
                })
            }
            _ => return None,
        };
        if let Kind::Counted(counts) = &kind {
            let blocks = groups.div_ceil(BLOCK).checked_add(counts.range)?;
            if counts.before.len() != blocks
                || counts.samples.len() <= ((rows - 1) >> counts.shift) as usize
            {
                return None;
            }
        }
        Some(Self {
            sets: numbers,
            rows,
            kind,
        })
    }
}

/// The numbers that two increasing lists share.
fn common(left: &[u32], right: &[u32]) -> Vec<u32> {
    let (few, many) = if left.len() < right.len() {
        (left, right)
    } else {
        (right, left)
    };
    let mut rest = many;
    let shared = few.iter().copied().filter(|&one| {
        rest = &rest[rest.partition_point(|&other| other < one)..];
        rest.first() == Some(&one)
    });
    shared.collect()
}

impl Counts {
    fn searched(&self) -> Searched<'_> {
        Searched {
            before: &self.before,
            samples: &self.samples,
            shift: self.shift,
            range: self.range,
        }
    }
}

/// A directory's counts, looked up once for many rows.
#[derive(Clone, Copy)]
struct Searched<'a> {
    before: &'a [u32],
    samples: &'a [u32],
    shift: u32,
    range: usize,
}

impl Searched<'_> {
    /// The block of a row, and the rows of that block before it: a search in as many steps for
    /// every row, so that the processor foresees them.
    #[inline(always)]
    fn block(&self, row: u32) -> (u32, u32) {
        let mut low = self.samples[(row >> self.shift) as usize] as usize;
        let mut range = self.range;
        while range > 1 {
            let half = range / 2;
            low += half * usize::from(self.before[low + half] <= row);
            range -= half;
        }
        (low as u32, row - self.before[low])
    }
}

/// Place of the set bit that has `left` set bits before it in a block.
#[inline(always)]
pub(super) fn select(block: &[u64; STRIDE], left: u32) -> u32 {
    let (mut word, mut before, mut total) = (0, 0, 0);
    for bits in &block[..STRIDE - 1] {
        total += bits.count_ones();
        let past = u32::from(total <= left);
        word += past;
        before = before.max(total * past);
    }
    word * 64 + select_word(block[word as usize], left - before)
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Place of the set bit that has `left` set bits before it in a word: the byte from the sums
/// of all bytes at once (Vigna 2008, "Broadword implementation of rank/select queries"), the
/// bit from a table.
#[inline(always)]
fn select_word(bits: u64, left: u32) -> u32 {
    let pairs = bits - ((bits >> 1) & (ONES * 0x55));
    let fours = (pairs & (ONES * 0x33)) + ((pairs >> 2) & (ONES * 0x33));
    let sums = ((fours + (fours >> 4)) & (ONES * 0x0f)).wrapping_mul(ONES);
    // A byte's top bit stays where its sum is at most `left`: the bit wanted lies past it.
    let past = ((u64::from(left) * ONES) | (ONES * 0x80)) - sums;
    let place = (((past & (ONES * 0x80)) >> 7).wrapping_mul(ONES) >> 56) * 8;
    let before = ((sums << 8) >> place) as u32 & 0xff;
    let byte = (bits >> place) as usize & 0xff;
    place as u32 + u32::from(IN_BYTE[(left - before) as usize & 7][byte])
}

/// Place of the n-th set bit of a byte.
static IN_BYTE: [[u8; 256]; 8] = in_byte();

const fn in_byte() -> [[u8; 256]; 8] {
    let mut table = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                table[count][byte] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
}
