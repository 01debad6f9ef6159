//! A row for every slot of a batch so that no identity comes twice, found wherever there is one.
//!
//! Where one kind of identity decides (rows that share another share it too), slots are matched with
//! identities along augmenting paths (Berge 1957); rows of one stratum under two kinds are the edges of a
//! graph, of which a matching is wanted. Three kinds in general are hard: there the search is cut off.

use std::collections::VecDeque;

use crate::Result;
use crate::hash::{Numbered, mix};
use crate::packing::Keys;
use crate::pulse::Pulse;

/// Rows that are looked at, at least, where no single kind of identity decides.
const STEPS: usize = 1 << 20;

const NONE: u32 = u32::MAX;

/// Rows that may stand at the slots of a batch.
pub(crate) struct Choice<'a> {
    /// Rows of each stratum.
    pub(crate) rows: &'a [Vec<Keys>],
    /// Number of the stratum of each slot.
    pub(crate) slots: &'a [usize],
    /// Whether no two rows of a stratum are of one group.
    pub(crate) parted: bool,
    /// Which kinds are guarded.
    pub(crate) switches: [bool; 3],
}

impl Choice<'_> {
    /// The row of each slot, as a number among those of its stratum; `begun` are rows that stand there and
    /// had better stay. `None` where there are none, or none was found.
    pub(crate) fn made(
        &self,
        begun: &[Option<u32>],
        seed: u64,
        pulse: &Pulse,
    ) -> Result<Option<Vec<u32>>> {
        let kinds: Vec<usize> = (0..3).filter(|&kind| self.switches[kind]).collect();
        if kinds.is_empty() {
            return Ok(Some(begun.iter().map(|one| one.unwrap_or(0)).collect()));
        }
        if let Some(kind) = kinds.iter().copied().find(|&kind| self.decides(kind)) {
            return self.matched(kind, begun, pulse);
        }
        for &kind in &kinds {
            if self.matched(kind, begun, pulse)?.is_none() {
                return Ok(None);
            }
        }
        let one_stratum = self.slots.iter().all(|&slot| slot == self.slots[0]);
        if one_stratum
            && self.parted
            && let [1, 2] | [0, 1, 2] = kinds[..]
        {
            return self.edges([1, 2], pulse);
        }
        self.searched(begun, seed, pulse)
    }

    /// Whether rows that share an identity of any kind share that of `kind`.
    fn decides(&self, kind: usize) -> bool {
        let mut others = (0..3).filter(|&other| self.switches[other] && other != kind);
        others.all(|other| {
            let mut of: Numbered<u32, u32> = Numbered::default();
            let mut used = vec![false; self.rows.len()];
            for &slot in self.slots {
                used[slot] = true;
            }
            let rows = self.rows.iter().zip(used).filter(|(_, used)| *used);
            rows.flat_map(|(rows, _)| rows)
                .all(|keys| *of.entry(keys[other]).or_insert(keys[kind]) == keys[kind])
        })
    }

    /// Slots matched with the identities of one kind.
    fn matched(
        &self,
        kind: usize,
        begun: &[Option<u32>],
        pulse: &Pulse,
    ) -> Result<Option<Vec<u32>>> {
        let mut numbers: Numbered<u32, u32> = Numbered::default();
        let edges: Vec<Vec<(u32, u32)>> = self
            .rows
            .iter()
            .map(|rows| {
                let number = |keys: &Keys| {
                    let next = numbers.len() as u32;
                    *numbers.entry(keys[kind]).or_insert(next)
                };
                let mut edges: Vec<(u32, u32)> = rows.iter().map(number).zip(0..).collect();
                edges.sort_unstable();
                edges.dedup_by_key(|edge| edge.0);
                edges
            })
            .collect();
        let mut matching = Matching::new(numbers.len(), self.slots.len());
        for (slot, row) in begun.iter().enumerate() {
            if let Some(row) = row {
                let identity = self.rows[self.slots[slot]][*row as usize][kind];
                matching.join(slot as u32, numbers[&identity], *row);
            }
        }
        for slot in 0..self.slots.len() {
            pulse.check()?;
            if matching.right_of[slot].0 == NONE
                && !matching.augment(slot as u32, |left| &edges[self.slots[left as usize]])
            {
                return Ok(None);
            }
        }
        Ok(Some(matching.right_of.iter().map(|one| one.1).collect()))
    }

    /// Rows of one stratum no two of which share an identity of two kinds.
    fn edges(&self, kinds: [usize; 2], pulse: &Pulse) -> Result<Option<Vec<u32>>> {
        let rows = &self.rows[self.slots[0]];
        let [mut lefts, mut rights]: [Numbered<u32, u32>; 2] = Default::default();
        let mut edges: Vec<Vec<(u32, u32)>> = Vec::new();
        for (row, keys) in rows.iter().enumerate() {
            let next = lefts.len() as u32;
            let left = *lefts.entry(keys[kinds[0]]).or_insert(next);
            let next = rights.len() as u32;
            let right = *rights.entry(keys[kinds[1]]).or_insert(next);
            edges.resize_with(lefts.len(), Vec::new);
            edges[left as usize].push((right, row as u32));
        }
        let mut matching = Matching::new(rights.len(), lefts.len());
        let mut chosen = 0;
        for left in 0..lefts.len() {
            pulse.check()?;
            chosen += usize::from(matching.augment(left as u32, |left| &edges[left as usize]));
            if chosen == self.slots.len() {
                let found = matching.right_of.iter().filter(|one| one.0 != NONE);
                return Ok(Some(found.map(|one| one.1).collect()));
            }
        }
        Ok(None)
    }

    /// Slots filled one after the other, that with the fewest rows left first; steps back where one has none.
    fn searched(
        &self,
        begun: &[Option<u32>],
        seed: u64,
        pulse: &Pulse,
    ) -> Result<Option<Vec<u32>>> {
        let rows: usize = self.rows.iter().map(Vec::len).sum();
        for kept in [true, false] {
            let mut search = Search {
                choice: self,
                taken: Default::default(),
                at: vec![NONE; self.slots.len()],
                left: STEPS.max(4 * self.slots.len() * rows),
                seed,
            };
            if kept {
                for (slot, row) in begun.iter().enumerate() {
                    if let Some(row) = *row {
                        search.put(slot, row);
                    }
                }
            }
            if search.fill(pulse)? {
                return Ok(Some(search.at));
            }
        }
        Ok(None)
    }
}

