//! The one door into the core: release the GIL, run, map the error, let Ctrl-C through.

use std::sync::Mutex;

use hybrid_fast_core::{Error, Result};
use pyo3::prelude::*;

use crate::error::to_py;

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
        work(&tick)
    });
    match outcome {
        Ok(value) => Ok(value),
        Err(Error::Interrupted) => {
            let error = raised.lock().ok().and_then(|mut slot| slot.take());
            Err(error.unwrap_or_else(|| to_py(Error::Interrupted)))
        }
        Err(error) => Err(to_py(error)),
    }
}
