//! Standings of passages ahead of the positives of one query, sixteen positives at a time.

use super::tile::{LANES, Scores};
use super::{Isa, Kernel, dispatched};

/// One value for each of sixteen positives.
pub type Sixteen<T> = [T; LANES];

/// What is known about sixteen positives against passages whose values are off by at most a margin: a
/// value below `centres − margin` is certainly below the positive, one above `centres + margin` above.
#[derive(Debug, Clone, Copy)]
pub struct Bands<'a> {
    /// The values that the positives themselves would have, were they not off.
    pub centres: &'a Sixteen<f32>,
    /// 0 for exact values.
    pub margin: f32,
}

/// Passages ahead of and level with each of sixteen positives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standings {
    /// Passages with a greater score.
    pub greater: Sixteen<u32>,
    /// Other passages with an equal score and a smaller id.
    pub before: Sixteen<u32>,
    /// Other passages with an equal score and a greater id.
    pub after: Sixteen<u32>,
}

/// The scores and ids of sixteen positives.
#[derive(Debug, Clone, Copy)]
pub struct Golds {
    /// Exact scores; +∞ where there are fewer than sixteen.
    pub scores: Sixteen<f32>,
    /// Passage ids.
    pub ids: Sixteen<u32>,
}

dispatched! {
    /// Standings one passage, whose exact score is known, for those positives whose band holds its `value`.
    settle, settle_avx2, settle_avx512 = settle_body(value: f32, score: f32, id: u32, bands: Bands<'_>, golds: &Golds, counts: &mut Standings);
    /// Adds counts, and those of positives labelled `label` to `pool` as well.
    add, add_avx2, add_avx512 = add_body(here: &Standings, labels: &Sixteen<u32>, label: u32, all: &mut Standings, pool: &mut Standings);
}

#[inline(always)]
fn at_least_body(values: &Scores, bound: f32) -> u64 {
    let mut bits = 0;
    for (place, value) in values.iter().enumerate() {
        bits |= u64::from(*value >= bound) << place;
    }
    bits
}

#[inline(always)]
fn settle_body(
    value: f32,
    score: f32,
    id: u32,
    bands: Bands<'_>,
    golds: &Golds,
    counts: &mut Standings,
) {
    for lane in 0..LANES {
        let open = (value >= bands.centres[lane] - bands.margin)
            & (value <= bands.centres[lane] + bands.margin);
        let level = open & (score == golds.scores[lane]);
        counts.greater[lane] += u32::from(open & (score > golds.scores[lane]));
        counts.before[lane] += u32::from(level & (id < golds.ids[lane]));
        counts.after[lane] += u32::from(level & (id > golds.ids[lane]));
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // eight arrays side by side
fn add_body(
    here: &Standings,
    labels: &Sixteen<u32>,
    label: u32,
    all: &mut Standings,
    pool: &mut Standings,
) {
    for lane in 0..LANES {
        let own = u32::from(labels[lane] == label);
        all.greater[lane] += here.greater[lane];
        all.before[lane] += here.before[lane];
        all.after[lane] += here.after[lane];
        pool.greater[lane] += own * here.greater[lane];
        pool.before[lane] += own * here.before[lane];
        pool.after[lane] += own * here.after[lane];
    }
}

impl Kernel {
    /// A bit for each value that is `bound` or more.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn at_least(self, values: &Scores, bound: f32) -> u64 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe { avx512::at_least(values, bound) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { at_least_avx2(values, bound) },
            Isa::Portable => at_least_body(values, bound),
        }
    }

    /// Standings, among the values that `bits` names, those certainly above each positive, and returns
    /// the bits of those that lie in the band of one.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn above(
        self,
        values: &Scores,
        bits: u64,
        bands: Bands<'_>,
        greater: &mut Sixteen<u32>,
    ) -> u64 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                avx512::above(values, bits, bands, greater)
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { above_avx2(values, bits, bands, greater) },
            Isa::Portable => above_body(values, bits, bands, greater),
        }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)] // as in `add_body`
