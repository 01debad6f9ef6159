//! The certified coarse pass: whole-number scores with a bound of their error.
//!
//! With the centres `m` of the queries and `c` of the passages (any two vectors; means make the bound
//! small), a query `q = m + y` and a passage `p = c + x` are rounded to bytes, `y = γv + t` and
//! `x = δu + r`, so that
//!
//! q·p = m·p + y·c + γδ v·u + (γv·r + t·x), |γv·r + t·x| ≤ ‖γv‖‖r‖ + ‖t‖‖x‖ (Cauchy–Schwarz).
//!
//! v·u is a sum of whole numbers and exact. Where the machine multiplies tiles of bytes, rows are rounded
//! to two bytes, `y = γ(v + v′/254) + t` and `x = δ(u + u′/254) + r`, and
//! γδ (v·u + (v·u′ + v′·u)/254) stands in the middle; γδ v′·u′/254², which is left out, is at most the
//! product of the norms of both sides. Everything that is rounded in between, the defined score
//! included, differs from real arithmetic by at most κ·(‖m‖ + ‖y‖)(‖c‖ + ‖x‖) and what underflows: κ is
//! 2⁻²⁴ for each rounding of a score (columns / 16 + 5), of m·p (columns / 16 + 16) and of the way from
//! whole numbers to an approximate score, and a little more. Rows that are not finite or so large
//! that a sum could overflow have no bound: they are scored plainly.

use crate::kernel::{
    Aligned, FINER, GROUP, Kernel, LANES, PANEL, PanelBytes, PanelSide, PanelStep, PanelTiles,
    Quantised, QueryGroup, QueryStep, QueryTile, SIDE, STEP, STRIPE, Scores, SideStep, TILE,
    TILE_COLUMNS, Tiles,
};
use crate::matrix::Embeddings;

/// Rows that centres are taken from, at most.
const SAMPLE: usize = 1024;
/// Largest sum of squares of a row with a bound.
const LARGEST: f32 = 1e34;
/// Magnitudes whose squares keep their digits.
const SAFE: std::ops::Range<f32> = 1e-15..1e17;

/// How rows become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One byte a column, for products of vectors.
    Vectors,
    /// One byte a column, for products of tiles.
    Tiles,
    /// Two bytes a column, for products of tiles.
    FineTiles,
}

impl Form {
    /// Many positives want scores to be known finely, the best passages do not.
    pub(super) fn new(kernel: Kernel, positives: bool) -> Self {
        match (kernel.has_tiles(), positives) {
            (false, _) => Self::Vectors,
            (true, false) => Self::Tiles,
            (true, true) => Self::FineTiles,
        }
    }

    /// Columns, filled up.
    fn padded(self, columns: usize) -> usize {
        columns.next_multiple_of(if self == Self::Vectors {
            STEP
        } else {
            TILE_COLUMNS
        })
    }
}

/// The centres of both sides, and the form of their bytes.
pub(super) struct Centres {
    form: Form,
    queries: Vec<f32>,
    passages: Vec<f32>,
    of_queries: f64,
    of_passages: f64,
}

/// Most queries bounded together.
pub(super) const WIDEST: usize = TILE;

/// The queries of a block as bytes, in groups, with what their bounds need.
pub(super) struct CoarseQueries {
    form: Form,
    bytes: QueryBytes,
    groups: Vec<Group>,
}

/// Queries as the kernels take them.
enum QueryBytes {
    /// For vectors, in groups of [`GROUP`].
    Vectors(Aligned<QueryStep>),
    /// For tiles, in groups of [`TILE`]; first bytes, then the second ones if there are any.
    Tiles(Aligned<i8>),
}

/// What products and bounds of a group of queries need.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    starts: [i32; GROUP],
    /// γ.
    factors: [f32; WIDEST],
    /// y·c: what every approximate score of the query lacks.
    shifts: [f64; WIDEST],
    /// The norm of what the bytes stand for, at most.
    rounded: [f64; WIDEST],
    /// ‖t‖, at most.
    missed: [f64; WIDEST],
    /// The norm of what the second bytes stand for, at most; 0 where there are none.
    second: [f64; WIDEST],
    /// κ (‖m‖ + ‖y‖), at most.
    rounding: [f64; WIDEST],
}

/// Approximate scores of a group of queries with a panel.
pub(super) struct Approximate {
    /// Each lacks its query's shift.
    pub(super) scores: [Scores; WIDEST],
    pub(super) shifts: [f64; WIDEST],
    /// How far a score may be off.
    pub(super) errors: [f64; WIDEST],
    /// A bit for each score that may reach the threshold of its query.
    pub(super) bits: [u64; WIDEST],
}

