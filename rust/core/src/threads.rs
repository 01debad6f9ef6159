//! A pool of threads for one call; never rayon's global one.
//!
//! A pool lives as long as the call that asked for it, so a process forked between two calls
//! (a data loader's worker) has nothing of its parent's threads to wait for.

use std::num::NonZeroUsize;

use rayon::prelude::*;

use crate::{Error, Result};

/// Multiply-adds or comparisons below which starting threads costs more than it saves.
const WORTH_THREADS: u64 = 1 << 21;

/// The threads of one call, or none when the work is small.
#[derive(Debug)]
pub struct Threads {
    pool: Option<rayon::ThreadPool>,
    count: usize,
}

impl Threads {
    /// Takes `threads` threads; `None` means the environment variable `RAYON_NUM_THREADS`, else
    /// all cores. `work` is the estimated number of elementary steps.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `threads` is 0.
    pub fn new(threads: Option<usize>, work: u64) -> Result<Self> {
        let wanted = match threads {
            Some(0) => {
                return Err(Error::InvalidArgument(
                    "threads is 0, expected 1 or more".into(),
                ));
            }
            Some(count) => count,
            None => default_count(),
        };
        if wanted == 1 || work < WORTH_THREADS {
            return Ok(Self {
                pool: None,
                count: 1,
            });
        }
        // A machine that refuses more threads still answers, on the calling one.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(wanted)
            .build()
            .ok();
        let count = if pool.is_some() { wanted } else { 1 };
        Ok(Self { pool, count })
    }

    /// How many threads work at once.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Calls `work(position, item)` for each item, in any order, and returns when all are done.
    pub fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        match &self.pool {
            None => items
                .iter_mut()
                .enumerate()
                .for_each(|(position, item)| work(position, item)),
            Some(pool) => pool.install(|| {
                items
                    .par_iter_mut()
                    .with_max_len(1)
                    .enumerate()
                    .for_each(|(position, item)| work(position, item));
            }),
        }
    }
}

fn default_count() -> usize {
    let named = std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match named {
        Some(count) if count > 0 => count,
        _ => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_threads_is_an_error() {
        assert!(matches!(
            Threads::new(Some(0), 0),
            Err(Error::InvalidArgument(_))
        ));
    }

    #[test]
    fn every_item_is_worked_once_by_any_number_of_threads() {
        for threads in [Some(1), Some(3), None] {
            let threads = Threads::new(threads, u64::MAX).expect("valid");
            let mut items = vec![0usize; 1000];
            threads.each(&mut items, |position, item| *item += position + 1);
            assert!(
                items
                    .iter()
                    .enumerate()
                    .all(|(position, item)| *item == position + 1)
            );
        }
    }

    #[test]
    fn small_work_stays_on_the_calling_thread() {
        assert_eq!(Threads::new(Some(8), 10).expect("valid").count(), 1);
    }
}
