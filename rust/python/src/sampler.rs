//! `Plan`: a checked configuration in, batches out.

use std::sync::{Arc, Mutex};

use hybrid_fast_core::Error;
use hybrid_fast_core::epoch::Epoch;
use hybrid_fast_core::epoch_length::epoch_length;
use hybrid_fast_core::mixture::Mixing;
use hybrid_fast_core::packing::Guard;
use hybrid_fast_core::plan::{self, Config, Holds, IdentityKind, LanguageWeights, Unit};
use hybrid_fast_core::ratio::{Piece, Ratio};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::door::{enter, pass};
use crate::error::to_py;
use crate::pairs::PairIndex;

/// Kind of identity, its value, stratum (query and passage language), rows, rows a pass can place.
type Frequent = (&'static str, u32, Option<(usize, usize)>, u64, u64);

/// Query language, passage language, rows, share, batches of a homogeneous pass.
type Share = (usize, usize, u64, f64, u64);

/// Batches as a pure function of (index, configuration, epoch, batch number).
#[pyclass(frozen, module = "hybrid_fast._core")]
pub(crate) struct Plan {
    pub(crate) inner: Arc<plan::Plan>,
    /// The epoch used last, with the blocks it built.
    latest: Mutex<Option<(u64, Arc<Epoch>)>>,
}

fn choice<T: Copy>(name: &str, value: &str, known: &[(&str, T)]) -> PyResult<T> {
    known
        .iter()
        .find(|(one, _)| *one == value)
        .map(|(_, found)| *found)
        .ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(one, _)| *one).collect();
            to_py(Error::InvalidArgument(format!(
                "{name} is {value:?}, expected one of {}",
                names.join(", ")
            )))
        })
}

fn rule(exponent: Option<f64>, weights: Option<Vec<f64>>) -> LanguageWeights {
    match (exponent, weights) {
        (Some(exponent), _) => LanguageWeights::Power(exponent),
        (None, Some(weights)) => LanguageWeights::Explicit(weights),
        (None, None) => LanguageWeights::Uniform,
    }
}

