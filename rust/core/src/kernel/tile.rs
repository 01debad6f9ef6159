//! Score tiles: inner products in one written order of operations.
//!
//! **The written order.** The score of two rows is a sum in [`LANES`] lanes: both rows are filled up
//! with zeros to a multiple of [`LANES`] columns, lane `l` is a chain of fused multiply-adds over the
//! columns `l`, `l + 16`, `l + 32` … from +0, then the upper half of the lanes is added to the lower,
//! halving until one is left, and +0 is added to that, so that no score is −0. [`inner_product`] is
//! that rule and the oracle of every fast path: the bits are the same for every instruction set,
//! tile shape and thread count.

use super::{Isa, Kernel};

/// Lanes of the sum of one score.
pub const LANES: usize = 16;

/// Queries scored side by side.
pub const GROUP: usize = 6;

/// Passages scored together, at most.
pub const PANEL: usize = 64;

/// The scores of one query with the passages of a panel.
pub type Scores = [f32; PANEL];

/// The score of two rows of equal length, in the written order.
///
/// ```
/// let score = hybrid_fast_core::kernel::inner_product(&[1.0, 2.0], &[3.0, 0.5]);
/// assert_eq!(score, 4.0);
/// ```
#[must_use]
#[inline(always)]
pub fn inner_product(query: &[f32], passage: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (queries, rest) = query.as_chunks::<LANES>();
    let (passages, other_rest) = passage.as_chunks::<LANES>();
    for (q, p) in queries.iter().zip(passages) {
        sums = step(sums, q, p);
    }
    if !rest.is_empty() {
        sums = step(sums, &filled(rest), &filled(other_rest));
    }
    fold(sums)
}

/// The next link of the chains of all lanes.
#[inline(always)]
fn step(sums: [f32; LANES], query: &[f32; LANES], passage: &[f32; LANES]) -> [f32; LANES] {
    let mut next = sums;
    for lane in 0..LANES {
        next[lane] = query[lane].mul_add(passage[lane], sums[lane]);
    }
    next
}

/// The last columns of a row, with zeros after them.
#[inline(always)]
pub(super) fn filled(rest: &[f32]) -> [f32; LANES] {
    let mut lanes = [0f32; LANES];
    lanes[..rest.len()].copy_from_slice(rest);
    lanes
}

#[inline(always)]
fn fold(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0] + 0.0
}

impl Kernel {
    /// Scores each query with each of at most [`PANEL`] passages, all of one length; the scores of
    /// query `q` come to the first `passages.len()` places of `scores[q]`, the others keep what they held
    /// or hold nothing of meaning.
    ///
    /// # Panics
    /// When there are more than [`PANEL`] passages or the lengths differ.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn tile<const Q: usize>(
        self,
        queries: &[&[f32]; Q],
        passages: &[&[f32]],
        scores: &mut [Scores; Q],
    ) {
        assert!(passages.len() <= PANEL, "a panel holds {PANEL} passages");
        let length = queries[0].len();
        assert!(
            queries
                .iter()
                .chain(passages)
                .all(|row| row.len() == length),
            "rows of one length"
        );
        match self.0 {
            Isa::Portable => tile_body(queries, passages, scores),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { tile_avx2(queries, passages, scores) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                avx512::tile(queries, passages, scores)
            },
        }
    }
}

#[inline(always)]
fn tile_body<const Q: usize>(queries: &[&[f32]; Q], passages: &[&[f32]], scores: &mut [Scores; Q]) {
    for (query, scores) in queries.iter().zip(scores) {
        let mut fours = passages.chunks_exact(4);
        let mut place = 0;
        for four in &mut fours {
            let sums = four_products(query, [four[0], four[1], four[2], four[3]]);
            scores[place..place + 4].copy_from_slice(&sums);
            place += 4;
        }
        for passage in fours.remainder() {
            scores[place] = inner_product(query, passage);
            place += 1;
        }
    }
}