/// A panel of passages as bytes, with what their bounds need.
pub(super) struct CoarsePanel {
    /// For vectors.
    steps: Aligned<PanelStep>,
    /// For tiles: of each side the first bytes, then the second ones if there are any.
    sides: Aligned<SideStep>,
    /// Steps of a row.
    length: usize,
    scales: [f32; PANEL],
    biases: [f32; PANEL],
    /// ‖r‖ of the worst passage, at most.
    missed: f64,
    /// The norm of what second bytes stand for, at most.
    second: f64,
    /// ‖x‖ of the longest passage, at most.
    norm: f64,
    /// ‖c‖ + ‖x‖ of the longest passage, at most.
    whole: f64,
    /// Whether the bounds hold.
    sound: bool,
}

impl Default for Approximate {
    fn default() -> Self {
        Self {
            scores: [[0.0; PANEL]; WIDEST],
            shifts: [0.0; WIDEST],
            errors: [0.0; WIDEST],
            bits: [0; WIDEST],
        }
    }
}

impl Centres {
    pub(super) fn new(form: Form, queries: &Embeddings<'_>, passages: &Embeddings<'_>) -> Self {
        let (queries, of_queries) = centre(queries);
        let (passages, of_passages) = centre(passages);
        Self {
            form,
            queries,
            passages,
            of_queries,
            of_passages,
        }
    }
}

