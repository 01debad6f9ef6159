//! Score tiles: inner products in one written order of operations.
//!
//! **The written order.** The score of two rows is one chain of fused multiply-adds over the
//! dimension, from the first column to the last, starting at +0: [`inner_product`] is that rule and
//! the oracle of every fast path. Tiles vectorise *across passages*, so each pair keeps its chain,
//! and the bits are the same for every instruction set, tile shape and thread count.
//!
//! The fast paths are the same Rust bodies compiled for wider registers and chosen at run time.
//! Calling them is the crate's only `unsafe`; [`Kernel`] can only be made for instruction sets that
//! the machine has, which is what makes the calls sound.

use crate::matrix::Embeddings;

/// Passages scored side by side.
pub const LANES: usize = 16;

/// Queries scored against one panel at a time.
pub const GROUP: usize = 8;

/// One dimension of [`LANES`] passages; a packed passage panel has one of these per column.
pub type Lane = [f32; LANES];

/// One dimension of [`GROUP`] queries.
pub type Column = [f32; GROUP];

/// The score of two rows: `mul_add` over the columns, first to last, from +0.
///
/// ```
/// let score = hybrid_fast_core::kernel::inner_product(&[1.0, 2.0], &[3.0, 0.5]);
/// assert_eq!(score, 4.0);
/// ```
#[must_use]
#[inline(always)]
pub fn inner_product(query: &[f32], passage: &[f32]) -> f32 {
    query
        .iter()
        .zip(passage)
        .fold(0.0, |sum, (q, p)| q.mul_add(*p, sum))
}

/// The instruction set that tiles are computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Isa);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isa {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// The plain compilation, for every machine.
    pub const PORTABLE: Self = Self(Isa::Portable);

    /// What this machine can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))] // nothing to add elsewhere
        let mut kernels = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                kernels.push(Self(Isa::Avx2));
                if is_x86_feature_detected!("avx512f") {
                    kernels.push(Self(Isa::Avx512));
                }
            }
        }
        kernels
    }

    /// The fastest that this machine can run.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// The name of the instruction set.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2+fma",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512f",
        }
    }
}

