//! Passes over rows of scores: NaN, thresholds, counts.

use super::{Isa, Kernel, dispatched};

dispatched! {
    /// Whether any value is NaN.
    any_nan, any_nan_avx2, any_nan_avx512 = any_nan_body(scores: &[f32]) -> bool;
    /// Whether any value is `bound` or more.
    any_at_least, any_at_least_avx2, any_at_least_avx512 = any_at_least_body(scores: &[f32], bound: f32) -> bool;
    /// How many values are greater than `bound`, and how many equal it.
    count, count_avx2, count_avx512 = count_body(scores: &[f32], bound: f32) -> (u32, u32);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kernel_equals_one_by_one(row in prop::collection::vec(-3i8..4, 1..200)) {
            let row: Vec<f32> = row.into_iter().map(f32::from).collect();
            let bound = row[row.len() / 2];
            for kernel in Kernel::available() {
                prop_assert_eq!(kernel.count(&row, bound), (
                    row.iter().filter(|&&s| s > bound).count() as u32,
                    row.iter().filter(|&&s| s == bound).count() as u32,
                ));
                prop_assert!(kernel.any_at_least(&row, bound) && !kernel.any_nan(&row));
                prop_assert!(kernel.any_nan(&[0.0, f32::NAN, 1.0]) && !kernel.any_at_least(&[f32::NAN], 0.0));
            }
        }
    }
}
