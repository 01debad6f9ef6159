//! Keyed permutations in constant memory.

use crate::hash::{key, mix};
use crate::kernel::{Kernel, Network, ROUNDS};

/// Up to this length a permutation is a table, shuffled evenly; a network of so few bits would favour
/// some orders.
const TABLED: u64 = 256;

/// Positions filled at a time; what is walked on stays in the first-level cache.
const CHUNK: usize = 1024;

/// A permutation of `0..len` chosen by a key.
///
/// An alternating Feistel network on the bits of the next power of two, walked until it falls below
/// `len` (Black and Rogaway 2002); a shuffled table (Fisher and Yates) where `len` is small.
///
/// ```
/// use hybrid_fast_core::permutation::Permutation;
/// let order = Permutation::new(10, 7);
/// let mut seen: Vec<u32> = (0..10).map(|position| order.at(position)).collect();
/// seen.sort_unstable();
/// assert_eq!(seen, (0..10).collect::<Vec<_>>());
/// ```
#[derive(Debug, Clone)]
pub struct Permutation {
    len: u64,
    order: Order,
}

#[derive(Debug, Clone)]
enum Order {
    Table(Vec<u32>),
    Network(Network),
}

impl Permutation {
    /// The permutation of `0..len` under `seed`.
    ///
    /// # Panics
    /// When `len` is more than 2³².
    #[must_use]
    pub fn new(len: u64, seed: u64) -> Self {
        assert!(len <= 1 << 32, "rows are numbered by 32 bits");
        let order = if len <= TABLED {
            let mut table: Vec<u32> = (0..len as u32).collect();
            shuffle(&mut table, seed);
            Order::Table(table)
        } else {
            let bits = u64::BITS - (len - 1).leading_zeros();
            let keys: [u32; ROUNDS] =
                std::array::from_fn(|round| key(&[seed, round as u64]) as u32);
            Order::Network(Network::new(bits, keys))
        };
        Self { len, order }
    }

    /// How many positions there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `position`, which must be below `len`.
    #[inline]
    #[must_use]
    pub fn at(&self, position: u64) -> u32 {
        debug_assert!(position < self.len);
        match &self.order {
            Order::Table(table) => table[position as usize],
            Order::Network(network) => {
                let mut value = position as u32;
                loop {
                    value = network.scramble(value);
                    if u64::from(value) < self.len {
                        return value;
                    }
                }
            }
        }
    }

    /// Appends the values at `count` positions from `start` on, which must be below `len`.
    pub fn extend(&self, kernel: Kernel, start: u64, count: usize, values: &mut Vec<u32>) {
        debug_assert!(start + count as u64 <= self.len);
        let network = match &self.order {
            Order::Table(table) => {
                values.extend_from_slice(&table[start as usize..][..count]);
                return;
            }
            Order::Network(network) => network,
        };
        let first = values.len();
        values.extend((start..start + count as u64).map(|position| position as u32));
        let (mut places, mut walking) = ([0u16; CHUNK], [0u32; CHUNK]);
        for chunk in values[first..].chunks_mut(CHUNK) {
            kernel.scramble(network, chunk);
            let mut open = 0;
            for (place, &value) in chunk.iter().enumerate() {
                places[open] = place as u16;
                walking[open] = value;
                open += usize::from(u64::from(value) >= self.len);
            }
            while open > 0 {
                kernel.scramble(network, &mut walking[..open]);
                let mut left = 0;
                for number in 0..open {
                    let (place, value) = (places[number], walking[number]);
                    chunk[usize::from(place)] = value;
                    places[left] = place;
                    walking[left] = value;
                    left += usize::from(u64::from(value) >= self.len);
                }
                open = left;
            }
        }
    }
}

/// Puts items into an order that is as likely as any other (Fisher and Yates; ranges by Lemire's
/// multiplication, whose bias is below 2⁻⁴⁰ for so few items).
pub(crate) fn shuffle(items: &mut [u32], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let drawn = u128::from(mix(state)) * (last as u128 + 1);
        items.swap(last, (drawn >> 64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_a_permutation(len in 1u64..3000, seed: u64) {
            let order = Permutation::new(len, seed);
            let mut seen = vec![false; len as usize];
            for position in 0..len {
                let value = order.at(position) as usize;
                prop_assert!(!seen[value]);
                seen[value] = true;
            }
        }

        #[test]
        fn many_at_once_are_the_same(len in 1u64..9000, seed: u64, start in 0u64..9000, count in 0u64..3000) {
            let order = Permutation::new(len, seed);
            let start = start % len;
            let count = count.min(len - start);
            let expected: Vec<u32> = (start..start + count).map(|position| order.at(position)).collect();
            for kernel in Kernel::available() {
                let mut values = vec![7];
                order.extend(kernel, start, count as usize, &mut values);
                prop_assert_eq!(values[0], 7);
                prop_assert_eq!(&values[1..], &expected);
            }
        }
    }

    #[test]
    fn every_value_comes_first_about_equally_often() {
        for len in [2u64, 3, 5, 8, 13, 257, 300] {
            let mut first = vec![0u32; len as usize];
            for seed in 0..40_000 {
                first[Permutation::new(len, seed).at(0) as usize] += 1;
            }
            let expected = 40_000.0 / len as f64;
            for count in first {
                assert!((f64::from(count) - expected).abs() < 6.0 * expected.sqrt());
            }
        }
    }

    #[test]
    fn four_billion_positions_have_four_billion_values() {
        let order = Permutation::new(1 << 32, 3);
        assert_eq!(order.len(), 1 << 32);
        assert_ne!(order.at((1 << 32) - 1), order.at(0));
    }
}
