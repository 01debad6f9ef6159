//! Counting the scores between many bounds: where each score falls is found by bisection, sixteen at
//! a time, and counted in two bits a bound that are widened now and then.

#[cfg(target_arch = "x86_64")]
use super::bisect_halves;
use super::bounds::BOUNDS;
#[cfg(target_arch = "x86_64")]
use super::bounds::add_above;
use super::{Isa, Kernel, Lanes};

/// Longest run of scores that one pass takes: 255 vectors, after which a counter of 8 bits is full.
pub const LONGEST: usize = 255 * 16;

/// Scores of one run that equal a bound, and room for a whole vector past the last.
#[derive(Debug, Clone)]
pub struct Hits {
    /// The place in the run, with the number of the bound in the upper half.
    found: Box<[u32; LONGEST + 16]>,
    count: usize,
}

impl Default for Hits {
    fn default() -> Self {
        Self {
            found: Box::new([0; LONGEST + 16]),
            count: 0,
        }
    }
}

impl Hits {
    /// Place in the run and number of the bound, places ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        let found = self.found[..self.count].iter();
        found.map(|hit| ((hit & 0xffff) as usize, (hit >> 16) as usize))
    }

    fn push(&mut self, place: usize, bound: usize) {
        self.found[self.count] = (bound << 16 | place) as u32;
        self.count += 1;
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn room(&mut self) -> *mut u32 {
        self.found.as_mut_ptr()
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn set_count(&mut self, count: usize) {
        self.count = count;
    }
}

impl Kernel {
    /// Adds to `above[i]` how many of up to [`LONGEST`] scores are greater than `bounds[i]`, and lists
    /// the scores that equal a bound. `bounds` are at most [`BOUNDS`], ascending, none twice,
    /// and could be scores of this type. Returns
    /// whether a score is NaN; the counts then mean nothing.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn bisect<T: Lanes>(
        self,
        scores: &[T],
        bounds: &[f32],
        above: &mut [u32],
        hits: &mut Hits,
    ) -> bool {
        assert!(scores.len() <= LONGEST && bounds.len() <= BOUNDS && above.len() == bounds.len());
        match self.0 {
            Isa::Portable => body(scores, bounds, above, hits),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { avx2(scores, bounds, above, hits) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected, and
            // the lengths were checked above.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                let Some((bits, infinity)) = T::halves(scores) else {
                    return avx512(scores, bounds, above, hits);
                };
                let mut orders = [0; BOUNDS];
                let bits_of = |bound: &f32| T::halves(&[T::narrow(*bound)]).map_or(0, |h| h.0[0]);
                for (order, bound) in orders.iter_mut().zip(bounds) {
                    *order = bisect_halves::order(bits_of(bound));
                }
                let orders = &orders[..bounds.len()];
                bisect_halves::avx512(bits, infinity, orders, above, hits)
            },
        }
    }
}

#[inline(always)]
fn body<T: Lanes>(scores: &[T], bounds: &[f32], above: &mut [u32], hits: &mut Hits) -> bool {
    let mut scratch = Vec::new();
    bisect_plainly(T::widen(scores, &mut scratch), bounds, above, hits)
}

