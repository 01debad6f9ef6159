//! Whose turn it is among languages or strata, each within 1 of its share at any time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::hash::{key, mix};
use crate::permutation::shuffle;
use crate::{Error, Result};

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

    /// Turns after which it no longer matters in which state the reading began.
    ///
    /// Two readings that differ in one job each, both early, give both jobs their turn by the later
    /// deadline of the two, and at that turn become one: the reading that has not done the later job
    /// takes it when nothing earlier waits, and then the other takes what it has left. Deadlines of
    /// waiting jobs lie at most two gaps of the rarest item ahead.
    fn memory(&self) -> u64 {
        let least = self.weights.iter().copied().min().unwrap_or(1);
        2 * (self.total.div_ceil(least) + 1)
    }
}

/// Whose turn it is: after every prefix of n turns, each item's count is within 1 of its share.
///
/// The item's j-th turn must fall in the window ⌊j/w⌋ .. ⌈(j+1)/w⌉, and the earliest deadline
/// goes first (Tijdeman 1980, "The chairman assignment problem"); equal deadlines are ordered
/// by the key. With equal shares this is one keyed order of all items a cycle.
#[derive(Debug, Clone)]
pub struct Turns {
    shares: Arc<Shares>,
    key: u64,
}

impl Turns {
    /// The turns under `key`.
    #[must_use]
    pub fn new(shares: Arc<Shares>, key: u64) -> Self {
        Self { shares, key }
    }

    /// The shares that are followed.
    #[must_use]
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// A reader that stands before turn `turn`.
    #[must_use]
    pub fn cursor(&self, turn: u64) -> Cursor {
        let (key, shares) = (self.key, Arc::clone(&self.shares));
        if shares.equal() {
            let cycle = vec![0; shares.len()];
            return Cursor(Reader::Cycles(Cycles {
                turn,
                cycle,
                key,
                dealt: None,
            }));
        }
        let start = turn.saturating_sub(shares.memory());
        let mut deadlines = Deadlines::new(&shares, key, start);
        while deadlines.turn < turn {
            deadlines.advance();
        }
        Cursor(Reader::Deadlines(deadlines))
    }
}

/// Reads turns one after another.
#[derive(Debug, Clone)]
pub struct Cursor(Reader);

#[derive(Debug, Clone)]
enum Reader {
    Cycles(Cycles),
    Deadlines(Deadlines),
}

impl Cursor {
    /// The turn that comes next.
    #[must_use]
    pub fn position(&self) -> u64 {
        match &self.0 {
            Reader::Cycles(cycles) => cycles.turn,
            Reader::Deadlines(deadlines) => deadlines.turn,
        }
    }

    /// The item whose turn it is, and how many turns it had before.
    #[inline]
    pub fn advance(&mut self) -> (usize, u64) {
        match &mut self.0 {
            Reader::Cycles(cycles) => cycles.advance(),
            Reader::Deadlines(deadlines) => deadlines.advance(),
        }
    }
}

/// Equal shares: every item once a cycle, in a new order each.
#[derive(Debug, Clone)]
struct Cycles {
    turn: u64,
    key: u64,
    /// The order of cycle `dealt`.
    cycle: Vec<u32>,
    dealt: Option<u64>,
}

impl Cycles {
    #[inline]
    fn advance(&mut self) -> (usize, u64) {
        let items = self.cycle.len() as u64;
        let (number, place) = (self.turn / items, self.turn % items);
        if self.dealt != Some(number) {
            for (item, at) in self.cycle.iter_mut().enumerate() {
                *at = item as u32;
            }
            shuffle(&mut self.cycle, key(&[self.key, number]));
            self.dealt = Some(number);
        }
        self.turn += 1;
        (self.cycle[place as usize] as usize, number)
    }
}

/// Unequal shares: the released job with the earliest deadline.
#[derive(Debug, Clone)]
struct Deadlines {
    turn: u64,
    key: u64,
    items: Vec<Jobs>,
    /// (deadline, tie, item) of jobs that may have their turn.
    ready: BinaryHeap<Reverse<(u64, u64, u32)>>,
    /// (release, item) of jobs that may not yet.
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
}

/// The jobs of one item: done · total = release · weight + rest.
#[derive(Debug, Clone, Copy)]
struct Jobs {
    weight: u64,
    done: u64,
    release: u64,
    rest: u64,
    /// ⌊total / weight⌋ and what is left.
    gap: (u64, u64),
}

impl Jobs {
    fn new(weight: u64, total: u64, done: u64) -> Self {
        let work = u128::from(done) * u128::from(total);
        Self {
            weight,
            done,
            release: (work / u128::from(weight)) as u64,
            rest: (work % u128::from(weight)) as u64,
            gap: (total / weight, total % weight),
        }
    }

