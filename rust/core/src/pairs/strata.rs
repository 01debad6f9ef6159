//! Which groups make a stratum, and which of them is its n-th.
//!
//! A stratum is never stored. The groups that have a query (a passage) in a language are bits;
//! a stratum is the groups in both sets. Complete sets need no bits, equal sets are kept once,
//! and strata of the same two sets share one directory.

use super::format::{NONE, Reader, Writer};
use super::store::Store;

/// Words of 64 groups between two counts of a directory.
const STRIDE: usize = 8;

/// Groups between two counts of a directory.
const BLOCK: usize = 64 * STRIDE;

/// One bit a group, padded to whole blocks.
type Bits = Store<u64>;

/// The groups that two sets have in common, counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Directory {
    /// Sets of bits; `None` is all groups. The first is `None` only if both are.
    sets: (Option<usize>, Option<usize>),
    rows: u32,
    /// Whether these are the first groups.
    prefix: bool,
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
    languages: usize,
    groups: usize,
    sets: Vec<Bits>,
    directories: Vec<Directory>,
    /// Directory of each stratum, row by row of query languages.
    of: Vec<usize>,
    /// Groups with a query, and with a passage, in each language.
    sides: [Vec<u32>; 2],
    /// Set of the groups with a query, and with a passage, in each language.
    sets_of: [Vec<Option<usize>>; 2],
}

impl Strata {
    /// All groups have everything.
    pub(super) fn complete(groups: usize, languages: usize) -> Self {
        Self {
            languages,
            groups,
            sets: Vec::new(),
            directories: vec![Directory::new((None, None), groups, &[])],
            of: vec![0; languages * languages],
            sides: [(); 2].map(|()| vec![groups as u32; languages]),
            sets_of: [(); 2].map(|()| vec![None; languages]),
        }
    }

    /// From the groups with a query and those with a passage, one bit a group, a set for each
    /// language.
    pub(super) fn new(groups: usize, queries: Vec<Vec<u64>>, passages: Vec<Vec<u64>>) -> Self {
        let languages = queries.len();
        let mut sets: Vec<Bits> = Vec::new();
        let mut number = |mut bits: Vec<u64>| -> (Option<usize>, u32) {
            let count: u32 = bits.iter().map(|word| word.count_ones()).sum();
            if count as usize == groups {
                return (None, count);
            }
            bits.resize(groups.div_ceil(BLOCK) * STRIDE, 0);
            bits.shrink_to_fit();
            let known = sets.iter().position(|set| **set == *bits);
            let set = known.unwrap_or_else(|| {
                sets.push(bits.into());
                sets.len() - 1
            });
            (Some(set), count)
        };
        let mut side = |side: Vec<Vec<u64>>| -> (Vec<Option<usize>>, Vec<u32>) {
            side.into_iter().map(&mut number).unzip()
        };
        let (queries, asked) = side(queries);
        let (passages, answered) = side(passages);
        let mut directories: Vec<Directory> = Vec::new();
        let mut of = Vec::with_capacity(languages * languages);
        for &query in &queries {
            for &passage in &passages {
                let pair = (query.max(passage), query.min(passage));
                let known = directories.iter().position(|one| one.sets == pair);
                of.push(known.unwrap_or_else(|| {
                    directories.push(Directory::new(pair, groups, &sets));
                    directories.len() - 1
                }));
            }
        }
        Self {
            languages,
            groups,
            sets,
            directories,
            of,
            sides: [asked, answered],
            sets_of: [queries, passages],
        }
    }

    /// Groups with a query (0) or a passage (1) in each language.
    pub(super) fn side(&self, side: usize) -> &[u32] {
        &self.sides[side]
    }

    /// Appends those of some groups that have a query (or a passage) in a language.
    pub(super) fn members(
        &self,
        passages: bool,
        language: usize,
        groups: std::ops::Range<usize>,
        out: &mut Vec<u32>,
    ) {
        let groups = groups.start as u32..groups.end as u32;
        match self.sets_of[usize::from(passages)][language] {
            None => out.extend(groups),
            Some(set) => {
                let set = &self.sets[set];
                let has = |&group: &u32| set[group as usize / 64] >> (group % 64) & 1 == 1;
                out.extend(groups.filter(has));
            }
        }
    }