/// What [`Kernel::bisect`] counts, for any scores: the meaning of the other paths.
#[inline(always)]
#[allow(clippy::eq_op)] // a value that differs from itself is NaN, in any of the types
pub fn bisect_plainly<S: Copy + PartialOrd>(
    scores: &[S],
    bounds: &[S],
    above: &mut [u32],
    hits: &mut Hits,
) -> bool {
    hits.count = 0;
    let mut any = 0;
    for (bound, above) in bounds.iter().zip(above) {
        let start = (0u32, 0u32);
        let (greater, equal) = scores.iter().fold(start, |(greater, equal), score| {
            (
                greater + u32::from(score > bound),
                equal + u32::from(score == bound),
            )
        });
        *above += greater;
        any += equal;
    }
    if any > 0 {
        for (place, score) in scores.iter().enumerate() {
            if let Some(bound) = bounds.iter().position(|bound| bound == score) {
                hits.push(place, bound);
            }
        }
    }
    scores
        .iter()
        .fold(false, |any, score| any | (score != score))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn avx2<T: Lanes>(scores: &[T], bounds: &[f32], above: &mut [u32], hits: &mut Hits) -> bool {
    body(scores, bounds, above, hits)
}

/// # Safety
/// At most [`LONGEST`] scores and [`BOUNDS`] bounds.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn avx512<T: Lanes>(
    scores: &[T],
    bounds: &[f32],
    above: &mut [u32],
    hits: &mut Hits,
) -> bool {
    use std::arch::x86_64::*;
    let mut table = [f32::NAN; 32]; // no score is above NaN, none equals it
    table[..bounds.len()].copy_from_slice(bounds);
    // SAFETY: sixteen elements from 0, 1 and 3 on lie within the 32.
    let (of, next, third) = unsafe {
        let table = table.as_ptr();
        (
            _mm512_loadu_ps(table),
            _mm512_loadu_ps(table.add(1)),
            _mm512_loadu_ps(table.add(3)),
        )
    };
    let seventh = _mm512_set1_ps(table[7]);
    // Opaque, for known constants make LLVM widen the masks: one instruction more for each.
    let step = |by: i32| _mm512_set1_epi32(std::hint::black_box(by));
    let (one, two, four, eight) = (step(1), step(2), step(4), step(8));
    let (pairs, nibbles, bytes) = (
        _mm512_set1_epi32(0x3333_3333),
        _mm512_set1_epi32(0x0f0f_0f0f),
        _mm512_set1_epi32(0xff),
    );
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let zero = _mm512_setzero_si512();

    let mut count = 0;
    let found: *mut u32 = hits.room();
    let mut nan = 0u16;
    let mut place = 0;
    // Counters of 8 bits, of bounds 4b, 4b + 2, 4b + 1 and 4b + 3 in byte b.
    let mut eights = [zero; 4];
    while place < scores.len() {
        // Counters of 4 bits, of even and odd numbers of bounds below.
        let (mut even, mut odd) = (zero, zero);
        for _ in 0..5 {
            let mut twos = zero;
            for _ in 0..3 {
                let left = scores.len().saturating_sub(place);
                if left == 0 {
                    break;
                }
                // SAFETY: `place` is inside the scores, and the mask has a bit for each one that is left.
                let (values, present) = unsafe {
                    let at = scores.as_ptr().add(place);
                    if left >= 16 {
                        (T::sixteen(at), u16::MAX)
                    } else {
                        let mask = u16::MAX >> (16 - left);
                        (T::some(at, mask), mask)
                    }
                };
                super::wide::ask_ahead(scores.as_ptr().wrapping_add(place), 16);
                nan |= _mm512_mask_cmp_ps_mask::<_CMP_UNORD_Q>(present, values, values);
                // The number of bounds below each score, from its highest bit.
                let m = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, seventh);
                let below = _mm512_maskz_mov_epi32(m, eight);
                let m =
                    _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, _mm512_permutexvar_ps(below, third));
                let below = _mm512_mask_add_epi32(below, m, below, four);
                let m =
                    _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, _mm512_permutexvar_ps(below, next));
                let below = _mm512_mask_add_epi32(below, m, below, two);
                let m = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, _mm512_permutexvar_ps(below, of));
                let below = _mm512_mask_add_epi32(below, m, below, one);
                let m = _mm512_mask_cmp_ps_mask::<_CMP_EQ_OQ>(
                    present,
                    values,
                    _mm512_permutexvar_ps(below, of),
                );
                if m != 0 {
                    let places = _mm512_add_epi32(lane, _mm512_set1_epi32(place as i32));
                    let hit = _mm512_or_si512(places, _mm512_slli_epi32::<16>(below));
                    // SAFETY: at most one hit a score so far, and sixteen more fit past the last.
                    unsafe {
                        _mm512_storeu_si512(
                            found.add(count).cast(),
                            _mm512_maskz_compress_epi32(m, hit),
                        );
                    }
                    count += m.count_ones() as usize;
                }
                let bits = _mm512_sllv_epi32(one, _mm512_add_epi32(below, below));
                twos = _mm512_add_epi32(twos, _mm512_maskz_mov_epi32(present, bits));
                place += 16;
            }
            even = _mm512_add_epi32(even, _mm512_and_si512(twos, pairs));
            let high = _mm512_srli_epi32::<2>(twos);
            odd = _mm512_add_epi32(odd, _mm512_and_si512(high, pairs));
        }
        for (half, nibble) in [(0, even), (2, odd)] {
            eights[half] = _mm512_add_epi32(eights[half], _mm512_and_si512(nibble, nibbles));
            let high = _mm512_srli_epi32::<4>(nibble);
            eights[half + 1] = _mm512_add_epi32(eights[half + 1], _mm512_and_si512(high, nibbles));
        }
    }
    hits.count = count;

    let mut histogram = [0u32; BOUNDS + 1];
    for (counters, first) in eights.into_iter().zip([0, 2, 1, 3]) {
        let mut counters = counters;
        for byte in 0..4 {
            histogram[4 * byte + first] =
                _mm512_reduce_add_epi32(_mm512_and_si512(counters, bytes)) as u32;
            counters = _mm512_srli_epi32::<8>(counters);
        }
    }
    add_above(&histogram, above);
    nan != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{FEW, LEVELS, above_plainly};
    use half::{bf16, f16};
    use proptest::prelude::*;

    fn agree<T: Lanes>(scores: &[T], bounds: &[f32]) -> Result<(), TestCaseError> {
        let mut bounds: Vec<f32> = bounds.iter().map(|&b| T::narrow(b).wide()).collect();
        bounds.dedup_by(|a, b| *a == *b); // the two zeros are one bound
        let bounds = &bounds[..];
        let mut scratch = Vec::new();
        let wide = T::widen(scores, &mut scratch);
        let (mut expected, mut listed) = (vec![7; bounds.len()], Hits::default());
        let nan = bisect_plainly(wide, bounds, &mut expected, &mut listed);
        let few = &bounds[..bounds.len().min(FEW)];
        let counts = super::super::count_plainly(wide, few);
        for kernel in Kernel::available() {
            let (mut above, mut hits) = (vec![7; bounds.len()], Hits::default());
            let found = kernel.bisect(scores, bounds, &mut above, &mut hits);
            prop_assert_eq!(found, nan, "{}", kernel.name());
            let counted = kernel.count_few(scores, few);
            let apart = kernel.count_above(scores, few);
            prop_assert_eq!(apart.nan, nan, "{}", kernel.name());
            prop_assert_eq!(counted.nan, nan, "{}", kernel.name());
            if !nan {
                prop_assert_eq!(&above, &expected, "{}", kernel.name());
                prop_assert!(hits.iter().eq(listed.iter()), "{}", kernel.name());
                prop_assert_eq!(counted, counts, "{}", kernel.name());
                prop_assert_eq!(apart, above_plainly(wide, few), "{}", kernel.name());
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_kernel_counts_the_same(
            row in prop::collection::vec(0..LEVELS.len(), 0..700),
            long in any::<bool>(),
            wanted in prop::collection::btree_set(0..LEVELS.len(), 0..=BOUNDS),
            nan in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut row: Vec<f32> = row.into_iter().map(|i| LEVELS[i]).collect();
            if long && !row.is_empty() {
                row = row.iter().copied().cycle().take(LONGEST - row.len() % 5).collect();
            }
            if let (Some(nan), false) = (nan, row.is_empty()) {
                let place = nan.index(row.len());
                row[place] = f32::NAN;
            }
            let bounds: Vec<f32> = wanted.into_iter().map(|i| LEVELS[i]).collect();
            agree(&row, &bounds)?;
            let halves: Vec<f16> = row.iter().map(|&s| f16::from_f32(s)).collect();
            let brains: Vec<bf16> = row.iter().map(|&s| bf16::from_f32(s)).collect();
            agree(&halves, &bounds)?;
            agree(&brains, &bounds)?;
        }
    }
}
