//! A row for every slot of a batch so that no identity comes twice, found wherever there is one.
//!
//! Where one kind of identity decides (rows that share another share it too), slots are matched with
//! identities along augmenting paths (Berge 1957); rows of one stratum under two kinds are the edges of a
//! graph, of which a matching is wanted. Three kinds in general are hard: there the search is cut off. Texts,
//! of which a row may bring many, are one more kind; matched like one where rows that share anything share all
//! with one another.

use std::collections::VecDeque;

use crate::Result;
use crate::hash::{Numbered, mix};
use crate::packing::Keys;
use crate::pairs::{PairTexts, each_text};
use crate::pulse::Pulse;

/// Rows that are looked at, at least, where no single kind of identity decides.
const STEPS: usize = 1 << 20;

const NONE: u32 = u32::MAX;

/// The number of texts among the kinds of identities.
const TEXTS: usize = 3;

/// Rows that may stand at the slots of a batch.
pub(crate) struct Choice<'a> {
    /// Rows of each stratum.
    pub(crate) rows: &'a [Vec<Keys>],
    /// Texts that must not come twice either, of each of these rows; empty where there are none.
    pub(crate) texts: &'a [Vec<PairTexts<'a>>],
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
        let of_kind = |kind: usize| {
            move |stratum: usize, row: usize| u64::from(self.rows[stratum][row][kind])
        };
        if self.texts.is_empty() {
            if let Some(kind) = kinds.iter().copied().find(|&kind| self.decides(kind)) {
                return self.matched(of_kind(kind), begun, pulse);
            }
        } else {
            if let Some(parts) = self.parts(pulse)? {
                let part = |stratum: usize, row: usize| u64::from(parts[stratum][row]);
                return self.matched(part, begun, pulse);
            }
            let counts = self.text_counts(pulse)?;
            let common = |stratum: usize, row: usize| self.most_common(&counts, stratum, row);
            if self.matched(common, begun, pulse)?.is_none() {
                return Ok(None);
            }
        }
        for &kind in &kinds {
            if self.matched(of_kind(kind), begun, pulse)?.is_none() {
                return Ok(None);
            }
        }
        let one_stratum = self.slots.iter().all(|&slot| slot == self.slots[0]);
        if one_stratum
            && self.parted
            && self.texts.is_empty()
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

    /// The guarded identities of a row, each once.
    fn identities(&self, stratum: usize, row: usize) -> impl Iterator<Item = (usize, u32)> {
        let keys = self.rows[stratum][row];
        let kinds = (0..3).filter(|&kind| self.switches[kind]);
        let texts = self.texts.get(stratum).map_or([&[][..]; 2], |of| of[row]);
        kinds
            .map(move |kind| (kind, keys[kind]))
            .chain(each_text(texts).map(|text| (TEXTS, text)))
    }

    /// A number for every row, such that two share an identity just if they share that number; `None` where a
    /// row shares one with a second row and another with a third.
    fn parts(&self, pulse: &Pulse) -> Result<Option<Vec<Vec<u32>>>> {
        // Identities are joined by the rows that have them; one of each part must be that of all its rows.
        let mut numbers: [Numbered<u32, u32>; TEXTS + 1] = Default::default();
        let (mut above, mut counts): (Vec<u32>, Vec<u32>) = Default::default();
        let mut part_of: Vec<Vec<u32>> = Vec::with_capacity(self.rows.len());
        for (stratum, rows) in self.rows.iter().enumerate() {
            pulse.check()?;
            let mut own = Vec::with_capacity(rows.len());
            for row in 0..rows.len() {
                let mut first = NONE;
                for (kind, identity) in self.identities(stratum, row) {
                    let number = *numbers[kind].entry(identity).or_insert_with(|| {
                        above.push(above.len() as u32);
                        counts.push(0);
                        above.len() as u32 - 1
                    });
                    counts[number as usize] += 1;
                    if first == NONE {
                        first = number;
                    } else {
                        let (one, other) = (top(&mut above, first), top(&mut above, number));
                        above[one as usize] = other;
                    }
                }
                own.push(first);
            }
            part_of.push(own);
        }
        let mut rows_of = vec![0; above.len()];
        let mut most = vec![0; above.len()];
        for part in part_of.iter_mut().flatten() {
            *part = top(&mut above, *part);
            rows_of[*part as usize] += 1;
        }
        for (identity, &count) in (0..).zip(&counts) {
            let most = &mut most[top(&mut above, identity) as usize];
            *most = count.max(*most);
        }
        let mut parts = rows_of.iter().zip(&most).filter(|part| *part.0 > 0);
        Ok(parts.all(|(rows, most)| rows == most).then_some(part_of))
    }

    /// How many rows bring each text.
    fn text_counts(&self, pulse: &Pulse) -> Result<Numbered<u32, u32>> {
        let mut counts: Numbered<u32, u32> = Numbered::default();
        for texts in self.texts {
            pulse.check()?;
            for text in texts.iter().flat_map(|&texts| each_text(texts)) {
                *counts.entry(text).or_default() += 1;
            }
        }
        Ok(counts)
    }

    /// The most common text of a row, or its passage identity where it brings none.
    fn most_common(&self, counts: &Numbered<u32, u32>, stratum: usize, row: usize) -> u64 {
        let texts = each_text(self.texts[stratum][row]);
        let most = texts.max_by_key(|text| (counts.get(text), *text));
        most.map_or(1 << 32 | u64::from(self.rows[stratum][row][2]), u64::from)
    }

    /// Slots matched with identities, of which each row has one.
    fn matched(
        &self,
        identity: impl Fn(usize, usize) -> u64,
        begun: &[Option<u32>],
        pulse: &Pulse,
    ) -> Result<Option<Vec<u32>>> {
        let mut numbers: Numbered<u64, u32> = Numbered::default();
        let edges: Vec<Vec<(u32, u32)>> = (0..)
            .zip(self.rows)
            .map(|(stratum, rows)| {
                let number = |row: usize| {
                    let next = numbers.len() as u32;
                    *numbers.entry(identity(stratum, row)).or_insert(next)
                };
                let mut edges: Vec<(u32, u32)> = (0..rows.len()).map(number).zip(0..).collect();
                edges.sort_unstable();
                edges.dedup_by_key(|edge| edge.0);
                edges
            })
            .collect();
        let mut matching = Matching::new(numbers.len(), self.slots.len());
        for (slot, row) in begun.iter().enumerate() {
            if let Some(row) = row {
                let identity = identity(self.slots[slot], *row as usize);
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

/// The identity that stands for all that were joined with one.
fn top(above: &mut [u32], mut one: u32) -> u32 {
    while above[one as usize] != one {
        let next = above[above[one as usize] as usize];
        above[one as usize] = next;
        one = next;
    }
    one
}

struct Search<'a> {
    choice: &'a Choice<'a>,
    /// How often each identity came, for each kind.
    taken: [Numbered<u32, u32>; TEXTS + 1],
    at: Vec<u32>,
    left: usize,
    seed: u64,
}

impl Search<'_> {
    fn put(&mut self, slot: usize, row: u32) {
        let stratum = self.choice.slots[slot];
        for (kind, identity) in self.choice.identities(stratum, row as usize) {
            *self.taken[kind].entry(identity).or_default() += 1;
        }
        self.at[slot] = row;
    }

    fn lift(&mut self, slot: usize) {
        let stratum = self.choice.slots[slot];
        let row = self.at[slot] as usize;
        for (kind, identity) in self.choice.identities(stratum, row) {
            *self.taken[kind].entry(identity).or_default() -= 1;
        }
        self.at[slot] = NONE;
    }

    fn fits(&self, stratum: usize, row: usize) -> bool {
        let mut all = self.choice.identities(stratum, row);
        all.all(|(kind, identity)| {
            let count = self.taken[kind].get(&identity);
            count.is_none_or(|&count| count == 0)
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
            let fitting = (0..rows.len() as u32).filter(|&row| self.fits(stratum, row as usize));
            let fitting: Vec<u32> = fitting.collect();
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
