//! The hash that makes keys: numbers in, one even number out.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Hashes numbers together, order included; the key of every stream of a plan.
///
/// Seeds, epochs and stream numbers are parts of one hash and are never added, so that
/// (seed 42, epoch 1) and (seed 43, epoch 0) are unrelated.
///
/// ```
/// use hybrid_fast_core::hash::key;
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
#[inline(always)]
#[must_use]
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A map from numbers, by [`mix`]; nothing may depend on the order of its entries.
pub(crate) type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<Mixed>>;

/// Hashes numbers by [`mix`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0 ^ number);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashes_and_not_sums() {
        assert_ne!(key(&[42, 1]), key(&[43, 0]));
        assert_ne!(key(&[0]), key(&[0, 0]));
        assert_ne!(key(&[]), key(&[0]));
    }
}
