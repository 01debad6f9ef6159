//! Whole-number products of quantised rows: the coarse pass of a search.
//!
//! Passages are bytes offset by 128, queries signed bytes, four columns a step: what VNNI multiplies
//! and adds at four times the rate of `f32`. Sums of whole numbers are exact, so every kernel agrees.

use super::amx::FINER;
use super::tile::{GROUP, LANES, PANEL, Scores, filled};
use super::{Isa, Kernel, dispatched};

/// Columns multiplied in one step.
pub const STEP: usize = 4;

/// Most columns whose sums cannot leave 32 bits.
pub const MOST_COLUMNS: usize = 1 << 15;

/// Four columns of the passages of a panel, offset by 128.
pub type PanelStep = [[u8; STEP]; PANEL];

/// Four columns of a group of queries.
pub type QueryStep = [[i8; STEP]; GROUP];

/// What [`Kernel::quantise`] finds out about a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantised {
    /// A byte of 1 stands for this much.
    pub scale: f32,
    /// Largest magnitude of the centred row.
    pub most: f32,
    /// Sum of squares of the centred row; not finite when the row is not, or is huge.
    pub squares: f32,
    /// Sum of squares of what the first bytes miss of the centred row.
    pub first_missed: f32,
    /// Sum of squares of what all bytes miss of it.
    pub missed: f32,
    /// Inner product of the row as given with the other side's centre.
    pub bias: f32,
}

dispatched! {
    /// Rounds `row − centre` to whole multiples of a scale, at most 127 either way, and writes them to
    /// `bytes`; what is left comes to `second` in steps [`FINER`] times smaller, unless that is empty.
    /// Both are filled up with zeros. Sums are taken in [`LANES`] lanes of `f32`.
    quantise, quantise_avx2, quantise_avx512 = quantise_body(row: &[f32], centre: &[f32], other: &[f32], bytes: &mut [i8], second: &mut [i8]) -> Quantised;
}

/// Below this magnitude squares lose digits, and the scale its inverse.
const SMALLEST: f32 = 1e-30;

#[inline(always)]
fn quantise_body(
    row: &[f32],
    centre: &[f32],
    other: &[f32],
    bytes: &mut [i8],
    second: &mut [i8],
) -> Quantised {
    let mut most = [0f32; LANES];
    let mut squares = [0f32; LANES];
    let mut bias = [0f32; LANES];
    over_lanes(row, centre, other, |lane, row, centre, other| {
        let value = row - centre;
        most[lane] = if value.abs() > most[lane] {
            value.abs()
        } else {
            most[lane]
        };
        squares[lane] = value.mul_add(value, squares[lane]);
        bias[lane] = row.mul_add(other, bias[lane]);
    });
    let most = most.into_iter().fold(0.0, f32::max);
    let (scale, inverse) = if most < SMALLEST {
        (0.0, 0.0)
    } else {
        (most / 127.0, 127.0 / most)
    };
    let (mut first_missed, mut missed) = ([0f32; LANES], [0f32; LANES]);
    let (rows, rest) = row.as_chunks::<LANES>();
    let (centres, centre_rest) = centre.as_chunks::<LANES>();
    let coarse = (scale, inverse);
    let fine = (scale / FINER, inverse * FINER);
    for (number, (row, centre)) in rows.iter().zip(centres).enumerate() {
        let mut values = difference(row, centre);
        put_lanes(bytes, number, round(&mut values, coarse, &mut first_missed));
        if !second.is_empty() {
            put_lanes(second, number, round(&mut values, fine, &mut missed));
        }
    }
    if !rest.is_empty() {
        let mut values = difference(&filled(rest), &filled(centre_rest));
        put_lanes(
            bytes,
            rows.len(),
            round(&mut values, coarse, &mut first_missed),
        );
        if !second.is_empty() {
            put_lanes(second, rows.len(), round(&mut values, fine, &mut missed));
        }
    }
    let after = row.len().next_multiple_of(LANES);
    bytes.iter_mut().skip(after).for_each(|byte| *byte = 0);
    second.iter_mut().skip(after).for_each(|byte| *byte = 0);
    let sum = |lanes: [f32; LANES]| lanes.into_iter().sum::<f32>();
    let first_missed = sum(first_missed);
    Quantised {
        scale,
        most,
        squares: sum(squares),
        first_missed,
        missed: if second.is_empty() {
            first_missed
        } else {
            sum(missed)
        },
        bias: sum(bias),
    }
}

