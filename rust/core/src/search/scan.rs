//! One task of a search: a block of queries against panels of passages.

use std::ops::Range;

use super::Search;
use super::coarse::{Approximate, CoarsePanel, CoarseQueries, WIDEST};
use super::golds::{Counted, Golds, Sixteenth};
use super::panels::{Panel, Visit};
use super::shortlist::Shortlist;
use crate::Result;
use crate::kernel::{Bands, GROUP, Kernel, PANEL, Scores, Sixteen, Standings, Tiles};
use crate::matrix::Embeddings;

/// The queries of one task: each has its list and counts.
pub(super) struct Block {
    pub(super) queries: Range<usize>,
    /// Which share of the panels.
    pub(super) shard: usize,
    lists: Vec<Shortlist>,
    /// The lowest score that matters for each query: of its list or of its positives.
    lowest: Vec<f32>,
    pub(super) counts: Vec<Counted>,
    /// Sixteen positives as values of the coarse pass, for each of `counts`.
    relative: Vec<Relative>,
    /// The queries as bytes; `None` when scores are computed plainly.
    coarse: Option<CoarseQueries>,
    /// (position of the passage, query) of the first NaN.
    pub(super) nan: Option<(usize, usize)>,
    effort: Effort,
}

/// Whether the coarse pass pays: scores made exact, against scores bounded.
#[derive(Default)]
struct Effort {
    exact: usize,
    bounded: usize,
    /// Panels to be scored plainly before the coarse pass is tried again.
    plain: usize,
}

/// One exact score costs about as much as this many in a plain tile.
const PRICE: usize = 6;
/// Panels scored plainly once the coarse pass did not pay.
const PAUSE: usize = 64;
/// Panels that stay in the second-level cache while one block after another meets them.
const NEAR: usize = 12;
/// Panels bounded between two looks at the effort.
const LOOK: usize = 8;

impl Effort {
    /// Whether the next panel is bounded first.
    fn is_coarse(&mut self, pairs: usize) -> bool {
        if self.plain > 0 {
            self.plain -= 1;
            return false;
        }
        if self.bounded >= LOOK * pairs {
            if self.exact * PRICE > self.bounded {
                self.plain = PAUSE;
            }
            (self.exact, self.bounded) = (0, 0);
        }
        true
    }
}

impl Block {
    /// Bounds scores in whole numbers from now on.
    pub(super) fn refine(&mut self, coarse: CoarseQueries, golds: &Golds) {
        for (place, query) in self.queries.clone().enumerate() {
            let shift = coarse.shift(place);
            let entries = golds.of(query..query + 1).iter();
            self.relative
                .extend(entries.map(|entry| Relative::new(&entry.golds.scores, shift)));
        }
        self.coarse = Some(coarse);
    }

    pub(super) fn new(
        queries: Range<usize>,
        shard: usize,
        (k, passages): (usize, usize),
        golds: &Golds,
    ) -> Result<Self> {
        let lists = queries
            .clone()
            .map(|_| Shortlist::with_room(k, passages))
            .collect::<Result<Vec<_>>>()?;
        let lowest = lists
            .iter()
            .zip(queries.clone())
            .map(|(list, query)| least(list, golds.of(query..query + 1)))
            .collect();
        Ok(Self {
            lists,
            lowest,
            counts: vec![Counted::default(); golds.of(queries.clone()).len()],
            queries,
            shard,
            relative: Vec::new(),
            coarse: None,
            nan: None,
            effort: Effort::default(),
        })
    }
}

/// The scores of sixteen positives without the shift of their query.
struct Relative {
    centres: Sixteen<f32>,
    /// Their largest finite magnitude.
    most: f32,
}

impl Relative {
    fn new(scores: &Sixteen<f32>, shift: f64) -> Self {
        let centres = scores.map(|score| (f64::from(score) - shift) as f32);
        let finite = centres.iter().filter(|centre| centre.is_finite());
        let most = finite.fold(0.0, |most: f32, centre| most.max(centre.abs()));
        Self { centres, most }
    }

    /// Bands for values that are off by at most `error`; what the centres and the ends of the bands are
    /// rounded by is added.
    fn bands(&self, error: f64) -> Bands<'_> {
        let rounded = f64::from(self.most) * 1e-6 + f64::from(f32::MIN_POSITIVE);
        Bands {
            centres: &self.centres,
            margin: ((error + rounded) * 1.000_001) as f32,
        }
    }
}

