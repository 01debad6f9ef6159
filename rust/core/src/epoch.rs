//! The batches of one epoch, in any order.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::blocks::{Block, Slots, batch_bound};
use crate::configuration::Unit;
use crate::hash::Numbered;
use crate::layout::{Lane, Layout};
use crate::mixture::Kinds;
use crate::pairs::Pair;
use crate::permutation::shuffle;
use crate::pulse::Pulse;
use crate::room;
use crate::streams::{Stream, Streams};
use crate::turns::{Cursor, Turns};
use crate::{Error, Result};

/// Blocks kept ready beside those in use.
const SPARE_BLOCKS: usize = 8;

/// Rows kept ready in blocks, unless those are spare ones.
const KEPT_ROWS: usize = 1 << 24;

/// Uses of blocks after which one that is used again counts as new.
const REORDERED: u64 = 64;

/// Batches one after another; rows are flattened, `batch_size` a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batches {
    /// One a batch, or one a row if rows are drawn by kind.
    pub is_mono: Vec<bool>,
    /// Group ids as given.
    pub group: Vec<i64>,
    /// Query rows as given.
    pub query: Vec<i64>,
    /// Passage rows as given.
    pub passage: Vec<i64>,
    /// Language of each query.
    pub query_language: Vec<i16>,
    /// Language of each passage.
    pub passage_language: Vec<i16>,
    /// Position of the query's cell × languages + passage language.
    pub pair: Vec<i64>,
    /// Rows that stand in for a row of the pass that could not be placed.
    pub substitutes: u64,
}

/// Which block: a homogeneous one (stratum, pass, number), or one of several strata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum BlockId {
    Homogeneous(usize, u64, u64),
    /// A block of monolingual batches, or of all others.
    Mixed(bool, u64),
}

/// The batches of one epoch.
#[derive(Debug)]
pub struct Epoch {
    layout: Arc<Layout>,
    streams: Streams,
    kinds: Kinds,
    monolingual: Option<Turns>,
    cross: Option<Turns>,
    /// Where the reading of turns stood after the block of several strata that was built last.
    reading: Mutex<Readers>,
    recent: Mutex<Recent>,
}

/// Blocks used last.
#[derive(Debug, Default)]
struct Recent {
    /// Each block and when it was used.
    blocks: Numbered<BlockId, (u64, Arc<Block>)>,
    used: BTreeMap<u64, BlockId>,
    now: u64,
    rows: usize,
}

impl Recent {
    fn get(&mut self, id: BlockId) -> Option<Arc<Block>> {
        let (used, block) = self.blocks.get_mut(&id)?;
        self.now += 1;
        // A block in use is put to the front now and then, which is all that its staying needs.
        if self.now - *used > REORDERED {
            self.used.remove(used);
            self.used.insert(self.now, id);
            *used = self.now;
        }
        Some(Arc::clone(block))
    }

    fn keep(&mut self, id: BlockId, block: &Arc<Block>, most: usize) {
        if self.get(id).is_some() {
            return;
        }
        let full = |recent: &Self| {
            recent.blocks.len() >= most
                || recent.blocks.len() >= SPARE_BLOCKS && recent.rows > KEPT_ROWS
        };
        while full(self)
            && let Some((_, oldest)) = self.used.pop_first()
        {
            if let Some((_, block)) = self.blocks.remove(&oldest) {
                self.rows -= block.pairs.len();
            }
        }
        self.now += 1;
        self.rows += block.pairs.len();
        self.used.insert(self.now, id);
        self.blocks.insert(id, (self.now, Arc::clone(block)));
    }
}

impl Epoch {
    pub(crate) fn new(layout: Arc<Layout>, epoch: u64) -> Result<Self> {
        let streams = Streams::new(layout.config.seed, epoch);
        let size = layout.config.batch_size as u64;
        let units = match layout.config.unit {
            Unit::Batch => layout.len,
            Unit::Row => layout.len.saturating_mul(size),
        };
        let ratio = match layout.config.unit {
            Unit::Batch => layout.config.ratio.clone(),
            Unit::Row => layout.config.ratio.over_rows(size)?,
        };
        // The share stays the same long before.
        let first = epoch.saturating_mul(units).min(1 << 62);
        let key = streams.number(Stream::Kind, &[]);
        let kinds = Kinds::new(
            layout.kernel,
            layout.config.mixing,
            ratio,
            key,
            first,
            units,
        );
        let turns = |lane: &Option<Lane>, stream: Stream| {
            lane.as_ref()
                .map(|lane| Turns::new(Arc::clone(&lane.shares), streams.number(stream, &[])))
        };
        let monolingual = turns(&layout.monolingual, Stream::MonolingualTurn);
        let cross = turns(&layout.cross, Stream::CrossTurn);
        Ok(Self {
            streams,
            kinds,
            monolingual,
            cross,
            reading: Mutex::default(),
            recent: Mutex::default(),
            layout,
        })
    }

