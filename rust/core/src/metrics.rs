//! Ranking measures from the ranks of the positives.
//!
//! Names are those of `ir_measures`, values those of `trec_eval`. With R relevant passages at ranks
//! r₁ ≤ r₂ ≤ … ≤ r_R:
//!
//! | name | value |
//! |---|---|
//! | `AP`, `AP@k` | Σ i / rᵢ over the rᵢ within k, divided by R |
//! | `RR`, `RR@k` | 1 / r₁, or 0 when r₁ is beyond k |
//! | `nDCG`, `nDCG@k` | Σ grade / log₂(1 + rank) within k, divided by the same of the ideal order |
//! | `R@k`, `P@k` | relevant passages within k, divided by R, by k |
//! | `Success@k` | 1 when r₁ is within k |
//! | `rank_distance` | r_R − r₁ (language bias: Hybrid batch training, arXiv 2408.10536) |
//! | `Max@R` | r_R, the depth that collects every gold (arXiv 2604.05684) |
//!
//! A query without relevant passages scores 0.

use crate::ranks::check_indptr;
use crate::{Error, Result, room};

/// One measure; a cutoff of `None` means all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Average precision.
    Ap(Option<u64>),
    /// Reciprocal rank of the first relevant passage.
    Rr(Option<u64>),
    /// Normalised discounted cumulative gain; the gain is the grade.
    Ndcg(Option<u64>),
    /// Recall.
    Recall(u64),
    /// Precision; divided by the cutoff even where the pool is smaller.
    Precision(u64),
    /// Whether a relevant passage is within the cutoff.
    Success(u64),
    /// Worst rank minus best rank.
    RankDistance,
    /// Worst rank.
    MaxAtR,
}

/// The names that [`Measure::named`] reads.
pub const NAMES: &str =
    "AP, AP@k, RR, RR@k, nDCG, nDCG@k, R@k, P@k, Success@k, rank_distance, Max@R";

impl Measure {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] lists the known names.
    ///
    /// ```
    /// use hybrid_fast_core::metrics::Measure;
    /// assert_eq!(Measure::named("RR@10").unwrap(), Measure::Rr(Some(10)));
    /// ```
    pub fn named(name: &str) -> Result<Self> {
        let unknown = || {
            Error::InvalidArgument(format!(
                "unknown measure {name:?}; known are {NAMES}, with k a whole number from 1"
            ))
        };
        match name {
            "rank_distance" => return Ok(Self::RankDistance),
            "Max@R" => return Ok(Self::MaxAtR),
            _ => {}
        }
        let (kind, cutoff) = match name.split_once('@') {
            None => (name, None),
            Some((kind, digits)) => {
                let cutoff = digits.parse::<u32>().ok().filter(|cutoff| *cutoff > 0);
                // Digits only, without sign or leading zero: one name a measure.
                if cutoff.is_none_or(|cutoff| cutoff.to_string() != digits) {
                    return Err(unknown());
                }
                (kind, cutoff.map(u64::from))
            }
        };
        match (kind, cutoff) {
            ("AP", _) => Ok(Self::Ap(cutoff)),
            ("RR", _) => Ok(Self::Rr(cutoff)),
            ("nDCG", _) => Ok(Self::Ndcg(cutoff)),
            ("R", Some(k)) => Ok(Self::Recall(k)),
            ("P", Some(k)) => Ok(Self::Precision(k)),
            ("Success", Some(k)) => Ok(Self::Success(k)),
            _ => Err(unknown()),
        }
    }

    /// The value for one query: its relevant passages as (rank, grade), ranks ascending, and the
    /// grades in descending order. An infinite rank is a passage that was not retrieved.
    fn of(self, relevant: &[(f64, i64)], ideal: &[i64]) -> f64 {
        let (Some(first), Some(last)) = (relevant.first(), relevant.last()) else {
            return 0.0;
        };
        let within = |cutoff: u64| {
            relevant
                .iter()
                .filter(|item| item.0 <= cutoff as f64)
                .count()
        };
        let limit = |cutoff: Option<u64>| cutoff.map_or(f64::MAX, |cutoff| cutoff as f64);
        match self {
            Self::Ap(cutoff) => {
                let found = relevant.iter().take_while(|item| item.0 <= limit(cutoff));
                let sum: f64 = found
                    .zip(1u32..)
                    .map(|(item, i)| f64::from(i) / item.0)
                    .sum();
                sum / relevant.len() as f64
            }
            Self::Rr(cutoff) if first.0 <= limit(cutoff) => 1.0 / first.0,
            Self::Rr(_) => 0.0,
            Self::Ndcg(cutoff) => {
                let found = relevant.iter().take_while(|item| item.0 <= limit(cutoff));
                let gain: f64 = found
                    .map(|item| item.1 as f64 / (1.0 + item.0).log2())
                    .sum();
                let places = (1..)
                    .map(f64::from)
                    .take_while(|place| *place <= limit(cutoff));
                let best: f64 = ideal
                    .iter()
                    .zip(places)
                    .map(|(g, place)| *g as f64 / (1.0 + place).log2())
                    .sum();
                gain / best
            }
            Self::Recall(cutoff) => within(cutoff) as f64 / relevant.len() as f64,
            Self::Precision(cutoff) => within(cutoff) as f64 / cutoff as f64,
            Self::Success(cutoff) => f64::from(u8::from(within(cutoff) > 0)),
            Self::RankDistance => last.0 - first.0,
            Self::MaxAtR => last.0,
        }
    }
}

