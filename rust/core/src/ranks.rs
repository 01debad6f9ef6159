//! Exact ranks of the positives, by counting: no sort, one pass over the scores.

use std::ops::Range;

use crate::kernel::{BOUNDS, FEW, Hits, Kernel, LONGEST, prefetch};
use crate::matrix::View;
use crate::rows::{Task, cut, over};
use crate::threads::Threads;
use crate::topk::{Score, Stored, first_nan, nan_in};
use crate::{Error, Result};

/// The golds of each query, in compressed sparse rows: those of query `i` are
/// `ids[indptr[i]..indptr[i + 1]]`, in any order, none twice.
#[derive(Debug, Clone, Copy)]
pub struct Positives<'a> {
    indptr: &'a [i64],
    ids: &'a [i64],
}

impl<'a> Positives<'a> {
    /// Checks the rows of `queries` queries whose golds are among passages `first .. first + passages`.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] when `indptr` does not describe `queries` rows of `ids`;
    /// [`Error::InvalidArgument`] when an id is not a passage or comes twice in a row.
    pub fn new(
        indptr: &'a [i64],
        ids: &'a [i64],
        queries: usize,
        first: usize,
        passages: usize,
    ) -> Result<Self> {
        check_indptr(indptr, ids.len(), queries)?;
        let positives = Self { indptr, ids };
        let range = first as i64..(first + passages) as i64;
        let mut sorted = Vec::new();
        let mut twice = |row: &[i64]| {
            if row.len() <= 8 {
                let mut rest = row.iter().enumerate();
                return rest.find_map(|(i, id)| row[..i].contains(id).then_some(*id));
            }
            sorted.clear();
            sorted.extend_from_slice(row);
            sorted.sort_unstable();
            let mut pairs = sorted.windows(2);
            pairs.find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
        };
        for query in 0..queries {
            let row = positives.row(query);
            if let Some(id) = row.iter().find(|id| !range.contains(id)) {
                return Err(Error::InvalidArgument(format!(
                    "positives of query {query} hold passage {id}, which is not one of the {passages} \
                     passages ({} to {})",
                    range.start,
                    range.end - 1
                )));
            }
            if let Some(id) = twice(row) {
                return Err(Error::InvalidArgument(format!(
                    "positives of query {query} hold passage {id} twice"
                )));
            }
        }
        Ok(positives)
    }

    /// The golds of one query.
    #[must_use]
    pub fn row(&self, query: usize) -> &'a [i64] {
        &self.ids[self.range(query)]
    }

    /// Where the golds of one query stand.
    #[must_use]
    pub fn range(&self, query: usize) -> Range<usize> {
        self.indptr[query] as usize..self.indptr[query + 1] as usize
    }

    /// Where the golds of several queries stand.
    fn of(&self, queries: &Range<usize>) -> Range<usize> {
        self.indptr[queries.start] as usize..self.indptr[queries.end] as usize
    }

    /// Number of golds of all queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether no query has a gold.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Checks that `indptr` cuts `length` entries into `rows` rows.
///
/// # Errors
/// [`Error::InvalidShape`] otherwise.
pub fn check_indptr(indptr: &[i64], length: usize, rows: usize) -> Result<()> {
    if indptr.len() != rows + 1 {
        return Err(Error::InvalidShape(format!(
            "positives describe {} queries, there are {rows}",
            indptr.len().saturating_sub(1)
        )));
    }
    if let Some(row) = indptr.windows(2).position(|pair| pair[0] > pair[1]) {
        return Err(Error::InvalidShape(format!(
            "indptr decreases after entry {row}"
        )));
    }
    if indptr[0] != 0 || indptr[rows] != length as i64 {
        return Err(Error::InvalidShape(format!(
            "indptr runs from {} to {}, expected 0 to {length}, the number of ids",
            indptr[0], indptr[rows]
        )));
    }
    Ok(())
}

