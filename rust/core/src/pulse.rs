//! Whether to go on: asked now and then by work that may take long.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Time between two questions: short for a person who waits, long for whoever answers.
const BETWEEN: Duration = Duration::from_millis(50);

/// Asks whether to go on, at most every [`BETWEEN`].
pub(crate) struct Pulse<'a> {
    go_on: &'a dyn Fn() -> bool,
    asked: Cell<Instant>,
}

impl<'a> Pulse<'a> {
    pub(crate) fn new(go_on: &'a dyn Fn() -> bool) -> Self {
        Self {
            go_on,
            asked: Cell::new(Instant::now()),
        }
    }

    /// To be called in every round of a long loop.
    ///
    /// # Errors
    /// `Interrupted` where the answer was no.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked.get().elapsed() < BETWEEN {
            return Ok(());
        }
        self.asked.set(Instant::now());
        if (self.go_on)() {
            Ok(())
        } else {
            Err(Error::Interrupted)
        }
    }
}
