//! Feistel networks over many numbers at a time.

use super::{Isa, Kernel, dispatched};

/// A keyed alternating Feistel network on numbers of a few bits, at most 32.
#[derive(Debug, Clone)]
pub struct Network {
    low_bits: u32,
    high_bits: u32,
    /// Keys of the rounds, two by two.
    rounds: [[u32; 2]; ROUNDS / 2],
}

/// Rounds: Luby and Rackoff (1988) ask for four of independent functions; few bits want more.
pub const ROUNDS: usize = 8;

impl Network {
    /// The network on `bits` bits, 2 to 32, under keys of its rounds.
    #[must_use]
    pub fn new(bits: u32, keys: [u32; ROUNDS]) -> Self {
        Self {
            low_bits: bits / 2,
            high_bits: bits - bits / 2,
            rounds: std::array::from_fn(|pair| [keys[2 * pair], keys[2 * pair + 1]]),
        }
    }

    /// Another number of as many bits; different numbers become different ones.
    #[inline(always)]
    #[must_use]
    pub fn scramble(&self, value: u32) -> u32 {
        let mut high = value >> self.low_bits;
        let mut low = value & ((1 << self.low_bits) - 1);
        for [first, second] in self.rounds {
            high ^= mixed(low, first) >> (32 - self.high_bits);
            low ^= mixed(high, second) >> (32 - self.low_bits);
        }
        high << self.low_bits | low
    }
}

/// A number whose upper bits depend on all of `value` and `key`.
#[inline(always)]
fn mixed(value: u32, key: u32) -> u32 {
    let sum = value.wrapping_add(key).wrapping_mul(0x9E37_79B1);
    (sum ^ (sum >> 15)).wrapping_mul(0x85EB_CA77)
}

dispatched! {
    /// Sends each number through the network once.
    scramble, scramble_avx2, scramble_avx512 = scramble_body(network: &Network, values: &mut [u32]);
}

#[inline(always)]
fn scramble_body(network: &Network, values: &mut [u32]) {
    for value in values {
        *value = network.scramble(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kernel_scrambles_alike_and_loses_nothing(bits in 2u32..14, keys: [u32; ROUNDS]) {
            let network = Network::new(bits, keys);
            let expected: Vec<u32> = (0..1 << bits).map(|value| network.scramble(value)).collect();
            for kernel in Kernel::available() {
                let mut values: Vec<u32> = (0..1 << bits).collect();
                kernel.scramble(&network, &mut values);
                prop_assert_eq!(&values, &expected);
            }
            let mut sorted = expected;
            sorted.sort_unstable();
            prop_assert!(sorted.iter().copied().eq(0..1 << bits));
        }
    }
}