/// Lefts, each with the right it is matched with and by which edge, and rights with their lefts.
struct Matching {
    right_of: Vec<(u32, u32)>,
    left_of: Vec<u32>,
    /// The left from which a right was reached in the search numbered `search`.
    from: Vec<(u32, u32, u32)>,
    search: u32,
}

impl Matching {
    fn new(rights: usize, lefts: usize) -> Self {
        Self {
            right_of: vec![(NONE, NONE); lefts],
            left_of: vec![NONE; rights],
            from: vec![(0, NONE, NONE); rights],
            search: 0,
        }
    }

    fn join(&mut self, left: u32, right: u32, edge: u32) {
        self.right_of[left as usize] = (right, edge);
        self.left_of[right as usize] = left;
    }

    /// Matches one more left, if that is possible at all; `edges` are the rights of a left.
    fn augment<'a>(&mut self, left: u32, edges: impl Fn(u32) -> &'a [(u32, u32)]) -> bool {
        self.search += 1;
        let mut queue = VecDeque::from([left]);
        while let Some(one) = queue.pop_front() {
            for &(right, edge) in edges(one) {
                let from = &mut self.from[right as usize];
                if from.0 == self.search {
                    continue;
                }
                *from = (self.search, one, edge);
                let there = self.left_of[right as usize];
                if there != NONE {
                    queue.push_back(there);
                    continue;
                }
                let mut right = right;
                loop {
                    let (_, one, edge) = self.from[right as usize];
                    let before = self.right_of[one as usize].0;
                    self.join(one, right, edge);
                    if one == left {
                        return true;
                    }
                    right = before;
                }
            }
        }
        false
    }
}

