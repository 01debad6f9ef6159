//! Whole-number products of quantised rows: the coarse pass of a search.
//!
//! Passages are bytes offset by 128, queries signed bytes, four columns a step: what VNNI multiplies
//! and adds at four times the rate of `f32`. Sums of whole numbers are exact, so every kernel agrees.

#[cfg(target_arch = "x86_64")]
use super::tile::LANES;
use super::tile::{GROUP, PANEL, Scores};
use super::{Isa, Kernel, dispatched};

/// Columns multiplied in one step.
pub const STEP: usize = 4;

/// Most columns whose sums cannot leave 32 bits.
pub const MOST_COLUMNS: usize = 1 << 15;

/// Four columns of the passages of a panel, offset by 128.
pub type PanelStep = [[u8; STEP]; PANEL];

/// Four columns of a group of queries.
pub type QueryStep = [[i8; STEP]; GROUP];

impl Kernel {
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
        #[cfg(target_arch = "x86_64")]
        if self.0 >= Isa::Avx512Vnni {
            // SAFETY: `available` makes these variants only where these features were detected.
            return unsafe { vnni::approximate(group, panel, bounds, scores) };
        }
        self.approximate_plainly(group, panel, bounds, scores)
    }
}

dispatched! {
    /// [`Kernel::approximate`] without instructions of its own.
    approximate_plainly, approximate_avx2, approximate_avx512 = approximate_body(group: &QueryGroup<'_>, panel: &PanelBytes<'_>, bounds: &[f32; GROUP], scores: &mut [Scores; GROUP]) -> [u64; GROUP];
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
    }
}
