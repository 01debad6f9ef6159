//! Perfect passes over one stratum: rows to batches so that no query and no passage identity meets itself.
//!
//! Rows are the edges of a bipartite graph between query and passage identities, batches are colours. With
//! as many colours as the largest degree such a graph can be coloured (Kőnig 1916), and evenly (de Werra
//! 1971): two colours alternate along paths, and exchanging them along one whose ends are of one colour
//! moves an edge from the larger to the smaller.

use crate::hash::mix;
use crate::permutation::shuffle;

/// Largest table of colours at identities, and most steps of placing rows.
const LARGEST: (usize, usize) = (1 << 26, 1 << 31);

const NONE: u32 = u32::MAX;

/// Rows while they are given colours.
struct Colouring<'a> {
    /// Query and passage identity of each row, numbered together.
    ends: &'a [[u32; 2]],
    colours: usize,
    /// The row at each identity, a place for each colour.
    table: Vec<u32>,
    of: Vec<u32>,
    sizes: Vec<u32>,
}

/// The rows of each of `batches` batches, `size` of them, none of whose identities comes twice in one;
/// `keys` are the query and the passage identities of the rows. `None` if an identity has more rows than
/// there are batches, if there are too few rows, or for more of them than is worth the memory.
pub(crate) fn coloured(
    keys: [&[u32]; 2],
    batches: usize,
    size: usize,
    seed: u64,
) -> Option<Vec<Vec<u32>>> {
    let rows = keys[0].len();
    let (queries, first) = numbered(keys[0], 0);
    let (passages, identities) = numbered(keys[1], first);
    let ends: Vec<[u32; 2]> = queries
        .into_iter()
        .zip(passages)
        .map(|(query, passage)| [query, passage])
        .collect();
    let mut degrees = vec![0usize; identities as usize];
    for &end in ends.iter().flatten() {
        degrees[end as usize] += 1;
    }
    let fits = degrees.iter().all(|&degree| degree <= batches)
        && rows >= batches * size
        && identities as usize * batches <= LARGEST.0
        && rows * batches <= LARGEST.1;
    if !fits {
        return None;
    }
    let mut colouring = Colouring {
        ends: &ends,
        colours: batches,
        table: vec![NONE; identities as usize * batches],
        of: vec![NONE; rows],
        sizes: vec![0; batches],
    };
    for row in 0..rows as u32 {
        colouring.place(row, mix(seed ^ u64::from(row)));
    }
    colouring.even();
    let mut order: Vec<u32> = (0..batches as u32).collect();
    shuffle(&mut order, seed);
    let mut chosen = vec![Vec::with_capacity(size); batches];
    for (row, &colour) in (0u32..).zip(&colouring.of) {
        let batch = &mut chosen[order[colour as usize] as usize];
        if batch.len() < size {
            batch.push(row);
        }
    }
    Some(chosen)
}

/// Numbers for values from `first` on, and the number after the last.
fn numbered(values: &[u32], first: u32) -> (Vec<u32>, u32) {
    let mut different = values.to_vec();
    different.sort_unstable();
    different.dedup();
    let numbers = values
        .iter()
        .map(|value| first + different.partition_point(|one| one < value) as u32)
        .collect();
    (numbers, first + different.len() as u32)
}

