//! Where the scores stand that reach a bound.

use super::{Isa, Kernel, Lanes, WIDTH};

/// Blocks whose maxima are compared before their scores are looked at.
#[cfg(target_arch = "x86_64")]
const BATCH: usize = 32;

/// The scores of a row that reached the bound of their piece, with room for a whole vector past the last.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    places: Vec<u32>,
    scores: Vec<f32>,
    count: usize,
    bound: f32,
    /// How many of them equal the bound, and how many of those are worth keeping: the first ones win.
    equal: usize,
    wanted: usize,
}

impl Reached {
    /// Begins a row of which the best `wanted` are sought.
    pub fn begin(&mut self, wanted: usize) {
        (self.count, self.bound, self.equal) = (0, f32::NEG_INFINITY, 0);
        self.wanted = wanted;
    }

    /// Column and score of each, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, f32)> {
        let places = self.places[..self.count].iter().copied();
        places.zip(self.scores[..self.count].iter().copied())
    }

    /// What a score has to be at least: more than the bound, once enough scores equal it.
    fn limit(&self) -> f32 {
        match self.bound {
            bound if self.equal < self.wanted => bound,
            f32::INFINITY => f32::NAN, // which no score reaches
            bound => bound.next_up(),
        }
    }

    /// Makes room for `more`, and for a whole vector past the last.
    fn reserve(&mut self, more: usize) {
        let need = self.count + more + WIDTH;
        if self.places.len() < need {
            self.places.resize(2 * need, 0);
            self.scores.resize(2 * need, 0.0);
        }
    }

    #[inline(always)]
    fn offer(&mut self, score: f32, place: usize, limit: f32) {
        if score >= limit {
            self.places[self.count] = place as u32;
            self.scores[self.count] = score;
            self.count += 1;
            self.equal += usize::from(score == self.bound);
        }
    }
}

impl Kernel {
    /// Adds the scores of a piece that are `bound` or more; of those that equal it at least the first that
    /// are wanted. The piece begins at column `first`. `blocks` are the maxima of its blocks of
    /// `depth`, from [`Kernel::maxima`]; without any, every score is looked at. The pieces of a row
    /// come in order, and no bound is lower than the one before.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn collect<T: Lanes>(
        self,
        piece: &[T],
        first: usize,
        (blocks, depth): (&[f32], usize),
        bound: f32,
        reached: &mut Reached,
    ) {
        assert!(blocks.is_empty() || blocks.len() == piece.len().div_ceil(depth * WIDTH) * WIDTH);
        if bound > reached.bound {
            (reached.bound, reached.equal) = (bound, 0);
        }
        match self.0 {
            Isa::Portable => body(piece, first, (blocks, depth), reached),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { avx2(piece, first, (blocks, depth), reached) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                if blocks.is_empty() {
                    scan(piece, first, reached);
                } else {
                    match depth {
                        2 => avx512::<T, 2>(piece, first, blocks, reached),
                        8 => avx512::<T, 8>(piece, first, blocks, reached),
                        _ => body(piece, first, (blocks, depth), reached),
                    }
                }
            },
        }
    }
}