    /// Release of the job after the next, and what is left of it.
    fn after(&self) -> (u64, u64) {
        let rest = self.rest + self.gap.1;
        let over = u64::from(rest >= self.weight);
        (self.release + self.gap.0 + over, rest - over * self.weight)
    }

    fn deadline(&self) -> u64 {
        let (release, rest) = self.after();
        release + u64::from(rest > 0)
    }
}

impl Deadlines {
    /// A state that a reading may have before `turn`: every item has the whole turns of its share, and
    /// those with the earliest deadlines one more.
    fn new(shares: &Shares, key: u64, turn: u64) -> Self {
        let mut deadlines = Self {
            turn,
            key,
            items: Vec::with_capacity(shares.len()),
            ready: BinaryHeap::new(),
            waiting: BinaryHeap::new(),
        };
        let mut left = turn;
        let mut early = Vec::new();
        for (item, &weight) in shares.weights.iter().enumerate() {
            let work = u128::from(turn) * u128::from(weight);
            let total = u128::from(shares.total);
            let done = (work / total) as u64;
            let jobs = Jobs::new(weight, shares.total, done);
            deadlines.items.push(jobs);
            left -= done;
            if work % total > 0 {
                early.push((jobs.deadline(), deadlines.tie(item, done), item));
            }
        }
        early.sort_unstable();
        for &(_, _, item) in &early[..left as usize] {
            let jobs = &mut deadlines.items[item];
            *jobs = Jobs::new(jobs.weight, shares.total, jobs.done + 1);
        }
        deadlines.waiting = (0u32..)
            .zip(&deadlines.items)
            .map(|(item, jobs)| Reverse((jobs.release, item)))
            .collect();
        deadlines
    }

    fn tie(&self, item: usize, done: u64) -> u64 {
        mix(self.key ^ mix((item as u64) << 40 ^ done))
    }

    fn advance(&mut self) -> (usize, u64) {
        while let Some(&Reverse((release, item))) = self.waiting.peek()
            && release <= self.turn
        {
            self.waiting.pop();
            let jobs = self.items[item as usize];
            let tie = self.tie(item as usize, jobs.done);
            self.ready.push(Reverse((jobs.deadline(), tie, item)));
        }
        self.turn += 1;
        // Some job is always released, since the shares sum to 1.
        let Some(Reverse((_, _, item))) = self.ready.pop() else {
            unreachable!("the shares sum to 1");
        };
        let jobs = &mut self.items[item as usize];
        let done = jobs.done;
        (jobs.release, jobs.rest) = jobs.after();
        jobs.done += 1;
        self.waiting.push(Reverse((jobs.release, item)));
        (item as usize, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights() -> impl Strategy<Value = Vec<f64>> {
        let spread = prop_oneof![
            prop::collection::vec(0.01f64..10.0, 1..12),
            prop::collection::vec(1u8..9, 1..9)
                .prop_map(|all| all.into_iter().map(f64::from).collect()),
            prop::collection::vec(0f64..1.0, 30..130)
                .prop_map(|all| all.into_iter().map(|share| 1.0 + share).collect()),
            (2usize..90, 0.001f64..1.0).prop_map(|(count, light)| {
                let mut all = vec![1.0; count];
                all[0] = light;
                all
            }),
        ];
        spread
    }

    proptest! {
        #[test]
        fn turns_stay_within_one(weights in weights(), seed: u64) {
            let sum: f64 = weights.iter().sum();
            let turns = Turns::new(Arc::new(Shares::new(&weights)?), seed);
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
        fn a_cursor_may_start_anywhere(weights in weights(), start in 0u64..30_000, seed: u64) {
            let turns = Turns::new(Arc::new(Shares::new(&weights)?), seed);
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
    fn ten_thousand_items_stay_within_one() -> Result<()> {
        let weights: Vec<f64> = (0..10_000).map(|item| 1.0 + f64::from(item % 97)).collect();
        let sum: f64 = weights.iter().sum();
        let turns = Turns::new(Arc::new(Shares::new(&weights)?), 5);
        let mut cursor = turns.cursor(0);
        let mut counts = vec![0u64; weights.len()];
        for n in 1..=60_000u64 {
            let (item, _) = cursor.advance();
            counts[item] += 1;
            let gap = (counts[item] as f64 - weights[item] / sum * n as f64).abs();
            assert!(gap < 1.0, "{gap} after {n}");
        }
        for (count, weight) in counts.iter().zip(&weights) {
            assert!((*count as f64 - weight / sum * 60_000.0).abs() < 1.0);
        }
        Ok(())
    }

    #[test]
    fn far_turns_are_near() -> Result<()> {
        let turns = Turns::new(Arc::new(Shares::new(&[3.0, 1.7, 0.4])?), 5);
        let mut far = turns.cursor(1 << 40);
        let (item, before) = far.advance();
        let share = turns.shares().share(item) * (1u64 << 40) as f64;
        assert!((before as f64 - share).abs() < 1.01);
        Ok(())
    }
}