/// Values of each measure for each query. `indptr` cuts `ranks` into queries; ranks count from 1, may
/// be fractional (mean of ties), and +∞ means not retrieved. Passages with a grade of 0 or less are
/// judged irrelevant; without grades every one is relevant with grade 1.
///
/// # Errors
/// [`Error::InvalidShape`] for lengths that do not fit together; [`Error::InvalidArgument`] for a rank
/// below 1 or NaN.
///
/// ```
/// use hybrid_fast_core::metrics::{Measure, measure};
/// let values = measure(&[Measure::Ap(None)], &[0, 2], &[1.0, 4.0], None).unwrap();
/// assert_eq!(values, [[0.75]]);
/// ```
pub fn measure(
    measures: &[Measure],
    indptr: &[i64],
    ranks: &[f64],
    grades: Option<&[i64]>,
) -> Result<Vec<Vec<f64>>> {
    let queries = indptr.len().saturating_sub(1);
    check_indptr(indptr, ranks.len(), queries)?;
    if grades.is_some_and(|grades| grades.len() != ranks.len()) {
        return Err(Error::InvalidShape(format!(
            "there are {} grades for {} ranks",
            grades.map_or(0, <[i64]>::len),
            ranks.len()
        )));
    }
    room::check(
        measures.len().saturating_mul(queries),
        size_of::<f64>(),
        || format!("{} measures of {queries} queries", measures.len()),
    )?;
    let mut values = vec![Vec::with_capacity(queries); measures.len()];
    let (mut relevant, mut ideal) = (Vec::new(), Vec::new());
    for query in 0..queries {
        let row = indptr[query] as usize..indptr[query + 1] as usize;
        relevant.clear();
        for place in row {
            let rank = ranks[place];
            if rank.is_nan() || rank < 1.0 {
                return Err(Error::InvalidArgument(format!(
                    "query {query} has the rank {rank}; ranks count from 1"
                )));
            }
            let grade = grades.map_or(1, |grades| grades[place]);
            if grade > 0 {
                relevant.push((rank, grade));
            }
        }
        relevant.sort_by(|a, b| a.0.total_cmp(&b.0));
        ideal.clear();
        ideal.extend(relevant.iter().map(|item| item.1));
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        for (column, measure) in values.iter_mut().zip(measures) {
            column.push(measure.of(&relevant, &ideal));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(name: &str, ranks: &[f64], grades: Option<&[i64]>) -> f64 {
        let measure_ = Measure::named(name).expect("known");
        measure(&[measure_], &[0, ranks.len() as i64], ranks, grades).expect("valid")[0][0]
    }

    #[test]
    fn values_worked_by_hand() {
        let ranks = [5.0, 2.0, 20.0];
        for (name, expected) in [
            ("AP", (1.0 / 2.0 + 2.0 / 5.0 + 3.0 / 20.0) / 3.0),
            ("AP@5", (1.0 / 2.0 + 2.0 / 5.0) / 3.0),
            ("RR", 0.5),
            ("RR@1", 0.0),
            ("R@5", 2.0 / 3.0),
            ("P@10", 0.2),
            ("Success@1", 0.0),
            ("Success@2", 1.0),
            ("rank_distance", 18.0),
            ("Max@R", 20.0),
        ] {
            assert_eq!(one(name, &ranks, None), expected, "{name}");
        }
    }

    #[test]
    fn graded_gain_is_linear_and_grade_zero_is_irrelevant() {
        let (ranks, grades) = ([1.0, 3.0, 2.0], [1i64, 3, 0]);
        let ideal = 3.0 + 1.0 / 3f64.log2();
        assert!((one("nDCG", &ranks, Some(&grades)) - (1.0 + 3.0 / 2.0) / ideal).abs() < 1e-15);
        assert!((one("nDCG@1", &ranks, Some(&grades)) - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(one("AP", &ranks, Some(&grades)), (1.0 + 2.0 / 3.0) / 2.0);
        assert_eq!(one("P@2", &ranks, Some(&grades)), 0.5);
        assert_eq!(one("rank_distance", &ranks, Some(&grades)), 2.0);
    }

    #[test]
    fn without_relevant_passages_all_is_zero() {
        for name in [
            "AP",
            "RR",
            "nDCG",
            "nDCG@3",
            "R@1",
            "P@1",
            "Success@1",
            "rank_distance",
            "Max@R",
        ] {
            assert_eq!(one(name, &[], None), 0.0);
            assert_eq!(one(name, &[3.0], Some(&[0])), 0.0);
        }
    }

    #[test]
    fn what_was_not_retrieved_counts_as_relevant_only() {
        let ranks = [f64::INFINITY, 1.0];
        assert_eq!(one("AP", &ranks, None), 0.5);
        assert_eq!(one("R@1000", &ranks, None), 0.5);
        assert_eq!(one("RR", &[f64::INFINITY], None), 0.0);
    }

    #[test]
    fn unknown_names_and_ranks_are_refused() {
        for name in [
            "MAP",
            "AP@0",
            "AP@-1",
            "AP@+1",
            "AP@05",
            "AP@",
            "R",
            "P",
            "Success",
            "rank_distance@3",
            "",
            "@",
        ] {
            let error = Measure::named(name).expect_err(name).to_string();
            assert!(error.contains("Success@k"), "{error}");
        }
        let ap = [Measure::Ap(None)];
        assert!(measure(&ap, &[0, 1], &[0.0], None).is_err());
        assert!(measure(&ap, &[0, 1], &[f64::NAN], None).is_err());
        assert!(measure(&ap, &[0, 2], &[1.0], None).is_err());
        assert!(measure(&ap, &[], &[], None).is_err());
        assert!(measure(&ap, &[0, 1], &[1.0], Some(&[])).is_err());
    }

    proptest! {
        #[test]
        fn equals_a_walk_down_the_list(
            pool in 1usize..60,
            cutoff in 1u32..70,
            seed in any::<u64>(),
        ) {
            // The list with grades 0..=3 in rank order, read from the top as trec_eval does.
            let list: Vec<i64> = (0..pool)
                .map(|i| ((seed.rotate_left(i as u32) ^ i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as i64 - 12)
                .map(|grade| grade.max(0))
                .collect();
            let ranks: Vec<f64> = (1..=pool).rev().map(|rank| rank as f64).collect();
            let grades: Vec<i64> = list.iter().rev().copied().collect();
            let (mut hits, mut ap, mut dcg, mut rr, mut idcg) = (0.0, 0.0, 0.0, 0.0, 0.0);
            let mut hits_at = 0.0;
            for (i, &grade) in list.iter().enumerate() {
                let rank = (i + 1) as f64;
                if grade > 0 {
                    hits += 1.0;
                    if rank <= f64::from(cutoff) {
                        hits_at = hits;
                        ap += hits / rank;
                        dcg += grade as f64 / (rank + 1.0).log2();
                        if rr == 0.0 {
                            rr = 1.0 / rank;
                        }
                    }
                }
            }
            let mut sorted = list.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            for (i, &grade) in sorted.iter().take(cutoff as usize).enumerate() {
                idcg += grade as f64 / ((i + 2) as f64).log2();
            }
            let share = |value: f64, of: f64| if of > 0.0 { value / of } else { 0.0 };
            let k = f64::from(cutoff);
            for (name, expected) in [
                (format!("AP@{cutoff}"), share(ap, hits)),
                (format!("RR@{cutoff}"), rr),
                (format!("nDCG@{cutoff}"), share(dcg, idcg)),
                (format!("R@{cutoff}"), share(hits_at, hits)),
                (format!("P@{cutoff}"), hits_at / k),
                (format!("Success@{cutoff}"), f64::from(u8::from(hits_at > 0.0))),
            ] {
                let got = one(&name, &ranks, Some(&grades));
                prop_assert!((got - expected).abs() < 1e-12, "{} {} {}", name, got, expected);
            }
        }
    }
}
