//! The positives of each query, sixteen side by side, and what is counted for them.

use super::Targets;
use crate::kernel::{Golds as SixteenGolds, LANES, Sixteen, Standings};
use crate::ranks::Tally;
use crate::{Result, room};

/// Sixteen positives of one query, in ascending order of score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sixteenth {
    pub(super) golds: SixteenGolds,
    pub(super) labels: Sixteen<u32>,
    /// Where they stand among all positives; unused lanes hold `usize::MAX`.
    places: Sixteen<usize>,
}

/// What was counted for sixteen positives: over all passages and in the pool of each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) all: Standings,
    pub(super) pool: Standings,
}

/// The positives of all queries.
pub(super) struct Golds {
    /// First entry of each query, and one more.
    starts: Vec<usize>,
    entries: Vec<Sixteenth>,
}

impl Golds {
    pub(super) fn new(targets: Option<&Targets<'_>>, queries: usize) -> Result<Self> {
        let mut golds = Self {
            starts: vec![0; queries + 1],
            entries: Vec::new(),
        };
        let Some(targets) = targets else {
            return Ok(golds);
        };
        let positives = &targets.positives;
        let sixteenths = |query: usize| positives.range(query).len().div_ceil(LANES);
        let entries = (0..queries).map(sixteenths).sum();
        room::check(
            entries,
            size_of::<Sixteenth>() + size_of::<Counted>(),
            || format!("{} positives of {queries} queries", positives.len()),
        )?;
        golds.entries.reserve_exact(entries);
        let mut sorted: Vec<(f32, u32, u32, usize)> = Vec::new();
        for query in 0..queries {
            let range = targets.positives.range(query);
            sorted.clear();
            sorted.extend(range.zip(targets.positives.row(query)).map(|(place, &id)| {
                let label = targets.labels.map_or(0, |labels| labels[place]);
                (targets.scores[place], id as u32, label, place)
            }));
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            golds
                .entries
                .extend(sorted.chunks(LANES).map(Sixteenth::new));
            golds.starts[query + 1] = golds.entries.len();
        }
        Ok(golds)
    }

    /// The positives of consecutive queries.
    pub(super) fn of(&self, queries: std::ops::Range<usize>) -> &[Sixteenth] {
        &self.entries[self.starts[queries.start]..self.starts[queries.end]]
    }

    /// Where the positives of `query` stand among those of the queries from `first` on.
    pub(super) fn range(&self, first: usize, query: usize) -> std::ops::Range<usize> {
        let start = self.starts[first];
        self.starts[query] - start..self.starts[query + 1] - start
    }

    /// Adds the counts of the queries from `first` on to their places.
    pub(super) fn collect(
        &self,
        first: usize,
        counts: &[Counted],
        all: &mut [Tally],
        pool: &mut [Tally],
    ) {
        for (entry, counted) in self.entries[self.starts[first]..].iter().zip(counts) {
            for (lane, &place) in entry.places.iter().enumerate() {
                if place == usize::MAX {
                    continue;
                }
                all[place] += tally(&counted.all, lane);
                if let Some(pool) = pool.get_mut(place) {
                    *pool += tally(&counted.pool, lane);
                }
            }
        }
    }
}

fn tally(counts: &Standings, lane: usize) -> Tally {
    Tally {
        greater: counts.greater[lane],
        before: counts.before[lane],
        after: counts.after[lane],
    }
}

impl Sixteenth {
    fn new(sorted: &[(f32, u32, u32, usize)]) -> Self {
        let mut entry = Self {
            golds: SixteenGolds {
                scores: [f32::INFINITY; LANES],
                ids: [0; LANES],
            },
            labels: [0; LANES],
            places: [usize::MAX; LANES],
        };
        for (lane, &(score, id, label, place)) in sorted.iter().enumerate() {
            entry.golds.scores[lane] = score;
            entry.golds.ids[lane] = id;
            entry.labels[lane] = label;
            entry.places[lane] = place;
        }
        entry
    }
}