/// α over time from (first batch, α at the start, α at the end) of its pieces.
fn ratio(pieces: &[(u64, f64, f64)]) -> PyResult<Ratio> {
    let pieces: Vec<Piece> = pieces
        .iter()
        .map(|&(start, from, to)| Piece { start, from, to })
        .collect();
    Ratio::new(&pieces).map_err(to_py)
}

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (index, *, batch_size, mono_ratio, mixing, unit, mono, cross, exponent, weights, batches_per_epoch, guard, guard_window, seed, mono_weights=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one argument a field of the configuration"
    )]
    fn new(
        py: Python<'_>,
        index: &PairIndex,
        batch_size: usize,
        mono_ratio: Vec<(u64, f64, f64)>,
        mixing: &str,
        unit: &str,
        mono: &str,
        cross: &str,
        exponent: Option<f64>,
        weights: Option<Vec<f64>>,
        batches_per_epoch: Option<u64>,
        guard: (bool, bool, bool),
        guard_window: u64,
        seed: u64,
        mono_weights: Option<Vec<f64>>,
    ) -> PyResult<Self> {
        let rules = [
            ("exact", Mixing::Exact),
            ("coupled", Mixing::Coupled),
            ("bernoulli", Mixing::Bernoulli),
        ];
        let monos = [
            ("xx-mixed", Holds::Mixed),
            ("homogeneous", Holds::Homogeneous),
        ];
        let crosses = [("mixed", Holds::Mixed), ("homogeneous", Holds::Homogeneous)];
        let config = Config {
            batch_size,
            ratio: ratio(&mono_ratio)?,
            mixing: choice("mixing", mixing, &rules)?,
            unit: choice("unit", unit, &[("batch", Unit::Batch), ("row", Unit::Row)])?,
            mono: choice("mono", mono, &monos)?,
            cross: choice("cross", cross, &crosses)?,
            language_weights: rule(exponent, weights),
            mono_weights,
            batches_per_epoch,
            guard: Guard {
                group: guard.0,
                query: guard.1,
                passage: guard.2,
            },
            guard_window,
            seed,
        };
        let index = Arc::clone(&index.inner);
        let inner = enter(py, None, |tick| {
            index.whole()?;
            plan::Plan::interruptible(index, config, &|| tick(0, 1))
        })?;
        Ok(Self {
            inner,
            latest: Mutex::new(None),
        })
    }

    /// Batches of an epoch under a configuration that need not be drawable.
    #[staticmethod]
    #[pyo3(signature = (index, *, batch_size, exponent, weights, batches_per_epoch, guard_window))]
    fn epoch_length(
        py: Python<'_>,
        index: &PairIndex,
        batch_size: usize,
        exponent: Option<f64>,
        weights: Option<Vec<f64>>,
        batches_per_epoch: Option<u64>,
        guard_window: u64,
    ) -> PyResult<u64> {
        let (rule, index) = (rule(exponent, weights), Arc::clone(&index.inner));
        enter(py, None, move |_| {
            let weights = hybrid_fast_core::weights::weights(&index, &rule)?;
            epoch_length(
                &index,
                &weights,
                batch_size,
                batches_per_epoch,
                guard_window,
            )
        })
    }

    /// The batch of each step of an epoch that a rank takes, `world_size` batches a step.
    fn dealt<'py>(
        &self,
        py: Python<'py>,
        epoch: u64,
        start: u64,
        stop: u64,
        world_size: u32,
    ) -> PyResult<Bound<'py, PyArray1<u32>>> {
        let dealt = enter(py, None, |_| {
            self.of_epoch(epoch)?.deal(start..stop, world_size)
        })?;
        Ok(dealt.into_pyarray(py))
    }

    /// The same plan with another α over time: pieces, and then changes (batch, α), each up to the next.
    fn with_ratio(
        &self,
        py: Python<'_>,
        pieces: Vec<(u64, f64, f64)>,
        changes: Vec<(u64, f64)>,
    ) -> PyResult<Self> {
        let mut ratio = ratio(&pieces)?;
        for (batch, share) in changes {
            ratio = ratio.changed(batch, share).map_err(to_py)?;
        }
        let plan = Arc::clone(&self.inner);
        let inner = enter(py, None, move |tick| plan.with_ratio(ratio, &|| tick(0, 1)))?;
        Ok(Self {
            inner,
            latest: Mutex::new(None),
        })
    }

    /// α at the start of a batch, counted over all epochs.
    fn ratio_at(&self, batch: u64) -> PyResult<f64> {
        pass(|| Ok(self.inner.config().ratio.at(batch)))
    }

    /// The integral of α over the first batches of all times.
    fn ratio_integral(&self, batches: u64) -> PyResult<f64> {
        pass(|| Ok(self.inner.config().ratio.integral(batches)))
    }

    /// The first batch of an epoch, from `batch` on, at which α may change.
    fn free_batch(&self, batch: u64) -> PyResult<u64> {
        pass(|| Ok(self.inner.free_batch(batch)))
    }

    fn __len__(&self) -> usize {
        self.inner.len() as usize
    }

    /// Query language, passage language, rows, share of its kind and batches of a homogeneous
    /// pass (0 where rows of several strata mix) of every stratum drawn.
    fn shares(&self) -> PyResult<Vec<Share>> {
        let plain = |one: plan::Share| (one.query, one.passage, one.rows, one.share, one.batches);
        pass(|| Ok(self.inner.shares().into_iter().map(plain).collect()))
    }

    /// Identities with more rows in a stratum than a pass can place.
    fn frequent(&self) -> PyResult<Vec<Frequent>> {
        let name = |kind| match kind {
            IdentityKind::Group => "group",
            IdentityKind::Query => "query",
            IdentityKind::Passage => "passage",
            IdentityKind::Text => "text",
        };
        let plain = |one: &plan::Frequent| {
            (
                name(one.kind),
                one.identity,
                one.stratum,
                one.rows,
                one.placed,
            )
        };
        pass(|| Ok(self.inner.frequent().iter().map(plain).collect()))
    }

    /// Batches `start..stop` of an epoch as flat columns.
    #[pyo3(signature = (epoch, start, stop, progress=None))]
    fn batches<'py>(
        &self,
        py: Python<'py>,
        epoch: u64,
        start: u64,
        stop: u64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let found = enter(py, progress, |tick| {
            self.of_epoch(epoch)?
                .batches(start, stop, &|done, total| tick(done, total))
        })?;
        let columns = PyDict::new(py);
        columns.set_item("is_mono", PyArray1::from_vec(py, found.is_mono))?;
        columns.set_item("group", found.group.into_pyarray(py))?;
        columns.set_item("query", found.query.into_pyarray(py))?;
        columns.set_item("passage", found.passage.into_pyarray(py))?;
        columns.set_item("query_language", found.query_language.into_pyarray(py))?;
        columns.set_item("passage_language", found.passage_language.into_pyarray(py))?;
        columns.set_item("pair", found.pair.into_pyarray(py))?;
        columns.set_item("substitutes", found.substitutes)?;
        Ok(columns)
    }
}

impl Plan {
    fn of_epoch(&self, epoch: u64) -> hybrid_fast_core::Result<Arc<Epoch>> {
        self.inner.index().whole()?;
        if let Ok(latest) = self.latest.lock()
            && let Some((number, found)) = latest.as_ref()
            && *number == epoch
        {
            return Ok(Arc::clone(found));
        }
        let built = Arc::new(self.inner.epoch(epoch)?);
        if let Ok(mut latest) = self.latest.lock() {
            *latest = Some((epoch, Arc::clone(&built)));
        }
        Ok(built)
    }
}
