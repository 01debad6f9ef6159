//! The certified coarse pass: whole-number scores with a bound of their error.
//!
//! With the centres `m` of the queries and `c` of the passages (any two vectors; means make the bound
//! small), a query `q = m + y` and a passage `p = c + x` are rounded to bytes, `y = γv + t` and
//! `x = δu + r`, so that
//!
//! q·p = m·p + y·c + γδ v·u + (γv·r + t·x), |γv·r + t·x| ≤ ‖γv‖‖r‖ + ‖t‖‖x‖ (Cauchy–Schwarz).
//!
//! v·u is a sum of whole numbers and exact. Everything that is rounded in between, the defined score
//! included, differs from real arithmetic by at most κ·(‖q‖ + ‖m‖ + ‖y‖)(‖p‖ + ‖c‖ + ‖x‖) and what
//! underflows, with κ a few times the longest chain of roundings. Rows that are not finite or so large
//! that a sum could overflow have no bound: they are scored plainly.

use crate::kernel::{
    GROUP, Kernel, LANES, PANEL, PanelBytes, PanelStep, Quantised, QueryGroup, QueryStep, STEP,
    STRIPE, Scores,
};
use crate::matrix::Embeddings;

/// Rows that centres are taken from, at most.
const SAMPLE: usize = 1024;
/// Largest sum of squares of a row with a bound.
const LARGEST: f32 = 1e34;
/// Magnitudes whose squares keep their digits.
const SAFE: std::ops::Range<f32> = 1e-15..1e17;

/// The centres of both sides.
pub(super) struct Centres {
    queries: Vec<f32>,
    passages: Vec<f32>,
    of_queries: f64,
    of_passages: f64,
}

/// The queries of a block as bytes, in groups, with what their bounds need.
pub(super) struct CoarseQueries {
    steps: Vec<QueryStep>,
    groups: Vec<Group>,
}

/// What products and bounds of a group of queries need.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    starts: [i32; GROUP],
    /// γ.
    factors: [f32; GROUP],
    /// y·c: what every approximate score of the query lacks.
    shifts: [f64; GROUP],
    /// ‖γv‖, at most.
    rounded: [f64; GROUP],
    /// ‖t‖, at most.
    missed: [f64; GROUP],
    /// κ (‖q‖ + ‖m‖ + ‖y‖), at most.
    rounding: [f64; GROUP],
}

/// Approximate scores of a group of queries with a panel.
pub(super) struct Approximate {
    /// Each lacks its query's shift.
    pub(super) scores: [Scores; GROUP],
    pub(super) shifts: [f64; GROUP],
    /// How far a score may be off.
    pub(super) errors: [f64; GROUP],
    /// A bit for each score that may reach the threshold of its query.
    pub(super) bits: [u64; GROUP],
}

/// A panel of passages as bytes, with what their bounds need.
pub(super) struct CoarsePanel {
    steps: Vec<PanelStep>,
    scales: [f32; PANEL],
    biases: [f32; PANEL],
    /// ‖r‖ of the worst passage, at most.
    missed: f64,
    /// ‖x‖ of the longest passage, at most.
    norm: f64,
    /// ‖p‖ + ‖c‖ + ‖x‖ of the longest passage, at most.
    whole: f64,
    /// Whether the bounds hold.
    sound: bool,
}

