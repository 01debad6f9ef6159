//! How far the count of each stratum is from its share of the turns of its kind.

/// The turns of a run of batches, as seen from its start.
#[derive(Debug)]
pub(super) struct Run {
    turns: u64,
    counts: Vec<u64>,
    lowest: Vec<f64>,
    highest: Vec<f64>,
}

impl Run {
    pub(super) fn new(strata: usize) -> Self {
        Self {
            turns: 0,
            counts: vec![0; strata],
            lowest: vec![0.0; strata],
            highest: vec![0.0; strata],
        }
    }

    /// Notes a turn of `stratum`, whose share is `share`: between its turns a count only falls
    /// behind, so it is lowest just before a turn and highest just after it.
    #[inline]
    pub(super) fn turn(&mut self, stratum: usize, share: f64) {
        let count = &mut self.counts[stratum];
        let before = *count as f64 - share * self.turns as f64;
        *count += 1;
        self.turns += 1;
        self.lowest[stratum] = self.lowest[stratum].min(before);
        self.highest[stratum] = self.highest[stratum].max(before + 1.0 - share);
    }
}

/// The turns of one kind since the start of the epoch.
#[derive(Debug)]
struct Lane {
    turns: u64,
    counts: Vec<u64>,
}

impl Lane {
    fn new(strata: usize) -> Self {
        Self {
            turns: 0,
            counts: vec![0; strata],
        }
    }

    fn add(&mut self, run: &Run, shares: &[f64], most: &mut [f64]) {
        for (stratum, &share) in shares.iter().enumerate() {
            let count = &mut self.counts[stratum];
            let start = *count as f64 - share * self.turns as f64;
            let end = start + run.counts[stratum] as f64 - share * run.turns as f64;
            let low = (start + run.lowest[stratum]).min(end);
            let high = start + run.highest[stratum];
            most[stratum] = most[stratum].max(low.abs()).max(high.abs());
            *count += run.counts[stratum];
        }
        self.turns += run.turns;
    }
}

/// Follows the counts of all strata, each against the turns of its kind.
#[derive(Debug)]
pub(super) struct Deviation {
    /// Of monolingual strata; 0 elsewhere.
    alone: Vec<f64>,
    /// Of cross-lingual strata; 0 elsewhere.
    across: Vec<f64>,
    monolingual: Lane,
    cross: Lane,
    most: Vec<f64>,
}

impl Deviation {
    /// Follows strata whose shares of their kind are `shares`, row by row of query languages.
    pub(super) fn new(shares: &[f64]) -> Self {
        let strata = shares.len();
        let languages = strata.isqrt();
        let of = |mono: bool| -> Vec<f64> {
            let kind = |one: usize| one / languages == one % languages;
            let share = |one| if kind(one) == mono { shares[one] } else { 0.0 };
            (0..strata).map(share).collect()
        };
        Self {
            alone: of(true),
            across: of(false),
            monolingual: Lane::new(strata),
            cross: Lane::new(strata),
            most: vec![0.0; strata],
        }
    }

    pub(super) fn start_epoch(&mut self) {
        let strata = self.most.len();
        self.monolingual = Lane::new(strata);
        self.cross = Lane::new(strata);
    }

    pub(super) fn add(&mut self, monolingual: &Run, cross: &Run) {
        self.monolingual
            .add(monolingual, &self.alone, &mut self.most);
        self.cross.add(cross, &self.across, &mut self.most);
    }

    pub(super) fn most(self) -> Vec<f64> {
        self.most
    }
}