#[inline(always)]
fn body<T: Lanes>(
    piece: &[T],
    first: usize,
    (blocks, depth): (&[f32], usize),
    reached: &mut Reached,
) {
    let mut scratch = Vec::new();
    let size = if blocks.is_empty() {
        1024
    } else {
        depth * WIDTH
    };
    for (number, block) in piece.chunks(size).enumerate() {
        let limit = reached.limit();
        if let Some(tops) = blocks.chunks_exact(WIDTH).nth(number)
            && !tops.iter().fold(false, |any, top| any | (*top >= limit))
        {
            continue;
        }
        reached.reserve(block.len());
        for (place, &score) in (first + number * size..).zip(T::widen(block, &mut scratch)) {
            reached.offer(score, place, limit);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn avx2<T: Lanes>(piece: &[T], first: usize, blocks: (&[f32], usize), reached: &mut Reached) {
    body(piece, first, blocks, reached);
}

/// First the columns of blocks whose maximum reaches the bound are listed, without a branch, then the
/// scores of each such column are looked at, again without one.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<T: Lanes, const DEPTH: usize>(
    piece: &[T],
    first: usize,
    blocks: &[f32],
    reached: &mut Reached,
) {
    use std::arch::x86_64::*;
    let size = DEPTH * WIDTH;
    let whole = piece.len() / size; // blocks that are full
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let rows = _mm256_slli_epi32::<4>(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    let present = u8::MAX >> (8 - DEPTH);
    let mut columns = [0u32; (BATCH + 1) * WIDTH];
    let bound = _mm256_set1_ps(reached.bound);
    for begin in (0..whole).step_by(BATCH) {
        let batch = begin..(begin + BATCH).min(whole);
        let limit = reached.limit();
        let mut listed = 0;
        let least = _mm512_set1_ps(limit);
        for number in batch {
            // SAFETY: there are sixteen maxima for each block, and at most sixteen columns are listed
            // for each block of the batch; a whole vector fits past the last.
            unsafe {
                let tops = _mm512_loadu_ps(blocks.as_ptr().add(number * WIDTH));
                let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(tops, least);
                let places = _mm512_add_epi32(lane, _mm512_set1_epi32((number * size) as i32));
                let end = columns.as_mut_ptr().add(listed);
                _mm512_storeu_si512(end.cast(), _mm512_maskz_compress_epi32(mask, places));
                listed += mask.count_ones() as usize;
            }
        }
        reached.reserve(listed * DEPTH);
        let least = _mm256_set1_ps(limit);
        let (mut count, mut equal) = (reached.count, 0);
        for &column in &columns[..listed] {
            // SAFETY: the column of a full block has DEPTH scores, sixteen apart; room for all and a
            // vector more was made above.
            unsafe {
                let values = T::column::<DEPTH>(piece.as_ptr().add(column as usize));
                let mask = _mm256_mask_cmp_ps_mask::<_CMP_GE_OQ>(present, values, least);
                let same = _mm256_mask_cmp_ps_mask::<_CMP_EQ_OQ>(present, values, bound);
                let places = _mm256_set1_epi32((first + column as usize) as i32);
                let places = _mm256_add_epi32(places, rows);
                let places = _mm256_maskz_compress_epi32(mask, places);
                _mm256_storeu_si256(reached.places.as_mut_ptr().add(count).cast(), places);
                let values = _mm256_maskz_compress_ps(mask, values);
                _mm256_storeu_ps(reached.scores.as_mut_ptr().add(count), values);
                count += mask.count_ones() as usize;
                equal += (same & mask).count_ones() as usize;
            }
        }
        reached.count = count;
        reached.equal += equal;
    }
    scan(&piece[whole * size..], first + whole * size, reached);
}

/// Looks at every score.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn scan<T: Lanes>(piece: &[T], first: usize, reached: &mut Reached) {
    use std::arch::x86_64::*;
    let bound = _mm512_set1_ps(reached.bound);
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (number, part) in piece.chunks(WIDTH).enumerate() {
        let mask = u16::MAX >> (WIDTH - part.len());
        let least = _mm512_set1_ps(reached.limit());
        reached.reserve(WIDTH);
        // SAFETY: the mask has one bit for each element of the part; room for a vector was made.
        unsafe {
            let values = T::some(part.as_ptr(), mask);
            let mask = _mm512_mask_cmp_ps_mask::<_CMP_GE_OQ>(mask, values, least);
            let same = _mm512_mask_cmp_ps_mask::<_CMP_EQ_OQ>(mask, values, bound);
            let places = _mm512_set1_epi32((first + number * WIDTH) as i32);
            let places = _mm512_maskz_compress_epi32(mask, _mm512_add_epi32(places, lane));
            _mm512_storeu_si512(
                reached.places.as_mut_ptr().add(reached.count).cast(),
                places,
            );
            let values = _mm512_maskz_compress_ps(mask, values);
            _mm512_storeu_ps(reached.scores.as_mut_ptr().add(reached.count), values);
            reached.count += mask.count_ones() as usize;
            reached.equal += same.count_ones() as usize;
        }
    }
}