    /// Batches `start..stop` of the epoch; `tick` is called between batches with (done, total)
    /// and stops the work by returning false.
    ///
    /// # Errors
    /// `OutOfRange` past the epoch's end, `Interrupted` if `tick` says so, `InfeasiblePlan` if
    /// a batch cannot be filled without an identity twice.
    pub fn batches(
        &self,
        start: u64,
        stop: u64,
        tick: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Batches> {
        if stop > self.layout.len || start > stop {
            return Err(Error::OutOfRange(format!(
                "batches {start} to {stop} are not within the epoch's {}",
                self.layout.len
            )));
        }
        let mut out = Batches::default();
        let size = self.layout.config.batch_size;
        let rows = ((stop - start) as usize).saturating_mul(size);
        // Four columns of 8 bytes, two of 2, and the kinds.
        room::check(rows, 4 * 8 + 2 * 2 + 1, || {
            format!("{} batches of {size} rows", stop - start)
        })?;
        for column in [
            &mut out.group,
            &mut out.query,
            &mut out.passage,
            &mut out.pair,
        ] {
            column.reserve_exact(rows);
        }
        out.query_language.reserve_exact(rows);
        out.passage_language.reserve_exact(rows);
        let mut readers = Readers::default();
        let drawn = Cell::new(0);
        let go_on = || tick(drawn.get(), (stop - start) as usize);
        let pulse = &Pulse::new(&go_on);
        for (done, number) in (start..stop).enumerate() {
            drawn.set(done);
            if done % 256 == 255 && !go_on() {
                return Err(Error::Interrupted);
            }
            if done % 256 == 255 {
                self.layout.index.whole()?;
            }
            let (block, batch) = match self.layout.config.unit {
                Unit::Row => {
                    let slots = number * size as u64..(number + 1) * size as u64;
                    out.is_mono.extend(self.kinds.each(slots));
                    self.mixed(false, number, pulse)?
                }
                Unit::Batch => {
                    let mono = self.kinds.is_monolingual(number);
                    out.is_mono.push(mono);
                    if self.layout.is_windowed() {
                        self.mixed(false, number, pulse)?
                    } else {
                        self.of_kind(mono, number, &mut readers, pulse)?
                    }
                }
            };
            out.substitutes += u64::from(block.substituted.get(batch).copied().unwrap_or(0));
            self.write(&block.pairs[batch * size..(batch + 1) * size], &mut out);
        }
        Ok(out)
    }

    /// Which batch of a step of `ranks` consecutive batches each rank takes, for some steps one after the
    /// other: a keyed order of each step, so that no rank sees one kind only.
    ///
    /// # Errors
    /// `InvalidArgument` for more than memory holds.
    pub fn deal(&self, steps: std::ops::Range<u64>, ranks: u32) -> Result<Vec<u32>> {
        let count = ((steps.end - steps.start) as usize).saturating_mul(ranks as usize);
        room::check(count, size_of::<u32>(), || {
            format!("{} steps of {ranks} batches", steps.end - steps.start)
        })?;
        let mut dealt = Vec::with_capacity(count);
        for step in steps {
            let first = dealt.len();
            dealt.extend(0..ranks);
            shuffle(
                &mut dealt[first..],
                self.streams.number(Stream::Deal, &[step]),
            );
        }
        Ok(dealt)
    }

    /// The strata of batches that are guarded together: of some from the start of the epoch, of each kind where
    /// kinds do not share them. `limit` is how many slots are looked at.
    pub(crate) fn compositions(&self, limit: u64) -> Vec<Vec<u32>> {
        let layout = &self.layout;
        let size = layout.guarded_rows();
        let mut found = Vec::new();
        let mut look = |mono: bool| {
            let batches = layout.block_batches(mono);
            let shortest = layout.config.guard_window;
            let wanted = (limit / layout.config.batch_size as u64).max(shortest);
            let count = batches.min(layout.len).min(wanted) / shortest * shortest;
            let (slots, _) = self.slots(mono, 0, count, Readers::default());
            found.extend(slots.strata.chunks(size).map(<[u32]>::to_vec));
        };
        if layout.shares_blocks() {
            look(false);
        } else {
            for (mono, lane) in [(true, &layout.monolingual), (false, &layout.cross)] {
                if lane.as_ref().is_some_and(|lane| !lane.homogeneous) {
                    look(mono);
                }
            }
        }
        found
    }

    /// The strata of batches of `mono` monolingual rows (or batches of a window) and otherwise others, read
    /// from the turn `turn` of each kind on.
    pub(crate) fn composition(&self, mono: u64, turn: u64) -> Vec<u32> {
        let layout = &self.layout;
        let mut filling = Filling::new(layout.strata.len());
        let units = match layout.config.unit {
            Unit::Row => layout.config.batch_size as u64 * layout.config.guard_window,
            Unit::Batch => layout.config.guard_window,
        };
        for number in 0..units {
            let monolingual = number < mono;
            let turn = turn + if monolingual { number } else { number - mono };
            match layout.config.unit {
                Unit::Row => filling.rows(self, monolingual, turn, 1),
                Unit::Batch => filling.batch(self, monolingual, turn),
            }
        }
        filling.slots.strata
    }

    fn homogeneous(&self, one: usize, pass: u64, block: u64, pulse: &Pulse) -> Result<Arc<Block>> {
        self.block(BlockId::Homogeneous(one, pass, block), || {
            self.layout
                .homogeneous_block(self.streams, one, pass, block, pulse)
        })
    }

    fn write(&self, pairs: &[Pair], out: &mut Batches) {
        let index = &self.layout.index;
        let first = out.passage_language.len();
        index.groups_into(pairs, &mut out.group);
        index.queries_into(pairs, &mut out.query);
        index.passages_into(pairs, &mut out.passage);
        index.query_languages_into(pairs, &mut out.query_language);
        index.passage_languages_into(pairs, &mut out.passage_language);
        let languages = index.languages() as i64;
        let to = &out.passage_language[first..];
        out.pair.extend(
            pairs
                .iter()
                .zip(to)
                .map(|(pair, &to)| i64::from(pair.query_cell) * languages + i64::from(to)),
        );
    }

    fn of_kind(
        &self,
        mono: bool,
        number: u64,
        readers: &mut Readers,
        pulse: &Pulse,
    ) -> Result<(Arc<Block>, usize)> {
        let before = self.kinds.monolingual_before(number);
        let (lane, turns, turn, reader) = if mono {
            (
                &self.layout.monolingual,
                &self.monolingual,
                before,
                &mut readers.monolingual,
            )
        } else {
            (
                &self.layout.cross,
                &self.cross,
                number - before,
                &mut readers.cross,
            )
        };
        let (Some(lane), Some(turns)) = (lane, turns) else {
            return Err(Error::InfeasiblePlan(
                "no stratum serves this kind of batch".into(),
            ));
        };
        if !lane.homogeneous {
            return self.mixed(mono, turn, pulse);
        }
        let (item, count) = standing(reader, turns, turn).advance();
        let one = lane.strata[item];
        let stratum = &self.layout.strata[one];
        let (pass, batch) = (count / stratum.batches, count % stratum.batches);
        let block = ((batch + 1) * stratum.blocks).div_ceil(stratum.batches) - 1;
        let built = self.homogeneous(one, pass, block, pulse)?;
        Ok((built, (batch - batch_bound(stratum, block)) as usize))
    }

    /// A batch whose rows come from several strata: the `number`-th of its kind, or of both where they share
    /// blocks (`mono` is false then).
    fn mixed(&self, mono: bool, number: u64, pulse: &Pulse) -> Result<(Arc<Block>, usize)> {
        let batches = self.layout.block_batches(mono);
        let block = number / batches;
        let built = self.block(BlockId::Mixed(mono, block), || {
            let reading = self
                .reading
                .lock()
                .map(|mut last| std::mem::take(&mut *last));
            let reading = reading.unwrap_or_default();
            let first = block * batches;
            // What comes after the epoch would let a later change of the ratio into its last block.
            let count = if self.layout.shares_blocks() {
                batches.min(self.layout.len - first)
            } else {
                batches
            };
            let (slots, reading) = self.slots(mono, first, count, reading);
            if let Ok(mut last) = self.reading.lock() {
                *last = reading;
            }
            self.layout
                .mixed_block(self.streams, &slots, (mono, block), pulse)
        })?;
        Ok((built, (number % batches) as usize))
    }

    /// The slots of `count` batches from batch `first` on: of batches of a kind, or of any where those share
    /// blocks.
    fn slots(&self, mono: bool, first: u64, count: u64, readers: Readers) -> (Slots, Readers) {
        let size = self.layout.config.batch_size as u64;
        let mut filling = Filling::new(self.layout.strata.len());
        filling.slots.strata.reserve_exact((count * size) as usize);
        filling.readers = readers;
        match self.layout.config.unit {
            Unit::Row => {
                let slots = first * size..(first + count) * size;
                let mut before = self.kinds.monolingual_before(slots.start);
                for (slot, mono) in slots.clone().zip(self.kinds.each(slots)) {
                    filling.rows(self, mono, if mono { before } else { slot - before }, 1);
                    before += u64::from(mono);
                }
            }
            Unit::Batch if self.layout.is_windowed() => {
                for number in first..first + count {
                    let before = self.kinds.monolingual_before(number);
                    let mono = self.kinds.is_monolingual(number);
                    filling.batch(self, mono, if mono { before } else { number - before });
                }
            }
            Unit::Batch => filling.rows(self, mono, first * size, count * size),
        }
        (filling.slots, filling.readers)
    }

    fn block(&self, id: BlockId, build: impl FnOnce() -> Result<Block>) -> Result<Arc<Block>> {
        let keep = self.layout.strata.len() + SPARE_BLOCKS;
        if let Ok(mut recent) = self.recent.lock()
            && let Some(block) = recent.get(id)
        {
            return Ok(block);
        }
        let block = Arc::new(build()?);
        if let Ok(mut recent) = self.recent.lock() {
            recent.keep(id, &block, keep);
        }
        Ok(block)
    }
}

/// Where the reading of each kind's turns stands.
#[derive(Debug, Default)]
struct Readers {
    monolingual: Option<Cursor>,
    cross: Option<Cursor>,
}

/// A reader that stands before `turn`: the one at hand if it does.
fn standing<'a>(reader: &'a mut Option<Cursor>, turns: &Turns, turn: u64) -> &'a mut Cursor {
    match reader {
        Some(cursor) if cursor.position() == turn => {}
        _ => *reader = Some(turns.cursor(turn)),
    }
    reader.get_or_insert_with(|| turns.cursor(turn))
}

