//! Which kind each slot is, and which language or stratum has the turn.

use crate::permutation::{key, mix};
use crate::{Error, Result};

/// How monolingual and cross-lingual slots alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixing {
    /// After every prefix of n slots the monolingual count is within 0.5 of α·n.
    Exact,
    /// Van der Corput thresholds: a greater α only turns slots monolingual.
    Coupled,
    /// An independent draw for each slot.
    Bernoulli,
}

/// Slots between two counts of the Bernoulli table.
const TABLE_STEP: u64 = 4096;

/// The kind of every slot of one epoch.
///
/// ```
/// use hybrid_fast_core::mixture::{Kinds, Mixing};
/// let kinds = Kinds::new(Mixing::Exact, 0.25, 7, 100)?;
/// assert_eq!(kinds.monolingual_before(100), 25);
/// # Ok::<(), hybrid_fast_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Kinds {
    mixing: Mixing,
    key: u64,
    /// α as mantissa / 2^shift, exactly.
    mantissa: u128,
    shift: u32,
    /// α · 2⁶⁴, rounded down.
    threshold: u128,
    table: Vec<u64>,
}

impl Kinds {
    /// Kinds of the first `slots` slots at ratio `ratio`, under `key`.
    ///
    /// # Errors
    /// `InvalidArgument` if `ratio` is not within 0 and 1.
    pub fn new(mixing: Mixing, ratio: f64, key: u64, slots: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Error::InvalidArgument(format!(
                "mono_ratio is {ratio}, expected a number from 0 to 1"
            )));
        }
        let (mantissa, shift) = dyadic(ratio);
        let mut kinds = Self {
            mixing,
            key,
            mantissa,
            shift,
            threshold: (ratio * 2f64.powi(64)) as u128,
            table: Vec::new(),
        };
        if mixing == Mixing::Bernoulli {
            let mut count = 0;
            for slot in 0..slots {
                if slot.is_multiple_of(TABLE_STEP) {
                    kinds.table.push(count);
                }
                count += u64::from(kinds.is_monolingual(slot));
            }
            kinds.table.push(count);
        }
        Ok(kinds)
    }

    /// Whether `slot` is monolingual.
    #[must_use]
    pub fn is_monolingual(&self, slot: u64) -> bool {
        match self.mixing {
            Mixing::Exact => self.nearest(slot + 1) > self.nearest(slot),
            Mixing::Coupled => u128::from(slot.reverse_bits() ^ self.key) < self.threshold,
            Mixing::Bernoulli => u128::from(key(&[self.key, slot])) < self.threshold,
        }
    }

    /// Monolingual slots among the first `slots`.
    #[must_use]
    pub fn monolingual_before(&self, slots: u64) -> u64 {
        match self.mixing {
            Mixing::Exact => self.nearest(slots),
            Mixing::Coupled => self.below_threshold(slots),
            Mixing::Bernoulli => {
                let step = (slots / TABLE_STEP).min(self.table.len().saturating_sub(2) as u64);
                let rest = step * TABLE_STEP..slots;
                self.table[step as usize]
                    + rest.filter(|&slot| self.is_monolingual(slot)).count() as u64
            }
        }
    }

    /// The integer nearest to α·n; a tie goes up or down by the key.
    fn nearest(&self, n: u64) -> u64 {
        let product = self.mantissa * u128::from(n);
        if self.shift == 0 {
            return product as u64;
        }
        let whole = product >> self.shift;
        let half = 1u128 << (self.shift - 1);
        let rest = product & ((half << 1) - 1);
        let up = rest > half || (rest == half && key(&[self.key, n]) & 1 == 1);
        (whole + u128::from(up)) as u64
    }

    /// Counts slots below the threshold over the dyadic runs that make up `0..slots`: within
    /// a run of 2^k slots the upper k bits of the reversed number take every value once.
    fn below_threshold(&self, slots: u64) -> u64 {
        let mut count = 0u128;
        let mut start = 0u64;
        for level in (0..u64::BITS).rev() {
            if slots >> level & 1 == 0 {
                continue;
            }
            let free = u64::BITS - level;
            let fixed = u128::from(start.reverse_bits() ^ self.key) & ((1u128 << free) - 1);
            count += self.threshold >> free;
            count += u128::from(fixed < self.threshold & ((1u128 << free) - 1));
            start += 1 << level;
        }
        count as u64
    }
}

/// A number in 0..=1 as (mantissa, shift) with value = mantissa / 2^shift, exact down to 2⁻¹²⁶.
fn dyadic(value: f64) -> (u128, u32) {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7FF;
    let fraction = u128::from(bits & ((1 << 52) - 1));
    if value == 0.0 || exponent == 0 {
        return (0, 0);
    }
    let mantissa = fraction | 1 << 52;
    let shift = (1075 - exponent) as u32;
    let spare = mantissa.trailing_zeros().min(shift);
    let (mantissa, shift) = (mantissa >> spare, shift - spare);
    if shift > 126 {
        (mantissa >> (shift - 126).min(127), 126)
    } else {
        (mantissa, shift)
    }
}

