//! How large a language is: what weights by size and caps in epochs count.

use crate::pairs::PairIndex;

/// Rows of each language: its monolingual pairs; where it has none, the queries of it that some
/// passage answers or, if those are more, the pairs of its greatest stratum as passage language.
#[must_use]
pub fn language_sizes(index: &PairIndex) -> Vec<u64> {
    let all: Vec<usize> = (0..index.languages()).collect();
    let size = |language: usize| match index.stratum_len(language, language) {
        0 => {
            let answered = all.iter().map(|&other| index.stratum_len(other, language));
            index
                .drawable_queries(language, &all)
                .max(answered.max().unwrap_or(0))
        }
        rows => rows,
    };
    all.iter().map(|&language| size(language)).collect()
}
