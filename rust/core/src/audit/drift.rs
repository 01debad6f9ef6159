//! How far the count of monolingual batches is from what was asked, and the mix over time.

use crate::ratio::Ratio;

/// Where the mix stood after a number of batches (rows, when rows are drawn by kind).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Batches so far.
    pub at: u64,
    /// Monolingual ones among them.
    pub monolingual: u64,
    /// How many were asked for.
    pub asked: f64,
}

/// Follows the mix from the start of an epoch to the end of the last one.
#[derive(Debug)]
pub(super) struct Drift {
    /// α over slots.
    ratio: Ratio,
    /// First slot of the epoch, over all epochs.
    first: u64,
    units: u64,
    wanted: usize,
    marks: Vec<Mark>,
    /// Counts of the epochs before this one.
    before: Mark,
    /// Counts of this epoch.
    slots: u64,
    monolingual: u64,
    most: f64,
}

impl Drift {
    /// Follows `units` slots at `ratio` over slots, leaving about `wanted` marks and one at the start.
    pub(super) fn new(ratio: Ratio, units: u64, wanted: usize) -> Self {
        let before = Mark {
            at: 0,
            monolingual: 0,
            asked: 0.0,
        };
        Self {
            ratio,
            first: 0,
            units,
            wanted: wanted.min(units as usize).max(1),
            marks: vec![before],
            before,
            slots: 0,
            monolingual: 0,
            most: 0.0,
        }
    }

    /// Starts an epoch whose first slot is `first` of all times.
    pub(super) fn start_epoch(&mut self, first: u64) {
        self.before = self.now();
        self.first = first;
        (self.slots, self.monolingual) = (0, 0);
    }

    pub(super) fn add(&mut self, kinds: &[bool]) {
        let mut rest = kinds;
        while !rest.is_empty() {
            let here = (self.next_mark() - self.before.at - self.slots).min(rest.len() as u64);
            let (run, later) = rest.split_at(here as usize);
            for &mono in run {
                self.slots += 1;
                self.monolingual += u64::from(mono);
                let asked = self.asked(self.slots);
                self.most = self.most.max((self.monolingual as f64 - asked).abs());
            }
            if self.before.at + self.slots == self.next_mark() {
                self.marks.push(self.now());
            }
            rest = later;
        }
    }

    /// Monolingual slots asked for among the first `slots` of an epoch.
    fn asked(&self, slots: u64) -> f64 {
        self.ratio.sum(self.first..self.first + slots)
    }

    fn now(&self) -> Mark {
        Mark {
            at: self.before.at + self.slots,
            monolingual: self.before.monolingual + self.monolingual,
            asked: self.before.asked + self.asked(self.slots),
        }
    }

    fn next_mark(&self) -> u64 {
        let number = self.marks.len().min(self.wanted) as u128;
        (u128::from(self.units) * number / self.wanted as u128) as u64
    }

    pub(super) fn monolingual(&self) -> u64 {
        self.before.monolingual + self.monolingual
    }

    pub(super) fn most(&self) -> f64 {
        self.most
    }

    pub(super) fn marks(self) -> Vec<Mark> {
        self.marks
    }
}