    fn directory(&self, query: usize, passage: usize) -> &Directory {
        &self.directories[self.of[query * self.languages + passage]]
    }

    /// Groups of a stratum.
    pub(super) fn rows(&self, query: usize, passage: usize) -> u32 {
        self.directory(query, passage).rows
    }

    /// Groups with a query in `query` and a passage in one of `passages`.
    pub(super) fn drawable(&self, query: usize, passages: &[usize]) -> u64 {
        let strata: Vec<_> = passages.iter().map(|&passage| (query, passage)).collect();
        self.union(&strata)
    }

    /// Groups of at least one of `strata`.
    pub(super) fn union(&self, strata: &[(usize, usize)]) -> u64 {
        let mut pairs: Vec<_> = strata
            .iter()
            .map(|&(query, passage)| self.directory(query, passage).sets)
            .collect();
        if pairs.contains(&(None, None)) {
            return self.groups as u64;
        }
        pairs.sort_unstable();
        pairs.dedup();
        let word = |set: Option<usize>, at: usize| set.map_or(u64::MAX, |set| self.sets[set][at]);
        (0..self.groups.div_ceil(64))
            .map(|at| {
                let any = pairs
                    .iter()
                    .fold(0, |any, &(a, b)| any | (word(a, at) & word(b, at)));
                u64::from(any.count_ones())
            })
            .sum()
    }

