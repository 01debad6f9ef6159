//! How far the count of each stratum is from its share of the turns of its kind.

/// The turns of a run of batches, as seen from its start.
#[derive(Debug)]
pub(super) struct Run {
    turns: u64,
    /// Of the strata that had one, by number.
    came: Vec<Came>,
}

/// The turns of one stratum: how many, and how far it was behind and ahead of its share.
#[derive(Debug, Clone, Copy, Default)]
struct Came {
    stratum: usize,
    count: u64,
    lowest: f64,
    highest: f64,
}

/// The same while it is counted, with a place for every stratum.
#[derive(Debug)]
pub(super) struct Running {
    turns: u64,
    counts: Vec<u64>,
    lowest: Vec<f64>,
    highest: Vec<f64>,
}

impl Running {
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

    /// Keeps only what came.
    pub(super) fn finish(self) -> Run {
        let came = |stratum: usize| Came {
            stratum,
            count: self.counts[stratum],
            lowest: self.lowest[stratum],
            highest: self.highest[stratum],
        };
        let strata = (0..self.counts.len()).filter(|&stratum| self.counts[stratum] > 0);
        Run {
            turns: self.turns,
            came: strata.map(came).collect(),
        }
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
        let mut came = run.came.iter().copied().peekable();
        for (stratum, &share) in shares.iter().enumerate() {
            let here = came
                .next_if(|one| one.stratum == stratum)
                .unwrap_or_default();
            let count = &mut self.counts[stratum];
            let start = *count as f64 - share * self.turns as f64;
            let end = start + here.count as f64 - share * run.turns as f64;
            let low = (start + here.lowest).min(end);
            let high = start + here.highest;
            most[stratum] = most[stratum].max(low.abs()).max(high.abs());
            *count += here.count;
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
    /// Follows strata whose shares of their kind are `shares`; `alone` says which are monolingual.
    pub(super) fn new(shares: &[f64], alone: &[bool]) -> Self {
        let strata = shares.len();
        let of = |mono: bool| -> Vec<f64> {
            let share = |one| if alone[one] == mono { shares[one] } else { 0.0 };
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