#[inline(always)]
fn difference(row: &[f32; LANES], centre: &[f32; LANES]) -> [f32; LANES] {
    let mut values = [0f32; LANES];
    for lane in 0..LANES {
        values[lane] = row[lane] - centre[lane];
    }
    values
}

/// Writes the bytes of all lanes, as many as there is room for.
#[inline(always)]
fn put_lanes(bytes: &mut [i8], number: usize, lanes: [i8; LANES]) {
    let start = number * LANES;
    if let Some(room) = bytes.get_mut(start..start + LANES) {
        room.copy_from_slice(&lanes);
    } else {
        let room = &mut bytes[start..];
        let count = room.len();
        room.copy_from_slice(&lanes[..count]);
    }
}

/// Adding and taking away 1.5 · 2²³ rounds to a whole number, ties to even, and leaves it in the low bits.
const ROUNDING: f32 = 12_582_912.0;

/// Rounds the values of all lanes and leaves in them what the bytes miss. Each loop is one instruction,
/// which the compiler gives one register.
#[inline(always)]
fn round(
    values: &mut [f32; LANES],
    (scale, inverse): (f32, f32),
    missed: &mut [f32; LANES],
) -> [i8; LANES] {
    let (mut shifted, mut bytes) = ([0f32; LANES], [0i8; LANES]);
    for lane in 0..LANES {
        shifted[lane] = values[lane].mul_add(inverse, ROUNDING);
    }
    for lane in 0..LANES {
        values[lane] = (shifted[lane] - ROUNDING).mul_add(-scale, values[lane]);
        missed[lane] = values[lane].mul_add(values[lane], missed[lane]);
    }
    for lane in 0..LANES {
        bytes[lane] = shifted[lane].to_bits() as u8 as i8;
    }
    bytes
}

/// Rows of bytes laid side by side at a time.
pub const STRIPE: usize = 16;

/// The steps from `start` on.
fn interleave_body(
    rows: &[i8],
    flip: u8,
    first: usize,
    width: usize,
    start: usize,
    steps: &mut [[u8; STEP]],
) {
    let (fours, _) = rows.as_chunks::<STEP>();
    let length = steps.len() / width;
    for (number, step) in steps.chunks_exact_mut(width).enumerate().skip(start) {
        let out = &mut step[first..first + STRIPE];
        for (row, out) in out.iter_mut().enumerate() {
            *out = fours[row * length + number].map(|byte| byte as u8 ^ flip);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
mod avx512 {
    use std::arch::x86_64::*;

    use super::{LANES, STEP, STRIPE, interleave_body};

    /// Turns sixteen steps of sixteen rows at a time, and writes whole lines.
    ///
    /// # Safety
    /// `steps` must hold whole steps of `width` places, `first` to `first + 15` among them, and `rows`
    /// sixteen rows of as many bytes as there are steps, times four.
    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) unsafe fn interleave(
        rows: &[i8],
        flip: u8,
        first: usize,
        width: usize,
        steps: &mut [[u8; STEP]],
    ) {
        let length = steps.len() / width;
        let flipped = _mm512_set1_epi8(flip as i8);
        let whole = length / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            // SAFETY: 64 bytes of each row from four times `start` on.
            let lines: [__m512i; STRIPE] = std::array::from_fn(|row| unsafe {
                let at = rows.as_ptr().add((row * length + start) * STEP);
                _mm512_xor_si512(_mm512_loadu_si512(at.cast()), flipped)
            });
            for (number, line) in transposed(lines).into_iter().enumerate() {
                // SAFETY: sixteen places of a step.
                unsafe {
                    let at = steps.as_mut_ptr().add((start + number) * width + first);
                    _mm512_storeu_si512(at.cast(), line);
                }
            }
        }
        interleave_body(rows, flip, first, width, whole, steps);
    }

    /// Rows of sixteen numbers become columns.
    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    fn transposed(rows: [__m512i; 16]) -> [__m512i; 16] {
        // Within each quarter of the registers: pairs of rows, then fours.
        let mut pairs = [_mm512_setzero_si512(); 16];
        for i in 0..8 {
            pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
        }
        let mut fours = [_mm512_setzero_si512(); 16];
        for i in 0..4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|j| pairs[4 * i + j]);
            fours[4 * i] = _mm512_unpacklo_epi64(a, c);
            fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
            fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
            fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
        }
        // fours[4 i + j] holds column 4 q + j of rows 4 i to 4 i + 3 in quarter q.
        let mut columns = [_mm512_setzero_si512(); 16];
        for j in 0..4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| fours[4 * i + j]);
            let low = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
            let high = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
            let other_low = _mm512_shuffle_i32x4::<0b01_00_01_00>(c, d);
            let other_high = _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d);
            columns[j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, other_low);
            columns[4 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, other_low);
            columns[8 + j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(high, other_high);
            columns[12 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(high, other_high);
        }
        columns
    }
}

