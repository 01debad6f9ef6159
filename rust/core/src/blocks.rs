//! Blocks: consecutive batches whose rows are drawn and guarded together.

use std::collections::HashMap;

use crate::colouring::coloured;
use crate::hash::{key, mix};
use crate::layout::{Layout, Stratum, Thinned};
use crate::packing::{Candidate, Keys, clash, pack};
use crate::pairs::{Key, Pair, PairTexts, each_text, meet};
use crate::permutation::Permutation;
use crate::screening::Board;
use crate::streams::{Stream, Streams};
use crate::thinning::Order;
use crate::{Error, Result};

/// Consecutive batches whose rows were drawn together.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) pairs: Vec<Pair>,
    /// Rows of each batch that stand in for another; empty where none does.
    pub(crate) substituted: Vec<u32>,
}

/// The strata that have the slots of a block.
#[derive(Debug)]
pub(crate) struct Slots {
    /// The stratum of each slot.
    pub(crate) strata: Vec<u32>,
    /// For each stratum its turns before the block; those of one without a slot mean nothing.
    pub(crate) before: Vec<u64>,
}

/// Rows that may stand at the slots of a block, stratum after stratum.
#[derive(Default)]
struct Candidates {
    pairs: Vec<Pair>,
    /// First candidates of the classes: rows of one pass over one stratum.
    classes: Vec<u32>,
    /// The stratum of each class.
    strata: Vec<usize>,
}

impl Layout {
    pub(crate) fn homogeneous_block(
        &self,
        streams: Streams,
        one: usize,
        pass: u64,
        block: u64,
    ) -> Result<Block> {
        let stratum = &self.strata[one];
        let size = self.config.batch_size as u64;
        let (start, end) = (batch_bound(stratum, block), batch_bound(stratum, block + 1));
        let left = stratum.rows - stratum.batches * size;
        let row_bound = |block: u64, batch: u64| batch * size + left * block / stratum.blocks;
        let rows = row_bound(block, start)..row_bound(block + 1, end);
        let mut candidates = Candidates::default();
        self.draw(streams, (one, pass), rows, &mut Vec::new(), &mut candidates);
        let at = (0..((end - start) * size) as u32).collect();
        let of = [stratum.query as u64, stratum.passage as u64, pass, block];
        self.guarded(candidates, at, streams.number(Stream::Packing, &of))
    }

    /// A block whose slots belong to several strata.
    pub(crate) fn mixed_block(
        &self,
        streams: Streams,
        slots: &Slots,
        (mono, block): (bool, u64),
    ) -> Result<Block> {
        let mut next = vec![0u32; self.strata.len()];
        for &one in &slots.strata {
            next[one as usize] += 1;
        }
        let (mut candidates, mut rows) = (Candidates::default(), Vec::new());
        for (one, count) in next.iter_mut().enumerate() {
            let (mut turn, end) = (slots.before[one], slots.before[one] + u64::from(*count));
            *count = candidates.pairs.len() as u32;
            let length = self.strata[one].drawn();
            while turn < end {
                let (pass, start) = (turn / length, turn % length);
                let stop = length.min(start + end - turn);
                self.draw(
                    streams,
                    (one, pass),
                    start..stop,
                    &mut rows,
                    &mut candidates,
                );
                turn += stop - start;
            }
        }
        let at = slots
            .strata
            .iter()
            .map(|&one| {
                let next = &mut next[one as usize];
                *next += 1;
                *next - 1
            })
            .collect();
        let seed = streams.number(Stream::Packing, &[u64::MAX - u64::from(mono), block]);
        self.guarded(candidates, at, seed)
    }

    /// Adds the rows at some positions of a pass over a stratum, as one class.
    fn draw(
        &self,
        streams: Streams,
        (one, pass): (usize, u64),
        positions: std::ops::Range<u64>,
        rows: &mut Vec<u32>,
        candidates: &mut Candidates,
    ) {
        let stratum = &self.strata[one];
        let of = [stratum.query as u64, stratum.passage as u64, pass];
        let seed = streams.number(Stream::Pass, &of);
        let keep = |thinned| (thinned, Thinned::keep(thinned, key(&[seed])));
        let order = Order {
            permutation: Permutation::new(stratum.drawn(), seed),
            thinned: stratum.thinned.as_ref().map(keep),
        };
        rows.clear();
        let count = (positions.end - positions.start) as usize;
        order.extend(self.kernel, positions.start, count, rows);
        candidates.classes.push(candidates.pairs.len() as u32);
        candidates.strata.push(one);
        self.index
            .pairs_into(stratum.query, stratum.passage, rows, &mut candidates.pairs);
    }

