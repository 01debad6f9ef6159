//! Bounded top-k under one total order: score down, then id up.

use std::cmp::Ordering;

use half::{bf16, f16};

use crate::kernel::{Above, Counts, Hits, Kernel, above_plainly, bisect_plainly, count_plainly};
use crate::matrix::View;
use crate::room;
use crate::rows::{Task, cut, over};
use crate::selection::Selection;
use crate::threads::Threads;
use crate::{Error, Result};

/// A score type that rankings are computed in; −0 equals +0, ±∞ are ordinary, NaN is refused.
pub trait Score: Copy + PartialOrd + Send + Sync + 'static {
    /// An order of all bit patterns that never contradicts `<`.
    fn ascending(&self, other: &Self) -> Ordering;
}

impl Score for f32 {
    fn ascending(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
}

impl Score for f64 {
    fn ascending(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
}

/// An element of a score matrix: ranked as its [`Score`], returned as itself.
pub trait Stored: Copy + Default + Send + Sync {
    /// What it is ranked as; widening keeps the order.
    type Wide: Score;
    /// Working memory of [`Stored::choose`].
    type Chooser: Default + Send;
    /// The scores of a piece of a row; `scratch` holds them where they had to be widened.
    fn widen<'a>(piece: &'a [Self], scratch: &'a mut Vec<Self::Wide>) -> &'a [Self::Wide];
    /// [`Kernel::count_few`] for this type.
    fn count_few(kernel: Kernel, scores: &[Self], bounds: &[Self::Wide]) -> Counts;
    /// [`Kernel::count_above`] for this type.
    fn count_above(kernel: Kernel, scores: &[Self], bounds: &[Self::Wide]) -> Above;
    /// [`Kernel::bisect`] for this type.
    fn bisect(
        kernel: Kernel,
        scores: &[Self],
        bounds: &[Self::Wide],
        above: &mut [u32],
        hits: &mut Hits,
    ) -> bool;
    /// The places of the best `k` of a row, best first; `None` when a score is NaN.
    fn choose<'a>(
        chooser: &'a mut Self::Chooser,
        kernel: Kernel,
        row: &[Self],
        k: usize,
    ) -> Option<&'a [u32]>;
}

macro_rules! stored_as_f32 {
    ($($kind:ty),*) => {$(
        impl Stored for $kind {
            type Wide = f32;
            type Chooser = Selection;
            fn widen<'a>(piece: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
                <$kind as crate::matrix::Element>::widen(piece, scratch)
            }
            fn count_few(kernel: Kernel, scores: &[Self], bounds: &[f32]) -> Counts {
                kernel.count_few(scores, bounds)
            }
            fn count_above(kernel: Kernel, scores: &[Self], bounds: &[f32]) -> Above {
                kernel.count_above(scores, bounds)
            }
            fn bisect(
                kernel: Kernel,
                scores: &[Self],
                bounds: &[f32],
                above: &mut [u32],
                hits: &mut Hits,
            ) -> bool {
                kernel.bisect(scores, bounds, above, hits)
            }
            fn choose<'a>(
                chooser: &'a mut Selection,
                kernel: Kernel,
                row: &[Self],
                k: usize,
            ) -> Option<&'a [u32]> {
                (!chooser.best(kernel, row, k)).then_some(&chooser.columns)
            }
        })*
    };
}
stored_as_f32!(f32, f16, bf16);

impl Stored for f64 {
    type Wide = Self;
    type Chooser = Vec<u32>;
    fn widen<'a>(piece: &'a [Self], _: &'a mut Vec<Self>) -> &'a [Self] {
        piece
    }
    fn count_few(_: Kernel, scores: &[Self], bounds: &[Self]) -> Counts {
        count_plainly(scores, bounds)
    }
    fn count_above(_: Kernel, scores: &[Self], bounds: &[Self]) -> Above {
        above_plainly(scores, bounds)
    }
    fn bisect(
        _: Kernel,
        scores: &[Self],
        bounds: &[Self],
        above: &mut [u32],
        hits: &mut Hits,
    ) -> bool {
        bisect_plainly(scores, bounds, above, hits)
    }
    fn choose<'a>(
        chooser: &'a mut Vec<u32>,
        _: Kernel,
        row: &[Self],
        k: usize,
    ) -> Option<&'a [u32]> {
        if first_nan(row).is_some() {
            return None;
        }
        *chooser = Best::of(row, k);
        Some(chooser)
    }
}

/// The total order: the better of two comes first.
pub(crate) fn better<S: Score>(a: &(S, u32), b: &(S, u32)) -> Ordering {
    // NaN is refused before it gets here, so every pair of scores compares.
    b.0.partial_cmp(&a.0)
        .unwrap_or(Ordering::Equal)
        .then(a.1.cmp(&b.1))
}

/// The best `k` of the scores seen so far, in memory O(k): for the types without loops of their own.
#[derive(Debug)]
struct Best<S> {
    k: usize,
    kept: Vec<(S, u32)>,
    worst: Option<(S, u32)>,
}

