//! [`Kernel::bisect`](super::Kernel::bisect) for scores of 16 bits, thirty-two at a time: they are
//! compared as whole numbers in the same order, so nothing is widened.

use std::arch::x86_64::*;

use super::Hits;
use super::bounds::{BOUNDS, add_above};
use super::wide::ask_ahead;

/// A whole number that orders as the float with these bits does; both zeros are 0.
pub(super) fn order(bits: u16) -> i16 {
    let magnitude = (bits & 0x7fff).cast_signed();
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// `infinity` is the bits of +∞: what is greater, without its sign, is NaN.
///
/// # Safety
/// At most [`super::LONGEST`] scores and [`BOUNDS`] bounds.
#[allow(unsafe_code)] // loads and stores through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn avx512(
    scores: &[u16],
    infinity: u16,
    bounds: &[i16],
    above: &mut [u32],
    hits: &mut Hits,
) -> bool {
    let mut table = [i16::MAX; 64]; // no score is above it, only NaN equals it
    table[..bounds.len()].copy_from_slice(bounds);
    // SAFETY: 32 elements from 0, 1 and 3 on lie within the 64.
    let (of, next, third) = unsafe {
        let table = table.as_ptr();
        (
            _mm512_loadu_si512(table.cast()),
            _mm512_loadu_si512(table.add(1).cast()),
            _mm512_loadu_si512(table.add(3).cast()),
        )
    };
    let seventh = _mm512_set1_epi16(table[7]);
    // Opaque, for known constants make LLVM widen the masks: one instruction more for each.
    let step = |by: i16| _mm512_set1_epi16(std::hint::black_box(by));
    let (one, two, four, eight) = (step(1), step(2), step(4), step(8));
    let magnitude = _mm512_set1_epi16(0x7fff);
    let sixteen = _mm512_set1_epi16(16);
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    let mut count = 0;
    let found: *mut u32 = hits.room();
    let mut greatest = _mm512_setzero_si512();
    let mut counters = Counters::new();
    let mut place = 0;
    while place < scores.len() {
        for _ in 0..5 {
            let (mut low, mut high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            for _ in 0..3 {
                let left = scores.len().saturating_sub(place);
                if left == 0 {
                    break;
                }
                // SAFETY: `place` is inside the scores, and the mask has a bit for each one that is left.
                let (bits, present) = unsafe {
                    let at: *const i16 = scores.as_ptr().add(place).cast();
                    if left >= 32 {
                        (_mm512_loadu_si512(at.cast()), u32::MAX)
                    } else {
                        let mask = u32::MAX >> (32 - left);
                        (_mm512_maskz_loadu_epi16(mask, at), mask)
                    }
                };
                ask_ahead(scores.as_ptr().wrapping_add(place), 32);
                // As `order` does.
                let plain = _mm512_and_si512(bits, magnitude);
                greatest = _mm512_max_epu16(greatest, plain);
                let sign = _mm512_srai_epi16::<15>(bits);
                let values = _mm512_sub_epi16(_mm512_xor_si512(plain, sign), sign);
                // The number of bounds below each score, from its highest bit.
                let m = _mm512_cmpgt_epi16_mask(values, seventh);
                let below = _mm512_maskz_mov_epi16(m, eight);
                let m = _mm512_cmpgt_epi16_mask(values, _mm512_permutexvar_epi16(below, third));
                let below = _mm512_mask_add_epi16(below, m, below, four);
                let m = _mm512_cmpgt_epi16_mask(values, _mm512_permutexvar_epi16(below, next));
                let below = _mm512_mask_add_epi16(below, m, below, two);
                let m = _mm512_cmpgt_epi16_mask(values, _mm512_permutexvar_epi16(below, of));
                let below = _mm512_mask_add_epi16(below, m, below, one);
                let reached = _mm512_permutexvar_epi16(below, of);
                let m = _mm512_mask_cmpeq_epi16_mask(present, values, reached);
                if m != 0 {
                    let halves = [
                        (m as u16, _mm512_castsi512_si256(below)),
                        ((m >> 16) as u16, _mm512_extracti64x4_epi64::<1>(below)),
                    ];
                    for (half, (m, below)) in halves.into_iter().enumerate() {
                        let at = _mm512_set1_epi32((place + 16 * half) as i32);
                        let below = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(below));
                        let hit = _mm512_or_si512(_mm512_add_epi32(lane, at), below);
                        // SAFETY: at most one hit a score so far, and sixteen more fit past the last.
                        unsafe {
                            let hit = _mm512_maskz_compress_epi32(m, hit);
                            _mm512_storeu_si512(found.add(count).cast(), hit);
                        }
                        count += m.count_ones() as usize;
                    }
                }
                // A shift by 16 or more, also by a negative number, leaves nothing.
                let bit = _mm512_maskz_mov_epi16(present, one);
                let shift = _mm512_add_epi16(below, below);
                low = _mm512_add_epi16(low, _mm512_sllv_epi16(bit, shift));
                let shift = _mm512_sub_epi16(shift, sixteen);
                high = _mm512_add_epi16(high, _mm512_sllv_epi16(bit, shift));
                place += 32;
            }
            counters.add(low, high);
        }
        counters.widen();
    }
    hits.set_count(count);
    add_above(&counters.sums(), above);
    let limit = _mm512_set1_epi16(infinity.cast_signed());
    _mm512_cmpgt_epu16_mask(greatest, limit) != 0
}