struct Search<'a> {
    choice: &'a Choice<'a>,
    /// How often each identity came, for each kind.
    taken: [Numbered<u32, u32>; 3],
    at: Vec<u32>,
    left: usize,
    seed: u64,
}

impl Search<'_> {
    fn keys(&self, slot: usize, row: u32) -> Keys {
        self.choice.rows[self.choice.slots[slot]][row as usize]
    }

    fn put(&mut self, slot: usize, row: u32) {
        let keys = self.keys(slot, row);
        for (taken, key) in self.taken.iter_mut().zip(keys) {
            *taken.entry(key).or_default() += 1;
        }
        self.at[slot] = row;
    }

    fn lift(&mut self, slot: usize) {
        let keys = self.keys(slot, self.at[slot]);
        for (taken, key) in self.taken.iter_mut().zip(keys) {
            *taken.entry(key).or_default() -= 1;
        }
        self.at[slot] = NONE;
    }

    fn fits(&self, keys: &Keys) -> bool {
        (0..3).all(|kind| {
            !self.choice.switches[kind]
                || self.taken[kind]
                    .get(&keys[kind])
                    .is_none_or(|&count| count == 0)
        })
    }

    /// The empty slot of the stratum with the fewest rows for each of its empty slots, and those rows.
    fn hardest(&mut self) -> Option<(usize, Vec<u32>)> {
        let strata = self.choice.rows.len();
        let (mut first, mut empty) = (vec![usize::MAX; strata], vec![0usize; strata]);
        for slot in (0..self.at.len()).rev() {
            if self.at[slot] == NONE {
                first[self.choice.slots[slot]] = slot;
                empty[self.choice.slots[slot]] += 1;
            }
        }
        let mut hardest: Option<(usize, usize, Vec<u32>)> = None;
        for stratum in (0..strata).filter(|&stratum| empty[stratum] > 0) {
            let rows = &self.choice.rows[stratum];
            self.left = self.left.saturating_sub(rows.len());
            let fitting = (0u32..).zip(rows).filter(|(_, keys)| self.fits(keys));
            let fitting: Vec<u32> = fitting.map(|(row, _)| row).collect();
            let spare = (fitting.len() + 1).saturating_sub(empty[stratum]);
            if hardest.as_ref().is_none_or(|one| spare < one.0) {
                hardest = Some((spare, first[stratum], fitting));
            }
            if spare == 0 {
                break;
            }
        }
        hardest.map(|(spare, slot, rows)| (slot, if spare == 0 { Vec::new() } else { rows }))
    }

    fn fill(&mut self, pulse: &Pulse) -> Result<bool> {
        // The slots that were filled, each with the rows that are left to try.
        let mut path: Vec<(usize, Vec<u32>)> = Vec::new();
        let Some((slot, rows)) = self.hardest() else {
            return Ok(true);
        };
        path.push((slot, self.shuffled(rows)));
        while let Some((slot, rows)) = path.last_mut() {
            pulse.check()?;
            let slot = *slot;
            let row = rows.pop();
            if self.at[slot] != NONE {
                self.lift(slot);
            }
            let Some(row) = row else {
                path.pop();
                continue;
            };
            if self.left == 0 {
                return Ok(false);
            }
            self.put(slot, row);
            let Some((next, rows)) = self.hardest() else {
                return Ok(true);
            };
            let rows = self.shuffled(rows);
            path.push((next, rows));
        }
        Ok(false)
    }

    fn shuffled(&mut self, mut rows: Vec<u32>) -> Vec<u32> {
        self.seed = mix(self.seed);
        crate::permutation::shuffle(&mut rows, self.seed);
        rows
    }
}