    /// Lets rows of one class change places until no identity comes twice where it must not; `at` are the
    /// candidates at each slot in their order of drawing.
    fn guarded(&self, candidates: Candidates, mut at: Vec<u32>, seed: u64) -> Result<Block> {
        let kinds = self.guarded_kinds(candidates.classes.len() == 1);
        let keys: Vec<Vec<u32>> = kinds
            .into_iter()
            .map(|kind| {
                let mut keys = Vec::with_capacity(candidates.pairs.len());
                self.index.keys_into(kind, &candidates.pairs, &mut keys);
                keys
            })
            .collect();
        let as_block = |at: Vec<u32>| Block {
            pairs: at
                .into_iter()
                .map(|one| candidates.pairs[one as usize])
                .collect(),
            substituted: Vec::new(),
        };
        let texts = self.texts_of(&candidates.pairs);
        if keys.is_empty() && texts.is_empty() {
            return Ok(as_block(at));
        }
        let drawn = at.clone();
        let mut board = Board {
            size: self.guarded_rows(),
            keys: &keys,
            texts: &texts,
            candidates: candidates.pairs.len(),
            classes: &candidates.classes,
            at: &mut at,
        };
        if board.clear() {
            return Ok(as_block(at));
        }
        if candidates.classes.len() == 1
            && let Some(mut at) = self.perfect(&candidates, drawn.len() / self.guarded_rows(), seed)
        {
            // Texts are no part of the colouring; where they clash in it, rows are exchanged.
            let mut board = Board {
                size: self.guarded_rows(),
                keys: &keys,
                texts: &texts,
                candidates: candidates.pairs.len(),
                classes: &candidates.classes,
                at: &mut at,
            };
            if texts.is_empty() || board.clear() {
                return Ok(as_block(at));
            }
        }
        self.packed(&candidates, &drawn, seed)
    }

