//! The batches of one epoch, in any order.

use std::sync::{Arc, Mutex};

use crate::blocks::{Block, batch_bound};
use crate::configuration::Unit;
use crate::layout::{Lane, Layout};
use crate::mixture::{Cursor, Kinds, Turns};
use crate::pairs::Pair;
use crate::streams::{Stream, Streams};
use crate::{Error, Result};

/// Blocks kept ready beside those in use.
const SPARE_BLOCKS: usize = 8;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockId {
    Homogeneous(usize, u64, u64),
    Mixed(u64),
}

/// The batches of one epoch.
#[derive(Debug)]
pub struct Epoch {
    layout: Arc<Layout>,
    streams: Streams,
    kinds: Kinds,
    monolingual: Option<Turns>,
    cross: Option<Turns>,
    /// Blocks built last, the latest at the end.
    recent: Mutex<Vec<(BlockId, Arc<Block>)>>,
}

impl Epoch {
    pub(crate) fn new(layout: Arc<Layout>, epoch: u64) -> Result<Self> {
        let streams = Streams::new(layout.config.seed, epoch);
        let size = layout.config.batch_size as u64;
        let units = match layout.config.unit {
            Unit::Batch => layout.len,
            Unit::Row => layout.len * size,
        };
        let kinds = Kinds::new(
            layout.config.mixing,
            layout.config.mono_ratio,
            streams.number(Stream::Kind, &[]),
            units,
        )?;
        let mono = kinds.monolingual_before(units);
        let turns = |lane: &Lane, stream: Stream, units: u64| {
            let rows_per_unit = if lane.homogeneous || layout.config.unit == Unit::Row {
                1
            } else {
                size
            };
            Turns::new(
                lane.shares.clone(),
                streams.number(stream, &[]),
                units * rows_per_unit,
            )
        };
        let monolingual = layout
            .monolingual
            .as_ref()
            .map(|lane| turns(lane, Stream::MonolingualTurn, mono));
        let cross = layout
            .cross
            .as_ref()
            .map(|lane| turns(lane, Stream::CrossTurn, units - mono));
        Ok(Self {
            streams,
            kinds,
            monolingual,
            cross,
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
        let rows = (stop - start) as usize * size;
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
        for (done, number) in (start..stop).enumerate() {
            if done % 256 == 255 && !tick(done, (stop - start) as usize) {
                return Err(Error::Interrupted);
            }
            let (block, batch) = match self.layout.config.unit {
                Unit::Row => {
                    let slots = number * size as u64..(number + 1) * size as u64;
                    out.is_mono
                        .extend(slots.map(|slot| self.kinds.is_monolingual(slot)));
                    self.mixed(number)?
                }
                Unit::Batch => {
                    let mono = self.kinds.is_monolingual(number);
                    out.is_mono.push(mono);
                    self.of_kind(mono, number, &mut readers)?
                }
            };
            out.substitutes += u64::from(block.substituted[batch]);
            for &pair in &block.pairs[batch * size..(batch + 1) * size] {
                self.write(pair, &mut out);
            }
        }
        Ok(out)
    }

    /// Builds the first block of every lane, so that data that cannot fill a batch is
    /// refused before training and not in the middle of it.
    pub(crate) fn probe(&self) -> Result<()> {
        let lanes = [&self.layout.monolingual, &self.layout.cross];
        for lane in lanes.into_iter().flatten().filter(|lane| lane.homogeneous) {
            for &one in &lane.strata {
                self.homogeneous(one, 0, 0)?;
            }
        }
        if self.layout.block_batches > 0 {
            self.mixed(0)?;
        }
        Ok(())
    }

    fn homogeneous(&self, one: usize, pass: u64, block: u64) -> Result<Arc<Block>> {
        self.block(BlockId::Homogeneous(one, pass, block), || {
            self.layout
                .homogeneous_block(self.streams, one, pass, block)
        })
    }

    fn write(&self, pair: Pair, out: &mut Batches) {
        let index = &self.layout.index;
        let to = index.language(pair.passage_cell);
        out.group.push(i64::from(index.group(pair.query_cell)));
        out.query.push(i64::from(index.query(pair.query_cell)));
        out.passage
            .push(i64::from(index.passage(pair.passage_cell)));
        out.query_language
            .push(index.language(pair.query_cell) as i16);
        out.passage_language.push(to as i16);
        let languages = index.languages() as i64;
        out.pair
            .push(i64::from(pair.query_cell) * languages + i64::from(to));
    }

    fn of_kind<'a>(
        &'a self,
        mono: bool,
        number: u64,
        readers: &mut Readers<'a>,
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
            return self.mixed(turn);
        }
        let reader = match reader {
            Some(reader) if reader.position() == turn => reader,
            _ => reader.insert(turns.cursor(turn)),
        };
        let (item, count) = reader.advance();
        let one = lane.strata[item];
        let stratum = &self.layout.strata[one];
        let (pass, batch) = (count / stratum.batches, count % stratum.batches);
        let block = ((batch + 1) * stratum.blocks).div_ceil(stratum.batches) - 1;
        let built = self.homogeneous(one, pass, block)?;
        Ok((built, (batch - batch_bound(stratum, block)) as usize))
    }

