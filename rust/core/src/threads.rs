//! The threads of one call: started when there is work for them, gone when the call returns.
//!
//! No thread outlives a call, so a process forked between two calls (a data loader's worker) has
//! nothing of its parent's to wait for, and two libraries never fight over one pool. The calling
//! thread works too.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result};

/// The environment variables that name the default number of threads; the first that holds a
/// positive number decides.
pub const VARIABLES: [&str; 3] = [
    "HYBRID_FAST_THREADS",
    "RAYON_NUM_THREADS",
    "OMP_NUM_THREADS",
];

/// Elementary steps below which starting threads costs more than it saves.
///
/// Measured on two cores of a 2.6 GHz Xeon with ranks of 2 and top-20 of rows of 8192 scores, shortest of
/// 300 calls: one thread and two took 171 and 196 µs for 2²⁰ scores, 329 and 307 µs for 2²¹, 622 and
/// 475 µs for 2²², 1186 and 814 µs for 2²³; the second thread costs about 100 µs in all.
const WORTH_THREADS: u64 = 1 << 21;

/// Threads of a call, at most: work is cut into parts by them, and no machine has more cores.
const MOST: usize = 1024;

/// How many threads one call works with.
#[derive(Debug)]
pub struct Threads {
    count: usize,
}

impl Threads {
    /// Takes `threads` threads; `None` means the first of [`VARIABLES`] that is set, else all cores.
    /// `work` is the estimated number of elementary steps.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `threads` is 0.
    pub fn new(threads: Option<usize>, work: u64) -> Result<Self> {
        if threads == Some(0) {
            return Err(Error::InvalidArgument(
                "threads is 0, expected 1 or more".into(),
            ));
        }
        let count = if work < WORTH_THREADS {
            1
        } else {
            threads.unwrap_or_else(default_count).min(MOST)
        };
        Ok(Self { count })
    }

    /// How many threads work at once.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Calls `work(position, item)` for each item, in any order, and returns when all are done.
    pub fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        self.each_while(items, work, || true);
    }

    /// Calls `work(position, item)` for each item, first ones first, until `go_on`, which the calling
    /// thread asks after each item of its own, says no; items that were begun are finished. Returns
    /// whether all were done.
    pub fn each_while<T: Send>(
        &self,
        items: &mut [T],
        work: impl Fn(usize, &mut T) + Sync,
        mut go_on: impl FnMut() -> bool,
    ) -> bool {
        let helpers = self.count.min(items.len()).saturating_sub(1);
        if helpers == 0 {
            return items.iter_mut().enumerate().all(|(position, item)| {
                work(position, item);
                go_on()
            });
        }
        let stopped = AtomicBool::new(false);
        let panic = Mutex::new(None);
        let queue = Mutex::new(items.iter_mut().enumerate());
        let one = || {
            if stopped.load(Ordering::Relaxed) {
                return false;
            }
            // A panic elsewhere leaves an iterator that is still sound.
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            next.is_some_and(|(position, item)| {
                work(position, item);
                true
            })
        };
        std::thread::scope(|scope| {
            for _ in 0..helpers {
                // A machine that refuses more threads still answers, with those that are there.
                let started = std::thread::Builder::new()
                    .name("hybrid_fast".into())
                    .spawn_scoped(scope, || {
                        // What it says goes on in the calling thread; a scope would say only that it was.
                        if let Err(said) = catch_unwind(AssertUnwindSafe(|| while one() {})) {
                            stopped.store(true, Ordering::Relaxed);
                            *panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
                        }
                    });
                if started.is_err() {
                    break;
                }
            }
            while one() {
                if !go_on() {
                    stopped.store(true, Ordering::Relaxed);
                }
            }
        });
        if let Some(said) = panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(said);
        }
        !stopped.into_inner()
    }
}

fn default_count() -> usize {
    VARIABLES
        .iter()
        .filter_map(|name| std::env::var(name).ok()?.trim().parse().ok())
        .find(|count| *count > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
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
    fn a_no_stops_all_threads() {
        for count in [1, 3] {
            let threads = Threads::new(Some(count), u64::MAX).expect("valid");
            let mut items = vec![false; 100_000];
            let pause = std::time::Duration::from_micros(1);
            let work = |_: usize, item: &mut bool| {
                std::thread::sleep(pause);
                *item = true;
            };
            assert!(!threads.each_while(&mut items, work, || false));
            assert!(!items.iter().all(|done| *done));
            let mut few = vec![false; 10];
            assert!(threads.each_while(&mut few, work, || true) && few.iter().all(|done| *done));
        }
    }

    #[test]
    fn a_panic_says_the_same_from_any_thread() {
        for count in [1, 3] {
            let threads = Threads::new(Some(count), u64::MAX).expect("valid");
            let work = |position: usize, _: &mut ()| {
                std::thread::sleep(std::time::Duration::from_micros(50));
                if position >= 20 {
                    resume_unwind(Box::new("why"));
                }
            };
            let all = || threads.each(&mut [(); 1000], work);
            let said = catch_unwind(AssertUnwindSafe(all)).expect_err("it panics");
            assert_eq!(said.downcast_ref::<&str>(), Some(&"why"));
        }
    }

    #[test]
    fn small_work_stays_on_the_calling_thread() {
        assert_eq!(Threads::new(Some(8), 10).expect("valid").count(), 1);
    }
}
