//! Independent draws, one hash a number, counted many at a time.

use super::{Isa, Kernel, dispatched};
use crate::hash::mix;

/// The draw of a number under a key: 64 even bits.
#[inline(always)]
#[must_use]
pub fn draw(key: u64, number: u64) -> u64 {
    mix(key ^ mix(number))
}

dispatched! {
    /// How many of the numbers `start .. start + count` draw less than `below`.
    draws_below, draws_below_avx2, draws_below_avx512 =
        draws_below_body(key: u64, start: u64, count: u64, below: u64) -> u64;
}

#[inline(always)]
fn draws_below_body(key: u64, start: u64, count: u64, below: u64) -> u64 {
    (0..count)
        .map(|number| u64::from(draw(key, start + number) < below))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_counts_the_draws() {
        let below = u64::MAX / 3;
        let expected = (70..1070).filter(|&number| draw(9, number) < below).count();
        assert!((250..420).contains(&expected));
        for kernel in Kernel::available() {
            assert_eq!(kernel.draws_below(9, 70, 1000, below), expected as u64);
        }
    }
}
