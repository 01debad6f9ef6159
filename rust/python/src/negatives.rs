//! Hard negatives of batches, and the columns of an index that their identities come from.

use hybrid_fast_core::negatives::{Lists, Rows, take};
use hybrid_fast_core::pairs::MISSING;
use hybrid_fast_core::room;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::slice;
use crate::door::enter;
use crate::pairs::PairIndex;

type Column<'py> = PyReadonlyArray1<'py, i64>;

/// Negatives of batches of `width` rows, `count` a row, -1 where a list holds none that may be taken.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one argument a column")]
pub(crate) fn take_negatives<'py>(
    py: Python<'py>,
    indptr: Column<'py>,
    passages: Column<'py>,
    identities: Column<'py>,
    languages: Option<PyReadonlyArray1<'py, i16>>,
    query: Column<'py>,
    identity: Column<'py>,
    language: PyReadonlyArray1<'py, i16>,
    width: usize,
    count: usize,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let lists = Lists {
        indptr: slice(&indptr, "indptr")?,
        passages: slice(&passages, "passages")?,
        identities: slice(&identities, "identities")?,
        languages: languages
            .as_ref()
            .map(|one| slice(one, "languages"))
            .transpose()?,
    };
    let rows = Rows {
        query: slice(&query, "query")?,
        identity: slice(&identity, "identity")?,
        language: slice(&language, "language")?,
    };
    let taken = enter(py, None, |_| take(&lists, &rows, width, count))?;
    Ok(taken.into_pyarray(py))
}

/// Group, language, query row, passage row (-1 where missing), query identity and passage identity of all
/// cells.
#[pyfunction]
pub(crate) fn cell_columns<'py>(
    py: Python<'py>,
    index: &PairIndex,
) -> PyResult<Vec<Bound<'py, PyArray1<i64>>>> {
    let index = &index.inner;
    let row = |value: u32| {
        if value == MISSING {
            -1
        } else {
            i64::from(value)
        }
    };
    let columns = enter(py, None, |_| {
        index.whole()?;
        room::check(index.cells(), 6 * size_of::<i64>(), || {
            format!("six columns of {} cells", index.cells())
        })?;
        let cells = 0..index.cells() as u32;
        let column = |of: &dyn Fn(u32) -> i64| cells.clone().map(of).collect::<Vec<i64>>();
        Ok([
            column(&|cell| i64::from(index.group(cell))),
            column(&|cell| index.language(cell) as i64),
            column(&|cell| row(index.query(cell))),
            column(&|cell| row(index.passage(cell))),
            column(&|cell| row(index.query_identity(cell))),
            column(&|cell| row(index.passage_identity(cell))),
        ])
    })?;
    Ok(columns
        .into_iter()
        .map(|column| column.into_pyarray(py))
        .collect())
}