/// What all tasks share.
pub(super) struct Scan<'a> {
    pub(super) search: &'a Search<'a>,
    pub(super) kernel: Kernel,
    pub(super) visit: &'a Visit,
    pub(super) golds: &'a Golds,
    /// Shares that the panels are dealt into.
    pub(super) shards: usize,
    /// The share of its bound that an error likely stays below.
    pub(super) likely: f64,
    /// Whether lists are made exact after every chunk.
    pub(super) at_hand: bool,
}

/// Scores of one query with a panel, exact or within a bound.
struct Seen<'s> {
    values: &'s Scores,
    /// What every value lacks.
    shift: f64,
    /// How far a value may be off, after the shift; `None` when values are exact.
    error: Option<f64>,
}

impl Seen<'_> {
    /// A value below this belongs to a score below `score`.
    fn below(&self, score: f32) -> f32 {
        match self.error {
            None => score,
            Some(error) => down(f64::from(score) - self.shift - error),
        }
    }
}

/// A single-precision number that is not greater.
fn down(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value {
        near.next_down()
    } else {
        near
    }
}

/// Working memory of a task.
struct Desk {
    tiles: Tiles,
    /// Of each group of a block.
    seen: Vec<Approximate>,
}

/// Rows as `f32`: borrowed where they are, else widened into `buffer`.
fn slices<'a>(
    embeddings: &'a Embeddings<'_>,
    rows: impl Iterator<Item = usize>,
    buffer: &'a mut Vec<f32>,
) -> Vec<&'a [f32]> {
    if let Embeddings::F32(view) = embeddings {
        return rows.map(|row| view.row(row)).collect();
    }
    let columns = embeddings.columns();
    let mut scratch = Vec::new();
    let mut count = 0;
    buffer.clear();
    for row in rows {
        buffer.extend_from_slice(embeddings.row(row, &mut scratch));
        count += 1;
    }
    let buffer = &buffer[..];
    (0..count)
        .map(|row| &buffer[row * columns..(row + 1) * columns])
        .collect()
}

/// The scores of a query with some passages, as many as `scores` holds and at most [`PANEL`].
pub(super) fn score_some(
    kernel: Kernel,
    (queries, query): (&Embeddings<'_>, usize),
    passages: &Embeddings<'_>,
    rows: impl Iterator<Item = usize>,
    scores: &mut [f32],
) {
    let (mut of_query, mut buffer) = (Vec::new(), Vec::new());
    let mut all = [[0f32; PANEL]; 1];
    let query = queries.row(query, &mut of_query);
    if let Embeddings::F32(view) = passages {
        let mut few: [&[f32]; PANEL] = [&[]; PANEL];
        let mut count = 0;
        for (place, row) in few.iter_mut().zip(rows) {
            *place = view.row(row);
            count += 1;
        }
        kernel.tile(&[query], &few[..count], &mut all);
    } else {
        let rows = slices(passages, rows, &mut buffer);
        kernel.tile(&[query], &rows, &mut all);
    }
    scores.copy_from_slice(&all[0][..scores.len()]);
}

/// The places of the bits of a word, first to last.
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (bits != 0).then(|| {
            let place = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            place
        })
    })
}