/// Whole-number shares of the items that take turns.
#[derive(Debug, Clone)]
pub struct Shares {
    weights: Vec<u64>,
    total: u64,
}

/// Weights that are no small whole numbers are rounded to this total.
const FINE_TOTAL: f64 = (1u64 << 60) as f64;

impl Shares {
    /// Shares proportional to `weights`, which must be finite and above 0.
    ///
    /// # Errors
    /// `InvalidArgument` for a weight that is not, or for none.
    pub fn new(weights: &[f64]) -> Result<Self> {
        if weights.is_empty() {
            return Err(Error::InvalidArgument(
                "no weights; give at least one".into(),
            ));
        }
        if let Some(bad) = weights
            .iter()
            .find(|weight| !(weight.is_finite() && **weight > 0.0))
        {
            return Err(Error::InvalidArgument(format!(
                "a weight is {bad}, expected a number above 0"
            )));
        }
        let least = weights.iter().copied().fold(f64::INFINITY, f64::min);
        let ratios: Vec<f64> = weights.iter().map(|weight| weight / least).collect();
        let sum: f64 = weights.iter().sum();
        let whole = ratios
            .iter()
            .all(|ratio| *ratio < 1e6 && ratio.fract() == 0.0);
        let weights: Vec<u64> = if whole {
            ratios.iter().map(|ratio| *ratio as u64).collect()
        } else {
            weights
                .iter()
                .map(|weight| ((weight / sum * FINE_TOTAL) as u64).max(1))
                .collect()
        };
        let total = weights.iter().sum();
        Ok(Self { weights, total })
    }

    /// How many items take turns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The share of one item, from 0 to 1.
    #[must_use]
    pub fn share(&self, item: usize) -> f64 {
        self.weights[item] as f64 / self.total as f64
    }

    fn equal(&self) -> bool {
        self.weights.iter().all(|&weight| weight == 1)
    }
}

/// Turns between two tabled counts.
const TURN_STEP: u64 = 4096;

/// Whose turn it is: after every prefix of n turns, each item's count is within 1 of its share.
///
/// The item's j-th turn must fall in the window ⌊j/w⌋ .. ⌈(j+1)/w⌉, and the earliest deadline
/// goes first (Tijdeman 1980, "The chairman assignment problem"); equal deadlines are ordered
/// by the key. With equal shares this is one keyed order of all items a cycle.
#[derive(Debug, Clone)]
pub struct Turns {
    shares: Shares,
    key: u64,
    table: Vec<Vec<u64>>,
}

impl Turns {
    /// The turns under `key`; counts are tabled for the first `turns`, later ones take longer.
    #[must_use]
    pub fn new(shares: Shares, key: u64, turns: u64) -> Self {
        let mut table = Self {
            shares,
            key,
            table: Vec::new(),
        };
        if !table.shares.equal() {
            let mut rows = Vec::new();
            let mut cursor = table.cursor(0);
            for turn in 0..turns {
                if turn.is_multiple_of(TURN_STEP) {
                    rows.push(cursor.counts.clone());
                }
                cursor.advance();
            }
            drop(cursor);
            table.table = rows;
        }
        table
    }

    /// The shares that are followed.
    #[must_use]
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// A reader that stands before turn `turn`.
    #[must_use]
    pub fn cursor(&self, turn: u64) -> Cursor<'_> {
        let items = self.shares.len() as u64;
        let (start, counts) = if self.shares.equal() {
            let cycle = turn / items;
            (cycle * items, vec![cycle; self.shares.len()])
        } else {
            let step = (turn / TURN_STEP).min(self.table.len().saturating_sub(1) as u64);
            match self.table.get(step as usize) {
                Some(counts) => (step * TURN_STEP, counts.clone()),
                None => (0, vec![0; self.shares.len()]),
            }
        };
        let mut cursor = Cursor {
            turns: self,
            turn: start,
            counts,
            cycle: Vec::new(),
        };
        while cursor.turn < turn {
            cursor.advance();
        }
        cursor
    }
}

/// Reads turns one after another.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    turns: &'a Turns,
    turn: u64,
    counts: Vec<u64>,
    /// With equal shares: the items of the current cycle, last first.
    cycle: Vec<u32>,
}

