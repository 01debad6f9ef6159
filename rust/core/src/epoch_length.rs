//! How many batches an epoch has.

use crate::pairs::PairIndex;
use crate::{Error, Result};

/// Batches of an epoch: `given`, else Σ over the languages drawn of ⌊drawable queries / batch size⌋;
/// whole windows of batches that are guarded together.
///
/// # Errors
/// `InfeasiblePlan` where there would be none, `InvalidArgument` for 0 given batches.
pub fn epoch_length(
    index: &PairIndex,
    weights: &[f64],
    batch_size: usize,
    given: Option<u64>,
    window: u64,
) -> Result<u64> {
    let size = batch_size as u64;
    let batches = match given {
        Some(batches) => batches,
        None => {
            let drawn: Vec<usize> = (0..index.languages())
                .filter(|&language| weights[language] > 0.0)
                .collect();
            let queries = index.drawable_queries(&drawn)?;
            drawn.iter().map(|&language| queries[language] / size).sum()
        }
    };
    if given == Some(0) {
        return Err(Error::InvalidArgument(
            "batches_per_epoch is 0, expected 1 or more".into(),
        ));
    }
    if batches == 0 {
        return Err(Error::InfeasiblePlan(format!(
            "an epoch would have 0 batches, for no language has {size} cells with a drawable query; \
             give batches_per_epoch or take smaller batches"
        )));
    }
    if batches < window {
        return Err(Error::InfeasiblePlan(format!(
            "an epoch would have {batches} batches, fewer than guard_window = {window}; give \
             batches_per_epoch, or take a smaller window or smaller batches"
        )));
    }
    Ok(batches / window * window)
}
