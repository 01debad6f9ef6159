//! Keyed permutations in constant memory, and the hash that makes their keys.

/// Hashes numbers together, order included; the key of every stream of a plan.
///
/// Seeds, epochs and stream numbers are parts of one hash and are never added, so that
/// (seed 42, epoch 1) and (seed 43, epoch 0) are unrelated.
///
/// ```
/// use hybrid_fast_core::permutation::key;
/// assert_ne!(key(&[42, 1]), key(&[43, 0]));
/// assert_ne!(key(&[1, 42]), key(&[42, 1]));
/// ```
#[must_use]
pub fn key(parts: &[u64]) -> u64 {
    let start = 0x243F_6A88_85A3_08D3 ^ parts.len() as u64;
    parts.iter().fold(start, |hash, &part| {
        mix(hash
            .wrapping_mul(0xD6E8_FEB8_6659_FD93)
            .wrapping_add(mix(part)))
    })
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection with full avalanche.
#[inline]
#[must_use]
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

const ROUNDS: usize = 6;

/// A permutation of `0..len` chosen by a key: an alternating Feistel network on the bits of
/// the next power of two, walked until it falls below `len` (Black and Rogaway 2002).
///
/// ```
/// use hybrid_fast_core::permutation::Permutation;
/// let order = Permutation::new(10, 7);
/// let mut seen: Vec<u64> = (0..10).map(|position| order.at(position)).collect();
/// seen.sort_unstable();
/// assert_eq!(seen, (0..10).collect::<Vec<_>>());
/// ```
#[derive(Debug, Clone)]
pub struct Permutation {
    len: u64,
    low_bits: u32,
    low_mask: u64,
    high_mask: u64,
    rounds: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..len` under `seed`.
    #[must_use]
    pub fn new(len: u64, seed: u64) -> Self {
        let bits = (u64::BITS - len.saturating_sub(1).leading_zeros()).max(2);
        let low_bits = bits / 2;
        let mut rounds = [0; ROUNDS];
        for (number, round) in rounds.iter_mut().enumerate() {
            *round = key(&[seed, number as u64]);
        }
        Self {
            len,
            low_bits,
            low_mask: (1 << low_bits) - 1,
            high_mask: (1 << (bits - low_bits)) - 1,
            rounds,
        }
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
    pub fn at(&self, position: u64) -> u64 {
        debug_assert!(position < self.len);
        let mut value = position;
        loop {
            value = self.scramble(value);
            if value < self.len {
                return value;
            }
        }
    }

    #[inline]
    fn scramble(&self, value: u64) -> u64 {
        let mut high = value >> self.low_bits;
        let mut low = value & self.low_mask;
        for pair in self.rounds.chunks_exact(2) {
            high ^= mix(low ^ pair[0]) & self.high_mask;
            low ^= mix(high ^ pair[1]) & self.low_mask;
        }
        (high << self.low_bits) | low
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
    }

    #[test]
    fn every_value_comes_first_about_equally_often() {
        for len in [2u64, 3, 5, 8, 13] {
            let mut first = vec![0u32; len as usize];
            for seed in 0..4000 {
                first[Permutation::new(len, seed).at(0) as usize] += 1;
            }
            let expected = 4000.0 / len as f64;
            for count in first {
                assert!((f64::from(count) - expected).abs() < 6.0 * expected.sqrt());
            }
        }
    }

    #[test]
    fn keys_are_hashes_and_not_sums() {
        assert_ne!(key(&[42, 1]), key(&[43, 0]));
        assert_ne!(key(&[0]), key(&[0, 0]));
        assert_ne!(key(&[]), key(&[0]));
    }
}