impl Cursor<'_> {
    /// The turn that comes next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.turn
    }

    /// The item whose turn it is, and how many turns it had before.
    pub fn advance(&mut self) -> (usize, u64) {
        let item = if self.turns.shares.equal() {
            self.in_cycle()
        } else {
            self.earliest()
        };
        self.turn += 1;
        self.counts[item] += 1;
        (item, self.counts[item] - 1)
    }

    fn in_cycle(&mut self) -> usize {
        let items = self.turns.shares.len() as u64;
        if self.turn.is_multiple_of(items) || self.cycle.is_empty() {
            let cycle = self.turn / items;
            let base = key(&[self.turns.key, cycle]);
            self.cycle = (0..items as u32).collect();
            self.cycle.sort_unstable_by_key(|&item| {
                std::cmp::Reverse((mix(base ^ u64::from(item)), item))
            });
        }
        self.cycle.pop().map_or(0, |item| item as usize)
    }

    fn earliest(&self) -> usize {
        let total = u128::from(self.turns.shares.total);
        let now = u128::from(self.turn);
        let mut best: Option<(u128, u64, usize)> = None;
        for (item, (&weight, &count)) in self
            .turns
            .shares
            .weights
            .iter()
            .zip(&self.counts)
            .enumerate()
        {
            let (weight, done) = (u128::from(weight), u128::from(count));
            // Released: the floor of done · total / weight has come.
            if done * total >= (now + 1) * weight {
                continue;
            }
            let deadline = ((done + 1) * total).div_ceil(weight);
            if best.is_some_and(|(earliest, _, _)| deadline > earliest) {
                continue;
            }
            let tie = key(&[self.turns.key, item as u64, count]);
            if best.is_none_or(|best| (deadline, tie, item) < best) {
                best = Some((deadline, tie, item));
            }
        }
        // Some item is always released, since the shares sum to 1.
        best.map_or(0, |(_, _, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: [Mixing; 3] = [Mixing::Exact, Mixing::Coupled, Mixing::Bernoulli];

    proptest! {
        #[test]
        fn exact_stays_within_half(ratio in 0.0f64..=1.0, seed: u64) {
            let kinds = Kinds::new(Mixing::Exact, ratio, seed, 0)?;
            let mut count = 0u64;
            for n in 0..400u64 {
                prop_assert!((count as f64 - ratio * n as f64).abs() <= 0.5 + 1e-9);
                prop_assert_eq!(kinds.monolingual_before(n), count);
                count += u64::from(kinds.is_monolingual(n));
            }
        }

        #[test]
        fn counts_equal_the_kinds(ratio in 0.0f64..=1.0, seed: u64, rule in 0usize..3) {
            let kinds = Kinds::new(RULES[rule], ratio, seed, 9000)?;
            let mut count = 0u64;
            for n in 0..9000 {
                if n % 71 == 0 || n > 8990 {
                    prop_assert_eq!(kinds.monolingual_before(n), count);
                }
                count += u64::from(kinds.is_monolingual(n));
            }
            prop_assert_eq!(kinds.monolingual_before(9000), count);
        }

        #[test]
        fn turns_stay_within_one(
            weights in prop::collection::vec(0.01f64..10.0, 1..12),
            whole in prop::bool::ANY,
            seed: u64,
        ) {
            let weights: Vec<f64> = weights
                .into_iter()
                .map(|weight| if whole { weight.ceil() } else { weight })
                .collect();
            let sum: f64 = weights.iter().sum();
            let turns = Turns::new(Shares::new(&weights)?, seed, 600);
            let mut cursor = turns.cursor(0);
            let mut counts = vec![0u64; weights.len()];
            for n in 1..=600u64 {
                let (item, before) = cursor.advance();
                prop_assert_eq!(before, counts[item]);
                counts[item] += 1;
                for (count, weight) in counts.iter().zip(&weights) {
                    let gap = (*count as f64 - weight / sum * n as f64).abs();
                    prop_assert!(gap <= 1.0 + 1e-9, "{gap} after {n}");
                }
            }
        }

        #[test]
        fn a_cursor_may_start_anywhere(start in 0u64..20_000, equal in prop::bool::ANY, seed: u64) {
            let weights: &[f64] = if equal { &[2.0, 2.0, 2.0] } else { &[1.0, 2.5, 0.3] };
            let turns = Turns::new(Shares::new(weights)?, seed, 20_000);
            let mut walk = turns.cursor(0);
            while walk.position() < start {
                walk.advance();
            }
            let mut jump = turns.cursor(start);
            for _ in 0..50 {
                prop_assert_eq!(jump.advance(), walk.advance());
            }
        }
    }

    #[test]
    fn coupled_ratios_are_nested() -> Result<()> {
        let low = Kinds::new(Mixing::Coupled, 0.4, 99, 0)?;
        let high = Kinds::new(Mixing::Coupled, 0.5, 99, 0)?;
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
                let all = Kinds::new(rule, 1.0, seed, 200)?;
                let none = Kinds::new(rule, 0.0, seed, 200)?;
                assert_eq!(all.monolingual_before(200), 200);
                assert_eq!(none.monolingual_before(200), 0);
            }
        }
        Ok(())
    }

    #[test]
    fn a_ratio_outside_is_refused() {
        for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Kinds::new(Mixing::Exact, ratio, 0, 0).is_err());
        }
    }
}