impl Centres {
    pub(super) fn new(queries: &Embeddings<'_>, passages: &Embeddings<'_>) -> Self {
        let (queries, of_queries) = centre(queries);
        let (passages, of_passages) = centre(passages);
        Self {
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

/// The norm of what the bytes of a row miss, at most.
fn missed_norm(row: &Quantised, columns: usize) -> f64 {
    let side = (columns as f64).sqrt();
    if row.scale == 0.0 {
        side * f64::from(row.most) * 1.000_001
    } else if SAFE.contains(&row.scale) {
        f64::from(row.missed).sqrt() * lift(columns) + side * 1e-22
    } else {
        side * f64::from(row.scale) * 0.51
    }
}

impl CoarseQueries {
    /// `None` when a query has no bound.
    pub(super) fn new(
        kernel: Kernel,
        queries: &Embeddings<'_>,
        range: std::ops::Range<usize>,
        centres: &Centres,
    ) -> Option<Self> {
        let columns = queries.columns();
        let (height, length) = (range.len().div_ceil(GROUP), columns.div_ceil(STEP));
        let mut coarse = Self {
            steps: vec![[[0; STEP]; GROUP]; height * length],
            groups: vec![Group::default(); height],
        };
        let chain = columns as f64 / LANES as f64 + 48.0;
        let mut bytes = vec![0i8; length * STEP];
        let mut scratch = Vec::new();
        for (place, query) in range.enumerate() {
            let row = queries.row(query, &mut scratch);
            let told = kernel.quantise(row, &centres.queries, &centres.passages, &mut bytes);
            if !(told.squares <= LARGEST) {
                return None;
            }
            let (group, member) = (place / GROUP, place % GROUP);
            let steps = &mut coarse.steps[group * length..(group + 1) * length];
            for (step, four) in steps.iter_mut().zip(bytes.as_chunks::<STEP>().0) {
                step[member] = *four;
            }
            let sum: i32 = bytes.iter().map(|&byte| i32::from(byte)).sum();
            let norm = norm(told.squares, told.most, columns);
            let missed = missed_norm(&told, columns);
            let group = &mut coarse.groups[group];
            group.starts[member] = -128 * sum;
            group.factors[member] = told.scale;
            group.shifts[member] = shift(row, centres);
            group.rounded[member] = norm + missed;
            group.missed[member] = missed;
            group.rounding[member] =
                2.0 * (norm + centres.of_queries) * chain * f64::powi(2.0, -23);
        }
        Some(coarse)
    }

    /// Approximate scores of a group of queries with a panel, given the lowest score that matters for
    /// each query.
    pub(super) fn approximate(
        &self,
        kernel: Kernel,
        number: usize,
        panel: &CoarsePanel,
        lowest: &[f32; GROUP],
    ) -> Approximate {
        let length = panel.steps.len();
        let group = &self.groups[number];
        let underflow = (length * STEP + PANEL) as f64 * f64::powi(2.0, -147);
        let mut errors = [0f64; GROUP];
        let mut bounds = [0f32; GROUP];
        for member in 0..GROUP {
            let missed = group.rounded[member] * panel.missed + group.missed[member] * panel.norm;
            errors[member] = missed * 1.000_001 + group.rounding[member] * panel.whole + underflow;
            let bound = f64::from(lowest[member]) - group.shifts[member] - errors[member];
            // Below the bound, whatever the conversion rounds to; never infinity from above.
            let near = bound.min(f64::from(f32::MAX)) as f32;
            bounds[member] = near - near.abs() * 2e-7 - f32::MIN_POSITIVE;
        }
        let steps = &self.steps[number * length..(number + 1) * length];
        let mut scores = [[0f32; PANEL]; GROUP];
        let bits = kernel.approximate(
            &QueryGroup {
                steps,
                starts: &group.starts,
                factors: &group.factors,
            },
            &PanelBytes {
                steps: &panel.steps,
                scales: &panel.scales,
                biases: &panel.biases,
            },
            &bounds,
            &mut scores,
        );
        Approximate {
            scores,
            shifts: group.shifts,
            errors,
            bits,
        }
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
            steps: Vec::new(),
            scales: [0.0; PANEL],
            biases: [0.0; PANEL],
            missed: 0.0,
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
        let columns = passages.columns();
        let length = columns.div_ceil(STEP);
        self.steps.resize(length, [[0; STEP]; PANEL]);
        bytes.resize(STRIPE * length * STEP, 0);
        (self.missed, self.norm, self.sound) = (0.0, 0.0, true);
        let mut filled = 0;
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let first = filled;
            // Bytes first: a zip takes from its first side before it finds the second one empty.
            for (bytes, row) in bytes.chunks_mut(length * STEP).zip(rows.by_ref()) {
                let row = passages.row(row, scratch);
                let told = kernel.quantise(row, &centres.passages, &centres.queries, bytes);
                if !(told.squares <= LARGEST) {
                    self.sound = false;
                    return;
                }
                self.scales[filled] = told.scale;
                self.biases[filled] = told.bias;
                self.missed = self.missed.max(missed_norm(&told, columns));
                self.norm = self.norm.max(norm(told.squares, told.most, columns));
                filled += 1;
            }
            kernel.interleave(bytes, first, &mut self.steps);
        }
        self.scales[filled..].fill(0.0);
        self.biases[filled..].fill(f32::NEG_INFINITY);
        self.whole = 2.0 * (self.norm + centres.of_passages);
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
            let centres = Centres::new(&queries, &passages);
            for kernel in Kernel::available() {
                let coarse = CoarseQueries::new(kernel, &queries, 0..GROUP, &centres).expect("finite");
                let mut panel = CoarsePanel::empty();
                panel.fill(kernel, &passages, 0..PANEL, &centres, &mut Vec::new(), &mut Vec::new());
                prop_assert!(panel.is_sound());
                let seen = coarse.approximate(kernel, 0, &panel, &[0.0; GROUP]);
                for (i, query) in q.chunks(columns).enumerate() {
                    for (j, passage) in p.chunks(columns).enumerate() {
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
        let centres = Centres::new(&view, &view);
        let kernel = Kernel::detect();
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
        let seen = coarse.approximate(kernel, 0, &panel, &[0.0; GROUP]);
        assert!(seen.errors.iter().all(|&error| error < 0.004));
    }

    #[test]
    fn rows_without_a_bound_are_told() {
        for bad in [f32::NAN, f32::INFINITY, 1e18] {
            let rows = [1.0, 2.0, bad, 3.0];
            let view = Embeddings::F32(View::contiguous(&rows, 2, 2).expect("fits"));
            let centres = Centres::new(&view, &view);
            let kernel = Kernel::PORTABLE;
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
