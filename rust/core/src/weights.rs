//! The weight of each language.

use crate::configuration::LanguageWeights;
use crate::pairs::PairIndex;
use crate::sizes::language_sizes;
use crate::{Error, Result};

/// The weight of each language by a rule; 0 where it has nothing to draw.
///
/// # Errors
/// `InvalidShape` or `InvalidArgument` for weights that are none.
pub fn weights(index: &PairIndex, rule: &LanguageWeights) -> Result<Vec<f64>> {
    match rule {
        LanguageWeights::Uniform => Ok(vec![1.0; index.languages()]),
        LanguageWeights::Power(exponent) => {
            if !exponent.is_finite() {
                return Err(Error::InvalidArgument(format!(
                    "language_weights is the exponent {exponent}, expected a finite number"
                )));
            }
            let weight = |rows: u64| {
                if rows == 0 {
                    0.0
                } else {
                    (rows as f64).powf(*exponent)
                }
            };
            Ok(language_sizes(index)?.into_iter().map(weight).collect())
        }
        LanguageWeights::Explicit(weights) => {
            explicit("language_weights", weights, index.languages())?;
            Ok(weights.clone())
        }
    }
}

/// Refuses weights that are no weights.
pub(crate) fn explicit(name: &str, weights: &[f64], languages: usize) -> Result<()> {
    if weights.len() != languages {
        return Err(Error::InvalidShape(format!(
            "{name} has {} weights for {languages} languages",
            weights.len(),
        )));
    }
    if let Some(language) =
        (0..languages).find(|&one| !(weights[one].is_finite() && weights[one] >= 0.0))
    {
        return Err(Error::InvalidArgument(format!(
            "the weight of language {language} is {}, expected 0 or more",
            weights[language]
        )));
    }
    if weights.iter().all(|&weight| weight == 0.0) {
        return Err(Error::InvalidArgument(
            "every language has weight 0; give at least one a weight above 0".into(),
        ));
    }
    Ok(())
}
