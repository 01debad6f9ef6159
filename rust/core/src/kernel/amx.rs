//! Whole-number products in tiles of 16 queries × 16 passages, where the machine multiplies whole tiles.
//!
//! At eight times the rate of VNNI there is room for a second byte: a row is `scale · (first + second / 254)`
//! with what is left two hundred times smaller than after one byte. The product of the two second bytes
//! is left out. Where only the best passages are wanted, one byte tells enough.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::Isa;
use super::int8::STEP;
use super::tile::{PANEL, Scores};
use super::tile_registers::Tiles;

/// Queries of a tile.
pub const TILE: usize = 16;

/// Passages of two tiles side by side. Both bytes of so many stay in the first-level cache while one
/// tile of queries after another passes by.
pub const SIDE: usize = 2 * TILE;

/// Columns of a tile; rows of bytes are filled up with zeros to a multiple of it.
pub const TILE_COLUMNS: usize = 64;

/// Steps of the second byte to one of the first.
pub const FINER: f32 = 254.0;

/// Sixteen queries as two bytes a column.
#[derive(Debug, Clone, Copy)]
pub struct QueryTile<'a> {
    /// Sixteen rows of first bytes, then sixteen of second ones.
    pub rows: &'a [i8],
    /// What a first byte of each query stands for.
    pub factors: &'a [f32; TILE],
}

/// Four columns of the passages of one side of a panel, as signed bytes.
pub type SideStep = [[u8; STEP]; SIDE];

/// One side of a panel of passages as two bytes a column.
#[derive(Debug, Clone, Copy)]
pub struct PanelSide<'a> {
    /// First bytes, four columns at a time.
    pub first: &'a [SideStep],
    /// Second bytes.
    pub second: &'a [SideStep],
    /// What a first byte of each passage stands for.
    pub scales: &'a [f32; SIDE],
    /// What is added to the scores of each passage.
    pub biases: &'a [f32; SIDE],
    /// Place of the first passage in the panel.
    pub start: usize,
}

/// A panel of passages as one byte a column, in two sides.
#[derive(Debug, Clone, Copy)]
pub struct PanelTiles<'a> {
    /// Bytes of each side, four columns at a time.
    pub sides: [&'a [SideStep]; PANEL / SIDE],
    /// What a byte of each passage stands for.
    pub scales: &'a [f32; PANEL],
    /// What is added to the scores of each passage.
    pub biases: &'a [f32; PANEL],
}

impl Tiles {
    /// Approximate scores of a tile of queries with the passages of one side of a panel, `factor · (scale · product) + bias`. Returns for each query a bit for each
    /// score that is its bound or more; the other side is left as it is.
    ///
    /// # Panics
    /// When the queries are not sixteen rows of as many columns as the panel has, a multiple of
    /// [`TILE_COLUMNS`], or the side is not a part of a panel.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn approximate(
        &self,
        queries: &QueryTile<'_>,
        panel: &PanelSide<'_>,
        bounds: &[f32; TILE],
        scores: &mut [Scores; TILE],
    ) -> [u64; TILE] {
        let columns = panel.first.len() * STEP;
        assert!(panel.start + SIDE <= PANEL, "a side lies in its panel");
        assert!(
            queries.rows.len() == 2 * TILE * columns
                && panel.second.len() == panel.first.len()
                && columns.is_multiple_of(TILE_COLUMNS),
            "rows of one length"
        );
        match self.kernel().0 {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            // SAFETY: `available` makes this variant only where these features were detected and the
            // system allowed tiles; `tiles` configured them on this thread; lengths are checked above.
            Isa::Amx => unsafe { x86::approximate(queries, panel, bounds, scores) },
            _ => approximate_body(queries, panel, bounds, scores),
        }
    }

    /// The same for one byte a column and a whole panel; `queries` are sixteen rows of bytes and what a
    /// byte of each stands for.
    ///
    /// # Panics
    /// When the queries are not sixteen rows of as many columns as both sides have, a multiple of
    /// [`TILE_COLUMNS`].
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn coarse(
        &self,
        queries: (&[i8], &[f32; TILE]),
        panel: &PanelTiles<'_>,
        bounds: &[f32; TILE],
        scores: &mut [Scores; TILE],
    ) -> [u64; TILE] {
        let columns = panel.sides[0].len() * STEP;
        assert!(
            queries.0.len() == TILE * columns
                && panel.sides[1].len() == panel.sides[0].len()
                && columns > 0
                && columns.is_multiple_of(TILE_COLUMNS),
            "rows of one length"
        );
        match self.kernel().0 {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            // SAFETY: as in `approximate`.
            Isa::Amx => unsafe { x86::coarse(queries, panel, bounds, scores) },
            _ => coarse_body(queries, panel, bounds, scores),
        }
    }
}