/// How many scores have 0 to 15 bounds below them.
struct Counters {
    /// Of 4 bits: even and odd numbers, below 8 and from 8 on.
    fours: [__m512i; 4],
    /// Of 8 bits.
    eights: [__m512i; 8],
}

impl Counters {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new() -> Self {
        let zero = _mm512_setzero_si512();
        Self {
            fours: [zero; 4],
            eights: [zero; 8],
        }
    }

    /// Adds counters of 2 bits, of numbers below 8 and from 8 on.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn add(&mut self, low: __m512i, high: __m512i) {
        let pairs = _mm512_set1_epi16(0x3333);
        for (half, twos) in [(0, low), (2, high)] {
            let even = _mm512_and_si512(twos, pairs);
            self.fours[half] = _mm512_add_epi16(self.fours[half], even);
            let odd = _mm512_and_si512(_mm512_srli_epi16::<2>(twos), pairs);
            self.fours[half + 1] = _mm512_add_epi16(self.fours[half + 1], odd);
        }
    }

    /// Moves the counters of 4 bits, which five times 3 fill, to those of 8 bits.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn widen(&mut self) {
        let nibbles = _mm512_set1_epi16(0x0f0f);
        for half in 0..4 {
            let low = _mm512_and_si512(self.fours[half], nibbles);
            self.eights[2 * half] = _mm512_add_epi16(self.eights[2 * half], low);
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(self.fours[half]), nibbles);
            self.eights[2 * half + 1] = _mm512_add_epi16(self.eights[2 * half + 1], high);
            self.fours[half] = _mm512_setzero_si512();
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn sums(&self) -> [u32; BOUNDS + 1] {
        let (bytes, ones) = (_mm512_set1_epi16(0xff), _mm512_set1_epi16(1));
        let mut sums = [0; BOUNDS + 1];
        for (&eights, first) in self.eights.iter().zip([0, 2, 1, 3, 8, 10, 9, 11]) {
            for (byte, eights) in [eights, _mm512_srli_epi16::<8>(eights)]
                .into_iter()
                .enumerate()
            {
                let pairs = _mm512_madd_epi16(_mm512_and_si512(eights, bytes), ones);
                sums[4 * byte + first] = _mm512_reduce_add_epi32(pairs) as u32;
            }
        }
        sums
    }
}