    /// The `row`-th group of a stratum, by a search of its counts.
    ///
    /// # Panics
    /// If the stratum has no such row.
    pub(super) fn ordinal(&self, query: usize, passage: usize, row: u32) -> u32 {
        let stratum = self.directory(query, passage);
        assert!(
            row < stratum.rows,
            "row {row} of a stratum of {} rows",
            stratum.rows
        );
        let (Some(left_set), right_set) = stratum.sets else {
            return row;
        };
        let blocks = &stratum.before[..self.groups.div_ceil(BLOCK)];
        let step = blocks.partition_point(|&before| before <= row) - 1;
        let mut left = row - stratum.before[step];
        let right_set = right_set.unwrap_or(left_set);
        for word in step * STRIDE..self.sets[left_set].len() {
            let mut both = self.sets[left_set][word] & self.sets[right_set][word];
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

    /// Appends the group of each row of a stratum; like [`ordinal`](Self::ordinal), but with
    /// sampled counts and without branches that depend on the row.
    #[inline(always)]
    pub(super) fn ordinals(&self, query: usize, passage: usize, rows: &[u32], out: &mut Vec<u32>) {
        let stratum = self.directory(query, passage);
        let most = rows.iter().copied().max().unwrap_or(0);
        assert!(
            rows.is_empty() || most < stratum.rows,
            "row {most} of a stratum of {} rows",
            stratum.rows
        );
        let from = out.len();
        out.extend_from_slice(rows);
        // Loops in this function and not in `extend`, whose code would lack the caller's
        // instructions.
        match stratum.sets {
            _ if stratum.prefix => {}
            (None, _) => {}
            (Some(set), None) => {
                let blocks = self.sets[set].as_chunks::<STRIDE>().0;
                let counts = stratum.counts();
                for row in &mut out[from..] {
                    let (block, left) = counts.block(*row);
                    *row = block * BLOCK as u32 + select(&blocks[block as usize], left);
                }
            }
            (Some(one), Some(other)) => {
                let ones = self.sets[one].as_chunks::<STRIDE>().0;
                let others = self.sets[other].as_chunks::<STRIDE>().0;
                let counts = stratum.counts();
                for row in &mut out[from..] {
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
        let set = |to: &mut Writer<'a>, set: Option<usize>| {
            to.number(set.map_or(NONE, |set| set as u64));
        };
        to.size(self.sets.len());
        for bits in &self.sets {
            to.run(bits);
        }
        to.size(self.directories.len());
        for one in &self.directories {
            set(to, one.sets.0);
            set(to, one.sets.1);
            to.number(one.rows);
            to.number(one.prefix);
            to.run(&one.before);
            to.run(&one.samples);
            to.number(one.shift);
            to.size(one.range);
        }
        for &directory in &self.of {
            to.size(directory);
        }
        for side in 0..2 {
            for language in 0..self.languages {
                to.number(self.sides[side][language]);
                set(to, self.sets_of[side][language]);
            }
        }
    }

    pub(super) fn read(from: &mut Reader, groups: usize, languages: usize) -> Option<Self> {
        let count = from.size()?;
        let words = groups.div_ceil(BLOCK) * STRIDE;
        let sets: Option<Vec<Bits>> = (0..count)
            .map(|_| from.run().filter(|bits: &Bits| bits.len() == words))
            .collect();
        let set = |from: &mut Reader| match from.number()? {
            NONE => Some(None),
            set => Some(Some(usize::try_from(set).ok().filter(|&set| set < count)?)),
        };
        let directories = from.size()?;
        let read = |from: &mut Reader| {
            Some(Directory {
                sets: (set(from)?, set(from)?),
                rows: from.narrow()?,
                prefix: from.number()? == 1,
                before: from.run()?,
                samples: from.run()?,
                shift: from.narrow().filter(|&shift| shift < 32)?,
                range: from.size()?,
            })
        };
        let directories: Vec<Directory> = (0..directories)
            .map(|_| read(from))
            .collect::<Option<_>>()?;
        let of: Option<Vec<usize>> = (0..languages * languages)
            .map(|_| from.size().filter(|&one| one < directories.len()))
            .collect();
        let mut side = || -> Option<(Vec<u32>, Vec<Option<usize>>)> {
            (0..languages)
                .map(|_| Some((from.narrow()?, set(from)?)))
                .collect()
        };
        let ((asked, queries), (answered, passages)) = (side()?, side()?);
        Some(Self {
            languages,
            groups,
            sets: sets?,
            directories,
            of: of?,
            sides: [asked, answered],
            sets_of: [queries, passages],
        })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let sets = self.sets.iter().map(|set| set.len() * 8);
        let counts = self
            .directories
            .iter()
            .map(|one| (one.before.len() + one.samples.len()) * 4);
        sets.chain(counts).sum()
    }
}

impl Directory {
    fn new(sets: (Option<usize>, Option<usize>), groups: usize, bits: &[Bits]) -> Self {
        let (Some(one), other) = sets else {
            return Self {
                sets,
                rows: groups as u32,
                prefix: true,
                ..Self::default()
            };
        };
        let other = other.unwrap_or(one);
        let mut rows = 0;
        let mut before = Vec::with_capacity(groups.div_ceil(BLOCK));
        let (ones, others) = (bits[one].chunks(STRIDE), bits[other].chunks(STRIDE));
        for (left, right) in ones.zip(others) {
            before.push(rows);
            let both = left.iter().zip(right).map(|(a, b)| (a & b).count_ones());
            rows += both.sum::<u32>();
        }
        if rows == 0 {
            return Self {
                sets,
                ..Self::default()
            };
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
        let prefix = (0..rows as usize / 64)
            .all(|word| bits[one][word] & bits[other][word] == u64::MAX)
            && (rows % 64 == 0
                || bits[one][rows as usize / 64] & bits[other][rows as usize / 64]
                    == (1 << (rows % 64)) - 1);
        Self {
            sets,
            rows,
            prefix,
            before: before.into(),
            samples: samples.into(),
            shift,
            range,
        }
    }

    fn counts(&self) -> Counts<'_> {
        Counts {
            before: &self.before,
            samples: &self.samples,
            shift: self.shift,
            range: self.range,
        }
    }
}

/// A directory's counts, looked up once for many rows.
#[derive(Clone, Copy)]
struct Counts<'a> {
    before: &'a [u32],
    samples: &'a [u32],
    shift: u32,
    range: usize,
}

impl Counts<'_> {
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
