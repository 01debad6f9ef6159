//! The greatest scores of the parts of a row: a bound under which no score can be among the best k,
//! wherever in the row those stand.

use super::{Isa, Kernel, Lanes};

/// Scores side by side in [`Maxima`].
pub const WIDTH: usize = 16;

/// What a pass over a row leaves behind.
///
/// The row is cut into blocks of `depth` times [`WIDTH`] scores, and of every block the greatest in each
/// of the sixteen columns is kept. Groups gather blocks that stand far apart, so that a row which rises
/// or falls does not put its best scores into one group.
#[derive(Debug, Clone, Default)]
pub struct Maxima {
    /// Sixteen a block, of the piece that was read last.
    pub blocks: Vec<f32>,
    /// The greatest of each group, of all pieces. At least `k` scores reach the `k`-th greatest of them.
    pub groups: Vec<f32>,
    /// Where in `groups` the next block belongs.
    ring: usize,
}

impl Maxima {
    /// Begins a row, with `groups` groups or a few more.
    pub fn begin(&mut self, groups: usize) {
        self.groups.clear();
        let whole = groups.next_multiple_of(WIDTH).max(WIDTH);
        self.groups.resize(whole, f32::NEG_INFINITY);
        self.ring = 0;
    }
}

impl Kernel {
    /// Takes in the next piece of a row, in blocks of `depth` (2 or 8) times [`WIDTH`] scores; returns
    /// whether a score is NaN, and the maxima then mean nothing.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn maxima<T: Lanes>(self, piece: &[T], depth: usize, maxima: &mut Maxima) -> bool {
        let blocks = piece.len().div_ceil(depth * WIDTH);
        maxima.blocks.resize(blocks * WIDTH, 0.0);
        let Maxima {
            blocks,
            groups,
            ring,
        } = maxima;
        assert!(groups.len().is_multiple_of(WIDTH) && *ring + WIDTH <= groups.len());
        match self.0 {
            Isa::Portable => body(piece, depth, blocks, groups, ring),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { avx2(piece, depth, blocks, groups, ring) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected; there
            // are sixteen maxima for each block, and `ring` is a place of sixteen groups.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                match depth {
                    2 => avx512::<T, 2>(piece, blocks, groups, ring),
                    8 => avx512::<T, 8>(piece, blocks, groups, ring),
                    _ => body(piece, depth, blocks, groups, ring),
                }
            },
        }
    }
}

#[inline(always)]
fn body<T: Lanes>(
    row: &[T],
    depth: usize,
    tops: &mut [f32],
    groups: &mut [f32],
    ring: &mut usize,
) -> bool {
    let (mut nan, mut scratch) = (false, Vec::new());
    let blocks = row.chunks(depth * WIDTH).zip(tops.chunks_exact_mut(WIDTH));
    for (block, tops) in blocks {
        let block = T::widen(block, &mut scratch);
        tops.fill(f32::NEG_INFINITY);
        for scores in block.chunks(WIDTH) {
            for (top, &score) in tops.iter_mut().zip(scores) {
                nan |= score.is_nan();
                *top = if score > *top { score } else { *top };
            }
        }
        for (group, &top) in groups[*ring..*ring + WIDTH].iter_mut().zip(&*tops) {
            *group = if top > *group { top } else { *group };
        }
        *ring = (*ring + WIDTH) % groups.len();
    }
    nan
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn avx2<T: Lanes>(
    row: &[T],
    depth: usize,
    tops: &mut [f32],
    groups: &mut [f32],
    ring: &mut usize,
) -> bool {
    body(row, depth, tops, groups, ring)
}

/// # Safety
/// `tops` holds sixteen for each block that was begun, `ring` is a place of sixteen `groups`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn avx512<T: Lanes, const DEPTH: usize>(
    row: &[T],
    tops: &mut [f32],
    groups: &mut [f32],
    ring: &mut usize,
) -> bool {
    use std::arch::x86_64::*;
    let lowest = _mm512_set1_ps(f32::NEG_INFINITY);
    let mut nan = 0u16;
    let mut at = *ring;
    for (block, tops) in row.chunks(DEPTH * WIDTH).zip(tops.chunks_exact_mut(WIDTH)) {
        super::wide::ask_ahead(block.as_ptr(), DEPTH * WIDTH);
        let mut lanes = [lowest; DEPTH];
        if block.len() == DEPTH * WIDTH {
            for (i, lane) in lanes.iter_mut().enumerate() {
                // SAFETY: the block is whole.
                *lane = unsafe { T::sixteen(block.as_ptr().add(i * WIDTH)) };
            }
        } else {
            for (lane, part) in lanes.iter_mut().zip(block.chunks(WIDTH)) {
                let mask = u16::MAX >> (WIDTH - part.len());
                // SAFETY: the mask has one bit for each element of the part.
                *lane = _mm512_mask_mov_ps(lowest, mask, unsafe { T::some(part.as_ptr(), mask) });
            }
        }
        for pair in lanes.chunks_exact(2) {
            // Unordered when either is NaN: one comparison for two.
            nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(pair[0], pair[1]);
        }
        let mut width = DEPTH;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] = _mm512_max_ps(lanes[i], lanes[i + width]);
            }
        }
        // SAFETY: `tops` are sixteen; `at` is a multiple of sixteen below the length of `groups`.
        unsafe {
            _mm512_storeu_ps(tops.as_mut_ptr(), lanes[0]);
            let group = groups.as_mut_ptr().add(at);
            _mm512_storeu_ps(group, _mm512_max_ps(_mm512_loadu_ps(group), lanes[0]));
        }
        at += WIDTH;
        if at == groups.len() {
            at = 0;
        }
    }
    *ring = at;
    nan != 0
}
