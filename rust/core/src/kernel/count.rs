//! Counting the scores above a few bounds, all bounds in one pass.

use super::{Isa, Kernel, Lanes};

/// Most bounds that [`Kernel::count_few`] takes: they and their counters stay in registers.
pub const FEW: usize = 4;

/// Scores widened and compared at a time where a loop cannot do both in registers.
pub(super) const PIECE: usize = 2048;

/// How many scores there are above each bound, and how many at or above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Scores greater than the bound, for each of the bounds.
    pub above: [u32; FEW],
    /// Scores greater than or equal to the bound.
    pub at_least: [u32; FEW],
    /// Whether a score is NaN; the counts then mean nothing.
    pub nan: bool,
}

impl Kernel {
    /// Compares each score with each of up to [`FEW`] bounds.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn count_few<T: Lanes>(self, scores: &[T], bounds: &[f32]) -> Counts {
        assert!(bounds.len() <= FEW, "at most {FEW} bounds");
        match self.0 {
            Isa::Portable => body(scores, bounds),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { avx2(scores, bounds) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                match *bounds {
                    [] => avx512(scores, []),
                    [a] => avx512(scores, [a]),
                    [a, b] => avx512(scores, [a, b]),
                    [a, b, c] => avx512(scores, [a, b, c]),
                    [a, b, c, d, ..] => avx512(scores, [a, b, c, d]),
                }
            },
        }
    }
}

#[inline(always)]
fn body<T: Lanes>(scores: &[T], bounds: &[f32]) -> Counts {
    let mut counts = Counts::default();
    let mut scratch = Vec::new();
    for piece in scores.chunks(PIECE) {
        counts += count_plainly(T::widen(piece, &mut scratch), bounds);
    }
    counts
}

/// What [`Kernel::count_few`] counts, for any scores: the meaning of the other paths.
#[inline(always)]
#[allow(clippy::eq_op)] // a value that differs from itself is NaN, in any of the types
pub fn count_plainly<S: Copy + PartialOrd>(scores: &[S], bounds: &[S]) -> Counts {
    let mut counts = Counts {
        nan: scores
            .iter()
            .fold(false, |any, score| any | (score != score)),
        ..Counts::default()
    };
    for (number, bound) in bounds.iter().enumerate() {
        let start = (0u32, 0u32);
        let (above, at_least) = scores.iter().fold(start, |(above, at_least), score| {
            (
                above + u32::from(score > bound),
                at_least + u32::from(score >= bound),
            )
        });
        counts.above[number] = above;
        counts.at_least[number] = at_least;
    }
    counts
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        for number in 0..FEW {
            self.above[number] += other.above[number];
            self.at_least[number] += other.at_least[number];
        }
        self.nan |= other.nan;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn avx2<T: Lanes>(scores: &[T], bounds: &[f32]) -> Counts {
    body(scores, bounds)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<T: Lanes, const M: usize>(scores: &[T], bounds: [f32; M]) -> Counts {
    use std::arch::x86_64::*;
    let bounds = bounds.map(|bound| _mm512_set1_ps(bound));
    // Opaque, for a known 1 makes LLVM widen the mask and subtract: one instruction more.
    let one = _mm512_set1_epi32(std::hint::black_box(1));
    let (mut above, mut at_least) = ([_mm512_setzero_si512(); M], [_mm512_setzero_si512(); M]);
    let mut nan = 0u16;
    // Whole cache lines where the elements allow it: a load that straddles two costs as two.
    let head = scores.as_ptr().align_offset(64).min(scores.len());
    let (head, scores) = scores.split_at(head);
    let (runs, rest) = scores.as_chunks::<64>();
    for run in runs {
        super::wide::ask_ahead(run.as_ptr(), run.len());
        // SAFETY: the four loads are the 64 elements of the run.
        let lanes: [__m512; 4] =
            std::array::from_fn(|i| unsafe { T::sixteen(run.as_ptr().add(16 * i)) });
        // Unordered when either is NaN: one comparison for two.
        nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lanes[0], lanes[1]);
        nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lanes[2], lanes[3]);
        for lane in lanes {
            for m in 0..M {
                let greater = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(lane, bounds[m]);
                above[m] = _mm512_mask_add_epi32(above[m], greater, above[m], one);
                let reaching = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(lane, bounds[m]);
                at_least[m] = _mm512_mask_add_epi32(at_least[m], reaching, at_least[m], one);
            }
        }
    }
    for part in head.chunks(16).chain(rest.chunks(16)) {
        let mask = u16::MAX >> (16 - part.len());
        // SAFETY: the mask has one bit for each element of the part.
        let lane = unsafe { T::some(part.as_ptr(), mask) };
        nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lane, lane);
        for m in 0..M {
            let greater = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(mask, lane, bounds[m]);
            above[m] = _mm512_mask_add_epi32(above[m], greater, above[m], one);
            let reaching = _mm512_mask_cmp_ps_mask::<_CMP_GE_OQ>(mask, lane, bounds[m]);
            at_least[m] = _mm512_mask_add_epi32(at_least[m], reaching, at_least[m], one);
        }
    }
    let mut counts = Counts {
        nan: nan != 0,
        ..Counts::default()
    };
    for m in 0..M {
        counts.above[m] = _mm512_reduce_add_epi32(above[m]) as u32;
        counts.at_least[m] = _mm512_reduce_add_epi32(at_least[m]) as u32;
    }
    counts
}