/// Calls `take(lane, row, centre, other)` for each column.
#[inline(always)]
fn over_lanes(
    row: &[f32],
    centre: &[f32],
    other: &[f32],
    mut take: impl FnMut(usize, f32, f32, f32),
) {
    let (rows, row_rest) = row.as_chunks::<LANES>();
    let (centres, centre_rest) = centre.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    for ((row, centre), other) in rows.iter().zip(centres).zip(others) {
        for lane in 0..LANES {
            take(lane, row[lane], centre[lane], other[lane]);
        }
    }
    for (lane, ((row, centre), other)) in
        row_rest.iter().zip(centre_rest).zip(other_rest).enumerate()
    {
        take(lane, *row, *centre, *other);
    }
}

impl Kernel {
    /// Lays [`STRIPE`] rows of bytes side by side in steps of `width` passages: columns `4 · i` to
    /// `4 · i + 3` of row `r` come to step `i`, place `first + r`, with the bits of `flip` turned over
    /// (128 makes signed bytes offset ones).
    ///
    /// # Panics
    /// When the rows are not as long as the steps, or their places lie outside a step.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn interleave(
        self,
        rows: &[i8],
        flip: u8,
        first: usize,
        width: usize,
        steps: &mut [[u8; STEP]],
    ) {
        assert!(
            first + STRIPE <= width && steps.len() / width * STEP * STRIPE == rows.len(),
            "sixteen rows of one length"
        );
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected; the
            // lengths are checked above.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                avx512::interleave(rows, flip, first, width, steps);
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => interleave_body(rows, flip, first, width, 0, steps),
            Isa::Portable => interleave_body(rows, flip, first, width, 0, steps),
        }
    }

    /// Whether [`Kernel::approximate`] is worth a coarse pass: several times the rate of `f32`.
    #[must_use]
    pub fn has_fast_products(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            self.0 >= Isa::Avx512Vnni
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }

    /// Approximate scores of a group of queries with the passages of a panel,
    /// `factor · (scale · product) + bias`, where `product` is the whole-number product of the bytes and
    /// the query's start. Returns for each query a bit for each score that is its bound or more.
    /// Steps beyond the shorter of `group.steps` and `panel.steps` count as zeros.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn approximate(
        self,
        group: &QueryGroup<'_>,
        panel: &PanelBytes<'_>,
        bounds: &[f32; GROUP],
        scores: &mut [Scores; GROUP],
    ) -> [u64; GROUP] {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx512Vnni | Isa::Amx => unsafe {
                vnni::approximate(group, panel, bounds, scores)
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx512 => unsafe { approximate_avx512(group, panel, bounds, scores) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { approximate_avx2(group, panel, bounds, scores) },
            Isa::Portable => approximate_body(group, panel, bounds, scores),
        }
    }
}

/// A group of queries as bytes.
#[derive(Debug, Clone, Copy)]
pub struct QueryGroup<'a> {
    /// Their columns, four at a time.
    pub steps: &'a [QueryStep],
    /// What the product of each query starts from.
    pub starts: &'a [i32; GROUP],
    /// What a byte of each query stands for.
    pub factors: &'a [f32; GROUP],
}

/// A panel of passages as bytes.
#[derive(Debug, Clone, Copy)]
pub struct PanelBytes<'a> {
    /// Their columns, four at a time.
    pub steps: &'a [PanelStep],
    /// What a byte of each passage stands for.
    pub scales: &'a [f32; PANEL],
    /// What is added to the scores of each passage.
    pub biases: &'a [f32; PANEL],
}

