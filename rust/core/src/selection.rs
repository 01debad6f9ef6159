//! The best k of one row: an exact lower bound from the maxima of its parts, then the few scores that
//! reach it, sorted.

use crate::kernel::{Halves, Kernel, Lanes, Maxima, Reached, WIDTH};
use crate::radix;

/// Groups of scores for each one of the k. With six times as many groups as are wanted, about
/// 1.1 k scores of a shuffled row reach the bound.
const GROUPS: usize = 6;

/// Scores read before those that reach the bound are collected: they are still in the cache then.
const PIECE: usize = 1 << 17;

/// Working memory of one row after another, and the answer of the last.
#[derive(Debug, Default)]
pub struct Selection {
    /// Columns of the best scores, best first.
    pub columns: Vec<u32>,
    maxima: Maxima,
    halves: Halves,
    reached: Reached,
    all: Vec<f32>,
    keys: Vec<u64>,
    spare: Vec<u64>,
}

impl Selection {
    /// Finds the best `k` columns of a row; returns whether a score is NaN, and there is then no answer.
    pub fn best<T: Lanes>(&mut self, kernel: Kernel, row: &[T], k: usize) -> bool {
        self.columns.clear();
        let k = k.min(row.len());
        if k == 0 {
            return kernel.count_few(row, &[]).nan;
        }
        self.reached.begin(k);
        // Small blocks when the maxima of large ones would be few beside k.
        let nan = match [8, 2].into_iter().find(|depth| 4 * depth * k <= row.len()) {
            Some(depth) => self.filter(kernel, row, k, depth),
            None => self.split(kernel, row, k),
        };
        if nan {
            return true;
        }
        self.keys.clear();
        let keys = self
            .reached
            .iter()
            .map(|(column, score)| key(score, column));
        self.keys.extend(keys);
        if self.keys.len() > k {
            self.keys.select_nth_unstable(k - 1);
            self.keys.truncate(k);
        }
        radix::sort(&mut self.keys, &mut self.spare);
        self.columns.extend(self.keys.iter().map(|&key| key as u32));
        false
    }

    /// For few of many: the bound is the k-th greatest of the maxima of more than k parts of the row, or
    /// of what has been read of it.
    fn filter<T: Lanes>(&mut self, kernel: Kernel, row: &[T], k: usize, depth: usize) -> bool {
        let groups = (GROUPS * k).min(row.len() / depth);
        self.maxima.begin(groups);
        // So long that all groups have a score after the first piece.
        let length = PIECE.max(groups.next_multiple_of(WIDTH) * depth);
        for (number, piece) in row.chunks(length).enumerate() {
            if kernel.maxima(piece, depth, &mut self.maxima) {
                return true;
            }
            self.all.clear();
            self.all.extend_from_slice(&self.maxima.groups);
            let bound = kernel.kth_greatest(&mut self.all, k, &mut self.halves);
            let blocks = (&self.maxima.blocks[..], depth);
            kernel.collect(piece, number * length, blocks, bound, &mut self.reached);
        }
        false
    }

    /// For many of all: the bound is the k-th greatest score itself.
    fn split<T: Lanes>(&mut self, kernel: Kernel, row: &[T], k: usize) -> bool {
        if kernel.count_few(row, &[]).nan {
            return true;
        }
        let mut scratch = Vec::new();
        self.all.clear();
        self.all.extend_from_slice(T::widen(row, &mut scratch));
        let bound = kernel.kth_greatest(&mut self.all, k, &mut self.halves);
        kernel.collect(row, 0, (&[], 1), bound, &mut self.reached);
        false
    }
}

/// A number that orders scores from the greatest down, equal ones by column.
fn key(score: f32, column: u32) -> u64 {
    let bits = (score + 0.0).to_bits() as i32; // −0 becomes 0
    let ascending = bits ^ ((bits >> 31) as u32 >> 1) as i32;
    u64::from(!(ascending as u32 ^ 0x8000_0000)) << 32 | u64::from(column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::LEVELS;
    use half::{bf16, f16};
    use proptest::prelude::*;

    fn agree<T: Lanes>(row: &[T], k: usize) -> Result<(), TestCaseError> {
        let mut order: Vec<u32> = (0..row.len() as u32).collect();
        let of = |column: u32| row[column as usize].wide();
        let nan = row.iter().any(|score| score.wide().is_nan());
        if !nan {
            order.sort_by(|&a, &b| of(b).partial_cmp(&of(a)).expect("no NaN"));
        }
        order.truncate(k);
        let mut selection = Selection::default();
        for kernel in Kernel::available() {
            prop_assert_eq!(selection.best(kernel, row, k), nan, "{}", kernel.name());
            if !nan {
                prop_assert_eq!(&selection.columns, &order, "{}", kernel.name());
            }
        }
        Ok(())
    }

    #[test]
    fn keys_order_all_scores() {
        let keys: Vec<u64> = LEVELS.iter().map(|&score| key(score, 3)).collect();
        assert!(keys.windows(2).all(|pair| pair[0] >= pair[1]));
        assert_eq!(key(-0.0, 3), key(0.0, 3));
        assert!(key(1.0, 3) < key(1.0, 4) && key(2.0, 4) < key(1.0, 3));
    }

    proptest! {
        #[test]
        fn every_kernel_finds_the_first_of_a_sort(
            length in 0usize..3000,
            k in prop_oneof![0usize..5, 0usize..100, 0usize..3100],
            distinct in prop::sample::select(vec![1u32, 2, 7, 1000, 1 << 24]),
            shape in 0..4,
            special in any::<bool>(),
            nan in prop::option::of(any::<prop::sample::Index>()),
            seed in any::<u32>(),
        ) {
            let mut state = seed;
            let mut row: Vec<f32> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let drawn = (state >> 8) % distinct;
                    if special && drawn % 3 == 0 {
                        LEVELS[drawn as usize % LEVELS.len()]
                    } else {
                        drawn as f32 / 1024.0 - 100.0
                    }
                })
                .collect();
            match shape {
                0 => row.sort_by(f32::total_cmp),
                1 => row.sort_by(|a, b| b.total_cmp(a)),
                _ => {}
            }
            agree(&row.iter().map(|&s| f16::from_f32(s)).collect::<Vec<_>>(), k)?;
            agree(&row.iter().map(|&s| bf16::from_f32(s)).collect::<Vec<_>>(), k)?;
            if let (Some(nan), false) = (nan, row.is_empty()) {
                let place = nan.index(length);
                row[place] = f32::NAN;
            }
            agree(&row, k)?;
        }
    }
}