/// Which of several passages with equal scores counts as the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// The smaller id first: the order of [`crate::topk`].
    Id,
    /// The greater id first, as `trec_eval` orders document names.
    TrecEval,
    /// The positive comes last among its equals.
    Worst,
    /// The mean of the first and the last place among its equals.
    Mean,
}

impl Ties {
    /// Reads the name of a rule.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "id" => Ok(Self::Id),
            "trec_eval" => Ok(Self::TrecEval),
            "worst" => Ok(Self::Worst),
            "mean" => Ok(Self::Mean),
            _ => Err(Error::InvalidArgument(format!(
                "ties is {name:?}, expected \"id\", \"trec_eval\", \"worst\" or \"mean\""
            ))),
        }
    }
}

/// What was counted for one positive; tallies of disjoint parts of a pool add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passages with a greater score.
    pub greater: u32,
    /// Other passages with an equal score and a smaller id.
    pub before: u32,
    /// Other passages with an equal score and a greater id.
    pub after: u32,
}

impl Tally {
    /// The rank, from 1, under a rule that gives whole ranks; [`Ties::Mean`] is read as
    /// [`Ties::Worst`], see [`Tally::mean_rank`].
    #[must_use]
    pub fn rank(self, ties: Ties) -> i64 {
        let equal = match ties {
            Ties::Id => i64::from(self.before),
            Ties::TrecEval => i64::from(self.after),
            Ties::Worst | Ties::Mean => i64::from(self.before) + i64::from(self.after),
        };
        1 + i64::from(self.greater) + equal
    }

    /// The mean of the first and the last rank among equals.
    #[must_use]
    pub fn mean_rank(self) -> f64 {
        let equal = f64::from(self.before) + f64::from(self.after);
        1.0 + f64::from(self.greater) + equal / 2.0
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.greater += other.greater;
        self.before += other.before;
        self.after += other.after;
    }
}

/// A positive to be ranked.
#[derive(Debug, Clone, Copy)]
struct Target<S> {
    /// Its score.
    score: S,
    /// Its passage id.
    id: u32,
    /// Where it stands among all positives.
    place: usize,
}

impl Tally {
    fn meet(&mut self, other: u32, own: u32) {
        match other.cmp(&own) {
            std::cmp::Ordering::Less => self.before += 1,
            std::cmp::Ordering::Greater => self.after += 1,
            std::cmp::Ordering::Equal => {}
        }
    }
}

/// What was counted for each positive, aligned with the positives. `tick` is called with (rows done,
/// rows) between blocks.
///
/// # Errors
/// [`Error::InvalidShape`] when the positives are not those of as many queries;
/// [`Error::NotANumber`] names the first NaN; [`Error::Interrupted`] when `tick` returns `false`.
///
/// ```
/// use hybrid_fast_core::matrix::View;
/// use hybrid_fast_core::ranks::{Positives, Ties, ranks};
/// let scores = View::contiguous(&[0.1, 0.7, 0.7, 0.2], 1, 4).unwrap();
/// let positives = Positives::new(&[0, 2], &[2, 3], 1, 0, 4).unwrap();
/// let counted = ranks(&scores, &positives, Some(1), &|_, _| true).unwrap();
/// assert_eq!(counted.iter().map(|c| c.rank(Ties::Id)).collect::<Vec<_>>(), [2, 3]);
/// assert_eq!(counted[0].rank(Ties::TrecEval), 1);
/// ```
pub fn ranks<T: Stored>(
    scores: &View<'_, T>,
    positives: &Positives<'_>,
    threads: Option<usize>,
    tick: &dyn Fn(usize, usize) -> bool,
) -> Result<Vec<Tally>> {
    if positives.indptr.len() != scores.rows() + 1 {
        return Err(Error::InvalidShape(format!(
            "positives describe {} queries, there are {}",
            positives.indptr.len().saturating_sub(1),
            scores.rows()
        )));
    }
    let kernel = Kernel::chosen()?;
    let (rows, columns) = (scores.rows(), scores.columns());
    let threads = Threads::new(threads, rows as u64 * columns as u64)?;
    let mut tasks: Vec<_> = cut(rows, columns, &threads)
        .into_iter()
        .map(|(rows, columns)| Task {
            output: vec![Tally::default(); positives.of(&rows).len()],
            rows,
            columns,
        })
        .collect();
    let nan = over((rows, columns), &threads, &mut tasks, tick, |task| {
        let mut counter = Counter::new(kernel);
        let mut rest = &mut task.output[..];
        task.rows.clone().find(|&row| {
            if row + 1 < task.rows.end {
                let coming = scores.row(row + 1);
                positives
                    .row(row + 1)
                    .iter()
                    .for_each(|&id| prefetch(&coming[id as usize]));
            }
            let (own, others) = std::mem::take(&mut rest).split_at_mut(positives.range(row).len());
            rest = others;
            counter.count(
                scores.row(row),
                task.columns.clone(),
                positives.row(row),
                own,
            )
        })
    })?;
    if let Some(row) = nan {
        return Err(nan_in(scores, row));
    }
    let mut counted = vec![Tally::default(); positives.len()];
    for task in &tasks {
        for (tally, part) in counted[positives.of(&task.rows)]
            .iter_mut()
            .zip(&task.output)
        {
            *tally += *part;
        }
    }
    Ok(counted)
}

