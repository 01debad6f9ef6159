//! How large a language is: what weights by size and caps in epochs count.

use crate::Result;
use crate::pairs::PairIndex;

/// Rows of each language: its monolingual pairs; where it has none, the queries of it that some
/// passage answers or, if those are more, the pairs of its greatest stratum as passage language.
///
/// # Errors
/// `InvalidArgument` for more groups than memory holds a bit each of.
pub fn language_sizes(index: &PairIndex) -> Result<Vec<u64>> {
    let all: Vec<usize> = (0..index.languages()).collect();
    let (answered, drawable) = (index.largest_strata(), index.drawable_queries(&all)?);
    let size = |language: usize| match index.stratum_len(language, language) {
        0 => drawable[language].max(u64::from(answered[language])),
        rows => rows,
    };
    Ok(all.iter().map(|&language| size(language)).collect())
}