    fn mixed(&self, number: u64) -> Result<(Arc<Block>, usize)> {
        let batches = self.layout.block_batches;
        let block = number / batches;
        let built = self.block(BlockId::Mixed(block), || {
            let size = self.layout.config.batch_size as u64;
            let first = block * batches * size;
            let turns = self.turns(first, (batches * size) as usize);
            self.layout.mixed_block(self.streams, &turns, block)
        })?;
        Ok((built, (number % batches) as usize))
    }

    /// Stratum and earlier turns of it for each of `count` slots from slot `first`.
    fn turns(&self, first: u64, count: usize) -> Vec<(usize, u64)> {
        let read = |lane: &Option<Lane>, cursor: &mut Option<Cursor<'_>>| {
            let (Some(lane), Some(cursor)) = (lane, cursor) else {
                return (0, 0);
            };
            let (item, turn) = cursor.advance();
            (lane.strata[item], turn)
        };
        if self.layout.config.unit == Unit::Batch {
            let mut cross = self.cross.as_ref().map(|one| one.cursor(first));
            return (0..count)
                .map(|_| read(&self.layout.cross, &mut cross))
                .collect();
        }
        let before = self.kinds.monolingual_before(first);
        let mut mono = self.monolingual.as_ref().map(|one| one.cursor(before));
        let mut cross = self.cross.as_ref().map(|one| one.cursor(first - before));
        (first..first + count as u64)
            .map(|slot| {
                if self.kinds.is_monolingual(slot) {
                    read(&self.layout.monolingual, &mut mono)
                } else {
                    read(&self.layout.cross, &mut cross)
                }
            })
            .collect()
    }

    fn block(&self, id: BlockId, build: impl FnOnce() -> Result<Block>) -> Result<Arc<Block>> {
        let keep = self.layout.strata.len() + SPARE_BLOCKS;
        if let Ok(mut recent) = self.recent.lock()
            && let Some(place) = recent.iter().rposition(|(one, _)| *one == id)
        {
            let found = recent.remove(place);
            let block = Arc::clone(&found.1);
            recent.push(found);
            return Ok(block);
        }
        let block = Arc::new(build()?);
        if let Ok(mut recent) = self.recent.lock() {
            if recent.len() >= keep {
                recent.remove(0);
            }
            recent.push((id, Arc::clone(&block)));
        }
        Ok(block)
    }
}

/// Where the reading of each kind's turns stands.
#[derive(Default)]
struct Readers<'a> {
    monolingual: Option<Cursor<'a>>,
    cross: Option<Cursor<'a>>,
}