impl<S: Score> Best<S> {
    /// Of scores that hold no NaN.
    fn of(scores: &[S], k: usize) -> Vec<u32> {
        const PIECE: usize = 32;
        let mut best = Self {
            k,
            kept: Vec::new(),
            worst: None,
        };
        if k == 0 {
            return Vec::new();
        }
        for (number, piece) in scores.chunks(PIECE).enumerate() {
            let reaches = |score: &S| best.worst.is_none_or(|(bound, _)| *score > bound);
            if piece.iter().fold(false, |any, score| any | reaches(score)) {
                for (id, &score) in (number * PIECE..).zip(piece) {
                    best.push((score, id as u32));
                }
            }
        }
        best.kept.sort_unstable_by(better);
        best.kept.truncate(k);
        best.kept.into_iter().map(|item| item.1).collect()
    }

    fn push(&mut self, item: (S, u32)) {
        // Ids come in ascending order, so an equal score is a worse one.
        if self.worst.is_some_and(|worst| item.0 <= worst.0) {
            return;
        }
        self.kept.push(item);
        // Kept up to twice k, then halved: constant time an item on average.
        if self.kept.len() >= self.k.saturating_mul(2).max(32) {
            self.kept.select_nth_unstable_by(self.k - 1, better);
            self.kept.truncate(self.k);
            self.worst = Some(self.kept[self.k - 1]);
        }
    }
}

