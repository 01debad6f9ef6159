//! Exact division by a number that is known only at run time, as one multiplication.

/// A divisor of at least 2 and its reciprocal ⌈2⁶⁴ / divisor⌉.
///
/// For 32-bit numbers and divisors the upper half of the product is the quotient itself
/// (Lemire, Kaser and Kurz 2019, theorem 1 with 64 fractional bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Divisor {
    by: u32,
    reciprocal: u64,
}

impl Divisor {
    /// # Panics
    /// If `by` is below 2: the reciprocal of 1 has 65 bits.
    pub(super) fn new(by: u32) -> Self {
        assert!(by >= 2, "a divisor of {by}");
        Self {
            by,
            reciprocal: u64::MAX / u64::from(by) + 1,
        }
    }

    pub(super) fn value(self) -> u32 {
        self.by
    }

    #[inline(always)]
    pub(super) fn quotient(self, number: u32) -> u32 {
        ((u128::from(self.reciprocal) * u128::from(number)) >> 64) as u32
    }

    #[inline(always)]
    pub(super) fn remainder(self, number: u32) -> u32 {
        number - self.quotient(number) * self.by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divides_exactly_at_every_edge() {
        let bits = (0..32).map(|bit| 1u32 << bit);
        let mut edges: Vec<u32> = bits
            .flat_map(|power| [power - 1, power, power + 1])
            .chain([3, 5, 7, 10, 11, 13, 121, 641, 65_537, 6_700_417])
            .chain([u32::MAX, u32::MAX - 1, u32::MAX / 2, u32::MAX / 3])
            .collect();
        edges.sort_unstable();
        edges.dedup();
        for &by in edges.iter().filter(|&&by| by >= 2) {
            let divisor = Divisor::new(by);
            let last = u32::MAX / by;
            let multiples = edges
                .iter()
                .map(|&edge| edge.min(last))
                .chain(last.saturating_sub(500)..=last);
            let around = multiples.flat_map(|times| {
                [
                    times * by,
                    (times * by).wrapping_sub(1),
                    (times * by).wrapping_add(1),
                ]
            });
            for number in around.chain(edges.iter().copied()) {
                assert_eq!(divisor.quotient(number), number / by, "{number} / {by}");
                assert_eq!(divisor.remainder(number), number % by, "{number} % {by}");
            }
        }
    }

    #[test]
    fn divides_every_small_number_by_every_small_number() {
        for by in 2..500 {
            let divisor = Divisor::new(by);
            for number in (0..2000).chain(u32::MAX - 2000..=u32::MAX) {
                assert_eq!(divisor.quotient(number), number / by);
            }
        }
    }
}
