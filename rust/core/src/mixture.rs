//! Which kind each slot of an epoch is.

use std::cmp::Ordering;
use std::sync::{Mutex, PoisonError};

use crate::hash::key;
use crate::kernel::{Kernel, draw};
use crate::ratio::{ONE, Ratio};

/// How monolingual and cross-lingual slots alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixing {
    /// After every prefix of n slots the monolingual count is within 0.5 of α·n (of ∫α if α changes).
    Exact,
    /// Van der Corput thresholds: a greater α only turns slots monolingual.
    Coupled,
    /// An independent draw for each slot.
    Bernoulli,
}

/// Slots between two counts of a table.
const TABLE_STEP: u64 = 4096;

/// The kind of every slot of one epoch.
///
/// ```
/// use hybrid_fast_core::kernel::Kernel;
/// use hybrid_fast_core::mixture::{Kinds, Mixing};
/// use hybrid_fast_core::ratio::Ratio;
/// let kinds = Kinds::new(Kernel::detect(), Mixing::Exact, Ratio::constant(0.25)?, 7, 0, 100);
/// assert_eq!(kinds.monolingual_before(100), 25);
/// # Ok::<(), hybrid_fast_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Kinds {
    mixing: Mixing,
    ratio: Ratio,
    key: u64,
    /// The epoch's first slot, counted over all epochs.
    first: u64,
    /// α in 2⁻⁶² if it stays the same over the epoch.
    constant: Option<u64>,
    kernel: Kernel,
    /// Monolingual slots before every [`TABLE_STEP`] slots as far as was asked, where there is no
    /// shorter way.
    table: Mutex<Vec<u64>>,
}

impl Kinds {
    /// Kinds of the `slots` slots from slot `first` of all times on, under `key`.
    #[must_use]
    pub fn new(
        kernel: Kernel,
        mixing: Mixing,
        ratio: Ratio,
        key: u64,
        first: u64,
        slots: u64,
    ) -> Self {
        let constant = ratio.constant_over(first, slots);
        Self {
            mixing,
            ratio,
            key,
            first,
            constant,
            kernel,
            table: Mutex::new(vec![0]),
        }
    }

    fn is_tabled(&self) -> bool {
        match self.mixing {
            Mixing::Exact => false,
            Mixing::Coupled => self.constant.is_none(),
            Mixing::Bernoulli => true,
        }
    }

    /// Whether `slot` is monolingual.
    #[must_use]
    pub fn is_monolingual(&self, slot: u64) -> bool {
        match self.mixing {
            Mixing::Exact => self.nearest(slot + 1) > self.nearest(slot),
            Mixing::Coupled => u128::from(slot.reverse_bits() ^ self.key) < self.threshold(slot),
            Mixing::Bernoulli => u128::from(draw(self.key, slot)) < self.threshold(slot),
        }
    }