/// A matrix of scores, queries × passages, in any type that can be ranked.
#[derive(Debug, Clone, Copy)]
pub enum Scores<'a> {
    /// Double precision.
    F64(View<'a, f64>),
    /// Single precision.
    F32(View<'a, f32>),
    /// IEEE half precision.
    F16(View<'a, f16>),
    /// Brain floating point.
    Bf16(View<'a, bf16>),
}

/// The k best passages of each query, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct TopK<S> {
    /// Number of columns: the smaller of k and the number of passages.
    pub columns: usize,
    /// Scores, best first.
    pub values: Vec<S>,
    /// Passage ids.
    pub ids: Vec<i64>,
}

/// The error that names the first NaN of a row.
pub(crate) fn nan_in<T: Stored>(scores: &View<'_, T>, row: usize) -> Error {
    let mut scratch = Vec::new();
    let column = first_nan(T::widen(scores.row(row), &mut scratch)).unwrap_or(0);
    Error::NotANumber(format!(
        "scores[{row}, {column}] is NaN (query {row}, passage {column}); NaN has no rank"
    ))
}

#[allow(clippy::eq_op)] // a value that differs from itself is NaN, in any of the types
pub(crate) fn first_nan<S: PartialOrd>(scores: &[S]) -> Option<usize> {
    scores.iter().position(|score| score != score)
}

/// The `k` best columns of each row, score down, then id up; the smaller of `k` and the number of
/// columns comes back. `tick` is called with (rows done, rows) between blocks.
///
/// # Errors
/// [`Error::NotANumber`] names the first NaN; [`Error::Interrupted`] when `tick` returns `false`.
///
/// ```
/// use hybrid_fast_core::{matrix::View, topk::topk};
/// let scores = View::contiguous(&[0.1, 0.7, 0.7, 0.2], 1, 4).unwrap();
/// let best = topk(&scores, 2, Some(1), &|_, _| true).unwrap();
/// assert_eq!((best.values, best.ids), (vec![0.7, 0.7], vec![1, 2]));
/// ```
pub fn topk<T: Stored>(
    scores: &View<'_, T>,
    k: usize,
    threads: Option<usize>,
    tick: &dyn Fn(usize, usize) -> bool,
) -> Result<TopK<T>> {
    let (rows, columns) = (scores.rows(), scores.columns());
    let k = k.min(columns);
    let kernel = Kernel::chosen()?;
    let threads = Threads::new(threads, rows as u64 * columns as u64)?;
    let size = rows.saturating_mul(k);
    room::check(size, size_of::<[i64; 2]>(), || {
        format!("{k} passages for each of {rows} queries")
    })?;
    let mut best = TopK {
        columns: k,
        values: vec![T::default(); size],
        ids: vec![0; size],
    };
    let (mut values, mut ids) = (&mut best.values[..], &mut best.ids[..]);
    let mut tasks = Vec::new();
    for (rows, part) in cut(rows, columns, &threads) {
        // The first part of a row takes the row's place in the answer; what the others find goes there.
        let height = if part.start == 0 { rows.len() } else { 0 };
        let (own, others) = std::mem::take(&mut values).split_at_mut(height * k);
        values = others;
        let (own_ids, others) = std::mem::take(&mut ids).split_at_mut(height * k);
        ids = others;
        let output = Place {
            values: own,
            ids: own_ids,
            found: Vec::new(),
        };
        tasks.push(Task {
            rows,
            columns: part,
            output,
        });
    }
    let shape = (scores.rows(), columns);
    let nan = over(shape, &threads, &mut tasks, tick, |task| {
        let mut chooser = T::Chooser::default();
        task.rows.clone().enumerate().find_map(|(number, row)| {
            let part = &scores.row(row)[task.columns.clone()];
            let Some(found) = T::choose(&mut chooser, kernel, part, k) else {
                return Some(row);
            };
            if part.len() == columns {
                task.output.write(number * k, scores.row(row), found);
            } else {
                let first = task.columns.start as u32;
                task.output
                    .found
                    .extend(found.iter().map(|place| first + place));
            }
            None
        })
    })?;
    if let Some(row) = nan {
        return Err(nan_in(scores, row));
    }
    let mut tasks = tasks
        .into_iter()
        .filter(|task| task.columns.len() < columns)
        .peekable();
    while let Some(mut task) = tasks.next() {
        let row = scores.row(task.rows.start);
        let mut found = std::mem::take(&mut task.output.found);
        while let Some(next) = tasks.next_if(|next| next.rows == task.rows) {
            found.extend(next.output.found);
        }
        let mut scratch = Vec::new();
        let mut items: Vec<_> = found
            .into_iter()
            .map(|id| {
                (
                    T::widen(&row[id as usize..=id as usize], &mut scratch)[0],
                    id,
                )
            })
            .collect();
        items.sort_unstable_by(better);
        let found: Vec<u32> = items.into_iter().take(k).map(|item| item.1).collect();
        task.output.write(0, row, &found);
    }
    Ok(best)
}

/// Where the answer of a task goes.
struct Place<'a, T> {
    values: &'a mut [T],
    ids: &'a mut [i64],
    /// The best ids of a part of a row.
    found: Vec<u32>,
}

impl<T: Copy> Place<'_, T> {
    fn write(&mut self, at: usize, row: &[T], found: &[u32]) {
        let (values, ids) = (&mut self.values[at..], &mut self.ids[at..]);
        for ((&id, value), out) in found.iter().zip(values).zip(ids) {
            *value = row[id as usize];
            *out = i64::from(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn go_on(_: usize, _: usize) -> bool {
        true
    }

    #[test]
    fn ties_go_to_the_smaller_id_and_zeros_are_equal() {
        let scores = [
            -0.0,
            0.0,
            f64::INFINITY,
            -0.0,
            f64::NEG_INFINITY,
            f64::INFINITY,
        ];
        let view = View::contiguous(&scores, 1, 6).expect("fits");
        let best = topk(&view, 10, None, &go_on).expect("no NaN");
        assert_eq!(best.ids, [2, 5, 0, 1, 3, 4]);
        assert_eq!(best.columns, 6);
        assert_eq!(best.values[2].to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn the_first_nan_is_named() {
        let scores = [0.0f32, 1.0, 2.0, f32::NAN, f32::NAN, 0.0];
        let view = View::contiguous(&scores, 2, 3).expect("fits");
        let error = topk(&view, 1, None, &go_on).expect_err("NaN");
        assert!(
            error.to_string().starts_with("scores[1, 0] is NaN"),
            "{error}"
        );
    }

    #[test]
    fn stopping_is_an_interruption() {
        let view = View::contiguous(&[1f32], 1, 1).expect("fits");
        assert_eq!(topk(&view, 1, None, &|_, _| false), Err(Error::Interrupted));
    }

    #[test]
    fn no_rows_no_columns_and_no_k() {
        let none = View::<f32>::contiguous(&[], 0, 5).expect("fits");
        assert_eq!(topk(&none, 3, None, &go_on).expect("empty").columns, 3);
        let narrow = View::<f32>::contiguous(&[], 5, 0).expect("fits");
        assert_eq!(topk(&narrow, 3, None, &go_on).expect("empty").columns, 0);
        let some = View::contiguous(&[1f32, 2.0], 1, 2).expect("fits");
        assert!(topk(&some, 0, None, &go_on).expect("empty").ids.is_empty());
    }

    #[test]
    fn a_long_row_is_split_without_a_trace() {
        let columns = (1 << 20) + 17;
        let scores: Vec<f32> = (0..columns).map(|i| ((i * 7919) % 1000) as f32).collect();
        let view = View::contiguous(&scores, 1, columns).expect("fits");
        let one = topk(&view, 300, Some(1), &go_on).expect("no NaN");
        assert_eq!(one, topk(&view, 300, Some(5), &go_on).expect("no NaN"));
    }

    proptest! {
        #[test]
        fn equals_a_full_sort(
            rows in 0usize..4,
            columns in 0usize..200,
            k in 0usize..220,
            levels in 1i32..30,
            seed in any::<u32>(),
        ) {
            let scores: Vec<f32> = (0..rows * columns)
                .map(|i| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 7) as i32 % levels)
                .map(|level| level as f32)
                .collect();
            let view = View::contiguous(&scores, rows, columns).expect("fits");
            let best = topk(&view, k, Some(2), &go_on).expect("no NaN");
            let mut expected = Vec::new();
            for row in 0..rows {
                let mut all: Vec<(f32, u32)> =
                    view.row(row).iter().copied().zip(0u32..).collect();
                all.sort_by(better);
                expected.extend(all.into_iter().take(k).map(|(_, id)| i64::from(id)));
            }
            prop_assert_eq!(best.ids, expected);
        }
    }
}