#[inline(always)]
fn approximate_body(
    group: &QueryGroup<'_>,
    panel: &PanelBytes<'_>,
    bounds: &[f32; GROUP],
    scores: &mut [Scores; GROUP],
) -> [u64; GROUP] {
    let mut bits = [0; GROUP];
    for query in 0..GROUP {
        let mut products = [group.starts[query]; PANEL];
        for (step, passages) in group.steps.iter().zip(panel.steps) {
            for (sum, bytes) in products.iter_mut().zip(passages) {
                for (byte, value) in bytes.iter().zip(step[query]) {
                    *sum += i32::from(*byte) * i32::from(value);
                }
            }
        }
        for place in 0..PANEL {
            let scaled = products[place] as f32 * panel.scales[place];
            let value = group.factors[query].mul_add(scaled, panel.biases[place]);
            scores[query][place] = value;
            bits[query] |= u64::from(value >= bounds[query]) << place;
        }
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn approximate_avx2(
    group: &QueryGroup<'_>,
    panel: &PanelBytes<'_>,
    bounds: &[f32; GROUP],
    scores: &mut [Scores; GROUP],
) -> [u64; GROUP] {
    approximate_body(group, panel, bounds, scores)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn approximate_avx512(
    group: &QueryGroup<'_>,
    panel: &PanelBytes<'_>,
    bounds: &[f32; GROUP],
    scores: &mut [Scores; GROUP],
) -> [u64; GROUP] {
    approximate_body(group, panel, bounds, scores)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
mod vnni {
    use std::arch::x86_64::*;

    use super::{GROUP, LANES, PANEL, PanelBytes, QueryGroup, Scores};

    /// Registers of a panel.
    const WIDE: usize = PANEL / LANES;

    #[target_feature(
        enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
    )]
    pub(super) fn approximate(
        group: &QueryGroup<'_>,
        panel: &PanelBytes<'_>,
        bounds: &[f32; GROUP],
        scores: &mut [Scores; GROUP],
    ) -> [u64; GROUP] {
        let mut sums = [[_mm512_setzero_si512(); WIDE]; GROUP];
        for (sums, start) in sums.iter_mut().zip(group.starts) {
            *sums = [_mm512_set1_epi32(*start); WIDE];
        }
        for (step, passages) in group.steps.iter().zip(panel.steps) {
            // SAFETY: a panel step is 256 bytes, four registers.
            let bytes: [__m512i; WIDE] = std::array::from_fn(|i| unsafe {
                _mm512_loadu_si512(passages.as_ptr().cast::<__m512i>().add(i))
            });
            for (sums, four) in sums.iter_mut().zip(step) {
                let four = _mm512_set1_epi32(i32::from_le_bytes(four.map(|value| value as u8)));
                for (sum, bytes) in sums.iter_mut().zip(bytes) {
                    *sum = _mm512_dpbusd_epi32(*sum, bytes, four);
                }
            }
        }
        let mut bits = [0; GROUP];
        for query in 0..GROUP {
            let factor = _mm512_set1_ps(group.factors[query]);
            let bound = _mm512_set1_ps(bounds[query]);
            for (number, sum) in sums[query].iter().enumerate() {
                let first = number * LANES;
                // SAFETY: sixteen numbers from `first` on, of 64.
                unsafe {
                    let scale = _mm512_loadu_ps(panel.scales.as_ptr().add(first));
                    let bias = _mm512_loadu_ps(panel.biases.as_ptr().add(first));
                    let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(*sum), scale);
                    let value = _mm512_fmadd_ps(factor, scaled, bias);
                    let reaches = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, bound);
                    bits[query] |= u64::from(reaches) << first;
                    _mm512_storeu_ps(scores[query].as_mut_ptr().add(first), value);
                }
            }
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scores and bits of every kernel; they must be those of the plain body.
    fn approximate(
        queries: &[QueryStep],
        panel: &[PanelStep],
        starts: &[i32; GROUP],
        factors: &[f32; GROUP],
        bounds: &[f32; GROUP],
    ) -> [Scores; GROUP] {
        let scales = std::array::from_fn(|i| 1.0 + i as f32 / 1000.0);
        let biases = std::array::from_fn(|i| 1.0 - i as f32 / 100.0);
        let group = QueryGroup {
            steps: queries,
            starts,
            factors,
        };
        let panel = PanelBytes {
            steps: panel,
            scales: &scales,
            biases: &biases,
        };
        let mut expected = [[0.0; PANEL]; GROUP];
        let bits = approximate_body(&group, &panel, bounds, &mut expected);
        for kernel in Kernel::available() {
            let mut scores = [[7.0; PANEL]; GROUP];
            assert_eq!(
                kernel.approximate(&group, &panel, bounds, &mut scores),
                bits
            );
            assert_eq!(scores, expected);
        }
        expected
    }

    #[test]
    fn the_longest_row_does_not_overflow() {
        let steps = MOST_COLUMNS / STEP;
        let queries = vec![[[-127i8; STEP]; GROUP]; steps];
        let panel = vec![[[255u8; STEP]; PANEL]; steps];
        let start = [128 * 127 * MOST_COLUMNS as i32; GROUP];
        let scores = approximate(&queries, &panel, &start, &[1.0; GROUP], &[0.0; GROUP]);
        assert_eq!(
            scores[3][0],
            (-127 * 127 * MOST_COLUMNS as i32) as f32 + 1.0
        );
    }

    proptest! {
        #[test]
        fn every_kernel_approximates_the_same(steps in 0usize..40, seed in any::<u64>(), bound in -9f32..9.0) {
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            };
            let panel: Vec<PanelStep> =
                (0..steps).map(|_| std::array::from_fn(|_| std::array::from_fn(|_| byte()))).collect();
            let queries: Vec<QueryStep> =
                (0..steps).map(|_| std::array::from_fn(|_| std::array::from_fn(|_| byte() as i8))).collect();
            let starts = std::array::from_fn(|_| i32::from(byte()) - 99);
            let factors = std::array::from_fn(|_| f32::from(byte()) * 1e-7);
            let bounds = std::array::from_fn(|i| bound + i as f32);
            approximate(&queries, &panel, &starts, &factors, &bounds);
        }

        #[test]
        fn every_kernel_lays_rows_side_by_side(length in 0usize..40, wide in any::<bool>(), flip in any::<u8>()) {
            let rows: Vec<i8> = (0..STRIPE * length * STEP).map(|i| (i * 37 % 251) as u8 as i8).collect();
            let (width, first) = if wide { (PANEL, 32) } else { (STRIPE, 0) };
            for kernel in Kernel::available() {
                let mut steps = vec![[7u8; STEP]; length * width];
                kernel.interleave(&rows, flip, first, width, &mut steps);
                for (place, step) in steps.iter().enumerate() {
                    let (number, passage) = (place / width, place % width);
                    let expected = if (first..first + STRIPE).contains(&passage) {
                        let at = ((passage - first) * length + number) * STEP;
                        std::array::from_fn(|i| rows[at + i] as u8 ^ flip)
                    } else {
                        [7; STEP]
                    };
                    prop_assert_eq!(*step, expected);
                }
            }
        }

        #[test]
        fn bytes_and_what_they_miss_make_up_the_row(
            row in prop::collection::vec(-1f32..1.0, 0..80),
            scale in prop::sample::select(vec![1e-25f32, 1e-3, 1.0, 1e15]),
            two in any::<bool>(),
        ) {
            let row: Vec<f32> = row.into_iter().map(|value| value * scale).collect();
            let centre: Vec<f32> = row.iter().rev().map(|value| value / 3.0).collect();
            for kernel in Kernel::available() {
                let length = if two { row.len().next_multiple_of(64) } else { row.len().next_multiple_of(STEP) };
                let (mut bytes, mut second) = (vec![7i8; length], vec![7i8; if two { length } else { 0 }]);
                let told = kernel.quantise(&row, &centre, &centre, &mut bytes, &mut second);
                let (mut first_missed, mut missed) = (0.0, 0.0);
                let unit = f64::from(told.scale);
                for (place, byte) in bytes.iter().enumerate() {
                    let value = if place < row.len() { row[place] - centre[place] } else { 0.0 };
                    let left = f64::from(value) - unit * f64::from(*byte);
                    prop_assert!(left.abs() <= unit * 0.500_02 && *byte > i8::MIN);
                    prop_assert!(value.abs() <= told.most && (place < row.len() || *byte == 0));
                    first_missed += left * left;
                    let finer = second.get(place).copied().unwrap_or(0);
                    let last = left - unit / f64::from(FINER) * f64::from(finer);
                    prop_assert!(!two || last.abs() <= unit / 254.0 * 0.500_1 && finer > i8::MIN);
                    missed += last * last;
                }
                let close = |told: f32, exact: f64| (f64::from(told) - exact).abs() <= exact * 1e-2 + 1e-40;
                prop_assert!(close(told.first_missed, first_missed), "{} {first_missed}", told.first_missed);
                prop_assert!(close(told.missed, missed), "{} {missed}", told.missed);
            }
        }
    }
}
