//! The one door into the core: release the GIL, run, map the error, let Ctrl-C through. No panic passes it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use hybrid_fast_core::pairs::Damage;
use hybrid_fast_core::{Error, Result};
use pyo3::prelude::*;

use crate::error::{InternalError, to_py};

/// Runs `work` without the GIL. `work` gets a callback to call between blocks with
/// (done, total); it returns `false` when the caller should stop, because a signal arrived
/// (Ctrl-C) or the Python progress callback raised. The Python exception then wins over
/// [`Error::Interrupted`].
pub(crate) fn enter<T, F>(py: Python<'_>, progress: Option<Py<PyAny>>, work: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce(&(dyn Fn(usize, usize) -> bool + Sync)) -> Result<T> + Send,
{
    let raised: Mutex<Option<PyErr>> = Mutex::new(None);
    let outcome = py.detach(|| {
        let tick = |done: usize, total: usize| {
            let answer = Python::attach(|py| {
                py.check_signals()?;
                match &progress {
                    Some(callback) => callback.call1(py, (done, total)).map(drop),
                    None => Ok(()),
                }
            });
            match answer {
                Ok(()) => true,
                Err(error) => {
                    if let Ok(mut slot) = raised.lock() {
                        slot.get_or_insert(error);
                    }
                    false
                }
            }
        };
        let _floats = PlainFloats::enter();
        caught(|| work(&tick))
    });
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::Interrupted)) => {
            let error = raised.lock().ok().and_then(|mut slot| slot.take());
            Err(error.unwrap_or_else(|| to_py(Error::Interrupted)))
        }
        Ok(Err(error)) => Err(to_py(error)),
        Err(fault) => Err(fault),
    }
}

/// Runs what needs the GIL, or takes no time, with the same promise: no panic gets out.
pub(crate) fn pass<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    caught(work).and_then(|outcome| outcome)
}

/// What the latest panic said, and where; kept for the error that is made of it.
static LATEST: Mutex<Option<String>> = Mutex::new(None);

/// Keeps what a panic says, instead of printing it: the error tells it. Only panics of this library
/// come here, since its runtime is its own.
pub(crate) fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let said = match panic.location() {
            Some(place) => format!(
                "{} ({}:{})",
                text(panic.payload()),
                place.file(),
                place.line()
            ),
            None => text(panic.payload()).to_owned(),
        };
        *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
    }));
}

/// Runs `work`; a panic, which would reach Python as no `Exception`, becomes the error for a fault of ours.
fn caught<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        if let Some(Damage(said)) = panic.downcast_ref() {
            return to_py(Error::InvalidArgument(said.clone()));
        }
        let said = LATEST.lock().unwrap_or_else(PoisonError::into_inner).take();
        InternalError::new_err(format!(
            "hybrid_fast {} met a fault of its own: {}; please report it, with the call that led here",
            env!("CARGO_PKG_VERSION"),
            said.unwrap_or_else(|| text(&*panic).to_owned()),
        ))
    })
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
}

/// Keeps denormal numbers what they are: a thread that flushes them to zero (torch can set that) would
/// find ties that no other thread finds. What was set comes back when this is dropped; threads that
/// are started meanwhile inherit it.
struct PlainFloats {
    #[cfg(target_arch = "x86_64")]
    before: u32,
}

impl PlainFloats {
    #[cfg(target_arch = "x86_64")]
    fn enter() -> Self {
        let mut before = 0u32;
        // SAFETY: stores the control register of this thread's vector arithmetic.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut before, options(nostack)) };
        // Round to nearest, keep denormals, raise nothing: what Rust assumes.
        set_control(0x1f80);
        Self { before }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn enter() -> Self {
        Self {}
    }
}

impl Drop for PlainFloats {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        set_control(self.before);
    }
}

#[cfg(target_arch = "x86_64")]
fn set_control(word: u32) {
    // SAFETY: loads a control word that is either the default or was read from this register.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, readonly)) };
}
