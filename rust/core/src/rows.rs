//! A matrix of scores as tasks: whole rows, or parts of a row where rows are few and long.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::threads::Threads;
use crate::{Error, Result};

/// Elements of a task, at most, where rows are shorter: a quarter of a millisecond.
const TASK: usize = 1 << 20;
/// Elements of a part of a row, at least.
const PART: usize = 1 << 16;
/// Elements that the calling thread ranks between two calls of the progress callback.
const STEP: usize = 1 << 24;

/// The rows and columns of one task, and what is made of them.
#[derive(Debug)]
pub(crate) struct Task<O> {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
    pub(crate) output: O,
}

/// Rows and columns of each task, in row-major order: either every task has whole rows, or every task
/// has a part of one row.
pub(crate) fn cut(
    rows: usize,
    columns: usize,
    threads: &Threads,
) -> Vec<(Range<usize>, Range<usize>)> {
    if rows == 0 {
        return Vec::new();
    }
    let wanted = 4 * threads.count();
    if threads.count() > 1 && rows < wanted && columns >= 2 * PART {
        let parts = wanted.div_ceil(rows).min(columns / PART);
        let length = columns.div_ceil(parts);
        return (0..rows)
            .flat_map(|row| (0..parts).map(move |part| (row, part * length)))
            .map(|(row, begin)| {
                (
                    row..row + 1,
                    begin.min(columns)..(begin + length).min(columns),
                )
            })
            .collect();
    }
    let height = (TASK / columns.max(1)).clamp(1, rows.div_ceil(wanted).max(1));
    (0..rows)
        .step_by(height)
        .map(|first| (first..(first + height).min(rows), 0..columns))
        .collect()
}

/// Runs `work` on every task of a matrix of `rows` × `columns`; it returns the first row of its task that
/// holds a NaN, if any. Returns the first such row of all.
///
/// # Errors
/// [`Error::Interrupted`] when `tick` returns `false`.
pub(crate) fn over<O: Send>(
    (rows, columns): (usize, usize),
    threads: &Threads,
    tasks: &mut [Task<O>],
    tick: &dyn Fn(usize, usize) -> bool,
    work: impl Fn(&mut Task<O>) -> Option<usize> + Sync,
) -> Result<Option<usize>> {
    let nan = AtomicUsize::new(usize::MAX);
    let done = AtomicUsize::new(0);
    let mut next = STEP;
    let finished = threads.each_while(
        tasks,
        |_, task| {
            // Tasks are begun in order, so those before a row that holds NaN are all looked at.
            if nan.load(Ordering::Relaxed) < task.rows.start {
                return;
            }
            if let Some(row) = work(task) {
                nan.fetch_min(row, Ordering::Relaxed);
            }
            done.fetch_add(task.rows.len() * task.columns.len(), Ordering::Relaxed);
        },
        || {
            let done = done.load(Ordering::Relaxed);
            if done < next {
                return true;
            }
            next = done + STEP;
            tick(done / columns.max(1), rows)
        },
    );
    let row = nan.into_inner();
    if row < rows {
        return Ok(Some(row));
    }
    if finished && tick(rows, rows) {
        Ok(None)
    } else {
        Err(Error::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tasks_cover_the_matrix_once(
            rows in 0usize..2000,
            columns in prop::sample::select(vec![0usize, 1, 17, 13_000, 131_072, 1_000_003, 9_000_000]),
            threads in 1usize..9,
        ) {
            let threads = Threads::new(Some(threads), u64::MAX).expect("valid");
            let (mut row, mut column) = (0, 0);
            for (rows_of, columns_of) in cut(rows, columns, &threads) {
                prop_assert_eq!((rows_of.start, columns_of.start), (row, column));
                if columns_of.end == columns {
                    (row, column) = (rows_of.end, 0);
                } else {
                    prop_assert_eq!(rows_of.len(), 1);
                    column = columns_of.end;
                }
            }
            prop_assert_eq!((row, column), (rows, 0));
        }
    }
}