fn coarse_body(
    (queries, factors): (&[i8], &[f32; TILE]),
    panel: &PanelTiles<'_>,
    bounds: &[f32; TILE],
    scores: &mut [Scores; TILE],
) -> [u64; TILE] {
    let columns = panel.sides[0].len() * STEP;
    let mut bits = [0; TILE];
    for (query, row) in queries.chunks(columns).enumerate() {
        for place in 0..PANEL {
            let side = panel.sides[place / SIDE];
            let product: i32 = row
                .iter()
                .enumerate()
                .map(|(column, byte)| {
                    let other = side[column / STEP][place % SIDE][column % STEP] as i8;
                    i32::from(*byte) * i32::from(other)
                })
                .sum();
            let scaled = product as f32 * panel.scales[place];
            let value = factors[query].mul_add(scaled, panel.biases[place]);
            scores[query][place] = value;
            bits[query] |= u64::from(value >= bounds[query]) << place;
        }
    }
    bits
}

fn approximate_body(
    queries: &QueryTile<'_>,
    panel: &PanelSide<'_>,
    bounds: &[f32; TILE],
    scores: &mut [Scores; TILE],
) -> [u64; TILE] {
    let columns = panel.first.len() * STEP;
    let (firsts, seconds) = queries.rows.split_at(TILE * columns);
    let mut bits = [0; TILE];
    for query in 0..TILE {
        let own = query * columns..(query + 1) * columns;
        for place in 0..SIDE {
            let (mut first, mut second) = (0i32, 0i32);
            for (column, (a, b)) in firsts[own.clone()]
                .iter()
                .zip(&seconds[own.clone()])
                .enumerate()
            {
                let at = |steps: &[SideStep]| {
                    i32::from(steps[column / STEP][place][column % STEP] as i8)
                };
                first += i32::from(*a) * at(panel.first);
                second += i32::from(*a) * at(panel.second) + i32::from(*b) * at(panel.first);
            }
            let product = (second as f32).mul_add(1.0 / FINER, first as f32);
            let value =
                queries.factors[query].mul_add(product * panel.scales[place], panel.biases[place]);
            scores[query][panel.start + place] = value;
            bits[query] |= u64::from(value >= bounds[query]) << (panel.start + place);
        }
    }
    bits
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[allow(unsafe_code)] // instructions and a system call that have no safe name
pub(super) mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;

    use super::super::tile::LANES;
    use super::{
        FINER, PanelSide, PanelTiles, QueryTile, STEP, Scores, SideStep, TILE, TILE_COLUMNS,
    };

    /// Products of a tile of queries with two tiles of passages: first with first bytes, and both mixed.
    #[repr(C, align(64))]
    struct Products([[[i32; LANES]; TILE]; 4]);

    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) unsafe fn approximate(
        queries: &QueryTile<'_>,
        panel: &PanelSide<'_>,
        bounds: &[f32; TILE],
        scores: &mut [Scores; TILE],
    ) -> [u64; TILE] {
        let columns = panel.first.len() * STEP;
        let mut bits = [0; TILE];
        let mut products = MaybeUninit::<Products>::uninit();
        // SAFETY: tiles are configured (the caller's word); a step of 64 columns reads 64 bytes of
        // each of 16 rows of each plane, 16 steps of a side 128 bytes of each.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{first} + {row}*1]",
                "tileloadd tmm6, [{high} + {step}*1]",
                "tileloadd tmm5, [{second} + {row}*1]",
                "tileloadd tmm7, [{low} + {step}*1]",
                "tdpbssd tmm0, tmm4, tmm6",
                "tdpbssd tmm1, tmm5, tmm6",
                "tileloadd tmm6, [{high} + {step}*1 + 64]",
                "tdpbssd tmm2, tmm4, tmm6",
                "tdpbssd tmm1, tmm4, tmm7",
                "tileloadd tmm7, [{low} + {step}*1 + 64]",
                "tdpbssd tmm3, tmm5, tmm6",
                "tdpbssd tmm3, tmm4, tmm7",
                "add {first}, 64",
                "add {second}, 64",
                "add {high}, 2048",
                "add {low}, 2048",
                "dec {count}",
                "jnz 2b",
                "tilestored [{out} + {width}*1], tmm0",
                "tilestored [{out} + {width}*1 + 1024], tmm1",
                "tilestored [{out} + {width}*1 + 2048], tmm2",
                "tilestored [{out} + {width}*1 + 3072], tmm3",
                first = inout(reg) queries.rows.as_ptr() => _,
                second = inout(reg) queries.rows.as_ptr().add(TILE * columns) => _,
                high = inout(reg) panel.first.as_ptr().cast::<u8>() => _,
                low = inout(reg) panel.second.as_ptr().cast::<u8>() => _,
                count = inout(reg) columns / TILE_COLUMNS => _,
                out = in(reg) products.as_mut_ptr(),
                row = in(reg) columns,
                step = in(reg) size_of::<SideStep>(),
                width = in(reg) LANES * size_of::<i32>(),
                options(nostack)
            );
        }
        // SAFETY: the four stores wrote every number.
        let products = unsafe { products.assume_init_ref() };
        for tile in 0..2 {
            let first = tile * TILE;
            // SAFETY: sixteen numbers from `first` on, of 32, of 64 scores, and whole rows of the products.
            unsafe {
                let scale = _mm512_loadu_ps(panel.scales.as_ptr().add(first));
                let bias = _mm512_loadu_ps(panel.biases.as_ptr().add(first));
                let finer = _mm512_set1_ps(1.0 / FINER);
                for query in 0..TILE {
                    let exact = _mm512_load_si512(products.0[2 * tile][query].as_ptr().cast());
                    let mixed = _mm512_load_si512(products.0[2 * tile + 1][query].as_ptr().cast());
                    let product = _mm512_fmadd_ps(
                        _mm512_cvtepi32_ps(mixed),
                        finer,
                        _mm512_cvtepi32_ps(exact),
                    );
                    let scaled = _mm512_mul_ps(product, scale);
                    let factor = _mm512_set1_ps(queries.factors[query]);
                    let value = _mm512_fmadd_ps(factor, scaled, bias);
                    let bound = _mm512_set1_ps(bounds[query]);
                    let reaches = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, bound);
                    bits[query] |= u64::from(reaches) << (panel.start + first);
                    _mm512_storeu_ps(scores[query].as_mut_ptr().add(panel.start + first), value);
                }
            }
        }
        bits
    }

    #[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) unsafe fn coarse(
        (queries, factors): (&[i8], &[f32; TILE]),
        panel: &PanelTiles<'_>,
        bounds: &[f32; TILE],
        scores: &mut [Scores; TILE],
    ) -> [u64; TILE] {
        let columns = panel.sides[0].len() * STEP;
        let mut products = MaybeUninit::<Products>::uninit();
        // SAFETY: tiles are configured (the caller's word); a step of 64 columns reads 64 bytes of
        // each of 16 rows and 16 steps of each side, 128 bytes each.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{query} + {row}*1]",
                "tileloadd tmm5, [{left} + {step}*1]",
                "tileloadd tmm6, [{left} + {step}*1 + 64]",
                "tdpbssd tmm0, tmm4, tmm5",
                "tileloadd tmm7, [{right} + {step}*1]",
                "tdpbssd tmm1, tmm4, tmm6",
                "tileloadd tmm5, [{right} + {step}*1 + 64]",
                "tdpbssd tmm2, tmm4, tmm7",
                "tdpbssd tmm3, tmm4, tmm5",
                "add {query}, 64",
                "add {left}, 2048",
                "add {right}, 2048",
                "dec {count}",
                "jnz 2b",
                "tilestored [{out} + {width}*1], tmm0",
                "tilestored [{out} + {width}*1 + 1024], tmm1",
                "tilestored [{out} + {width}*1 + 2048], tmm2",
                "tilestored [{out} + {width}*1 + 3072], tmm3",
                query = inout(reg) queries.as_ptr() => _,
                left = inout(reg) panel.sides[0].as_ptr().cast::<u8>() => _,
                right = inout(reg) panel.sides[1].as_ptr().cast::<u8>() => _,
                count = inout(reg) columns / TILE_COLUMNS => _,
                out = in(reg) products.as_mut_ptr(),
                row = in(reg) columns,
                step = in(reg) size_of::<SideStep>(),
                width = in(reg) LANES * size_of::<i32>(),
                options(nostack)
            );
        }
        // SAFETY: the four stores wrote every number.
        let products = unsafe { products.assume_init_ref() };
        let mut bits = [0; TILE];
        for tile in 0..4 {
            let first = tile * TILE;
            // SAFETY: sixteen numbers from `first` on, of 64, and whole rows of the products.
            unsafe {
                let scale = _mm512_loadu_ps(panel.scales.as_ptr().add(first));
                let bias = _mm512_loadu_ps(panel.biases.as_ptr().add(first));
                for query in 0..TILE {
                    let product = _mm512_load_si512(products.0[tile][query].as_ptr().cast());
                    let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(product), scale);
                    let value = _mm512_fmadd_ps(_mm512_set1_ps(factors[query]), scaled, bias);
                    let bound = _mm512_set1_ps(bounds[query]);
                    let reaches = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, bound);
                    bits[query] |= u64::from(reaches) << first;
                    _mm512_storeu_ps(scores[query].as_mut_ptr().add(first), value);
                }
            }
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]
        #[test]
        fn tiles_equal_the_plain_body(blocks in 1usize..4, seed in any::<u64>(), bound in -9f32..9.0) {
            let columns = blocks * TILE_COLUMNS;
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((state >> 56) as u8 as i8).max(-127)
            };
            let rows: Vec<i8> = (0..2 * TILE * columns).map(|_| byte()).collect();
            let mut steps = || -> Vec<SideStep> {
                (0..columns / STEP)
                    .map(|_| std::array::from_fn(|_| std::array::from_fn(|_| byte() as u8)))
                    .collect()
            };
            let (first, second) = (steps(), steps());
            let factors = std::array::from_fn(|i| i as f32 * 1e-6);
            let scales = std::array::from_fn(|i| 1.0 + i as f32 / 1000.0);
            let biases = std::array::from_fn(|i| 1.0 - i as f32 / 100.0);
            let bounds = std::array::from_fn(|i| bound + i as f32);
            let queries = QueryTile { rows: &rows, factors: &factors };
            let mut expected = [[0.0; PANEL]; TILE];
            for start in [0, SIDE] {
                let panel = PanelSide { first: &first, second: &second, scales: &scales, biases: &biases, start };
                let bits = approximate_body(&queries, &panel, &bounds, &mut expected);
                for kernel in Kernel::available() {
                    let tiles = kernel.tiles();
                    drop(kernel.tiles()); // giving others back leaves these set up
                    let mut scores = expected;
                    scores.iter_mut().for_each(|row| row[start..start + SIDE].fill(7.0));
                    prop_assert_eq!(tiles.approximate(&queries, &panel, &bounds, &mut scores), bits);
                    prop_assert_eq!(scores, expected);
                }
            }
            let scales = std::array::from_fn(|i| 1.0 + i as f32 / 1000.0);
            let biases = std::array::from_fn(|i| 1.0 - i as f32 / 100.0);
            let panel = PanelTiles { sides: [&first, &second], scales: &scales, biases: &biases };
            let one = (&rows[..TILE * columns], &factors);
            let bits = coarse_body(one, &panel, &bounds, &mut expected);
            for kernel in Kernel::available() {
                let mut scores = [[7.0; PANEL]; TILE];
                prop_assert_eq!(kernel.tiles().coarse(one, &panel, &bounds, &mut scores), bits);
                prop_assert_eq!(scores, expected);
            }
        }
    }
}