/// Counts the scores of one row after the other against its positives.
struct Counter<S> {
    kernel: Kernel,
    /// The positives of the row in ascending order of score.
    targets: Vec<Target<S>>,
    /// Their scores, in [`Counter::bisect`] each once, and how many scores are greater.
    bounds: Vec<S>,
    above: Vec<u32>,
    /// The first target of each bound, and the number of all.
    firsts: Vec<usize>,
    hits: Hits,
    scratch: Vec<S>,
    /// Whether a score other than the positives' own equalled one of them in the last row.
    tied: bool,
}

impl<S: Score> Counter<S> {
    fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            targets: Vec::new(),
            bounds: Vec::new(),
            above: Vec::new(),
            firsts: Vec::new(),
            hits: Hits::default(),
            scratch: Vec::new(),
            tied: false,
        }
    }

    /// Adds to the tally of each positive what the columns hold; returns whether one is NaN.
    fn count<T: Stored<Wide = S>>(
        &mut self,
        row: &[T],
        columns: Range<usize>,
        ids: &[i64],
        tallies: &mut [Tally],
    ) -> bool {
        self.targets.clear();
        for (place, &id) in ids.iter().enumerate() {
            let own = T::widen(&row[id as usize..=id as usize], &mut self.scratch)[0];
            let id = id as u32;
            self.targets.push(Target {
                score: own,
                id,

                place,
            });
        }
        if ids.len() < FEW {
            self.bounds.clear();
            let scores = self.targets.iter().map(|target| target.score);
            self.bounds.extend(scores);
            match self.count_untied(&row[columns.clone()], &columns, tallies) {
                Some(nan) => nan,
                None => self.count_between(row, columns, tallies),
            }
        } else {
            self.bisect(row, columns, tallies)
        }
    }

    /// For few positives which no other score equals; `None`, and nothing counted, where one does.
    fn count_untied<T: Stored<Wide = S>>(
        &mut self,
        scores: &[T],
        columns: &Range<usize>,
        tallies: &mut [Tally],
    ) -> Option<bool> {
        // Ties in the last row let expect them in this one.
        let mut bounds = self.bounds.iter().enumerate();
        if self.tied || bounds.any(|(i, bound)| self.bounds[..i].contains(bound)) {
            return None;
        }
        let counts = T::count_above(self.kernel, scores, &self.bounds);
        if counts.nan {
            return Some(true);
        }
        let here = self
            .targets
            .iter()
            .filter(|target| columns.contains(&(target.id as usize)));
        if counts.equal as usize > here.count() {
            return None;
        }
        for (target, above) in self.targets.iter().zip(counts.above) {
            tallies[target.place].greater += above;
        }
        Some(false)
    }

    /// For few positives: the row is cut where they stand, so that each piece lies wholly before or
    /// wholly after each of them and equal scores need no second look.
    fn count_between<T: Stored<Wide = S>>(
        &mut self,
        row: &[T],
        columns: Range<usize>,
        tallies: &mut [Tally],
    ) -> bool {
        self.targets.sort_unstable_by_key(|target| target.id);
        self.bounds.clear();
        self.bounds
            .extend(self.targets.iter().map(|target| target.score));
        self.tied = false;
        let mut begin = columns.start;
        for piece in 0..=self.targets.len() {
            // A positive is the first of its piece.
            let end = self
                .targets
                .get(piece)
                .map_or(columns.end, |target| target.id as usize);
            let end = end.clamp(begin, columns.end);
            let counts = T::count_few(self.kernel, &row[begin..end], &self.bounds);
            if counts.nan {
                return true;
            }
            for (number, target) in self.targets.iter().enumerate() {
                let tally = &mut tallies[target.place];
                let equal = counts.at_least[number] - counts.above[number];
                tally.greater += counts.above[number];
                let itself = piece == number + 1 && columns.contains(&(target.id as usize));
                let equal = equal - u32::from(itself);
                self.tied |= equal > 0;
                if piece <= number {
                    tally.before += equal;
                } else {
                    tally.after += equal;
                }
            }
            begin = end;
        }
        false
    }

    /// For many positives: their scores in groups, each group in one pass over a run of the row, which
    /// the passes after the first find in the cache.
    fn bisect<T: Stored<Wide = S>>(
        &mut self,
        row: &[T],
        columns: Range<usize>,
        tallies: &mut [Tally],
    ) -> bool {
        if self
            .targets
            .iter()
            .any(|target| first_nan(&[target.score]).is_some())
        {
            return true;
        }
        self.targets
            .sort_unstable_by(|a, b| a.score.ascending(&b.score));
        self.bounds.clear();
        self.firsts.clear();
        for (number, target) in self.targets.iter().enumerate() {
            if self.bounds.last() != Some(&target.score) {
                self.bounds.push(target.score);
                self.firsts.push(number);
            }
        }
        self.firsts.push(self.targets.len());
        self.above.clear();
        self.above.resize(self.bounds.len(), 0);
        for begin in columns.clone().step_by(LONGEST) {
            let run = &row[begin..(begin + LONGEST).min(columns.end)];
            for group in (0..self.bounds.len()).step_by(BOUNDS) {
                let end = (group + BOUNDS).min(self.bounds.len());
                let (bounds, above) = (&self.bounds[group..end], &mut self.above[group..end]);
                if T::bisect(self.kernel, run, bounds, above, &mut self.hits) {
                    return true;
                }
                let hits = self.hits.iter();
                if hits.len() > run.len() / 8 {
                    for target in &self.targets[self.firsts[group]..self.firsts[end]] {
                        tallies[target.place] += equals(self.kernel, run, begin, target);
                    }
                    continue;
                }
                for (place, bound) in hits {
                    let equals = self.firsts[group + bound]..self.firsts[group + bound + 1];
                    for target in &self.targets[equals] {
                        tallies[target.place].meet((begin + place) as u32, target.id);
                    }
                }
            }
        }
        for (pair, above) in self.firsts.windows(2).zip(&self.above) {
            for target in &self.targets[pair[0]..pair[1]] {
                tallies[target.place].greater += above;
            }
        }
        false
    }
}

