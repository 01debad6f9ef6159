//! How far the count of monolingual batches is from what was asked, and the mix over time.

use crate::ratio::{ONE, Ratio};

/// Where the mix stood after a number of batches (rows, when rows are drawn by kind).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Batches so far.
    pub at: u64,
    /// Monolingual ones among them.
    pub monolingual: u64,
    /// How many were asked for: the sum of α over them.
    pub asked: f64,
}

/// Follows the mix from the start of an epoch to the end of the last one; all sums are exact.
#[derive(Debug)]
pub(super) struct Drift {
    ratio: Ratio,
    /// Slots of an epoch.
    length: u64,
    /// First slot of the run, counted over all epochs.
    first: u64,
    /// Slots of the run.
    slots: u64,
    wanted: usize,
    marks: Vec<Mark>,
    /// Slots so far.
    at: u64,
    monolingual: u64,
    /// First slot of this epoch, its slots so far and the monolingual ones among them.
    epoch: (u64, u64, u64),
    /// α in fixed point if it stays the same over this epoch.
    constant: Option<u64>,
    /// The greatest distance, in fixed point.
    most: u128,
}

impl Drift {
    /// Follows `slots` slots from the start of epoch `epoch` of `length` slots, with about `wanted` marks
    /// and one at the start.
    pub(super) fn new(ratio: Ratio, length: u64, epoch: u64, slots: u64, wanted: usize) -> Self {
        Self {
            ratio,
            length,
            first: epoch * length,
            slots,
            wanted: wanted.min(slots as usize).max(1),
            marks: vec![Mark {
                at: 0,
                monolingual: 0,
                asked: 0.0,
            }],
            at: 0,
            monolingual: 0,
            epoch: (0, 0, 0),
            constant: None,
            most: 0,
        }
    }

    pub(super) fn start_epoch(&mut self) {
        let first = self.first + self.at;
        self.epoch = (first, 0, 0);
        self.constant = self.ratio.constant_over(first, self.length);
    }

    /// Goes on with the kinds of some slots of this epoch.
    pub(super) fn add(&mut self, kinds: &[bool]) {
        let mut rest = kinds;
        while !rest.is_empty() {
            let here = (self.next_mark() - self.at).min(rest.len() as u64);
            let (run, later) = rest.split_at(here as usize);
            self.follow(run);
            if self.at == self.next_mark() {
                self.marks.push(Mark {
                    at: self.at,
                    monolingual: self.monolingual,
                    asked: self.ratio.sum(self.first..self.first + self.at),
                });
            }
            rest = later;
        }
    }

    fn follow(&mut self, kinds: &[bool]) {
        let (first, mut slots, mut monolingual) = self.epoch;
        let start = self.ratio.before(first);
        for &mono in kinds {
            slots += 1;
            monolingual += u64::from(mono);
            let asked = match self.constant {
                Some(share) => u128::from(share) * u128::from(slots),
                None => self.ratio.before(first + slots) - start,
            };
            self.most = self
                .most
                .max((u128::from(monolingual) * ONE).abs_diff(asked));
        }
        self.at += slots - self.epoch.1;
        self.monolingual += monolingual - self.epoch.2;
        self.epoch = (first, slots, monolingual);
    }

    fn next_mark(&self) -> u64 {
        let number = self.marks.len().min(self.wanted) as u128;
        (u128::from(self.slots) * number / self.wanted as u128) as u64
    }

    pub(super) fn monolingual(&self) -> u64 {
        self.monolingual
    }

    pub(super) fn most(&self) -> f64 {
        self.most as f64 / ONE as f64
    }

    pub(super) fn marks(self) -> Vec<Mark> {
        self.marks
    }
}