    /// The texts that rows bring; none where they are not guarded or no row brings any.
    fn texts_of(&self, pairs: &[Pair]) -> Vec<PairTexts<'_>> {
        if !self.guards_texts() {
            return Vec::new();
        }
        let texts: Vec<PairTexts<'_>> = pairs.iter().map(|&pair| self.index.texts(pair)).collect();
        let any = texts.iter().flatten().any(|list| !list.is_empty());
        if any { texts } else { Vec::new() }
    }

    /// The rows of a block of one stratum without any identity twice in a batch, where there is one.
    fn perfect(&self, drawn: &Candidates, batches: usize, seed: u64) -> Option<Vec<u32>> {
        let [_, query, passage] = self.config.guard.switches();
        let keys = |kind: Key, on: bool| {
            let mut keys = Vec::with_capacity(drawn.pairs.len());
            if on {
                self.index.keys_into(kind, &drawn.pairs, &mut keys);
            } else {
                keys.extend(0..drawn.pairs.len() as u32);
            }
            keys
        };
        let (queries, passages) = (keys(Key::Query, query), keys(Key::Passage, passage));
        let rows = coloured([&queries, &passages], batches, self.guarded_rows(), seed)?;
        Some(rows.into_iter().flatten().collect())
    }

    /// Rearranges the whole block, for data in which identities meet often.
    fn packed(&self, drawn: &Candidates, at: &[u32], seed: u64) -> Result<Block> {
        let size = self.guarded_rows();
        let class = |one: u32| drawn.classes.partition_point(|&first| first <= one) as u32 - 1;
        let slots: Vec<u32> = at.iter().map(|&one| class(one)).collect();
        // In the order of the slots they were drawn for, and then those drawn for none.
        let mut order = at.to_vec();
        order.extend(at.len() as u32..drawn.pairs.len() as u32);
        self.leave_surplus(drawn, &mut order, slots.len() / size);
        let candidates: Vec<Candidate<'_>> = order
            .iter()
            .map(|&one| Candidate {
                class: class(one),
                keys: self.keys(drawn.pairs[one as usize]),
                texts: self.guarded_texts(drawn.pairs[one as usize]),
            })
            .collect();
        let packed = pack(&slots, size, &candidates, self.config.guard, seed);
        let mut rows: Vec<Option<Pair>> = packed
            .into_iter()
            .map(|one| one.map(|one| drawn.pairs[order[one as usize] as usize]))
            .collect();
        let mut substituted = vec![0u32; rows.len() / self.config.batch_size];
        for slot in 0..rows.len() {
            if rows[slot].is_none() {
                let start = slot / size * size;
                let range = start..start + size;
                let strata: Vec<usize> = slots[range.clone()]
                    .iter()
                    .map(|&class| drawn.strata[class as usize])
                    .collect();
                let seed = key(&[Stream::Substitute as u64, seed, slot as u64]);
                self.substitute(&mut rows[range], &strata, slot - start, seed)?;
                substituted[slot / self.config.batch_size] += 1;
            }
        }
        Ok(Block {
            pairs: rows.into_iter().flatten().collect(),
            substituted,
        })
    }

    /// Leaves out rows, the last of the order, that bring a text which as many others bring as there are
    /// batches.
    fn leave_surplus(&self, drawn: &Candidates, order: &mut Vec<u32>, batches: usize) {
        if !self.guards_texts() {
            return;
        }
        let mut counts: HashMap<u32, usize> = HashMap::new();
        order.retain(|&one| {
            let texts = self.index.texts(drawn.pairs[one as usize]);
            let full = |text| counts.get(&text).is_some_and(|&count| count == batches);
            let fits = !each_text(texts).any(full);
            if fits {
                each_text(texts).for_each(|text| *counts.entry(text).or_default() += 1);
            }
            fits
        });
    }

    /// Fills one place of a batch with any row of its stratum that clashes with no other; if
    /// there is none, one other row of the batch is exchanged too.
    fn substitute(
        &self,
        batch: &mut [Option<Pair>],
        strata: &[usize],
        place: usize,
        seed: u64,
    ) -> Result<()> {
        let switches = self.config.guard.switches();
        let clashes = |batch: &[Option<Pair>], pair: Pair| -> Vec<usize> {
            let (keys, texts): (Keys, PairTexts<'_>) = (self.keys(pair), self.guarded_texts(pair));
            (0..batch.len())
                .filter(|&other| {
                    batch[other].is_some_and(|there| {
                        clash(keys, self.keys(there), switches)
                            || meet(texts, self.guarded_texts(there))
                    })
                })
                .collect()
        };
        let rows = |one: usize, seed: u64| {
            let stratum = &self.strata[one];
            let start = mix(seed) % stratum.rows;
            (0..stratum.rows).map(move |step| (start + step) % stratum.rows)
        };
        let mut second = Vec::new();
        for row in rows(strata[place], seed) {
            let pair = self.pair(&self.strata[strata[place]], row);
            match clashes(batch, pair)[..] {
                [] => {
                    batch[place] = Some(pair);
                    return Ok(());
                }
                [other] if second.len() < 4096 => second.push((pair, other)),
                _ => {}
            }
        }
        for (pair, other) in second {
            let before = batch[other].take();
            batch[place] = Some(pair);
            for row in rows(strata[other], seed) {
                let partner = self.pair(&self.strata[strata[other]], row);
                if clashes(batch, partner).is_empty() {
                    batch[other] = Some(partner);
                    return Ok(());
                }
            }
            batch[other] = before;
            batch[place] = None;
        }
        Err(Error::InfeasiblePlan(format!(
            "{} has too few different groups, queries or passages for its share of a batch of {}; \
             take smaller batches, give one of its languages weight 0 or switch a guard off",
            self.name(&self.strata[strata[place]]),
            self.config.batch_size
        )))
    }
}

/// First batch of a block of a homogeneous pass.
pub(crate) fn batch_bound(stratum: &Stratum, block: u64) -> u64 {
    stratum.batches * block / stratum.blocks
}