impl Scan<'_> {
    /// Scores the queries of some blocks against their shares of a chunk that starts at panel `first`.
    pub(super) fn chunk(
        &self,
        blocks: &mut [Block],
        first: usize,
        chunk: &[Panel],
        coarse: &[CoarsePanel],
    ) {
        let mut desk = Desk {
            tiles: self.kernel.tiles(),
            seen: Vec::new(),
        };
        for start in (0..chunk.len()).step_by(NEAR) {
            for block in &mut *blocks {
                let near = chunk.iter().enumerate().skip(start).take(NEAR);
                for (place, panel) in near {
                    if (first + place) % self.shards == block.shard {
                        let bounded = coarse.get(place).filter(|panel| panel.is_sound());
                        self.panel(block, &mut desk, panel, bounded);
                    }
                }
            }
        }
        for block in blocks.iter_mut().filter(|_| self.at_hand) {
            for place in 0..block.queries.len() {
                let query = block.queries.start + place;
                block.lists[place].settle(|ids, scores| self.exact(query, ids, scores));
            }
        }
    }

    fn panel(
        &self,
        block: &mut Block,
        desk: &mut Desk,
        panel: &Panel,
        bounded: Option<&CoarsePanel>,
    ) {
        let pairs = block.queries.len() * panel.places.len();
        let mut bounded = bounded.filter(|_| block.coarse.is_some());
        if bounded.is_some() && !block.effort.is_coarse(pairs) {
            bounded = None;
        }
        let count = block.queries.len();
        let sides = block.coarse.as_ref().map_or(1, CoarseQueries::sides);
        if let Some(coarse) = bounded {
            for side in 0..sides {
                self.bounded(block, panel, coarse, side, desk);
            }
            return;
        }
        let mut buffer = Vec::new();
        let rows = panel.places.clone().map(|place| self.visit.passage(place));
        let passages = slices(&self.search.passages, rows, &mut buffer);
        for first in (0..count).step_by(GROUP) {
            let members = first..(first + GROUP).min(count);
            self.plain(block, members, panel, &passages);
        }
    }

    /// Computes every score of a group of queries with a panel.
    fn plain(&self, block: &mut Block, members: Range<usize>, panel: &Panel, passages: &[&[f32]]) {
        let mut buffer = Vec::new();
        let rows = members.clone().map(|place| block.queries.start + place);
        let rows = slices(&self.search.queries, rows, &mut buffer);
        let mut scores = [[0f32; PANEL]; GROUP];
        if let [query] = rows[..] {
            let mut alone = [[0f32; PANEL]; 1];
            self.kernel.tile(&[query], passages, &mut alone);
            scores[0] = alone[0];
        } else {
            // A group that is not full repeats its first query.
            let group: [&[f32]; GROUP] =
                std::array::from_fn(|place| rows.get(place).copied().unwrap_or(rows[0]));
            self.kernel.tile(&group, passages, &mut scores);
        }
        for (values, place) in scores.iter().zip(members) {
            let query = block.queries.start + place;
            if let Some(offset) = values[..passages.len()]
                .iter()
                .position(|value| value.is_nan())
            {
                let here = (panel.places.start + offset, query);
                block.nan = Some(block.nan.map_or(here, |nan| nan.min(here)));
                continue;
            }
            let seen = Seen {
                values,
                shift: 0.0,
                error: None,
            };
            let bits = self.kernel.at_least(values, block.lowest[place]);
            self.take(block, place, panel, &seen, bits);
        }
    }

    /// Bounds every score of a block with one side of a panel. All are bounded before any is looked at:
    /// in between, the side stays in the first-level cache.
    fn bounded(
        &self,
        block: &mut Block,
        panel: &Panel,
        bounded: &CoarsePanel,
        side: usize,
        desk: &mut Desk,
    ) {
        let Some(coarse) = &block.coarse else {
            return;
        };
        let (count, size) = (block.queries.len(), coarse.size());
        let Desk { tiles, seen } = desk;
        seen.resize_with(count.div_ceil(size), Approximate::default);
        for (number, seen) in seen.iter_mut().enumerate() {
            let members = number * size..((number + 1) * size).min(count);
            let mut lowest = [f32::INFINITY; WIDEST];
            lowest[..members.len()].copy_from_slice(&block.lowest[members]);
            coarse.approximate(tiles, number, (bounded, side), &lowest, seen);
        }
        block.effort.bounded += count * panel.places.len() / coarse.sides();
        for (number, seen) in seen.iter().enumerate() {
            let members = number * size..((number + 1) * size).min(count);
            for (member, place) in members.enumerate() {
                if seen.bits[member] != 0 {
                    let one = Seen {
                        values: &seen.scores[member],
                        shift: seen.shifts[member],
                        error: Some(seen.errors[member]),
                    };
                    self.take(block, place, panel, &one, seen.bits[member]);
                }
            }
        }
    }

    /// Hands one query's scores, those that `bits` names, to its list and counts.
    fn take(&self, block: &mut Block, place: usize, panel: &Panel, seen: &Seen<'_>, bits: u64) {
        let bits = bits & (u64::MAX >> (PANEL - panel.places.len()));
        if bits == 0 {
            return;
        }
        let query = block.queries.start + place;
        let id = |place: usize| {
            (self.visit.passage(panel.places.start + place) + self.search.first_id) as u32
        };
        let golds = self.golds.of(query..query + 1);
        let range = self.golds.range(block.queries.start, query);
        for (entry, number) in golds.iter().zip(range) {
            let bands = match seen.error {
                None => Bands {
                    centres: &entry.golds.scores,
                    margin: 0.0,
                },
                Some(error) => block.relative[number].bands(error),
            };
            let mut here = Standings::default();
            let open = self
                .kernel
                .above(seen.values, bits, bands, &mut here.greater);
            if open != 0 {
                let (mut ids, mut scores) = ([0u32; PANEL], [0f32; PANEL]);
                let count = open.count_ones() as usize;
                for (own, place) in ids.iter_mut().zip(places(open)) {
                    *own = id(place);
                }
                if seen.error.is_some() {
                    self.exact(query, &ids[..count], &mut scores[..count]);
                    block.effort.exact += count;
                }
                for ((place, id), exact) in places(open).zip(ids).zip(scores) {
                    let value = seen.values[place];
                    let score = if seen.error.is_some() { exact } else { value };
                    self.kernel
                        .settle(value, score, id, bands, &entry.golds, &mut here);
                }
            }
            let (labels, label) = (&entry.labels, panel.label);
            let Counted { all, pool } = &mut block.counts[number];
            self.kernel.add(&here, labels, label, all, pool);
        }
        let list = &mut block.lists[place];
        let bound = seen.below(list.threshold());
        let listed = bits & self.kernel.at_least(seen.values, bound);
        if listed == 0 {
            return;
        }
        let crowded = match seen.error {
            None => list.push(
                places(listed).map(|place| (seen.values[place], id(place))),
                0.0,
            ),
            Some(error) => {
                let allowed = error * self.likely;
                let away = (seen.shift - allowed) as f32;
                let lower =
                    places(listed).map(|place| (seen.values[place] + away + 0.0, id(place)));
                // Sums and shifts are rounded by a few 2⁻²⁴ of what the error counts eighty times.
                list.push(lower, 1.07 * (error + allowed))
            }
        };
        if crowded {
            block.effort.exact += list.settle(|ids, scores| self.exact(query, ids, scores));
        }
        block.lowest[place] = least(list, golds);
    }

    /// The exact scores of a query with at most [`PANEL`] passages.
    fn exact(&self, query: usize, ids: &[u32], scores: &mut [f32]) {
        score_some(
            self.kernel,
            (&self.search.queries, query),
            &self.search.passages,
            ids.iter().map(|&id| id as usize - self.search.first_id),
            scores,
        );
    }

    /// Writes the best passages of a block's queries, whose shares are `parts`, and returns the queries
    /// whose lists could not be certified.
    pub(super) fn write_best(
        &self,
        parts: &mut [Block],
        columns: usize,
        ids: &mut [i64],
        scores: &mut [f32],
    ) -> Vec<usize> {
        let mut open = Vec::new();
        if columns == 0 {
            return open;
        }
        let queries = parts[0].queries.clone();
        let rows = ids.chunks_mut(columns).zip(scores.chunks_mut(columns));
        for ((place, query), (ids, scores)) in queries.enumerate().zip(rows) {
            let mut lists = parts
                .iter_mut()
                .map(|part| std::mem::replace(&mut part.lists[place], Shortlist::new(0)));
            let Some(mut list) = lists.next() else {
                return open;
            };
            lists.for_each(|other| list.absorb(other));
            list.settle(|ids, scores| self.exact(query, ids, scores));
            if !list.is_certified() {
                open.push(query);
            }
            for ((score, id), (own_id, own_score)) in
                list.into_sorted().zip(ids.iter_mut().zip(scores))
            {
                (*own_id, *own_score) = (i64::from(id), score);
            }
        }
        open
    }
}

/// The lowest score that matters for a query: of its list or of its positives.
fn least(list: &Shortlist, golds: &[Sixteenth]) -> f32 {
    let lowest = golds
        .first()
        .map_or(f32::INFINITY, |entry| entry.golds.scores[0]);
    list.threshold().min(lowest)
}
