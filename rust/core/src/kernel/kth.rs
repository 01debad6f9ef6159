//! The k-th greatest of many scores.

#[cfg(target_arch = "x86_64")]
use super::Isa;
use super::Kernel;

/// Up to this many scores a plain selection is as fast.
#[cfg(target_arch = "x86_64")]
const SMALL: usize = 64;

/// Room for the scores that are still in question.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // the plain selection needs none
pub struct Halves {
    greater: Vec<f32>,
    less: Vec<f32>,
}

impl Kernel {
    /// The `k`-th greatest of `scores`, `k` from 1; they hold no NaN and come back in any order.
    #[allow(unsafe_code)] // a call of a function compiled for more instructions
    pub fn kth_greatest(self, scores: &mut Vec<f32>, k: usize, halves: &mut Halves) -> f32 {
        assert!((1..=scores.len()).contains(&k), "no such place");
        #[cfg(target_arch = "x86_64")]
        if matches!(self.0, Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx) {
            // SAFETY: `available` makes these variants only where these features were detected.
            return unsafe { avx512(scores, k, halves) };
        }
        let _ = halves;
        plainly(scores, k)
    }
}

fn plainly(scores: &mut [f32], k: usize) -> f32 {
    // −0 before 0 is an order that contradicts no comparison.
    *scores
        .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a))
        .1
}

/// Halves the scores around one of them until few are left.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512(scores: &mut Vec<f32>, mut k: usize, halves: &mut Halves) -> f32 {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    while scores.len() > SMALL {
        // The median of nine drawn scores: no order of the scores makes most draws bad ones.
        let mut drawn = [0f32; 9];
        for draw in &mut drawn {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *draw = scores[((seed >> 32) as usize * scores.len()) >> 32];
        }
        // Where the k-th lies tells which of the nine comes closest to it.
        drawn.sort_unstable_by(|a, b| b.total_cmp(a));
        let pivot = drawn[(k * 9 / (scores.len() + 1)).clamp(1, 7)];
        let (greater, less) = split(scores, pivot, halves);
        if k <= greater {
            std::mem::swap(scores, &mut halves.greater);
            scores.truncate(greater);
        } else if k <= scores.len() - less {
            return pivot;
        } else {
            k -= scores.len() - less;
            std::mem::swap(scores, &mut halves.less);
            scores.truncate(less);
        }
    }
    plainly(scores, k)
}

/// Copies the scores above and below `pivot` to the fronts of the halves and returns how many they are.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn split(scores: &[f32], pivot: f32, halves: &mut Halves) -> (usize, usize) {
    use std::arch::x86_64::*;
    // A whole vector is stored where only some of its scores are kept.
    for half in [&mut halves.greater, &mut halves.less] {
        if half.len() < scores.len() + 16 {
            half.resize(scores.len() + 16, 0.0);
        }
    }
    let pivot = _mm512_set1_ps(pivot);
    let (mut greater, mut less) = (0, 0);
    for part in scores.chunks(16) {
        let mask = u16::MAX >> (16 - part.len());
        // SAFETY: the mask has one bit for each score of the part; no more scores were kept than were
        // read, and both halves have room for sixteen more.
        unsafe {
            let values = _mm512_maskz_loadu_ps(mask, part.as_ptr());
            let above = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(mask, values, pivot);
            let below = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(mask, values, pivot);
            let place = halves.greater.as_mut_ptr().add(greater);
            _mm512_storeu_ps(place, _mm512_maskz_compress_ps(above, values));
            let place = halves.less.as_mut_ptr().add(less);
            _mm512_storeu_ps(place, _mm512_maskz_compress_ps(below, values));
            greater += above.count_ones() as usize;
            less += below.count_ones() as usize;
        }
    }
    (greater, less)
}
