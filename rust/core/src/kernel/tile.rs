//! Score tiles: inner products in one written order of operations.
//!
//! **The written order.** The score of two rows is one chain of fused multiply-adds over the
//! dimension, from the first column to the last, starting at +0: [`inner_product`] is that rule and
//! the oracle of every fast path. Tiles vectorise *across passages*, so each pair keeps its chain,
//! and the bits are the same for every instruction set, tile shape and thread count.

use super::{Isa, Kernel, dispatched};
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

dispatched! {
    /// The score of two rows; equal to [`inner_product`] bit for bit.
    pair, pair_avx2, pair_avx512 = inner_product(query: &[f32], passage: &[f32]) -> f32;
    /// Scores [`GROUP`] packed queries against packed panels of passages. `panels` holds whole
    /// panels of `queries.len()` lanes; row `q` of `scores` receives `LANES` scores a panel.
    tile, tile_avx2, tile_avx512 = tile_body(queries: &[Column], panels: &[Lane], scores: &mut [Vec<f32>; GROUP]);
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
            }
        }
    }
}