/// The slots of a block while they are given to strata.
struct Filling {
    slots: Slots,
    /// Whether a stratum has a slot yet.
    came: Vec<bool>,
    readers: Readers,
}

impl Filling {
    fn new(strata: usize) -> Self {
        Self {
            slots: Slots {
                strata: Vec::new(),
                before: vec![0; strata],
            },
            came: vec![false; strata],
            readers: Readers::default(),
        }
    }

    fn lane<'a>(
        &'a mut self,
        epoch: &'a Epoch,
        mono: bool,
    ) -> Option<(&'a Lane, &'a Turns, &'a mut Option<Cursor>)> {
        let layout = &epoch.layout;
        let (lane, turns, reader) = if mono {
            let reader = &mut self.readers.monolingual;
            (&layout.monolingual, &epoch.monolingual, reader)
        } else {
            (&layout.cross, &epoch.cross, &mut self.readers.cross)
        };
        Some((lane.as_ref()?, turns.as_ref()?, reader))
    }

    fn give(&mut self, one: usize, turn: u64, slots: usize) {
        if !std::mem::replace(&mut self.came[one], true) {
            self.slots.before[one] = turn;
        }
        let strata = &mut self.slots.strata;
        strata.extend(std::iter::repeat_n(one as u32, slots));
    }

    /// Gives the next `count` slots to rows of a kind, from its row `turn` on.
    fn rows(&mut self, epoch: &Epoch, mono: bool, turn: u64, count: u64) {
        for number in turn..turn + count {
            let Some((lane, turns, reader)) = self.lane(epoch, mono) else {
                return;
            };
            let (item, before) = standing(reader, turns, number).advance();
            let one = lane.strata[item];
            self.give(one, before, 1);
        }
    }

    /// Gives the next slots to the `number`-th batch of a kind.
    fn batch(&mut self, epoch: &Epoch, mono: bool, number: u64) {
        let size = epoch.layout.config.batch_size as u64;
        let Some((lane, turns, reader)) = self.lane(epoch, mono) else {
            return;
        };
        if !lane.homogeneous {
            return self.rows(epoch, mono, number * size, size);
        }
        let (item, before) = standing(reader, turns, number).advance();
        let one = lane.strata[item];
        self.give(one, before * size, size as usize);
    }
}