fn above_body(values: &Scores, mut bits: u64, bands: Bands<'_>, greater: &mut Sixteen<u32>) -> u64 {
    let mut open = 0;
    while bits != 0 {
        let value = values[bits.trailing_zeros() as usize];
        let mut any = 0;
        for lane in 0..LANES {
            let above = value > bands.centres[lane] + bands.margin;
            greater[lane] += u32::from(above);
            any |= u32::from((value >= bands.centres[lane] - bands.margin) & !above);
        }
        open |= if any > 0 {
            bits & bits.wrapping_neg()
        } else {
            0
        };
        bits &= bits - 1;
    }
    open
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn at_least_avx2(values: &Scores, bound: f32) -> u64 {
    at_least_body(values, bound)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn above_avx2(values: &Scores, bits: u64, bands: Bands<'_>, greater: &mut Sixteen<u32>) -> u64 {
    above_body(values, bits, bands, greater)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
mod avx512 {
    use std::arch::x86_64::*;

    use super::{Bands, LANES, Scores, Sixteen};
    use crate::kernel::PANEL;

    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn at_least(values: &Scores, bound: f32) -> u64 {
        let bound = _mm512_set1_ps(bound);
        let mut bits = 0;
        for first in (0..PANEL).step_by(LANES) {
            // SAFETY: sixteen of 64 numbers from `first` on.
            let value = unsafe { _mm512_loadu_ps(values.as_ptr().add(first)) };
            bits |= u64::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, bound)) << first;
        }
        bits
    }

    /// From so many values on it is quicker to compare all of them with one positive after another.
    const MANY: u32 = 20;

    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    fn above_many(values: &Scores, bits: u64, bands: Bands<'_>, greater: &mut Sixteen<u32>) -> u64 {
        let mut open = 0;
        // SAFETY: four times sixteen of 64 numbers.
        let values: [__m512; PANEL / LANES] =
            std::array::from_fn(|i| unsafe { _mm512_loadu_ps(values.as_ptr().add(i * LANES)) });
        let infinity = _mm512_set1_ps(f32::INFINITY);
        let finite = values
            .iter()
            .all(|value| _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(*value, infinity) == 0);
        for (centre, greater) in bands.centres.iter().zip(greater) {
            if finite && *centre == f32::INFINITY {
                continue; // an unused lane, mostly; nothing reaches it
            }
            let low = _mm512_set1_ps(centre - bands.margin);
            let high = _mm512_set1_ps(centre + bands.margin);
            let (mut above, mut reaches) = (0, 0);
            for (number, value) in values.iter().enumerate() {
                let first = number * LANES;
                above |= u64::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(*value, high)) << first;
                reaches |= u64::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(*value, low)) << first;
            }
            *greater += (above & bits).count_ones();
            open |= reaches & !above;
        }
        open & bits
    }

    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn above(
        values: &Scores,
        mut bits: u64,
        bands: Bands<'_>,
        greater: &mut Sixteen<u32>,
    ) -> u64 {
        if bits.count_ones() > MANY {
            return above_many(values, bits, bands, greater);
        }
        // SAFETY: each array holds sixteen lanes.
        let (centres, mut counts) = unsafe {
            (
                _mm512_loadu_ps(bands.centres.as_ptr()),
                _mm512_loadu_si512(greater.as_ptr().cast()),
            )
        };
        let margin = _mm512_set1_ps(bands.margin);
        let (low, high) = (
            _mm512_sub_ps(centres, margin),
            _mm512_add_ps(centres, margin),
        );
        let one = _mm512_set1_epi32(1);
        let mut open = 0;
        while bits != 0 {
            let value = _mm512_set1_ps(values[bits.trailing_zeros() as usize]);
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, high);
            let reaches = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, low);
            counts = _mm512_mask_add_epi32(counts, above, counts, one);
            open |= if reaches & !above != 0 {
                bits & bits.wrapping_neg()
            } else {
                0
            };
            bits &= bits - 1;
        }
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(greater.as_mut_ptr().cast(), counts) };
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::PANEL;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kernel_counts_the_same(
            seed in prop::array::uniform32(-4i8..5), bits in any::<u64>(), width in 0i8..3, id in 0u32..20,
            top in any::<bool>(),
        ) {
            let values: Scores = std::array::from_fn(|i| match seed[(i * 7 + i / 32) % 32] {
                4 if top => f32::INFINITY,
                value => f32::from(value),
            });
            let golds = Golds {
                scores: std::array::from_fn(|i| if i >= 14 { f32::INFINITY } else { f32::from(seed[i]) }),
                ids: std::array::from_fn(|i| i as u32),
            };
            let width = f32::from(width);
            let bands = Bands { centres: &golds.scores, margin: width };
            let labels = std::array::from_fn(|i| i as u32 % 3);
            for kernel in Kernel::available() {
                let (mut counts, mut expected) = (Standings::default(), Standings::default());
                let open = kernel.above(&values, bits, bands, &mut counts.greater);
                prop_assert_eq!(open, above_body(&values, bits, bands, &mut expected.greater));
                for (place, value) in values.iter().enumerate() {
                    let named = bits >> place & 1 == 1;
                    let in_band = golds.scores.iter().any(|g| value == g || (value - g).abs() <= width);
                    prop_assert_eq!(open >> place & 1 == 1, named && in_band);
                    prop_assert_eq!(kernel.at_least(&values, 1.0) >> place & 1 == 1, *value >= 1.0);
                }
                for gold in 0..LANES {
                    let above = (0..PANEL).filter(|&p| bits >> p & 1 == 1 && values[p] > golds.scores[gold] + width);
                    prop_assert_eq!(counts.greater[gold] as usize, above.count());
                }
                let mut settled = Standings::default();
                kernel.settle(values[0], values[0], id, bands, &golds, &mut settled);
                for gold in 0..LANES {
                    let level = values[0] == golds.scores[gold];
                    prop_assert_eq!(settled.before[gold], u32::from(level && id < golds.ids[gold]));
                    prop_assert_eq!(settled.after[gold], u32::from(level && id > golds.ids[gold]));
                    let between = values[0] > golds.scores[gold] && values[0] <= golds.scores[gold] + width;
                    prop_assert_eq!(settled.greater[gold], u32::from(between));
                }
                let (mut all, mut pool) = (counts, Standings::default());
                kernel.add(&counts, &labels, 1, &mut all, &mut pool);
                for gold in 0..LANES {
                    prop_assert_eq!(all.greater[gold], 2 * counts.greater[gold]);
                    prop_assert_eq!(pool.greater[gold], if gold % 3 == 1 { counts.greater[gold] } else { 0 });
                }
            }
        }
    }
}
