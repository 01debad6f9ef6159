//! How many bounds are compared at a time, and their counts from those of the gaps between them.

/// Most bounds of one pass: with the gap below the first they are sixteen places, four halvings.
pub const BOUNDS: usize = 15;

/// Adds to `above[i]` the scores that have more than `i` bounds below them.
#[cfg(target_arch = "x86_64")] // elsewhere scores are counted one bound at a time
pub(super) fn add_above(histogram: &[u32; BOUNDS + 1], above: &mut [u32]) {
    let gaps = &histogram[1..=above.len()];
    let mut greater = 0;
    for (above, below) in above.iter_mut().zip(gaps).rev() {
        greater += below;
        *above += greater;
    }
}