impl Colouring<'_> {
    fn at(&self, end: u32, colour: usize) -> u32 {
        self.table[end as usize * self.colours + colour]
    }

    fn set(&mut self, row: u32, colour: usize) {
        for end in self.ends[row as usize] {
            self.table[end as usize * self.colours + colour] = row;
        }
        self.of[row as usize] = colour as u32;
        self.sizes[colour] += 1;
    }

    fn clear(&mut self, row: u32) {
        let colour = self.of[row as usize] as usize;
        for end in self.ends[row as usize] {
            self.table[end as usize * self.colours + colour] = NONE;
        }
        self.sizes[colour] -= 1;
    }

    /// The first colour from `start` on, in a circle, that is free at every one of `ends`.
    fn free(&self, ends: &[u32], start: usize) -> Option<usize> {
        (0..self.colours)
            .map(|step| (start + step) % self.colours)
            .find(|&colour| ends.iter().all(|&end| self.at(end, colour) == NONE))
    }

    fn place(&mut self, row: u32, drawn: u64) {
        let start = (drawn % self.colours as u64) as usize;
        let [query, passage] = self.ends[row as usize];
        if let Some(colour) = self.free(&[query, passage], start) {
            return self.set(row, colour);
        }
        // Both have a free colour, since they have fewer rows than there are colours.
        let (Some(own), Some(other)) = (self.free(&[query], start), self.free(&[passage], start))
        else {
            return;
        };
        // The path cannot end at the query: it would come there by a colour that is free there.
        let path = self.path(passage, own, other);
        self.exchange(&path, own, other);
        self.set(row, own);
    }

    /// The rows met from an identity on, of one colour and the other in turns.
    fn path(&self, mut end: u32, first: usize, second: usize) -> Vec<u32> {
        let mut path = Vec::new();
        for colour in [first, second].into_iter().cycle() {
            let row = self.at(end, colour);
            if row == NONE {
                break;
            }
            path.push(row);
            let [query, passage] = self.ends[row as usize];
            end = if end == query { passage } else { query };
        }
        path
    }

    fn exchange(&mut self, path: &[u32], one: usize, other: usize) {
        path.iter().for_each(|&row| self.clear(row));
        for &row in path {
            let colour = self.of[row as usize] as usize;
            self.set(row, if colour == one { other } else { one });
        }
    }

    /// Moves rows between colours until their numbers differ by at most one.
    fn even(&mut self) {
        loop {
            let by_size = |&colour: &usize| self.sizes[colour];
            let (Some(large), Some(small)) = (
                (0..self.colours).max_by_key(by_size),
                (0..self.colours).min_by_key(by_size),
            ) else {
                return;
            };
            if self.sizes[large] <= self.sizes[small] + 1 {
                return;
            }
            for end in 0..(self.table.len() / self.colours) as u32 {
                if self.sizes[large] <= self.sizes[small] + 1 {
                    break;
                }
                if self.at(end, large) == NONE || self.at(end, small) != NONE {
                    continue;
                }
                let path = self.path(end, large, small);
                if path.len() % 2 == 1 {
                    self.exchange(&path, large, small);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn check(keys: [&[u32]; 2], batches: usize, size: usize, seed: u64) {
        let chosen = coloured(keys, batches, size, seed).expect("a perfect pass exists");
        assert_eq!(chosen.len(), batches);
        let rows: HashSet<u32> = chosen.iter().flatten().copied().collect();
        assert_eq!(rows.len(), batches * size);
        for batch in &chosen {
            for keys in keys {
                let different: HashSet<u32> = batch.iter().map(|&row| keys[row as usize]).collect();
                assert_eq!(different.len(), size);
            }
        }
    }

    proptest! {
        #[test]
        fn a_perfect_pass_is_found_wherever_there_is_one(
            size in 1usize..30, batches in 1usize..20, spare in 0usize..30, seed: u64, tight: bool,
        ) {
            let rows = size * batches + spare % size;
            let draw = |side: u64| {
                let mut keys = Vec::new();
                let mut identity = 0;
                while keys.len() < rows {
                    let most = (rows - keys.len()).min(batches);
                    let drawn = crate::hash::key(&[seed, side, identity]) as usize % most;
                    let count = if tight { most } else { drawn + 1 };
                    keys.extend(std::iter::repeat_n(identity as u32, count));
                    identity += 1;
                }
                let mut order: Vec<u32> = (0..rows as u32).collect();
                shuffle(&mut order, seed ^ side);
                order.iter().map(|&row| keys[row as usize]).collect::<Vec<u32>>()
            };
            let (queries, passages) = (draw(1), draw(2));
            check([&queries, &passages], batches, size, seed);
        }
    }

    #[test]
    fn what_cannot_be_is_told() {
        assert!(coloured([&[1, 1, 1], &[1, 2, 3]], 2, 1, 0).is_none());
        assert!(coloured([&[1, 2], &[1, 2]], 2, 2, 0).is_none());
    }
}
