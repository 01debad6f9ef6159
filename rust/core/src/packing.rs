//! Packing rows into batches so that no identity comes twice in a batch.

use crate::Result;
use crate::hash::{Numbered, mix};
use crate::pairs::{PairTexts, each_text};
use crate::pulse::Pulse;

/// Which identities must not come twice in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// No group twice.
    pub group: bool,
    /// No query identity twice.
    pub query: bool,
    /// No passage identity twice, and no text that the index lists for its cells.
    pub passage: bool,
}

impl Guard {
    /// Group, query and passage, as keys that are switched on.
    #[must_use]
    pub fn switches(&self) -> [bool; 3] {
        [self.group, self.query, self.passage]
    }
}

/// Group, query identity and passage identity of a row.
pub(crate) type Keys = [u32; 3];

/// A row that may be drawn, for slots of its own class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    pub(crate) class: u32,
    pub(crate) keys: Keys,
    /// Texts that must not come twice either.
    pub(crate) texts: PairTexts<'a>,
}

const NONE: u32 = u32::MAX;

/// Moves tried for one empty slot before it is given up.
const MOVES: usize = 300;

/// Partners tried in one move.
const PARTNERS: usize = 512;

/// Looks into a batch while a block is repaired; slots that are empty then stay so.
const LOOKS: usize = 1 << 24;

/// Waiting rows tried for one slot where texts bind: they can meet so often that most rows wait.
const TRIED: usize = 2048;

/// Looks into a batch, a slot, that repairing may take where texts bind.
const SLOT_LOOKS: usize = 256;

