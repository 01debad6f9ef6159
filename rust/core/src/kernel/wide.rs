//! Sixteen scores at a time: loads that widen to `f32`, and asking for memory ahead of its use.

use crate::matrix::Element;
use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// How far ahead of the loads memory is asked for, in bytes. Without it a core that compares
/// more than it loads keeps too few reads under way.
#[cfg(target_arch = "x86_64")]
pub(super) const AHEAD: usize = 6144;

/// A stored score whose rows the kernels read: it widens to `f32` in a register.
#[allow(unsafe_code)] // the contract below
pub trait Lanes: Element + 'static {
    /// This score as `f32`.
    fn wide(self) -> f32;

    /// This `f32`, which must be a score of this type.
    fn narrow(wide: f32) -> Self;

    /// The bits of scores of 16 bits, and those of +∞; `None` for wider ones.
    fn halves(scores: &[Self]) -> Option<(&[u16], u16)>;

    /// Sixteen consecutive scores.
    ///
    /// # Safety
    /// `at` must be valid for reads of 16 elements, on a machine with AVX-512 F, BW and VL.
    #[cfg(target_arch = "x86_64")]
    #[doc(hidden)]
    unsafe fn sixteen(at: *const Self) -> __m512;

    /// The scores whose bits are set in `mask`, zeros elsewhere.
    ///
    /// # Safety
    /// As for [`Lanes::sixteen`], only for the elements in `mask`.
    #[cfg(target_arch = "x86_64")]
    #[doc(hidden)]
    unsafe fn some(at: *const Self, mask: u16) -> __m512;

    /// `N` scores, at most 8, each sixteen after the one before; what follows them is arbitrary.
    ///
    /// # Safety
    /// `at` must be valid for reads of the `N` elements, on a machine as for [`Lanes::sixteen`].
    #[cfg(target_arch = "x86_64")]
    #[doc(hidden)]
    unsafe fn column<const N: usize>(at: *const Self) -> __m256;
}

macro_rules! lanes {
    ($kind:ty, $narrow:expr, $halves:expr, $at:ident, $mask:ident => $sixteen:expr, $some:expr, $column:expr) => {
        #[allow(unsafe_code)] // the trait's contract
        impl Lanes for $kind {
            #[inline]
            fn wide(self) -> f32 {
                f32::from(self)
            }

            #[inline]
            fn narrow(wide: f32) -> Self {
                $narrow(wide)
            }

            #[inline]
            fn halves(scores: &[Self]) -> Option<(&[u16], u16)> {
                $halves(scores)
            }

            #[cfg(target_arch = "x86_64")]
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn sixteen($at: *const Self) -> __m512 {
                // SAFETY: the caller's contract.
                unsafe { $sixteen }
            }

            #[cfg(target_arch = "x86_64")]
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn some($at: *const Self, $mask: u16) -> __m512 {
                // SAFETY: the caller's contract.
                unsafe { $some }
            }

            #[cfg(target_arch = "x86_64")]
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c")]
            unsafe fn column<const N: usize>($at: *const Self) -> __m256 {
                // SAFETY: the caller's contract.
                unsafe { $column }
            }
        }
    };
}

fn f16_bits(scores: &[f16]) -> Option<(&[u16], u16)> {
    Some((scores.reinterpret_cast(), f16::INFINITY.to_bits()))
}

fn bf16_bits(scores: &[bf16]) -> Option<(&[u16], u16)> {
    Some((scores.reinterpret_cast(), bf16::INFINITY.to_bits()))
}

lanes!(f32, |wide| wide, |_| None, at, mask =>
    _mm512_loadu_ps(at),
    _mm512_maskz_loadu_ps(mask, at),
    strided::<N>(at));
lanes!(f16, f16::from_f32, f16_bits, at, mask =>
    _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())),
    _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, at.cast())),
    _mm256_cvtph_ps(halves::<N>(at.cast())));
lanes!(bf16, bf16::from_f32, bf16_bits, at, mask =>
    from_bf16(_mm256_loadu_si256(at.cast())),
    from_bf16(_mm256_maskz_loadu_epi16(mask, at.cast())),
    _mm512_castps512_ps256(from_bf16(_mm256_castsi128_si256(halves::<N>(at.cast())))));

/// # Safety
/// As for [`Lanes::column`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)] // loads through a pointer
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn strided<const N: usize>(at: *const f32) -> __m256 {
    let places = _mm256_slli_epi32::<4>(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    let present = u8::MAX >> (8 - N);
    // SAFETY: the caller's contract, for the N elements that the mask names.
    unsafe { _mm256_mmask_i32gather_ps::<4>(_mm256_setzero_ps(), present, places, at) }
}

/// # Safety
/// As for [`Lanes::column`].
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)] // loads through a pointer
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn halves<const N: usize>(at: *const u16) -> __m128i {
    let mut halves = [0u16; 8];
    for (i, half) in halves.iter_mut().enumerate().take(N) {
        // SAFETY: the caller's contract.
        *half = unsafe { *at.add(16 * i) };
    }
    let [a, b, c, d, e, f, g, h] = halves.map(u16::cast_signed);
    _mm_setr_epi16(a, b, c, d, e, f, g, h)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn from_bf16(bits: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
}

/// Asks for the memory of `item`, which will be read soon.
#[inline]
pub(crate) fn prefetch<T>(item: &T) {
    ask(std::ptr::from_ref(item));
}

/// Asks for the memory [`AHEAD`] of `length` elements from `at` on.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn ask_ahead<T>(at: *const T, length: usize) {
    let at = at.cast::<u8>().wrapping_add(AHEAD);
    for line in (0..length * size_of::<T>()).step_by(64) {
        ask(at.wrapping_add(line));
    }
}

#[inline(always)]
#[allow(unsafe_code)] // a hint
fn ask<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and never faults, past the end of the data too.
    unsafe {
        _mm_prefetch::<_MM_HINT_T1>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
