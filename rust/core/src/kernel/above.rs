//! Counting the scores above a few bounds that hardly any score equals, all bounds in one pass.

use super::count::PIECE;
use super::{Counts, FEW, Isa, Kernel, Lanes, count_plainly};

/// How many scores there are above each bound, and how many equal one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Above {
    /// Scores greater than the bound, for each of the bounds.
    pub above: [u32; FEW],
    /// Scores equal to any of the bounds.
    pub equal: u32,
    /// Whether a score is NaN; the counts then mean nothing.
    pub nan: bool,
}

impl Kernel {
    /// [`Kernel::count_few`] where it is enough to know that scores equal a bound, not which: faster.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn count_above<T: Lanes>(self, scores: &[T], bounds: &[f32]) -> Above {
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
fn body<T: Lanes>(scores: &[T], bounds: &[f32]) -> Above {
    let mut counts = Above::default();
    let mut scratch = Vec::new();
    for piece in scores.chunks(PIECE) {
        let piece = above_plainly(T::widen(piece, &mut scratch), bounds);
        for (all, above) in counts.above.iter_mut().zip(piece.above) {
            *all += above;
        }
        counts.equal += piece.equal;
        counts.nan |= piece.nan;
    }
    counts
}

/// What [`Kernel::count_above`] counts, for any scores: the meaning of the other paths.
#[inline(always)]
pub fn above_plainly<S: Copy + PartialOrd>(scores: &[S], bounds: &[S]) -> Above {
    let Counts { above, nan, .. } = count_plainly(scores, bounds);
    let equals = |score: &S| bounds.iter().fold(false, |any, b| any | (score == b));
    let equal = scores
        .iter()
        .fold(0, |all, score| all + u32::from(equals(score)));
    Above { above, equal, nan }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn avx2<T: Lanes>(scores: &[T], bounds: &[f32]) -> Above {
    body(scores, bounds)
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<T: Lanes, const M: usize>(scores: &[T], bounds: [f32; M]) -> Above {
    use std::arch::x86_64::*;
    let bounds = bounds.map(|bound| _mm512_set1_ps(bound));
    // Opaque, as in [`Kernel::count_few`].
    let one = _mm512_set1_epi32(std::hint::black_box(1));
    let (mut above, mut other) = ([_mm512_setzero_si512(); M], _mm512_setzero_si512());
    let mut nan = 0u16;
    let head = scores.as_ptr().align_offset(64).min(scores.len());
    let (head, middle) = scores.split_at(head);
    let (runs, rest) = middle.as_chunks::<64>();
    for run in runs {
        super::wide::ask_ahead(run.as_ptr(), run.len());
        // SAFETY: the four loads are the 64 elements of the run.
        let lanes: [__m512; 4] =
            std::array::from_fn(|i| unsafe { T::sixteen(run.as_ptr().add(16 * i)) });
        nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lanes[0], lanes[1]);
        nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lanes[2], lanes[3]);
        for lane in lanes {
            let mut differs = u16::MAX;
            for m in 0..M {
                let greater = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(lane, bounds[m]);
                above[m] = _mm512_mask_add_epi32(above[m], greater, above[m], one);
                differs = _mm512_mask_cmp_ps_mask::<_CMP_NEQ_UQ>(differs, lane, bounds[m]);
            }
            if M > 0 {
                other = _mm512_mask_add_epi32(other, differs, other, one);
            }
        }
    }
    for part in head.chunks(16).chain(rest.chunks(16)) {
        let mask = u16::MAX >> (16 - part.len());
        // SAFETY: the mask has one bit for each element of the part.
        let lane = unsafe { T::some(part.as_ptr(), mask) };
        nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(lane, lane);
        let mut differs = mask;
        for m in 0..M {
            let greater = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(mask, lane, bounds[m]);
            above[m] = _mm512_mask_add_epi32(above[m], greater, above[m], one);
            differs = _mm512_mask_cmp_ps_mask::<_CMP_NEQ_UQ>(differs, lane, bounds[m]);
        }
        if M > 0 {
            other = _mm512_mask_add_epi32(other, differs, other, one);
        }
    }
    let mut counts = Above {
        nan: nan != 0,
        ..Above::default()
    };
    for (count, lanes) in counts.above.iter_mut().zip(above) {
        *count = _mm512_reduce_add_epi32(lanes) as u32;
    }
    if M > 0 {
        counts.equal = scores.len() as u32 - _mm512_reduce_add_epi32(other) as u32;
    }
    counts
}