/// Four scores at a time: four chains hide the latency of one.
#[inline(always)]
fn four_products(query: &[f32], passages: [&[f32]; 4]) -> [f32; 4] {
    // One name a passage: an array of sums indexed in a loop is kept in memory.
    let [mut a, mut b, mut c, mut d] = [[0f32; LANES]; 4];
    let (chunks, rest) = query.as_chunks::<LANES>();
    let [p, q, r, s] = passages.map(<[f32]>::as_chunks::<LANES>);
    for ((((query, p), q), r), s) in chunks.iter().zip(p.0).zip(q.0).zip(r.0).zip(s.0) {
        a = step(a, query, p);
        b = step(b, query, q);
        c = step(c, query, r);
        d = step(d, query, s);
    }
    if !rest.is_empty() {
        let rest = filled(rest);
        a = step(a, &rest, &filled(p.1));
        b = step(b, &rest, &filled(q.1));
        c = step(c, &rest, &filled(r.1));
        d = step(d, &rest, &filled(s.1));
    }
    [fold(a), fold(b), fold(c), fold(d)]
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn tile_avx2<const Q: usize>(queries: &[&[f32]; Q], passages: &[&[f32]], scores: &mut [Scores; Q]) {
    tile_body(queries, passages, scores);
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads from raw pointers
mod avx512 {
    use std::arch::x86_64::*;

    use super::{LANES, Scores};

    /// Passages whose sums stay in registers together.
    const WIDTH: usize = 4;

    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn tile<const Q: usize>(
        queries: &[&[f32]; Q],
        passages: &[&[f32]],
        scores: &mut [Scores; Q],
    ) {
        let fours = passages.chunks_exact(WIDTH);
        let rest = fours.remainder();
        let mut first = 0;
        for four in fours {
            let next = passages.get(first + WIDTH..).unwrap_or(&[]);
            some::<Q, WIDTH>(
                queries,
                std::array::from_fn(|i| four[i]),
                next,
                first,
                scores,
            );
            first += WIDTH;
        }
        for passage in rest {
            some::<Q, 1>(queries, [*passage], &[], first, scores);
            first += 1;
        }
    }

    /// Scores `W` passages, whose scores come to the places from `first` on, and asks for the next ones.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    fn some<const Q: usize, const W: usize>(
        queries: &[&[f32]; Q],
        passages: [&[f32]; W],
        next: &[&[f32]],
        first: usize,
        scores: &mut [Scores; Q],
    ) {
        let length = queries[0].len();
        let (whole, rest) = (length / LANES * LANES, length % LANES);
        let mask = ((1u32 << rest) - 1) as __mmask16;
        let rows = passages.map(<[f32]>::as_ptr);
        let next: [*const f32; W] =
            std::array::from_fn(|i| next.get(i).map_or(rows[i], |row| row.as_ptr()));
        let mut sums = [[_mm512_setzero_ps(); W]; Q];
        // SAFETY: every row has `length` elements (checked by the caller), `column + LANES` never passes
        // `whole`, and the masked loads touch only the `rest` elements after it.
        unsafe {
            let mut column = 0;
            while column < whole {
                let p: [__m512; W] = std::array::from_fn(|i| _mm512_loadu_ps(rows[i].add(column)));
                for row in next {
                    _mm_prefetch::<_MM_HINT_T0>(row.add(column).cast());
                }
                for (sums, query) in sums.iter_mut().zip(queries) {
                    let q = _mm512_loadu_ps(query.as_ptr().add(column));
                    for (sum, p) in sums.iter_mut().zip(p) {
                        *sum = _mm512_fmadd_ps(q, p, *sum);
                    }
                }
                column += LANES;
            }
            if rest > 0 {
                let p: [__m512; W] =
                    std::array::from_fn(|i| _mm512_maskz_loadu_ps(mask, rows[i].add(whole)));
                for (sums, query) in sums.iter_mut().zip(queries) {
                    let q = _mm512_maskz_loadu_ps(mask, query.as_ptr().add(whole));
                    for (sum, p) in sums.iter_mut().zip(p) {
                        *sum = _mm512_fmadd_ps(q, p, *sum);
                    }
                }
            }
        }
        for (sums, scores) in sums.into_iter().zip(scores.iter_mut()) {
            let folded = fold_four(std::array::from_fn(|i| sums[i.min(W - 1)]));
            scores[first..first + W].copy_from_slice(&folded[..W]);
        }
    }

    /// Folds four sums side by side; each keeps the written order.
    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    fn fold_four(sums: [__m512; 4]) -> [f32; 4] {
        let [a, b, c, d] = sums;
        // Upper halves onto lower: a in the lower half of `ab`, b in the upper.
        let ab = _mm512_add_ps(
            _mm512_mask_blend_ps(0xff00, a, b),
            _mm512_shuffle_f32x4::<0b01_00_11_10>(a, b),
        );
        let cd = _mm512_add_ps(
            _mm512_mask_blend_ps(0xff00, c, d),
            _mm512_shuffle_f32x4::<0b01_00_11_10>(c, d),
        );
        // Quarters: a, b, c, d in the four quarters of one register.
        let quarters = _mm512_add_ps(
            _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd),
            _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd),
        );
        let pairs = _mm512_add_ps(quarters, _mm512_permute_ps::<0b01_00_11_10>(quarters));
        let ones = _mm512_add_ps(pairs, _mm512_permute_ps::<0b10_11_00_01>(pairs));
        let ones = _mm512_add_ps(ones, _mm512_setzero_ps());
        let packed = _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, ones));
        let mut folded = [0f32; 4];
        // SAFETY: `folded` has room for the four floats.
        unsafe { _mm_storeu_ps(folded.as_mut_ptr(), packed) };
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_is_lanes_of_fused_steps_and_a_fold() {
        assert_eq!(inner_product(&[], &[]).to_bits(), 0f32.to_bits());
        // Fused: no rounding of 3·⅓ before the sum, both in lane 0.
        let third = 1.0f32 / 3.0;
        let (mut q, mut p) = ([0f32; 17], [0f32; 17]);
        (q[0], q[16], p[0], p[16]) = (-1.0, 3.0, 1.0, third);
        assert!(inner_product(&q, &p) != 0.0 && 3.0 * third - 1.0 == 0.0);
        // 2²⁴ + 1 is lost in f32, so the order of the terms is visible: lanes 0 and 8 meet first.
        let mut ones = [0f32; 16];
        (ones[0], ones[8], ones[4], ones[12]) = (16_777_216.0, 1.0, 1.0, 1.0);
        assert_eq!(inner_product(&ones, &[1.0; 16]), 16_777_218.0);
        // A product that rounds to −0 gives +0.
        assert_eq!(inner_product(&[-1e-30], &[1e-30]).to_bits(), 0f32.to_bits());
    }

    proptest! {
        #[test]
        fn every_kernel_equals_the_reference_bit_for_bit(
            columns in 0usize..70,
            rows in 0usize..=PANEL,
            seed in any::<u64>(),
            scale in prop::sample::select(vec![1e-30f32, 1.0, 1e18]),
        ) {
            let mut state = seed;
            let mut draw = |count: usize| -> Vec<f32> {
                (0..count).map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ((state >> 40) as f32 / 8_388_608.0 - 1.0) * scale
                }).collect()
            };
            let (q, p) = (draw(GROUP * columns), draw(rows * columns));
            let row = |data: &'_ [f32], number: usize| -> Vec<f32> {
                data[number * columns..(number + 1) * columns].to_vec()
            };
            let queries: Vec<Vec<f32>> = (0..GROUP).map(|i| row(&q, i)).collect();
            let passages: Vec<Vec<f32>> = (0..rows).map(|i| row(&p, i)).collect();
            let of_queries: [&[f32]; GROUP] = std::array::from_fn(|i| &queries[i][..]);
            let of_passages: Vec<&[f32]> = passages.iter().map(|row| &row[..]).collect();
            for kernel in Kernel::available() {
                let mut scores = [[7.0; PANEL]; GROUP];
                kernel.tile(&of_queries, &of_passages, &mut scores);
                let mut alone = [[7.0; PANEL]; 1];
                kernel.tile(&[of_queries[0]], &of_passages, &mut alone);
                for (i, query) in of_queries.iter().enumerate() {
                    for (j, passage) in of_passages.iter().enumerate() {
                        let expected = inner_product(query, passage).to_bits();
                        prop_assert_eq!(scores[i][j].to_bits(), expected);
                        prop_assert!(i > 0 || alone[0][j].to_bits() == expected);
                    }
                }
            }
        }
    }
}