/// Assigns candidates to slots: `slots[s]` is the class wanted at slot s, `size` slots make a
/// batch. Returns the candidate at each slot, or `None` where no arrangement was found.
///
/// Rows are placed in the order given, except that a row whose identity must come in every
/// batch that is left goes first; with one class and one binding identity this fills every
/// slot whenever that is possible. Empty slots are then repaired by swaps within a class.
pub(crate) fn pack(
    slots: &[u32],
    size: usize,
    candidates: &[Candidate<'_>],
    guard: Guard,
    seed: u64,
    pulse: &Pulse,
) -> Result<Vec<Option<u32>>> {
    let mut packer = Packer::new(slots, size, candidates, guard, seed);
    packer.place(pulse)?;
    packer.repair(pulse)?;
    let found = packer.at.iter();
    Ok(found.map(|&one| (one != NONE).then_some(one)).collect())
}

/// The slot at which an identity stands in a batch: a table, or a map where that would be large.
enum Standing {
    Table(usize, Vec<u32>),
    Map(Numbered<u64, u32>),
}

/// Places of the largest table.
const LARGEST_TABLE: usize = 1 << 22;

impl Standing {
    fn new(batches: usize, identities: usize) -> Self {
        if batches * identities <= LARGEST_TABLE {
            Self::Table(identities, vec![NONE; batches * identities])
        } else {
            Self::Map(Numbered::default())
        }
    }

    #[inline]
    fn at(&self, batch: usize, identity: u32) -> u32 {
        match self {
            Self::Table(identities, slots) => slots[batch * identities + identity as usize],
            Self::Map(slots) => {
                let key = (batch as u64) << 32 | u64::from(identity);
                slots.get(&key).copied().unwrap_or(NONE)
            }
        }
    }

    fn set(&mut self, batch: usize, identity: u32, slot: u32) {
        match self {
            Self::Table(identities, slots) => {
                slots[batch * *identities + identity as usize] = slot;
            }
            Self::Map(slots) => {
                slots.insert((batch as u64) << 32 | u64::from(identity), slot);
            }
        }
    }
}

/// The rows of every identity that comes more than once, for one kind of key (or for texts).
struct Repeats {
    /// Numbers of each candidate's identities that other candidates have too, one candidate after another.
    local: Vec<u32>,
    /// Where those of each candidate begin, and the end of the last.
    bounds: Vec<u32>,
    rows: Vec<Vec<u32>>,
    /// Rows before this one are placed.
    from: Vec<usize>,
    left: Vec<u32>,
    /// The last batch each identity came in.
    last: Vec<u32>,
    /// Identities by how many of their rows are left; entries may be stale.
    by_left: Vec<Vec<u32>>,
    /// Identities with as many rows left as there are batches.
    hot: Vec<u32>,
    is_hot: Vec<bool>,
}

impl Repeats {
    fn of_kind(candidates: &[Candidate<'_>], kind: usize, batches: usize) -> Self {
        let keys = candidates.iter().map(|one| one.keys[kind]);
        Self::new(keys.zip(0..).collect(), candidates.len(), batches)
    }

    fn of_texts(candidates: &[Candidate<'_>], batches: usize) -> Self {
        let texts = (0..)
            .zip(candidates)
            .flat_map(|(one, candidate)| each_text(candidate.texts).map(move |text| (text, one)));
        Self::new(texts.collect(), candidates.len(), batches)
    }

    /// From every identity with a candidate that has it.
    fn new(mut of: Vec<(u32, u32)>, candidates: usize, batches: usize) -> Self {
        of.sort_unstable();
        let mut local: Vec<(u32, u32)> = Vec::new();
        let mut rows: Vec<Vec<u32>> = Vec::new();
        for run in of.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let number = rows.len() as u32;
            local.extend(run.iter().map(|&(_, one)| (one, number)));
            rows.push(run.iter().map(|&(_, one)| one).collect());
        }
        local.sort_unstable();
        let mut bounds = Vec::with_capacity(candidates + 1);
        for (place, &(one, _)) in (0..).zip(&local) {
            bounds.resize(bounds.len().max(one as usize + 1), place);
        }
        bounds.resize(candidates + 1, local.len() as u32);
        let local = local.into_iter().map(|(_, number)| number).collect();
        let left: Vec<u32> = rows.iter().map(|rows| rows.len() as u32).collect();
        let mut by_left = vec![Vec::new(); batches + 1];
        for (identity, &count) in left.iter().enumerate() {
            by_left[(count as usize).min(batches)].push(identity as u32);
        }
        Self {
            from: vec![0; rows.len()],
            last: vec![NONE; rows.len()],
            is_hot: vec![false; rows.len()],
            hot: Vec::new(),
            local,
            bounds,
            rows,
            left,
            by_left,
        }
    }

    fn heat(&mut self, batches_left: usize) {
        for identity in std::mem::take(&mut self.by_left[batches_left]) {
            let one = identity as usize;
            if !self.is_hot[one] && self.left[one] as usize >= batches_left {
                self.is_hot[one] = true;
                self.hot.push(identity);
            }
        }
    }

    fn places(&self, one: u32) -> std::ops::Range<usize> {
        self.bounds[one as usize] as usize..self.bounds[one as usize + 1] as usize
    }

    /// Numbers of a candidate's identities that other candidates have too.
    fn of(&self, one: u32) -> &[u32] {
        &self.local[self.places(one)]
    }

    fn taken(&self, one: u32, batch: u32) -> bool {
        let mut identities = self.of(one).iter();
        identities.any(|&identity| self.last[identity as usize] == batch)
    }

    fn placed(&mut self, one: u32, batch: u32) {
        for place in self.places(one) {
            let identity = self.local[place];
            self.last[identity as usize] = batch;
            self.left[identity as usize] -= 1;
            let left = self.left[identity as usize] as usize;
            if let Some(bucket) = self.by_left.get_mut(left) {
                bucket.push(identity);
            }
        }
    }
}

struct Packer<'a> {
    slots: &'a [u32],
    size: usize,
    candidates: &'a [Candidate<'a>],
    repeats: Vec<Repeats>,
    /// Candidate at each slot.
    at: Vec<u32>,
    /// Slot of each candidate.
    slot_of: Vec<u32>,
    /// The slot at which an identity stands in a batch, for each kind; kept while slots are repaired.
    standing: Vec<Standing>,
    /// The slots that the last look into a batch found.
    found: Vec<u32>,
    /// Waiting rows tried for one slot.
    tried: usize,
    /// Looks into a batch that repairing may still take.
    looks: usize,
    state: u64,
}

