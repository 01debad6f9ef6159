//! Where the scores stand that reach a bound.

use super::{Isa, Kernel, Lanes, WIDTH};

/// Places in a row, ascending, with room for a whole vector past the last.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    above: Vec<u32>,
    above_count: usize,
    equal: Vec<u32>,
    /// Most places of equal scores that are kept: the first ones win.
    wanted: usize,
}

impl Reached {
    /// Scores greater than the bound.
    #[must_use]
    pub fn above(&self) -> &[u32] {
        &self.above[..self.above_count]
    }

    /// The first scores equal to the bound.
    #[must_use]
    pub fn equal(&self) -> &[u32] {
        &self.equal
    }

    fn clear(&mut self, wanted: usize) {
        self.above_count = 0;
        self.equal.clear();
        self.wanted = wanted;
    }

    /// Whether no more places of equal scores are wanted.
    fn full(&self) -> bool {
        self.equal.len() >= self.wanted
    }

    #[inline(always)]
    fn push<T: Lanes>(&mut self, block: &[T], first: usize, bound: f32, scratch: &mut Vec<f32>) {
        for (place, &score) in (first..).zip(T::widen(block, scratch)) {
            if score > bound {
                if self.above.len() == self.above_count {
                    self.above.resize(2 * self.above_count + WIDTH, 0);
                }
                self.above[self.above_count] = place as u32;
                self.above_count += 1;
            } else if score == bound && !self.full() {
                self.equal.push(place as u32);
            }
        }
    }
}

impl Kernel {
    /// Lists the places of the scores above `bound` and of the first `wanted` equal to it. `blocks` are the
    /// maxima of the row's blocks of `depth`, from [`Kernel::maxima`]; without any, all are looked at.
    #[allow(unsafe_code)] // calls of functions compiled for more instructions
    pub fn collect<T: Lanes>(
        self,
        row: &[T],
        (blocks, depth): (&[f32], usize),
        bound: f32,
        wanted: usize,
        reached: &mut Reached,
    ) {
        assert!(blocks.is_empty() || blocks.len() == row.len().div_ceil(depth * WIDTH) * WIDTH);
        reached.clear(wanted);
        match self.0 {
            Isa::Portable => body(row, (blocks, depth), bound, reached),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes this variant only where these features were detected.
            Isa::Avx2 => unsafe { avx2(row, (blocks, depth), bound, reached) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` makes these variants only where these features were detected.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Amx => unsafe {
                avx512(row, (blocks, depth), bound, reached);
            },
        }
    }
}

#[inline(always)]
fn body<T: Lanes>(row: &[T], (blocks, depth): (&[f32], usize), bound: f32, reached: &mut Reached) {
    let mut scratch = Vec::new();
    if blocks.is_empty() {
        for (number, piece) in row.chunks(1024).enumerate() {
            reached.push(piece, number * 1024, bound, &mut scratch);
        }
        return;
    }
    let size = depth * WIDTH;
    for (number, (block, tops)) in row.chunks(size).zip(blocks.chunks_exact(WIDTH)).enumerate() {
        let full = reached.full();
        let reaches = |top: f32| top > bound || (top == bound && !full);
        if tops.iter().fold(false, |any, &top| any | reaches(top)) {
            reached.push(block, number * size, bound, &mut scratch);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt")]
fn avx2<T: Lanes>(row: &[T], blocks: (&[f32], usize), bound: f32, reached: &mut Reached) {
    body(row, blocks, bound, reached);
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<T: Lanes>(
    row: &[T],
    (blocks, depth): (&[f32], usize),
    bound: f32,
    reached: &mut Reached,
) {
    use std::arch::x86_64::*;
    if blocks.is_empty() {
        for (number, run) in row.chunks(128).enumerate() {
            scan(row, number * 128..number * 128 + run.len(), bound, reached);
        }
        return;
    }
    let size = depth * WIDTH;
    let limit = _mm512_set1_ps(bound);
    for (number, tops) in blocks.chunks_exact(WIDTH).enumerate() {
        // SAFETY: a chunk is sixteen.
        let tops = unsafe { _mm512_loadu_ps(tops.as_ptr()) };
        let here = if reached.full() {
            _mm512_cmp_ps_mask::<_CMP_GT_OQ>(tops, limit)
        } else {
            _mm512_cmp_ps_mask::<_CMP_GE_OQ>(tops, limit)
        };
        if here != 0 {
            let place = number * size..((number + 1) * size).min(row.len());
            scan(row, place, bound, reached);
        }
    }
}

/// Looks at each score of a block.
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)] // loads and stores through pointers
#[target_feature(enable = "avx2,fma,f16c,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn scan<T: Lanes>(row: &[T], place: std::ops::Range<usize>, bound: f32, reached: &mut Reached) {
    use std::arch::x86_64::*;
    let need = reached.above_count + place.len() + WIDTH;
    if reached.above.len() < need {
        reached.above.resize(2 * need, 0);
    }
    let bound = _mm512_set1_ps(bound);
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut first = place.start;
    for part in row[place].chunks(WIDTH) {
        let mask = u16::MAX >> (WIDTH - part.len());
        // SAFETY: the mask has one bit for each element of the part.
        let values = unsafe { T::some(part.as_ptr(), mask) };
        let reaching = _mm512_mask_cmp_ps_mask::<_CMP_GE_OQ>(mask, values, bound);
        if reaching != 0 {
            let above = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(mask, values, bound);
            let places = _mm512_add_epi32(lane, _mm512_set1_epi32(first as i32));
            // SAFETY: room for the whole block and one vector more was made above.
            unsafe {
                let end = reached.above.as_mut_ptr().add(reached.above_count);
                _mm512_storeu_si512(end.cast(), _mm512_maskz_compress_epi32(above, places));
            }
            reached.above_count += above.count_ones() as usize;
            let mut equal = reaching & !above;
            while equal != 0 && !reached.full() {
                reached.equal.push(first as u32 + equal.trailing_zeros());
                equal &= equal - 1;
            }
        }
        first += WIDTH;
    }
}