/// Defines methods of [`Kernel`] that run an `#[inline(always)]` body compiled for its instruction set.
macro_rules! dispatched {
    ($($(#[$doc:meta])* $name:ident, $avx2:ident, $avx512:ident = $body:ident
        ($($argument:ident: $kind:ty),*) $(-> $answer:ty)?;)*) => {
        impl Kernel {
            $($(#[$doc])*
            #[inline]
            #[allow(unsafe_code)] // the one place: calls of functions compiled for more instructions
            pub fn $name(self, $($argument: $kind),*) $(-> $answer)? {
                match self.0 {
                    Isa::Portable => $body($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: `available` makes this variant only where AVX2 and FMA were detected.
                    Isa::Avx2 => unsafe { $avx2($($argument),*) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: `available` makes this variant only where AVX-512F was detected too.
                    Isa::Avx512 => unsafe { $avx512($($argument),*) },
                }
            })*
        }
        $(#[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn $avx2($($argument: $kind),*) $(-> $answer)? { $body($($argument),*) }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,avx512f")]
        fn $avx512($($argument: $kind),*) $(-> $answer)? { $body($($argument),*) })*
    };
}

dispatched! {
    /// The score of two rows; equal to [`inner_product`] bit for bit.
    pair, pair_avx2, pair_avx512 = inner_product(query: &[f32], passage: &[f32]) -> f32;
    /// Scores [`GROUP`] packed queries against packed panels of passages. `panels` holds whole
    /// panels of `queries.len()` lanes; row `q` of `scores` receives `LANES` scores a panel.
    tile, tile_avx2, tile_avx512 = tile_body(queries: &[Column], panels: &[Lane], scores: &mut [Vec<f32>; GROUP]);
    /// Whether any value is NaN.
    any_nan, any_nan_avx2, any_nan_avx512 = any_nan_body(scores: &[f32]) -> bool;
    /// Whether any value is `bound` or more.
    any_at_least, any_at_least_avx2, any_at_least_avx512 = any_at_least_body(scores: &[f32], bound: f32) -> bool;
    /// How many values are greater than `bound`, and how many equal it.
    count, count_avx2, count_avx512 = count_body(scores: &[f32], bound: f32) -> (u32, u32);
}

#[inline(always)]
fn tile_body(queries: &[Column], panels: &[Lane], scores: &mut [Vec<f32>; GROUP]) {
    if queries.is_empty() {
        return;
    }
    for (number, panel) in panels.chunks_exact(queries.len()).enumerate() {
        // One name a query: an array of sums indexed in a loop is kept in memory, twenty times slower.
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = [[0f32; LANES]; GROUP];
        for (query, lane) in queries.iter().zip(panel) {
            a = step(a, query[0], lane);
            b = step(b, query[1], lane);
            c = step(c, query[2], lane);
            d = step(d, query[3], lane);
            e = step(e, query[4], lane);
            f = step(f, query[5], lane);
            g = step(g, query[6], lane);
            h = step(h, query[7], lane);
        }
        let place = number * LANES..(number + 1) * LANES;
        for (row, sums) in scores.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            row[place.clone()].copy_from_slice(&sums);
        }
    }
}

/// The next link of the chains of one query with [`LANES`] passages.
#[inline(always)]
fn step(sums: Lane, query: f32, passages: &Lane) -> Lane {
    let mut next = sums;
    for lane in 0..LANES {
        next[lane] = query.mul_add(passages[lane], sums[lane]);
    }
    next
}

#[inline(always)]
fn any_nan_body(scores: &[f32]) -> bool {
    scores.iter().fold(false, |any, score| any | score.is_nan())
}

#[inline(always)]
fn any_at_least_body(scores: &[f32], bound: f32) -> bool {
    scores
        .iter()
        .fold(false, |any, score| any | (*score >= bound))
}

#[inline(always)]
fn count_body(scores: &[f32], bound: f32) -> (u32, u32) {
    scores.iter().fold((0, 0), |(greater, equal), score| {
        (
            greater + u32::from(*score > bound),
            equal + u32::from(*score == bound),
        )
    })
}

/// Packs rows side by side into panels of [`LANES`]: lane `j` of panel `i` is row `rows[i·LANES + j]`.
/// Lanes past the last row are 0; their scores mean nothing.
pub fn pack_passages(
    passages: &Embeddings<'_>,
    rows: impl Iterator<Item = usize>,
    panels: &mut [Lane],
    scratch: &mut Vec<f32>,
) {
    let columns = passages.columns();
    let mut filled = 0;
    for (position, row) in rows.enumerate() {
        let (panel, lane) = (position / LANES, position % LANES);
        let panel = &mut panels[panel * columns..(panel + 1) * columns];
        for (slot, value) in panel.iter_mut().zip(passages.row(row, scratch)) {
            slot[lane] = *value;
        }
        filled = position + 1;
    }
    if !filled.is_multiple_of(LANES) {
        let panel = filled / LANES;
        for slot in &mut panels[panel * columns..(panel + 1) * columns] {
            slot[filled % LANES..].fill(0.0);
        }
    }
}

/// Packs up to [`GROUP`] query rows from `first` on; missing ones are 0.
pub fn pack_queries(
    queries: &Embeddings<'_>,
    first: usize,
    packed: &mut [Column],
    scratch: &mut Vec<f32>,
) {
    for place in 0..GROUP {
        if first + place < queries.rows() {
            for (slot, value) in packed.iter_mut().zip(queries.row(first + place, scratch)) {
                slot[place] = *value;
            }
        } else {
            packed.iter_mut().for_each(|slot| slot[place] = 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::View;
    use proptest::prelude::*;

    #[test]
    fn the_order_is_one_chain_of_fused_steps() {
        // 2²⁴ + 1 is lost in f32, so the order of the terms is visible; fused: no rounding of 3·⅓.
        assert_eq!(
            inner_product(&[1.0, 1.0, 1.0], &[16_777_216.0, 1.0, 1.0]),
            16_777_216.0
        );
        assert_eq!(
            inner_product(&[1.0, 1.0, 1.0], &[1.0, 1.0, 16_777_216.0]),
            16_777_218.0
        );
        let third = 1.0f32 / 3.0;
        let fused = inner_product(&[-1.0, 3.0], &[1.0, third]);
        assert!(fused != 0.0 && 3.0 * third - 1.0 == 0.0);
        assert_eq!(inner_product(&[], &[]).to_bits(), 0f32.to_bits());
    }

    #[test]
    fn the_last_kernel_is_the_fastest_and_has_a_name() {
        let kernels = Kernel::available();
        assert_eq!(kernels[0], Kernel::PORTABLE);
        assert_eq!(kernels.last(), Some(&Kernel::detect()));
        assert!(kernels.iter().all(|kernel| !kernel.name().is_empty()));
    }

    proptest! {
        #[test]
        fn every_kernel_equals_the_reference_bit_for_bit(
            columns in 1usize..40,
            panels in 1usize..4,
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
            let (rows, wanted) = (panels * LANES - 5, GROUP - 3);
            let (q, p) = (draw(wanted * columns), draw(rows * columns));
            let queries = Embeddings::F32(View::contiguous(&q, wanted, columns).expect("fits"));
            let passages = Embeddings::F32(View::contiguous(&p, rows, columns).expect("fits"));
            let mut scratch = Vec::new();
            let mut columns_of = vec![[7f32; GROUP]; columns];
            let mut lanes = vec![[7f32; LANES]; panels * columns];
            pack_queries(&queries, 0, &mut columns_of, &mut scratch);
            pack_passages(&passages, 0..rows, &mut lanes, &mut scratch);
            for kernel in Kernel::available() {
                let mut scores: [Vec<f32>; GROUP] = std::array::from_fn(|_| vec![7.0; panels * LANES]);
                kernel.tile(&columns_of, &lanes, &mut scores);
                for (i, query) in q.chunks(columns).enumerate() {
                    for (j, passage) in p.chunks(columns).enumerate() {
                        let expected = inner_product(query, passage);
                        prop_assert_eq!(scores[i][j].to_bits(), expected.to_bits());
                        prop_assert_eq!(kernel.pair(query, passage).to_bits(), expected.to_bits());
                    }
                }
                let row = &scores[0][..rows];
                let bound = row[rows / 2];
                prop_assert_eq!(kernel.count(row, bound), (
                    row.iter().filter(|&&s| s > bound).count() as u32,
                    row.iter().filter(|&&s| s == bound).count() as u32,
                ));
                prop_assert!(kernel.any_at_least(row, bound) && !kernel.any_nan(row));
                prop_assert!(kernel.any_nan(&[0.0, f32::NAN, 1.0]) && !kernel.any_at_least(&[f32::NAN], 0.0));
            }
        }
    }
}
