//! The counts of a run of batches.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::coverage::{Divisor, Places};
use super::deviation::{Run, Running};
use super::numbering::Numbering;
use super::recount::Recount;
use crate::epoch::{Batches, Epoch};
use crate::pairs::{Key, Pair, PairIndex};
use crate::plan::{Holds, Plan, Unit};
use crate::{Error, Result};

/// What all chunks have in common.
#[derive(Debug)]
pub(super) struct Counting<'a> {
    index: &'a PairIndex,
    strata: &'a Numbering,
    size: usize,
    window: usize,
    unit: Unit,
    /// Whether a cross-lingual batch holds one stratum.
    homogeneous: [bool; 2],
    shares: Vec<f64>,
    part_bits: u32,
}

impl<'a> Counting<'a> {
    pub(super) fn new(plan: &'a Plan, strata: &'a Numbering, part_bits: u32) -> Self {
        let index = plan.index();
        let mut shares = vec![0.0; strata.len()];
        for one in plan.shares() {
            if let Some(number) = strata.number(one.query, one.passage) {
                shares[number as usize] = one.share;
            }
        }
        let config = plan.config();
        Self {
            index,
            strata,
            size: config.batch_size,
            window: config.guard_window as usize,
            unit: config.unit,
            homogeneous: [config.mono, config.cross].map(|holds| holds == Holds::Homogeneous),
            shares,
            part_bits,
        }
    }

    /// Share of each stratum among those of its kind.
    pub(super) fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Consecutive batches that are guarded together.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    fn parts(&self) -> usize {
        let places = self.index.cells() as u64 * self.index.languages() as u64;
        (places >> self.part_bits) as usize + 1
    }
}

/// Consecutive batches of one epoch, and what was counted in them.
#[derive(Debug)]
pub(super) struct Chunk {
    epoch: Arc<Epoch>,
    batches: Range<u64>,
    counted: Result<Counted>,
}

/// What a chunk holds.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) is_mono: Vec<bool>,
    /// Strata that came, and how many rows of each.
    pub(super) strata: Vec<(u32, u64)>,
    pub(super) monolingual: Run,
    pub(super) cross: Run,
    pub(super) repeated: [u64; 3],
    pub(super) repeated_texts: u64,
    pub(super) substitutes: u64,
    /// XXH3-128 of each batch, least byte first.
    pub(super) hashes: Vec<u8>,
    pub(super) places: Places,
}

