//! `PairIndex`: columns in, decoded pairs out.

use std::sync::Arc;

use hybrid_fast_core::pairs::{self, Columns, MISSING};
use hybrid_fast_core::{Error, Result};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::door::enter;

type Column<'py> = PyReadonlyArray1<'py, i64>;
type Decoded<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i16>>,
    Bound<'py, PyArray1<i16>>,
);

type Identities<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// Groups × languages → query rows, passage rows and identities; languages are numbers here.
#[pyclass(frozen, module = "hybrid_fast._core")]
pub(crate) struct PairIndex {
    pub(crate) inner: Arc<pairs::PairIndex>,
}

#[pymethods]
impl PairIndex {
    #[new]
    #[pyo3(signature = (group, language, query, passage, query_identity, passage_identity, languages))]
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn new(
        py: Python<'_>,
        group: Column<'_>,
        language: Column<'_>,
        query: Column<'_>,
        passage: Column<'_>,
        query_identity: Option<Column<'_>>,
        passage_identity: Option<Column<'_>>,
        languages: usize,
    ) -> PyResult<Self> {
        let columns = Columns {
            group: group.as_slice()?,
            language: language.as_slice()?,
            query: query.as_slice()?,
            passage: passage.as_slice()?,
            query_identity: query_identity
                .as_ref()
                .map(|one| one.as_slice())
                .transpose()?,
            passage_identity: passage_identity
                .as_ref()
                .map(|one| one.as_slice())
                .transpose()?,
        };
        let inner = enter(py, None, |_| pairs::PairIndex::new(columns, languages))?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    fn __len__(&self) -> usize {
        self.inner.cells()
    }

    /// How many different groups.
    #[getter]
    fn groups(&self) -> usize {
        self.inner.groups()
    }

    /// Bytes held.
    #[getter]
    fn bytes(&self) -> usize {
        self.inner.bytes()
    }

    /// Hash of every value.
    #[getter]
    fn fingerprint(&self) -> u64 {
        self.inner.fingerprint()
    }

    /// Pairs of each stratum, row by row of query languages.
    fn strata<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        let languages = self.inner.languages();
        let sizes: Vec<i64> = (0..languages * languages)
            .map(|one| self.inner.stratum_len(one / languages, one % languages) as i64)
            .collect();
        sizes.into_pyarray(py)
    }

    /// Whether each cell has a query.
    fn query_cells<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        let cells = 0..self.inner.cells() as u32;
        PyArray1::from_vec(
            py,
            cells
                .map(|cell| self.inner.query(cell) != MISSING)
                .collect(),
        )
    }

    /// Language of each cell.
    fn cell_languages<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i16>> {
        let cells = 0..self.inner.cells() as u32;
        PyArray1::from_vec(
            py,
            cells.map(|cell| self.inner.language(cell) as i16).collect(),
        )
    }

    /// Group, query row, passage row, query language and passage language of pair ids.
    fn pairs<'py>(&self, py: Python<'py>, ids: Column<'py>) -> PyResult<Decoded<'py>> {
        let ids = ids.as_slice()?;
        let index = &self.inner;
        let (group, query, passage, from, to) = enter(py, None, |_| {
            let mut columns = (vec![], vec![], vec![], vec![], vec![]);
            for &id in ids {
                let (cell, target) = decode(index, id)?;
                columns.0.push(i64::from(index.group(cell)));
                columns.1.push(i64::from(index.query(cell)));
                columns.2.push(i64::from(index.passage(target)));
                columns.3.push(index.language(cell) as i16);
                columns.4.push(index.language(target) as i16);
            }
            Ok(columns)
        })?;
        Ok((
            group.into_pyarray(py),
            query.into_pyarray(py),
            passage.into_pyarray(py),
            from.into_pyarray(py),
            to.into_pyarray(py),
        ))
    }

    /// Query identity and passage identity of pair ids.
    fn identities<'py>(&self, py: Python<'py>, ids: Column<'py>) -> PyResult<Identities<'py>> {
        let ids = ids.as_slice()?;
        let index = &self.inner;
        let (query, passage) = enter(py, None, |_| {
            let mut columns = (vec![], vec![]);
            for &id in ids {
                let (cell, target) = decode(index, id)?;
                columns.0.push(i64::from(index.query_identity(cell)));
                columns.1.push(i64::from(index.passage_identity(target)));
            }
            Ok(columns)
        })?;
        Ok((query.into_pyarray(py), passage.into_pyarray(py)))
    }
}

/// The query's cell and the passage's cell of a pair id.
fn decode(index: &pairs::PairIndex, id: i64) -> Result<(u32, u32)> {
    let languages = index.languages() as i64;
    (0..index.cells() as i64 * languages)
        .contains(&id)
        .then(|| (id / languages) as u32)
        .filter(|&cell| index.query(cell) != MISSING)
        .and_then(|cell| Some((cell, index.sibling(cell, (id % languages) as usize)?)))
        .filter(|&(_, target)| index.passage(target) != MISSING)
        .ok_or_else(|| {
            Error::OutOfRange(format!(
                "{id} is no pair of this index of {} cells and {languages} languages",
                index.cells()
            ))
        })
}
