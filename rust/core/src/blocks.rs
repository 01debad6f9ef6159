//! Blocks: consecutive batches whose rows are drawn and guarded together.

use crate::colouring::coloured;
use crate::hash::{Numbered, key, mix};
use crate::layout::{KINDS, Layout, Stratum, Thinned};
use crate::packing::{Candidate, Keys, clash, pack};
use crate::pairs::{Key, Pair, PairTexts, each_text, meet};
use crate::permutation::Permutation;
use crate::pulse::Pulse;
use crate::representatives::Choice;
use crate::screening::Board;
use crate::streams::{Stream, Streams};
use crate::thinning::Order;
use crate::{Error, Result, room};

/// Rows of a stratum among which others are looked for first.
const FEW_ROWS: u64 = 1 << 16;

/// Rows tried for each slot of a batch before all are looked through.
const TRIES: u64 = 32;

/// Searches for the rows of a batch from nothing.
const RESTARTS: u64 = 8;

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
        pulse: &Pulse,
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
        self.guarded(candidates, at, streams.number(Stream::Packing, &of), pulse)
    }

    /// A block whose slots belong to several strata.
    pub(crate) fn mixed_block(
        &self,
        streams: Streams,
        slots: &Slots,
        (mono, block): (bool, u64),
        pulse: &Pulse,
    ) -> Result<Block> {
        let mut next = vec![0u32; self.strata.len()];
        for &one in &slots.strata {
            next[one as usize] += 1;
        }
        let (mut candidates, mut rows) = (Candidates::default(), Vec::new());
        for (one, count) in next.iter_mut().enumerate() {
            pulse.check()?;
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
        self.guarded(candidates, at, seed, pulse)
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
    fn guarded(
        &self,
        candidates: Candidates,
        mut at: Vec<u32>,
        seed: u64,
        pulse: &Pulse,
    ) -> Result<Block> {
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
        self.packed(&candidates, &drawn, seed, pulse)
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

    /// The texts that rows bring, for those of several strata; none where no row brings any.
    fn texts_of_each(&self, pairs: &[Vec<Pair>]) -> Result<Vec<Vec<PairTexts<'_>>>> {
        if !self.guards_texts() {
            return Ok(Vec::new());
        }
        let count: usize = pairs.iter().map(Vec::len).sum();
        // Their texts and numbers, while rows are chosen.
        let bytes = size_of::<PairTexts<'_>>() + 4 * size_of::<u64>();
        room::check(count, bytes, || format!("{count} rows that bring texts"))?;
        let texts = |pairs: &Vec<Pair>| pairs.iter().map(|&pair| self.index.texts(pair)).collect();
        let texts: Vec<Vec<PairTexts<'_>>> = pairs.iter().map(texts).collect();
        let any = texts
            .iter()
            .flatten()
            .flatten()
            .any(|list| !list.is_empty());
        Ok(if any { texts } else { Vec::new() })
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
    fn packed(&self, drawn: &Candidates, at: &[u32], seed: u64, pulse: &Pulse) -> Result<Block> {
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
        let packed = pack(&slots, size, &candidates, self.config.guard, seed, pulse)?;
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
                let places =
                    self.substitute(&mut rows[range], &strata, slot - start, seed, pulse)?;
                for place in places {
                    substituted[(start + place) / self.config.batch_size] += 1;
                }
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
        let mut counts: Numbered<u32, usize> = Numbered::default();
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

    /// Fills one place of a batch with any row of its stratum that clashes with no other; if there is none,
    /// one other row of the batch is exchanged too, and if that does not help, as many as must be; then rows of
    /// other strata come. Returns the places whose rows stand in for others.
    fn substitute(
        &self,
        batch: &mut [Option<Pair>],
        strata: &[usize],
        place: usize,
        seed: u64,
        pulse: &Pulse,
    ) -> Result<Vec<usize>> {
        let switches = self.config.guard.switches();
        let mut standing: [Numbered<u32, usize>; 4] = Default::default();
        for (other, pair) in batch.iter().enumerate() {
            if let Some(pair) = pair {
                let keys = self.keys(*pair);
                for kind in (0..3).filter(|&kind| switches[kind]) {
                    standing[kind].insert(keys[kind], other);
                }
                for text in each_text(self.guarded_texts(*pair)) {
                    standing[3].insert(text, other);
                }
            }
        }
        // The places of rows that share an identity: `None` for more than one.
        let clashes = |pair: Pair| -> Option<Option<usize>> {
            let mut found = None;
            let keys = self.keys(pair);
            let of_keys = standing.iter().zip(&keys);
            let texts = self.guarded_texts(pair).into_iter().flatten();
            let of_texts = texts.map(|text| (&standing[3], text));
            for (standing, identity) in of_keys.chain(of_texts) {
                if let Some(&other) = standing.get(identity) {
                    if found.is_some_and(|before| before != other) {
                        return None;
                    }
                    found = Some(other);
                }
            }
            Some(found)
        };
        let rows = |one: usize, seed: u64| {
            let stratum = &self.strata[one];
            let start = mix(seed) % stratum.rows;
            (0..stratum.rows).map(move |step| (start + step) % stratum.rows)
        };
        let mut second = Vec::new();
        for row in rows(strata[place], seed) {
            if row % 1024 == 0 {
                pulse.check()?;
            }
            let pair = self.pair(&self.strata[strata[place]], row);
            match clashes(pair) {
                Some(None) => {
                    batch[place] = Some(pair);
                    return Ok(vec![place]);
                }
                Some(Some(other)) if second.len() < 4096 => second.push((pair, other)),
                _ => {}
            }
        }
        // The rows that fit but for the one at a place, once for each place.
        let mut partners: Numbered<usize, Vec<Pair>> = Numbered::default();
        for (pair, other) in second {
            pulse.check()?;
            let partners = partners.entry(other).or_insert_with(|| {
                let all = rows(strata[other], seed);
                let pairs = all.map(|row| self.pair(&self.strata[strata[other]], row));
                let fits = |pair: &Pair| {
                    let found = clashes(*pair);
                    found.is_some_and(|at| at.is_none_or(|at| at == other))
                };
                pairs.filter(fits).take(4096).collect()
            });
            let (keys, texts) = (self.keys(pair), self.guarded_texts(pair));
            let fits = |partner: &&Pair| {
                !clash(keys, self.keys(**partner), switches)
                    && !meet(texts, self.guarded_texts(**partner))
            };
            if let Some(partner) = partners.iter().find(fits) {
                batch[other] = Some(*partner);
                batch[place] = Some(pair);
                return Ok(vec![place]);
            }
        }
        let mut rows = self.representatives(strata, batch, seed, pulse)?;
        if rows.is_none() {
            rows = self.anew(strata, pulse)?;
        }
        if rows.is_none() {
            rows = self.eased(strata, batch, place, seed, pulse)?;
        }
        let Some(rows) = rows else {
            return Err(self.cannot_fill(strata[place], pulse));
        };
        let mut places = Vec::new();
        for (other, pair) in rows.into_iter().enumerate() {
            if batch[other] != Some(pair) {
                places.push(other);
                batch[other] = Some(pair);
            }
        }
        Ok(places)
    }

    /// Rows for all slots of a batch no two of which share an identity, those of `batch` where they can stay;
    /// `None` where no such rows were found. A source is a stratum, or one of the numbers after the last: all
    /// strata of monolingual and of other rows.
    pub(crate) fn representatives(
        &self,
        sources: &[usize],
        batch: &[Option<Pair>],
        seed: u64,
        pulse: &Pulse,
    ) -> Result<Option<Vec<Pair>>> {
        let mut different = sources.to_vec();
        different.sort_unstable();
        different.dedup();
        let slots: Vec<usize> = sources
            .iter()
            .map(|one| different.partition_point(|other| other < one))
            .collect();
        let strata = |one: usize| match one.checked_sub(self.strata.len()) {
            None => vec![one],
            Some(kind) => [&self.monolingual, &self.cross][kind]
                .as_ref()
                .map_or_else(Vec::new, |lane| lane.strata.clone()),
        };
        let all: Vec<Vec<usize>> = different.iter().map(|&one| strata(one)).collect();
        let most = all.iter().flatten().map(|&one| self.strata[one].rows).max();
        for limit in [FEW_ROWS, most.unwrap_or(0)] {
            let mut pairs: Vec<Vec<Pair>> = vec![Vec::new(); different.len()];
            let mut begun = vec![None; batch.len()];
            for (slot, pair) in batch.iter().enumerate() {
                if let Some(pair) = pair {
                    let own = &mut pairs[slots[slot]];
                    begun[slot] = Some(own.len() as u32);
                    own.push(*pair);
                }
            }
            for (own, strata) in pairs.iter_mut().zip(&all) {
                let limit = (limit / strata.len().max(1) as u64).max(slots.len() as u64);
                for &one in strata {
                    let stratum = &self.strata[one];
                    let start = mix(seed) % stratum.rows;
                    for step in 0..stratum.rows.min(limit) {
                        own.push(self.pair(stratum, (start + step) % stratum.rows));
                    }
                    pulse.check()?;
                }
            }
            let keys = |pairs: &Vec<Pair>| pairs.iter().map(|&pair| self.keys(pair)).collect();
            let rows: Vec<Vec<Keys>> = pairs.iter().map(keys).collect();
            let texts = self.texts_of_each(&pairs)?;
            let choice = Choice {
                rows: &rows,
                slots: &slots,
                parted: all.iter().all(|strata| strata.len() == 1),
                switches: self.config.guard.switches(),
                texts: &texts,
            };
            if let Some(made) = choice.made(&begun, seed, pulse)? {
                let rows = made.into_iter().zip(&slots);
                let pair = |(row, &own): (u32, &usize)| pairs[own][row as usize];
                return Ok(Some(rows.map(pair).collect()));
            }
            if most.is_none_or(|most| most <= limit) {
                break;
            }
        }
        Ok(None)
    }

    /// Rows for all slots of a batch, looked for from nothing and the same way each time: where they were found
    /// once they are found again.
    pub(crate) fn anew(&self, strata: &[usize], pulse: &Pulse) -> Result<Option<Vec<Pair>>> {
        let mut order: Vec<usize> = (0..strata.len()).collect();
        order.sort_by_key(|&slot| strata[slot]);
        let sorted: Vec<usize> = order.iter().map(|&slot| strata[slot]).collect();
        let empty = vec![None; strata.len()];
        let mut found = self.by_chance(&sorted);
        for seed in 0..RESTARTS {
            if found.is_none() {
                found = self.representatives(&sorted, &empty, seed, pulse)?;
            }
        }
        let Some(found) = found else { return Ok(None) };
        let mut rows = found.clone();
        for (slot, pair) in order.into_iter().zip(found) {
            rows[slot] = pair;
        }
        Ok(Some(rows))
    }

    /// Rows of the strata of a batch, taken one after the other, where a few tries each are enough.
    pub(crate) fn by_chance(&self, strata: &[usize]) -> Option<Vec<Pair>> {
        let switches = self.config.guard.switches();
        let mut seen: [Numbered<u32, ()>; KINDS.len() + 1] = Default::default();
        let mut found = Vec::with_capacity(strata.len());
        for (slot, &one) in (0u64..).zip(strata) {
            let stratum = &self.strata[one];
            let pair = (0..TRIES).find_map(|number| {
                let pair = self.pair(stratum, key(&[slot, number]) % stratum.rows);
                let own = self.keys(pair);
                let texts = &seen[KINDS.len()];
                let fits = (0..KINDS.len())
                    .all(|kind| !switches[kind] || !seen[kind].contains_key(&own[kind]))
                    && each_text(self.guarded_texts(pair)).all(|text| !texts.contains_key(&text));
                fits.then_some((pair, own))
            });
            let (pair, own) = pair?;
            for (seen, key) in seen.iter_mut().zip(own) {
                seen.insert(key, ());
            }
            seen[KINDS.len()].extend(each_text(self.guarded_texts(pair)).map(|text| (text, ())));
            found.push(pair);
        }
        Some(found)
    }

    /// Rows for all slots of a batch whose strata have none for the slot at `place`: it takes a row of another
    /// stratum of its kind, or its batch does where that holds one stratum, or all slots do.
    pub(crate) fn eased(
        &self,
        strata: &[usize],
        batch: &[Option<Pair>],
        place: usize,
        seed: u64,
        pulse: &Pulse,
    ) -> Result<Option<Vec<Pair>>> {
        let lanes = [&self.monolingual, &self.cross];
        let kind = |one: usize| usize::from(self.strata[one].query != self.strata[one].passage);
        let is_whole = |one: usize| {
            let lane = lanes[kind(one)].as_ref();
            lane.is_none_or(|lane| lane.homogeneous)
        };
        if is_whole(strata[place]) {
            let size = self.config.batch_size;
            let own = place / size * size..(place / size + 1) * size;
            let mut batch = batch.to_vec();
            batch[own.clone()].fill(None);
            let others = lanes[kind(strata[place])].as_ref();
            for &other in others.into_iter().flat_map(|lane| &lane.strata) {
                let mut strata = strata.to_vec();
                strata[own.clone()].fill(other);
                if let Some(rows) = self.representatives(&strata, &batch, seed, pulse)? {
                    return Ok(Some(rows));
                }
            }
            return Ok(None);
        }
        let mut sources = strata.to_vec();
        for all in [false, true] {
            for (slot, source) in sources.iter_mut().enumerate() {
                if (all || slot == place) && !is_whole(strata[slot]) {
                    *source = self.strata.len() + kind(strata[slot]);
                }
            }
            if let Some(rows) = self.representatives(&sources, batch, seed, pulse)? {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// What is told where a slot of a stratum stays empty.
    pub(crate) fn cannot_fill(&self, one: usize, pulse: &Pulse) -> Error {
        let stratum = &self.strata[one];
        let name = self.name(stratum);
        let common = match self.most_common_text(stratum, pulse) {
            Ok(common) => common,
            Err(error) => return error,
        };
        let common = common.map_or_else(String::new, |(text, count)| {
            format!(
                ", and {count} of its {} rows bring text {text}",
                stratum.rows
            )
        });
        Error::InfeasiblePlan(format!(
            "{name} has too few different groups, queries or passages for its share of a batch of {}{common}; \
             take smaller batches, give one of its languages weight 0 or switch a guard off",
            self.config.batch_size
        ))
    }
}

/// First batch of a block of a homogeneous pass.
pub(crate) fn batch_bound(stratum: &Stratum, block: u64) -> u64 {
    stratum.batches * block / stratum.blocks
}
