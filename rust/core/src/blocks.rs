//! Blocks: consecutive batches whose rows are packed together under the guard.

use std::collections::BTreeMap;

use crate::layout::{Layout, Stratum, Thinned};
use crate::packing::{Candidate, Keys, clash, pack};
use crate::pairs::Pair;
use crate::permutation::{Permutation, key, mix};
use crate::streams::{Stream, Streams};
use crate::thinning::Order;
use crate::{Error, Result};

/// Consecutive batches whose rows were packed together.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) pairs: Vec<Pair>,
    /// Rows of each batch that stand in for another.
    pub(crate) substituted: Vec<u32>,
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
        let order = self.order(streams, one, pass);
        let pairs: Vec<Pair> = (row_bound(block, start)..row_bound(block + 1, end))
            .map(|position| self.pair(stratum, order.row(position)))
            .collect();
        let slots = vec![0; ((end - start) * size) as usize];
        let classes = [one];
        self.packed(
            &slots,
            &classes,
            &vec![0; pairs.len()],
            pairs,
            streams.number(
                Stream::Packing,
                &[stratum.query as u64, stratum.passage as u64, pass, block],
            ),
        )
    }

    fn order(&self, streams: Streams, one: usize, pass: u64) -> Order<'_> {
        let stratum = &self.strata[one];
        let of = [stratum.query as u64, stratum.passage as u64, pass];
        let seed = streams.number(Stream::Pass, &of);
        let keep = |thinned| (thinned, Thinned::keep(thinned, key(&[seed])));
        Order {
            permutation: Permutation::new(stratum.drawn(), seed),
            thinned: stratum.thinned.as_ref().map(keep),
        }
    }

    /// Rows for `turns`, one (stratum, earlier turns of it) a slot.
    pub(crate) fn mixed_block(
        &self,
        streams: Streams,
        turns: &[(usize, u64)],
        block: u64,
    ) -> Result<Block> {
        let mut numbers = BTreeMap::new();
        let mut classes = Vec::new();
        let mut orders = Vec::new();
        let mut slots = Vec::with_capacity(turns.len());
        let mut pairs = Vec::with_capacity(turns.len());
        for &(one, turn) in turns {
            let rows = self.strata[one].drawn();
            let pass = turn / rows;
            let class = *numbers.entry((one, pass)).or_insert_with(|| {
                classes.push(one);
                orders.push(self.order(streams, one, pass));
                classes.len() - 1
            });
            slots.push(class as u32);
            pairs.push(self.pair(&self.strata[one], orders[class].row(turn % rows)));
        }
        let seed = streams.number(Stream::Packing, &[u64::MAX, block]);
        self.packed(&slots, &classes, &slots, pairs, seed)
    }

    fn packed(
        &self,
        slots: &[u32],
        classes: &[usize],
        class_of: &[u32],
        pairs: Vec<Pair>,
        seed: u64,
    ) -> Result<Block> {
        let size = self.config.batch_size;
        let candidates: Vec<Candidate> = pairs
            .iter()
            .zip(class_of)
            .map(|(&pair, &class)| Candidate {
                class,
                keys: self.keys(pair),
            })
            .collect();
        let packed = pack(slots, size, &candidates, self.config.guard, seed);
        let mut rows: Vec<Option<Pair>> = packed
            .into_iter()
            .map(|one| one.map(|one| pairs[one as usize]))
            .collect();
        let mut substituted = vec![0u32; rows.len() / size];
        for slot in 0..rows.len() {
            if rows[slot].is_none() {
                let batch = slot / size;
                let range = batch * size..(batch + 1) * size;
                let strata: Vec<usize> = slots[range.clone()]
                    .iter()
                    .map(|&class| classes[class as usize])
                    .collect();
                let seed = key(&[Stream::Substitute as u64, seed, slot as u64]);
                self.substitute(&mut rows[range], &strata, slot % size, seed)?;
                substituted[batch] += 1;
            }
        }
        Ok(Block {
            pairs: rows.into_iter().flatten().collect(),
            substituted,
        })
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
        let clashes = |batch: &[Option<Pair>], keys: Keys| -> Vec<usize> {
            (0..batch.len())
                .filter(|&other| {
                    batch[other].is_some_and(|there| clash(keys, self.keys(there), switches))
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
            match clashes(batch, self.keys(pair))[..] {
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
                if clashes(batch, self.keys(partner)).is_empty() {
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