    /// Whether each of some consecutive slots is monolingual.
    pub fn each(&self, slots: std::ops::Range<u64>) -> impl Iterator<Item = bool> + '_ {
        let mut before = match self.mixing {
            Mixing::Exact => self.nearest(slots.start),
            _ => 0,
        };
        slots.map(move |slot| {
            if self.mixing != Mixing::Exact {
                return self.is_monolingual(slot);
            }
            let next = self.nearest(slot + 1);
            std::mem::replace(&mut before, next) < next
        })
    }

    /// Monolingual slots among the first `slots`.
    #[must_use]
    pub fn monolingual_before(&self, slots: u64) -> u64 {
        if self.mixing == Mixing::Exact {
            return self.nearest(slots);
        }
        if !self.is_tabled() {
            return self.below_threshold(slots);
        }
        let steps = (slots / TABLE_STEP) as usize;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        while table.len() <= steps {
            let next = (table.len() as u64 - 1) * TABLE_STEP;
            let count = table[table.len() - 1] + self.count(next..next + TABLE_STEP);
            table.push(count);
        }
        table[steps] + self.count(steps as u64 * TABLE_STEP..slots)
    }

    /// Monolingual slots among some, one looked at after the other.
    fn count(&self, slots: std::ops::Range<u64>) -> u64 {
        let threshold = self.constant.map(|constant| u128::from(constant) << 2);
        match (self.mixing, threshold.map(u64::try_from)) {
            (Mixing::Bernoulli, Some(Ok(below))) => {
                let count = slots.end - slots.start;
                self.kernel.draws_below(self.key, slots.start, count, below)
            }
            _ => slots.filter(|&slot| self.is_monolingual(slot)).count() as u64,
        }
    }

    /// α of a slot in 2⁻⁶⁴.
    fn threshold(&self, slot: u64) -> u128 {
        let ratio = self.constant.map_or_else(
            || {
                let slot = self.first + slot;
                self.ratio.before(slot + 1) - self.ratio.before(slot)
            },
            u128::from,
        );
        ratio << 2
    }

    /// The integer nearest to ∫α over the first `n` slots; a tie goes up or down by the key.
    fn nearest(&self, n: u64) -> u64 {
        let end = self.first + n;
        let sum = self.ratio.before(end) - self.ratio.before(self.first);
        let (whole, rest) = (sum / ONE, sum % ONE);
        let up = match rest.cmp(&(ONE / 2)) {
            Ordering::Less => false,
            Ordering::Equal => key(&[self.key, self.ratio.tie(end)]) & 1 == 1,
            Ordering::Greater => true,
        };
        (whole + u128::from(up)) as u64
    }

    /// Counts slots below the threshold over the dyadic runs that make up `0..slots`: within
    /// a run of 2^k slots the upper k bits of the reversed number take every value once.
    fn below_threshold(&self, slots: u64) -> u64 {
        let threshold = self.threshold(0);
        let mut count = 0u128;
        let mut start = 0u64;
        for level in (0..u64::BITS).rev() {
            if slots >> level & 1 == 0 {
                continue;
            }
            let free = u64::BITS - level;
            let fixed = u128::from(start.reverse_bits() ^ self.key) & ((1u128 << free) - 1);
            count += threshold >> free;
            count += u128::from(fixed < threshold & ((1u128 << free) - 1));
            start += 1 << level;
        }
        count as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Result;
    use crate::ratio::Piece;
    use proptest::prelude::*;

    const RULES: [Mixing; 3] = [Mixing::Exact, Mixing::Coupled, Mixing::Bernoulli];

    proptest! {
        #[test]
        fn exact_stays_within_half(ratio in 0.0f64..=1.0, seed: u64) {
            let kinds = Kinds::new(Kernel::detect(), Mixing::Exact, Ratio::constant(ratio)?, seed, 0, 0);
            let mut count = 0u64;
            for n in 0..400u64 {
                prop_assert!((count as f64 - ratio * n as f64).abs() <= 0.5 + 1e-9);
                prop_assert_eq!(kinds.monolingual_before(n), count);
                count += u64::from(kinds.is_monolingual(n));
            }
        }

        #[test]
        fn counts_equal_the_kinds(ratio in 0.0f64..=1.0, seed: u64, rule in 0usize..3) {
            let kinds = Kinds::new(Kernel::detect(), RULES[rule], Ratio::constant(ratio)?, seed, 0, 9000);
            let mut count = 0u64;
            prop_assert!(kinds.each(40..9000).eq((40..9000).map(|n| kinds.is_monolingual(n))));
            for n in 0..9000 {
                if n % 71 == 0 || n > 8990 {
                    prop_assert_eq!(kinds.monolingual_before(n), count);
                }
                count += u64::from(kinds.is_monolingual(n));
            }
            prop_assert_eq!(kinds.monolingual_before(9000), count);
        }

        #[test]
        fn a_changing_ratio_is_followed(
            shares in prop::collection::vec((share(), share(), 1u64..40), 1..7),
            first in 0u64..60,
            rule in 0usize..3,
            seed: u64,
        ) {
            let mut pieces = Vec::new();
            let mut start = 0;
            for (from, to, length) in shares {
                pieces.push(Piece { start, from, to });
                start += length;
            }
            let ratio = Ratio::new(&pieces)?;
            let kinds = Kinds::new(Kernel::detect(), RULES[rule], ratio.clone(), seed, first, 300);
            let mut count = 0u64;
            for n in 0..300u64 {
                prop_assert_eq!(kinds.monolingual_before(n), count);
                let sum = ratio.integral(first + n) - ratio.integral(first);
                prop_assert!(rule != 0 || (count as f64 - sum).abs() <= 0.5 + 1e-9);
                count += u64::from(kinds.is_monolingual(n));
            }
        }

        #[test]
        fn a_change_touches_nothing_before_it(
            (before, after) in (share(), share()), change in 1u64..200, rule in 0usize..3, seed: u64,
        ) {
            let piece = |start, share| Piece { start, from: share, to: share };
            let plain = Kinds::new(Kernel::detect(), RULES[rule], Ratio::constant(before)?, seed, 0, 200);
            let changed = Ratio::new(&[piece(0, before), piece(change, after)])?;
            let changed = Kinds::new(Kernel::detect(), RULES[rule], changed, seed, 0, 200);
            for n in 0..change {
                prop_assert_eq!(plain.is_monolingual(n), changed.is_monolingual(n));
            }
        }
    }

    fn share() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), Just(0.5), Just(1.0), Just(0.25), 0f64..=1.0]
    }

    #[test]
    fn coupled_ratios_are_nested() -> Result<()> {
        let low = Kinds::new(
            Kernel::detect(),
            Mixing::Coupled,
            Ratio::constant(0.4)?,
            99,
            0,
            0,
        );
        let high = Kinds::new(
            Kernel::detect(),
            Mixing::Coupled,
            Ratio::constant(0.5)?,
            99,
            0,
            0,
        );
        let changed = (0..10_000)
            .filter(|&slot| {
                assert!(high.is_monolingual(slot) || !low.is_monolingual(slot));
                high.is_monolingual(slot) != low.is_monolingual(slot)
            })
            .count();
        assert!((990..=1010).contains(&changed), "{changed}");
        Ok(())
    }

    #[test]
    fn the_ends_are_pure() -> Result<()> {
        for rule in RULES {
            for seed in 0..50 {
                let all = Kinds::new(Kernel::detect(), rule, Ratio::constant(1.0)?, seed, 0, 200);
                let none = Kinds::new(Kernel::detect(), rule, Ratio::constant(0.0)?, seed, 0, 200);
                assert_eq!(all.monolingual_before(200), 200);
                assert_eq!(none.monolingual_before(200), 0);
            }
        }
        Ok(())
    }
}