impl<'a> Packer<'a> {
    fn new(
        slots: &'a [u32],
        size: usize,
        candidates: &'a [Candidate<'a>],
        guard: Guard,
        seed: u64,
    ) -> Self {
        let switches = guard.switches();
        let batches = slots.len() / size;
        let mut repeats: Vec<Repeats> = (0..3)
            .filter(|&kind| switches[kind])
            .map(|kind| Repeats::of_kind(candidates, kind, batches))
            .collect();
        let texts = |one: &Candidate<'_>| one.texts.iter().any(|list| !list.is_empty());
        let binds = candidates.iter().any(texts);
        if binds {
            repeats.push(Repeats::of_texts(candidates, batches));
        }
        Self {
            slots,
            size,
            candidates,
            repeats,
            at: vec![NONE; slots.len()],
            slot_of: vec![NONE; candidates.len()],
            standing: Vec::new(),
            found: Vec::new(),
            tried: if binds { TRIED } else { usize::MAX },
            looks: if binds {
                LOOKS.min(SLOT_LOOKS * slots.len())
            } else {
                LOOKS + 1
            },
            state: seed,
        }
    }

    fn classes(&self) -> usize {
        let last = self
            .slots
            .iter()
            .chain(self.candidates.iter().map(|one| &one.class))
            .max();
        last.map_or(0, |&class| class as usize + 1)
    }

    fn put(&mut self, one: u32, slot: usize) {
        self.at[slot] = one;
        self.slot_of[one as usize] = slot as u32;
    }

    /// Puts a row at a slot while slots are repaired, and returns the row that stood there.
    fn exchange(&mut self, one: u32, slot: usize) -> u32 {
        let before = self.at[slot];
        let batch = slot / self.size;
        for (standing, repeats) in self.standing.iter_mut().zip(&self.repeats) {
            let of = |one: u32| if one == NONE { &[] } else { repeats.of(one) };
            for &local in of(before) {
                if standing.at(batch, local) == slot as u32 {
                    standing.set(batch, local, NONE);
                }
            }
            for &local in of(one) {
                standing.set(batch, local, slot as u32);
            }
        }
        self.at[slot] = one;
        if one != NONE {
            self.slot_of[one as usize] = slot as u32;
        }
        before
    }

    fn place(&mut self, pulse: &Pulse) -> Result<()> {
        // Waiting candidates of each class, as linked lists in the order given.
        let mut head = vec![NONE; self.classes()];
        let mut next = vec![NONE; self.candidates.len()];
        for (one, candidate) in self.candidates.iter().enumerate().rev() {
            next[one] = head[candidate.class as usize];
            head[candidate.class as usize] = one as u32;
        }
        let batches = self.slots.len() / self.size;
        for batch in 0..batches {
            pulse.check()?;
            self.place_hot(batch, batches - batch);
            for slot in batch * self.size..(batch + 1) * self.size {
                if self.at[slot] != NONE {
                    continue;
                }
                let class = self.slots[slot] as usize;
                let mut previous = NONE;
                let mut one = head[class];
                let mut tries = self.tried;
                while one != NONE && tries > 0 {
                    tries -= 1;
                    let after = next[one as usize];
                    let waits = self.slot_of[one as usize] == NONE;
                    let fits = waits && !self.taken(one, batch);
                    if fits {
                        self.settle(one, slot, batch);
                    }
                    if fits || !waits {
                        match previous {
                            NONE => head[class] = after,
                            _ => next[previous as usize] = after,
                        }
                    } else {
                        previous = one;
                    }
                    if fits {
                        break;
                    }
                    one = after;
                }
            }
        }
        Ok(())
    }

    fn taken(&self, one: u32, batch: usize) -> bool {
        self.repeats
            .iter()
            .any(|repeats| repeats.taken(one, batch as u32))
    }

    fn settle(&mut self, one: u32, slot: usize, batch: usize) {
        self.put(one, slot);
        for repeats in &mut self.repeats {
            repeats.placed(one, batch as u32);
        }
    }

    fn place_hot(&mut self, batch: usize, batches_left: usize) {
        for kind in 0..self.repeats.len() {
            self.repeats[kind].heat(batches_left);
            let mut number = 0;
            while number < self.repeats[kind].hot.len() {
                let identity = self.repeats[kind].hot[number] as usize;
                number += 1;
                let from = self.repeats[kind].from[identity];
                let rows = &self.repeats[kind].rows[identity];
                let skip = rows[from..]
                    .iter()
                    .take_while(|&&one| self.slot_of[one as usize] != NONE)
                    .count();
                self.repeats[kind].from[identity] = from + skip;
                if let Some((one, slot)) = self.hot_choice(kind, identity, batch) {
                    self.settle(one, slot, batch);
                }
            }
        }
    }

    fn hot_choice(&self, kind: usize, identity: usize, batch: usize) -> Option<(u32, usize)> {
        let repeats = &self.repeats[kind];
        if repeats.last[identity] == batch as u32 {
            return None;
        }
        let range = batch * self.size..(batch + 1) * self.size;
        let waiting = repeats.rows[identity][repeats.from[identity]..]
            .iter()
            .copied();
        waiting
            .filter(|&one| self.slot_of[one as usize] == NONE && !self.taken(one, batch))
            .take(PARTNERS)
            .find_map(|one| {
                let class = self.candidates[one as usize].class;
                let open = |&slot: &usize| self.at[slot] == NONE && self.slots[slot] == class;
                range.clone().find(open).map(|slot| (one, slot))
            })
    }

    fn repair(&mut self, pulse: &Pulse) -> Result<()> {
        let holes: Vec<usize> = (0..self.slots.len())
            .filter(|&slot| self.at[slot] == NONE)
            .collect();
        if holes.is_empty() {
            return Ok(());
        }
        let batches = self.slots.len() / self.size;
        let standing = |repeats: &Repeats| Standing::new(batches, repeats.rows.len());
        self.standing = self.repeats.iter().map(standing).collect();
        for slot in 0..self.slots.len() {
            let one = std::mem::replace(&mut self.at[slot], NONE);
            self.exchange(one, slot);
        }
        let classes = self.classes();
        let mut of_class = vec![Vec::new(); classes];
        for (slot, &class) in self.slots.iter().enumerate() {
            of_class[class as usize].push(slot);
        }
        let mut waiting = vec![Vec::new(); classes];
        for (one, candidate) in self.candidates.iter().enumerate() {
            if self.slot_of[one] == NONE {
                waiting[candidate.class as usize].push(one as u32);
            }
        }
        for hole in holes {
            let mut hole = hole;
            for _ in 0..MOVES {
                if self.looks == 0 {
                    return Ok(());
                }
                pulse.check()?;
                match self.fill(hole, &of_class, &mut waiting) {
                    Some(moved) if moved == hole => break,
                    Some(moved) => hole = moved,
                    None => {}
                }
                if self.at[hole] != NONE {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Tries to fill `hole`: returns `hole` when filled, another slot when the hole moved
    /// there, and `None` when only the waiting rows changed.
    fn fill(
        &mut self,
        hole: usize,
        of_class: &[Vec<usize>],
        waiting: &mut [Vec<u32>],
    ) -> Option<usize> {
        let class = self.slots[hole] as usize;
        if waiting[class].is_empty() {
            return Some(hole);
        }
        let start = self.below(waiting[class].len());
        let tries = waiting[class].len().min(8);
        for number in 0..tries {
            let place = (start + number) % waiting[class].len();
            let one = waiting[class][place];
            if self.clashes(one, hole, hole).0 == 0 {
                waiting[class].swap_remove(place);
                self.exchange(one, hole);
                return Some(hole);
            }
        }
        let slots = &of_class[class];
        let offset = self.below(slots.len());
        for number in 0..tries.min(4) {
            let place = (start + number) % waiting[class].len();
            let one = waiting[class][place];
            for step in 0..slots.len().min(PARTNERS) {
                let other = slots[(offset + step) % slots.len()];
                let partner = self.at[other];
                if partner == NONE || other / self.size == hole / self.size {
                    continue;
                }
                if self.clashes(partner, hole, hole).0 == 0
                    && self.clashes(one, other, other).0 == 0
                {
                    waiting[class].swap_remove(place);
                    self.exchange(one, other);
                    self.exchange(partner, hole);
                    return Some(hole);
                }
            }
        }
        let place = self.below(waiting[class].len());
        let one = waiting[class][place];
        let (clashes, at) = self.clashes(one, hole, hole);
        if clashes == 1 && self.below(4) > 0 {
            waiting[class].swap_remove(place);
            let loser = self.exchange(NONE, at);
            self.exchange(one, hole);
            self.slot_of[loser as usize] = NONE;
            waiting[self.slots[at] as usize].push(loser);
            return Some(at);
        }
        for _ in 0..16 {
            let other = slots[self.below(slots.len())];
            let partner = self.at[other];
            if partner != NONE && self.clashes(one, other, other).0 == 0 {
                waiting[class][place] = partner;
                self.slot_of[partner as usize] = NONE;
                self.exchange(one, other);
                break;
            }
        }
        None
    }

    /// How many rows of the batch of `slot`, `except` left out, share an identity with `one`;
    /// and the slot of the last of them.
    fn clashes(&mut self, one: u32, slot: usize, except: usize) -> (usize, usize) {
        self.looks = self.looks.saturating_sub(1);
        let batch = slot / self.size;
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        for (standing, repeats) in self.standing.iter().zip(&self.repeats) {
            for &local in repeats.of(one) {
                let other = standing.at(batch, local);
                if other != NONE
                    && other as usize != except
                    && self.at[other as usize] != one
                    && !found.contains(&other)
                {
                    found.push(other);
                }
            }
        }
        let last = found.iter().max().map_or(slot, |&last| last as usize);
        let count = found.len();
        self.found = found;
        (count, last)
    }

    fn below(&mut self, end: usize) -> usize {
        self.state = mix(self.state);
        (self.state % end.max(1) as u64) as usize
    }
}

/// Whether two rows share an identity that is guarded.
pub(crate) fn clash(a: Keys, b: Keys, switches: [bool; 3]) -> bool {
    (0..3).any(|kind| switches[kind] && a[kind] == b[kind])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::meet;
    use proptest::prelude::*;

    const ALL: Guard = Guard {
        group: true,
        query: true,
        passage: true,
    };

    fn check(slots: &[u32], size: usize, candidates: &[Candidate<'_>], packed: &[Option<u32>]) {
        let mut seen = vec![false; candidates.len()];
        for (slot, one) in packed.iter().enumerate() {
            let Some(one) = one else { continue };
            assert!(!seen[*one as usize]);
            seen[*one as usize] = true;
            assert_eq!(candidates[*one as usize].class, slots[slot]);
        }
        for batch in packed.chunks(size) {
            for (a, one) in batch.iter().enumerate() {
                for other in &batch[..a] {
                    if let (Some(one), Some(other)) = (one, other) {
                        let keys = |one: &u32| candidates[*one as usize].keys;
                        let texts = |one: &u32| candidates[*one as usize].texts;
                        assert!(!clash(keys(one), keys(other), ALL.switches()));
                        assert!(!meet(texts(one), texts(other)));
                    }
                }
            }
        }
    }

    proptest! {
        /// With one binding identity, none more often than there are batches, all slots fill.
        #[test]
        fn one_identity_packs_perfectly(
            size in 1usize..9,
            batches in 1usize..9,
            spread in 1u32..60,
            seed: u64,
        ) {
            let mut counts = std::collections::BTreeMap::new();
            let mut candidates = Vec::new();
            let mut state = seed;
            let mut fresh = 1000;
            while candidates.len() < size * batches {
                state = mix(state);
                let mut identity = (state % u64::from(spread)) as u32;
                if counts.get(&identity).is_some_and(|&count| count == batches) {
                    identity = fresh;
                    fresh += 1;
                }
                *counts.entry(identity).or_insert(0) += 1;
                let row = candidates.len() as u32;
                candidates.push(Candidate { class: 0, keys: [row, row, identity], texts: [&[]; 2] });
            }
            let slots = vec![0; size * batches];
            let packed = pack(&slots, size, &candidates, ALL, seed, &Pulse::new(&|| true))?;
            check(&slots, size, &candidates, &packed);
            prop_assert!(packed.iter().all(Option::is_some));
        }

        #[test]
        fn never_twice_in_a_batch(
            size in 1usize..9,
            batches in 1usize..9,
            classes in 1u32..5,
            spread in 1u64..80,
            seed: u64,
        ) {
            let mut state = seed;
            let mut draw = |end: u64| {
                state = mix(state);
                (state % end) as u32
            };
            let slots: Vec<u32> =
                (0..size * batches).map(|_| draw(u64::from(classes))).collect();
            let lists: Vec<[Vec<u32>; 2]> = slots
                .iter()
                .map(|_| [(); 2].map(|()| {
                    let count = draw(4).saturating_sub(2);
                    (0..count).map(|one| one * 1000 + draw(spread)).collect()
                }))
                .collect();
            let candidates: Vec<Candidate<'_>> = slots
                .iter()
                .zip(&lists)
                .map(|(&class, lists)| Candidate {
                    class,
                    keys: [draw(spread), draw(spread), draw(spread)],
                    texts: lists.each_ref().map(|one| &one[..]),
                })
                .collect();
            let packed = pack(&slots, size, &candidates, ALL, seed, &Pulse::new(&|| true))?;
            check(&slots, size, &candidates, &packed);
        }
    }
}