impl Chunk {
    pub(super) fn new(epoch: Arc<Epoch>, batches: Range<u64>) -> Self {
        Self {
            epoch,
            batches,
            counted: Err(Error::Interrupted),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.batches.end - self.batches.start
    }

    pub(super) fn is_first(&self) -> bool {
        self.batches.start == 0
    }

    pub(super) fn counted(self) -> Result<Counted> {
        self.counted
    }

    pub(super) fn count(&mut self, counting: &Counting<'_>) {
        self.counted = self
            .epoch
            .batches(self.batches.start, self.batches.end, &|_, _| true)
            .and_then(|batches| count(counting, batches));
    }
}

fn count(counting: &Counting<'_>, batches: Batches) -> Result<Counted> {
    let size = counting.size;
    let strata = counting
        .strata
        .numbers(&batches.query_language, &batches.passage_language)?;
    let mut counts = vec![0u64; counting.strata.len()];
    for &stratum in &strata {
        counts[stratum as usize] += 1;
    }
    let [monolingual, cross] = turns(counting, &batches.is_mono, &strata);
    let came = (0..).zip(counts).filter(|&(_, count)| count > 0);
    Ok(Counted {
        strata: came.collect(),
        monolingual: monolingual.finish(),
        cross: cross.finish(),
        repeated: repeated(counting, &batches),
        repeated_texts: repeated_texts(counting, &batches),
        hashes: hashes(&batches, size),
        places: places(counting, &batches.pair),
        substitutes: batches.substitutes,
        is_mono: batches.is_mono,
    })
}

/// The turns of each kind's strata.
fn turns(counting: &Counting<'_>, is_mono: &[bool], strata: &[u32]) -> [Running; 2] {
    let shares = &counting.shares;
    let mut runs = [Running::new(shares.len()), Running::new(shares.len())];
    let [mono, cross] = &mut runs;
    match counting.unit {
        Unit::Row => {
            for (&kind, &stratum) in is_mono.iter().zip(strata) {
                let run = if kind { &mut *mono } else { &mut *cross };
                run.turn(stratum as usize, shares[stratum as usize]);
            }
        }
        Unit::Batch => {
            for (&kind, rows) in is_mono.iter().zip(strata.chunks(counting.size)) {
                let [of_mono, of_cross] = counting.homogeneous;
                let (run, one) = if kind {
                    (&mut *mono, of_mono)
                } else {
                    (&mut *cross, of_cross)
                };
                let turns = if one { &rows[..1] } else { rows };
                for &stratum in turns {
                    run.turn(stratum as usize, shares[stratum as usize]);
                }
            }
        }
    }
    runs
}

/// Rows whose group, query identity and passage identity came before within the batches that are
/// guarded together.
fn repeated(counting: &Counting<'_>, batches: &Batches) -> [u64; 3] {
    let index = counting.index;
    let window = counting.size * counting.window;
    let mut table = Recount::new(window);
    let mut all = |identities: &[u32]| -> u64 {
        identities
            .chunks(window)
            .map(|one| table.repeated(one))
            .sum()
    };
    let mut identities: Vec<u32> = batches.group.iter().map(|&group| group as u32).collect();
    let groups = all(&identities);
    // Where only rows of one group share an identity, different groups are enough.
    let look = [Key::Query, Key::Passage].map(|key| groups > 0 || index.sharing(key).across_groups);
    let pairs = if look.contains(&true) {
        pairs(index, batches)
    } else {
        Vec::new()
    };
    let mut of = |key: Key, look: bool| {
        if !look {
            return 0;
        }
        identities.clear();
        index.keys_into(key, &pairs, &mut identities);
        all(&identities)
    };
    [groups, of(Key::Query, look[0]), of(Key::Passage, look[1])]
}

/// Rows that bring a text of an earlier row within the batches that are guarded together.
fn repeated_texts(counting: &Counting<'_>, batches: &Batches) -> u64 {
    let index = counting.index;
    if !index.has_texts() {
        return 0;
    }
    let mut repeated = 0;
    let mut came = HashSet::new();
    for rows in pairs(index, batches).chunks(counting.size * counting.window) {
        came.clear();
        for &row in rows {
            let mut own = index.texts(row).into_iter().flatten();
            repeated += u64::from(own.any(|text| came.contains(text)));
            came.extend(index.texts(row).into_iter().flatten().copied());
        }
    }
    repeated
}

/// The cells of every row. Where cells are in order of groups and languages, the passage's cell is
/// near the query's, else it is looked up.
fn pairs(index: &PairIndex, batches: &Batches) -> Vec<Pair> {
    let by = Divisor::new(index.languages() as u64);
    let passage_cell = |query_cell: u32, group: i64, from: i16, to: i16| {
        if from == to {
            return query_cell;
        }
        let near = query_cell.wrapping_add_signed(i32::from(to) - i32::from(from));
        let found = (near as usize) < index.cells()
            && index.language(near) == to as u32
            && i64::from(index.group(near)) == group;
        if found {
            return near;
        }
        index.sibling(query_cell, to as usize).unwrap_or(query_cell)
    };
    let languages = batches.query_language.iter().zip(&batches.passage_language);
    let rows = batches.pair.iter().zip(&batches.group).zip(languages);
    rows.map(|((&id, &group), (&from, &to))| {
        let query_cell = by.divide(id as u64) as u32;
        Pair {
            query_cell,
            passage_cell: passage_cell(query_cell, group, from, to),
        }
    })
    .collect()
}

fn hashes(batches: &Batches, size: usize) -> Vec<u8> {
    let count = batches.pair.len() / size;
    let kinds = batches.is_mono.len() / count.max(1);
    let mut hashes = Vec::with_capacity(16 * count);
    let mut bytes = Vec::with_capacity(8 * size + kinds);
    for (pairs, kinds) in batches
        .pair
        .chunks(size)
        .zip(batches.is_mono.chunks(kinds.max(1)))
    {
        bytes.clear();
        for pair in pairs {
            bytes.extend_from_slice(&pair.to_le_bytes());
        }
        bytes.extend(kinds.iter().map(|&kind| u8::from(kind)));
        hashes.extend_from_slice(&xxh3_128(&bytes).to_le_bytes());
    }
    hashes
}

fn places(counting: &Counting<'_>, pairs: &[i64]) -> Places {
    let parts = counting.parts();
    let low = (1u64 << counting.part_bits) - 1;
    let mut places: Places = vec![Vec::with_capacity(pairs.len() / parts * 9 / 8); parts];
    for &pair in pairs {
        let place = pair as u64;
        places[(place >> counting.part_bits) as usize].push((place & low) as u32);
    }
    places
}