/// The mean of evenly spaced rows and its norm, at most; zeros where that is not a usable vector.
fn centre(rows: &Embeddings<'_>) -> (Vec<f32>, f64) {
    let count = rows.rows().min(SAMPLE);
    let mut sums = vec![0f64; rows.columns()];
    let mut scratch = Vec::new();
    for number in 0..count {
        let row = rows.row(number * rows.rows() / count, &mut scratch);
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    let mean: Vec<f32> = sums
        .iter()
        .map(|sum| (sum / count.max(1) as f64) as f32)
        .collect();
    let squares: f64 = mean
        .iter()
        .map(|&value| f64::from(value) * f64::from(value))
        .sum();
    if squares < f64::from(LARGEST) {
        (mean, squares.sqrt() * 1.000_001)
    } else {
        (vec![0.0; rows.columns()], 0.0)
    }
}

/// What `f32` sums in lanes may be too small by, as a factor.
fn lift(columns: usize) -> f64 {
    1.0 + (columns as f64 / LANES as f64 + 24.0) * f64::powi(2.0, -23)
}

/// The norm of a row from its squares, at most.
fn norm(squares: f32, most: f32, columns: usize) -> f64 {
    let side = (columns as f64).sqrt();
    if SAFE.contains(&most) {
        f64::from(squares).sqrt() * lift(columns) + side * 1e-22
    } else {
        side * f64::from(most) * 1.000_001
    }
}

/// The norms of what the first bytes of a row miss and of what all bytes miss, at most.
fn missed_norms(row: &Quantised, columns: usize, two: bool) -> (f64, f64) {
    let side = (columns as f64).sqrt();
    let first = if row.scale == 0.0 {
        side * f64::from(row.most) * 1.000_001
    } else if SAFE.contains(&row.scale) {
        f64::from(row.first_missed).sqrt() * lift(columns) + side * 1e-22
    } else {
        side * f64::from(row.scale) * 0.51
    };
    if !two || !SAFE.contains(&(row.scale / FINER)) {
        return (first, first);
    }
    // What the first bytes miss was rounded once before the second ones were taken from it.
    let rounded = first * f64::powi(2.0, -22) + side * 1e-22;
    (
        first,
        f64::from(row.missed).sqrt() * lift(columns) + rounded,
    )
}

impl CoarseQueries {
    /// `None` when a query has no bound.
    pub(super) fn new(
        kernel: Kernel,
        queries: &Embeddings<'_>,
        range: std::ops::Range<usize>,
        centres: &Centres,
    ) -> Option<Self> {
        let (columns, form) = (queries.columns(), centres.form);
        let (two, padded) = (form == Form::FineTiles, form.padded(columns));
        let size = if form == Form::Vectors { GROUP } else { TILE };
        let height = range.len().div_ceil(size);
        let planes = if two { 2 } else { 1 };
        let mut coarse = Self {
            bytes: if form == Form::Vectors {
                QueryBytes::Vectors(Aligned::zeros(height * padded / STEP))
            } else {
                QueryBytes::Tiles(Aligned::zeros(height * planes * TILE * padded))
            },
            form,
            groups: vec![Group::default(); height],
        };
        // 5 + 16 + 11 for what is not a chain over the columns.
        let chain = (2 * columns.div_ceil(LANES) + 32) as f64;
        let mut bytes = vec![0i8; padded];
        let mut scratch = Vec::new();
        for (place, query) in range.enumerate() {
            let row = queries.row(query, &mut scratch);
            let (number, member) = (place / size, place % size);
            let group = &mut coarse.groups[number];
            let (own, other) = (&centres.queries, &centres.passages);
            let told = match &mut coarse.bytes {
                QueryBytes::Vectors(steps) => {
                    let told = kernel.quantise(row, own, other, &mut bytes, &mut []);
                    let length = padded / STEP;
                    let steps = &mut steps[number * length..(number + 1) * length];
                    for (step, four) in steps.iter_mut().zip(bytes.as_chunks::<STEP>().0) {
                        step[member] = *four;
                    }
                    let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
                    group.starts[member] = -128 * sum;
                    told
                }
                QueryBytes::Tiles(rows) => {
                    let plane = TILE * padded;
                    let rows = &mut rows[number * planes * plane..][..planes * plane];
                    let (first, second) = rows.split_at_mut(plane);
                    let place = member * padded..(member + 1) * padded;
                    let second = second.get_mut(place.clone()).unwrap_or_default();
                    kernel.quantise(row, own, other, &mut first[place], second)
                }
            };
            if !told.squares.is_finite() || told.squares > LARGEST {
                return None;
            }
            let norm = norm(told.squares, told.most, columns);
            let (first_missed, missed) = missed_norms(&told, columns, two);
            group.factors[member] = told.scale;
            group.shifts[member] = shift(row, centres);
            group.rounded[member] = norm + missed;
            group.missed[member] = missed;
            group.second[member] = if two { first_missed + missed } else { 0.0 };
            group.rounding[member] =
                (norm + centres.of_queries) * chain * 1.01 * f64::powi(2.0, -24);
        }
        Some(coarse)
    }

    /// What every approximate score of a query lacks.
    pub(super) fn shift(&self, place: usize) -> f64 {
        self.groups[place / self.size()].shifts[place % self.size()]
    }

    /// Queries bounded together.
    pub(super) fn size(&self) -> usize {
        if self.form == Form::Vectors {
            GROUP
        } else {
            TILE
        }
    }

    /// Parts of a panel that are bounded one after the other.
    pub(super) fn sides(&self) -> usize {
        if self.form == Form::FineTiles {
            PANEL / SIDE
        } else {
            1
        }
    }

    /// Approximate scores of a group of queries with one side of a panel, given the lowest score that
    /// matters for each query.
    pub(super) fn approximate(
        &self,
        tiles: &Tiles,
        number: usize,
        (panel, side): (&CoarsePanel, usize),
        lowest: &[f32; WIDEST],
        seen: &mut Approximate,
    ) {
        let group = &self.groups[number];
        let length = panel.length;
        let underflow = (length * STEP + PANEL) as f64 * f64::powi(2.0, -147);
        let mut bounds = [0f32; WIDEST];
        for member in 0..WIDEST {
            let missed = group.rounded[member] * panel.missed
                + group.missed[member] * panel.norm
                + group.second[member] * panel.second;
            let error = missed * 1.000_001 + group.rounding[member] * panel.whole + underflow;
            seen.errors[member] = error;
            let bound = f64::from(lowest[member]) - group.shifts[member] - error;
            // Below the bound, whatever the conversion rounds to; never infinity from above.
            let near = bound.min(f64::from(f32::MAX)) as f32;
            bounds[member] = near - near.abs() * 2e-7 - f32::MIN_POSITIVE;
        }
        seen.shifts = group.shifts;
        let (scales, biases, factors) = (&panel.scales, &panel.biases, &group.factors);
        seen.bits = match &self.bytes {
            QueryBytes::Vectors(steps) => {
                let steps = &steps[number * length..(number + 1) * length];
                let queries = QueryGroup {
                    steps,
                    starts: &group.starts,
                    factors: &std::array::from_fn(|member| factors[member]),
                };
                let passages = PanelBytes {
                    steps: &panel.steps,
                    scales,
                    biases,
                };
                let bounds = std::array::from_fn(|member| bounds[member]);
                let few = &mut seen.scores.as_chunks_mut::<GROUP>().0[0];
                let bits = tiles
                    .kernel()
                    .approximate(&queries, &passages, &bounds, few);
                std::array::from_fn(|member| bits.get(member).copied().unwrap_or(0))
            }
            QueryBytes::Tiles(rows) if self.form == Form::Tiles => {
                let size = TILE * length * STEP;
                let (left, right) = panel.sides.split_at(length);
                let passages = PanelTiles {
                    sides: [left, right],
                    scales,
                    biases,
                };
                let rows = &rows[number * size..(number + 1) * size];
                tiles.coarse((rows, factors), &passages, &bounds, &mut seen.scores)
            }
            QueryBytes::Tiles(rows) => {
                let size = 2 * TILE * length * STEP;
                let rows = &rows[number * size..(number + 1) * size];
                let start = side * SIDE;
                let (first, second) =
                    panel.sides[2 * side * length..][..2 * length].split_at(length);
                let passages = PanelSide {
                    first,
                    second,
                    scales: &scales.as_chunks::<SIDE>().0[side],
                    biases: &biases.as_chunks::<SIDE>().0[side],
                    start,
                };
                tiles.approximate(
                    &QueryTile { rows, factors },
                    &passages,
                    &bounds,
                    &mut seen.scores,
                )
            }
        };
    }
}

/// (q − m)·c.
fn shift(row: &[f32], centres: &Centres) -> f64 {
    let mut lanes = [0f64; LANES];
    let centred = row.iter().zip(&centres.queries).zip(&centres.passages);
    for (place, ((value, centre), other)) in centred.enumerate() {
        lanes[place % LANES] += f64::from(value - centre) * f64::from(*other);
    }
    lanes.iter().sum()
}

impl CoarsePanel {
    pub(super) fn empty() -> Self {
        Self {
            steps: Aligned::new(),
            sides: Aligned::new(),
            length: 0,
            scales: [0.0; PANEL],
            biases: [0.0; PANEL],
            missed: 0.0,
            second: 0.0,
            norm: 0.0,
            whole: 0.0,
            sound: false,
        }
    }

    /// Whether approximate scores of the panel have a bound.
    pub(super) fn is_sound(&self) -> bool {
        self.sound
    }

    /// Takes other passages; keeps the memory.
    pub(super) fn fill(
        &mut self,
        kernel: Kernel,
        passages: &Embeddings<'_>,
        rows: impl Iterator<Item = usize>,
        centres: &Centres,
        bytes: &mut Vec<i8>,
        scratch: &mut Vec<f32>,
    ) {
        let (columns, form) = (passages.columns(), centres.form);
        let (two, padded) = (form == Form::FineTiles, form.padded(columns));
        self.length = padded / STEP;
        // Steps of a side: those of the first bytes, and of the second ones if there are any.
        let deep = if two { 2 * self.length } else { self.length };
        if form == Form::Vectors {
            self.steps.resize(self.length);
        } else {
            self.sides.resize(PANEL / SIDE * deep);
        }
        bytes.resize(2 * STRIPE * padded, 0);
        let (firsts, seconds) = bytes.split_at_mut(STRIPE * padded);
        (self.missed, self.second, self.norm, self.sound) = (0.0, 0.0, 0.0, true);
        let mut filled = 0;
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let start = filled;
            let stripe = firsts.chunks_mut(padded).zip(seconds.chunks_mut(padded));
            // Bytes first: a zip takes from its first side before it finds the second one empty.
            for ((first, second), row) in stripe.zip(rows.by_ref()) {
                let row = passages.row(row, scratch);
                let second = if two { second } else { &mut [] };
                let told = kernel.quantise(row, &centres.passages, &centres.queries, first, second);
                if !told.squares.is_finite() || told.squares > LARGEST {
                    self.sound = false;
                    return;
                }
                self.scales[filled] = told.scale;
                self.biases[filled] = told.bias;
                let (first_missed, missed) = missed_norms(&told, columns, two);
                self.missed = self.missed.max(missed);
                if two {
                    self.second = self.second.max(first_missed + missed);
                }
                self.norm = self.norm.max(norm(told.squares, told.most, columns));
                filled += 1;
            }
            if form == Form::Vectors {
                let steps = self.steps.as_flattened_mut();
                kernel.interleave(firsts, 0x80, start, PANEL, steps);
                continue;
            }
            let place = start / SIDE * deep..(start / SIDE + 1) * deep;
            let (first, second) = self.sides[place].split_at_mut(self.length);
            kernel.interleave(firsts, 0, start % SIDE, SIDE, first.as_flattened_mut());
            if two {
                kernel.interleave(seconds, 0, start % SIDE, SIDE, second.as_flattened_mut());
            }
        }
        self.scales[filled..].fill(0.0);
        self.biases[filled..].fill(f32::NEG_INFINITY);
        self.whole = self.norm + centres.of_passages;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::inner_product;
    use crate::matrix::View;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_bound_holds(
            columns in 1usize..70,
            seed in any::<u64>(),
            (scale, spread) in prop::sample::select(vec![
                (1f32, 1f32), (1e-18, 1.0), (1e13, 1.0), (1.0, 1e-6), (1e-30, 1e3), (3e-38, 1.0), (1.0, 0.0), (1e-12, 1e12),
            ]),
            offset in prop::sample::select(vec![0f32, 0.8, -300.0]),
        ) {
            let mut state = seed;
            let mut draw = |count: usize| -> Vec<f32> {
                (0..count).map(|i| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let value = (state >> 40) as f32 / 8_388_608.0 - 1.0;
                    // Some rows are much larger than others.
                    let rowwise = if i / columns % 5 == 3 { 100.0 } else { 1.0 };
                    (value * spread * rowwise + offset) * scale
                }).collect()
            };
            let (q, p) = (draw(GROUP * columns), draw(PANEL * columns));
            let queries = Embeddings::F32(View::contiguous(&q, GROUP, columns).expect("fits"));
            let passages = Embeddings::F32(View::contiguous(&p, PANEL, columns).expect("fits"));
            for (kernel, positives) in Kernel::available().into_iter().flat_map(|kernel| [(kernel, false), (kernel, true)]) {
                let centres = Centres::new(Form::new(kernel, positives), &queries, &passages);
                let coarse = CoarseQueries::new(kernel, &queries, 0..GROUP, &centres).expect("finite");
                let mut panel = CoarsePanel::empty();
                panel.fill(kernel, &passages, 0..PANEL, &centres, &mut Vec::new(), &mut Vec::new());
                prop_assert!(panel.is_sound());
                let tiles = kernel.tiles();
                for side in 0..coarse.sides() {
                let mut seen = Approximate::default();
                    coarse.approximate(&tiles, 0, (&panel, side), &[0.0; WIDEST], &mut seen);
                for (i, query) in q.chunks(columns).enumerate() {
                    let width = PANEL / coarse.sides();
                    for (j, passage) in p.chunks(columns).enumerate().skip(side * width).take(width) {
                        let exact = inner_product(query, passage);
                        let off = f64::from(seen.scores[i][j]) + seen.shifts[i] - f64::from(exact);
                        let error = seen.errors[i];
                        prop_assert!(off.abs() <= error, "off by {off:e}, allowed {error:e}");
                        prop_assert!(exact < 0.0 || seen.bits[i] >> j & 1 == 1);
                    }
                }
                }
            }
        }
    }

    #[test]
    fn the_bound_is_small_for_embeddings_far_from_the_origin() {
        let columns = 384;
        let mut state = 7u64;
        let rows: Vec<f32> = (0..PANEL * columns)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                ((state >> 40) as f32 / 8_388_608.0 - 1.0) * 0.05 + 0.04
            })
            .collect();
        let view = Embeddings::F32(View::contiguous(&rows, PANEL, columns).expect("fits"));
        let kernel = Kernel::detect();
        let centres = Centres::new(Form::new(kernel, true), &view, &view);
        let coarse = CoarseQueries::new(kernel, &view, 0..PANEL, &centres).expect("finite");
        let mut panel = CoarsePanel::empty();
        panel.fill(
            kernel,
            &view,
            0..PANEL,
            &centres,
            &mut Vec::new(),
            &mut Vec::new(),
        );
        // Rows have norm about 1 and differ from their mean by about .57.
        let mut seen = Approximate::default();
        coarse.approximate(&kernel.tiles(), 0, (&panel, 0), &[0.0; WIDEST], &mut seen);
        assert!(seen.errors.iter().all(|&error| error < 0.004));
    }

    #[test]
    fn rows_without_a_bound_are_told() {
        for bad in [f32::NAN, f32::INFINITY, 1e18] {
            let rows = [1.0, 2.0, bad, 3.0];
            let view = Embeddings::F32(View::contiguous(&rows, 2, 2).expect("fits"));
            let kernel = Kernel::PORTABLE;
            let centres = Centres::new(Form::new(kernel, true), &view, &view);
            assert!(CoarseQueries::new(kernel, &view, 0..2, &centres).is_none());
            let mut panel = CoarsePanel::empty();
            panel.fill(
                kernel,
                &view,
                0..2,
                &centres,
                &mut Vec::new(),
                &mut Vec::new(),
            );
            assert!(!panel.is_sound());
        }
    }
}
