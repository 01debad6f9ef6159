//! Rows of bytes laid side by side, four columns a step, as products of whole numbers read them.

use super::int8::STEP;
#[cfg(target_arch = "x86_64")]
use super::tile::LANES;
use super::{Isa, Kernel};

/// Rows of bytes laid side by side at a time.
pub const STRIPE: usize = 16;

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
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::PANEL;
    use proptest::prelude::*;

    proptest! {
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
    }
}