/// Counts the scores of a run that equal the target's; its first id is `first`.
fn equals<T: Stored>(kernel: Kernel, run: &[T], first: usize, target: &Target<T::Wide>) -> Tally {
    let cut = (target.id as usize).clamp(first, first + run.len()) - first;
    let [before, after] = [&run[..cut], &run[cut..]].map(|part| {
        let counts = T::count_few(kernel, part, &[target.score]);
        counts.at_least[0] - counts.above[0]
    });
    let itself = (first..first + run.len()).contains(&(target.id as usize));
    Tally {
        greater: 0,
        before,
        after: after - u32::from(itself),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn go_on(_: usize, _: usize) -> bool {
        true
    }

    fn ranked(scores: &[f64], golds: &[i64], ties: Ties) -> Vec<i64> {
        let view = View::contiguous(scores, 1, scores.len()).expect("fits");
        let indptr = [0, golds.len() as i64];
        let positives = Positives::new(&indptr, golds, 1, 0, scores.len()).expect("valid");
        let counted = ranks(&view, &positives, None, &go_on).expect("no NaN");
        counted.into_iter().map(|tally| tally.rank(ties)).collect()
    }

    #[test]
    fn each_tie_rule_by_hand() {
        // Scores .9 .5 .5 .5 .1; the gold is the middle one of three equals.
        let scores = [0.5, 0.9, 0.5, 0.1, 0.5];
        assert_eq!(ranked(&scores, &[2], Ties::Id), [3]);
        assert_eq!(ranked(&scores, &[0, 4], Ties::TrecEval), [4, 2]);
        assert_eq!(ranked(&scores, &[2, 3, 1], Ties::Worst), [4, 5, 1]);
        let tally = Tally {
            greater: 1,
            before: 1,
            after: 2,
        };
        assert_eq!(tally.mean_rank(), 3.5);
    }

    #[test]
    fn both_zeros_tie_and_infinities_rank() {
        let scores = [0.0, -0.0, f64::NEG_INFINITY, f64::INFINITY];
        assert_eq!(ranked(&scores, &[0, 1, 2, 3], Ties::Id), [2, 3, 4, 1]);
    }

    #[test]
    fn wrong_positives_are_named() {
        let refused = |indptr: &[i64], ids: &[i64]| {
            Positives::new(indptr, ids, 2, 0, 5)
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            refused(&[0, 1], &[0]),
            "positives describe 1 queries, there are 2"
        );
        assert_eq!(refused(&[0, 2, 1], &[0]), "indptr decreases after entry 1");
        assert!(refused(&[0, 1, 3], &[0, 1]).starts_with("indptr runs from 0 to 3"));
        assert!(
            refused(&[0, 0, 1], &[5]).starts_with("positives of query 1 hold passage 5, which")
        );
        assert_eq!(
            refused(&[0, 2, 2], &[3, 3]),
            "positives of query 0 hold passage 3 twice"
        );
    }

    proptest! {
        #[test]
        fn equals_counting_one_by_one(
            columns in 1usize..120,
            golds in 0usize..80,
            levels in 1i32..40,
            seed in any::<u32>(),
        ) {
            let scores: Vec<f32> = (0..columns)
                .map(|i| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 9) as i32 % levels)
                .map(|level| level as f32 / 4.0)
                .collect();
            let mut ids: Vec<i64> = (0..columns as i64).collect();
            ids.sort_by_key(|id| (*id as u32 ^ seed).wrapping_mul(0x9e37_79b9));
            ids.truncate(golds);
            let view = View::contiguous(&scores, 1, columns).expect("fits");
            let indptr = [0, ids.len() as i64];
            let positives = Positives::new(&indptr, &ids, 1, 0, columns).expect("valid");
            let counted = ranks(&view, &positives, Some(2), &go_on).expect("no NaN");
            for (id, tally) in ids.iter().zip(counted) {
                let own = scores[*id as usize];
                let with = |keep: &dyn Fn(usize, f32) -> bool| {
                    scores.iter().enumerate().filter(|&(i, &s)| keep(i, s)).count() as u32
                };
                prop_assert_eq!(tally.greater, with(&|_, s| s > own));
                prop_assert_eq!(tally.before, with(&|i, s| s == own && (i as i64) < *id));
                prop_assert_eq!(tally.after, with(&|i, s| s == own && (i as i64) > *id));
            }
        }
    }
}
