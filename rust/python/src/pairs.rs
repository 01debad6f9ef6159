//! `PairIndex`: columns in, decoded pairs out.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use hybrid_fast_core::pairs::{self, Given, MISSING, StratumSize};
use hybrid_fast_core::{Error, Result, room};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::columns::Column;
use crate::door::enter;

type Ids<'py> = PyReadonlyArray1<'py, i64>;
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
    #[pyo3(signature = (group, language, query, passage, query_identity, passage_identity, languages, texts=None))]
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
        texts: Option<(Column<'_>, Column<'_>)>,
    ) -> PyResult<Self> {
        let (group, language) = (group.numbers(), language.numbers());
        let (query, passage) = (query.numbers(), passage.numbers());
        let query_identity = query_identity.as_ref().map(Column::numbers);
        let passage_identity = passage_identity.as_ref().map(Column::numbers);
        let columns = Given {
            group: &*group,
            language: &*language,
            query: &*query,
            passage: &*passage,
            query_identity: query_identity.as_deref(),
            passage_identity: passage_identity.as_deref(),
        };
        let texts = texts
            .as_ref()
            .map(|(bounds, ids)| (bounds.numbers(), ids.numbers()));
        let inner = enter(py, None, |_| {
            let index = pairs::PairIndex::build(columns, languages)?;
            match &texts {
                Some((bounds, ids)) => index.with_texts(&**bounds, &**ids),
                None => Ok(index),
            }
        })?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Writes the index and a note to a file.
    fn write(&self, py: Python<'_>, path: PathBuf, note: &[u8]) -> PyResult<()> {
        let written = enter(py, None, |_| {
            self.inner.whole()?;
            let out = File::create(path).map(BufWriter::new);
            Ok(out.and_then(|mut out| self.inner.write(note, &mut out)))
        })?;
        written.map_err(PyErr::from)
    }

    /// Maps a file that `write` made; returns the index and the note.
    #[staticmethod]
    fn open<'py>(
        py: Python<'py>,
        path: PathBuf,
        verify: bool,
    ) -> PyResult<(Self, Bound<'py, PyBytes>)> {
        let file = File::open(&path)?;
        let name = path.display().to_string();
        let (inner, note) = enter(py, None, |_| pairs::PairIndex::open(&file, &name, verify))?;
        let index = Self {
            inner: Arc::new(inner),
        };
        Ok((index, PyBytes::new(py, &note)))
    }

    /// The bytes of the file that `write` makes.
    fn to_bytes<'py>(&self, py: Python<'py>, note: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = enter(py, None, |_| {
            self.inner.whole()?;
            // Here, and in Python.
            let size = self.inner.bytes() + note.len() + (1 << 16);
            room::check(size, 2, || format!("two copies of {size} bytes"))?;
            let mut bytes = Vec::with_capacity(size);
            Ok(self.inner.write(note, &mut bytes).map(|()| bytes))
        })?;
        Ok(PyBytes::new(py, &bytes?))
    }

    /// The index and the note that `to_bytes` was given.
    #[staticmethod]
    fn from_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<(Self, Bound<'py, PyBytes>)> {
        let (inner, note) = enter(py, None, |_| {
            pairs::PairIndex::from_bytes(bytes, "the pickled index")
        })?;
        let index = Self {
            inner: Arc::new(inner),
        };
        Ok((index, PyBytes::new(py, &note)))
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

    /// Query language, passage language and pairs of each stratum that has some, row by row of query
    /// languages.
    fn strata<'py>(&self, py: Python<'py>) -> PyResult<[Bound<'py, PyArray1<i64>>; 3]> {
        let columns = enter(py, None, |_| {
            let sizes = self.inner.strata()?;
            room::check(sizes.len(), 3 * size_of::<i64>(), || {
                format!("{} language pairs", sizes.len())
            })?;
            let column = |of: fn(&StratumSize) -> u32| -> Vec<i64> {
                sizes.iter().map(|one| i64::from(of(one))).collect()
            };
            Ok([
                column(|one| one.query),
                column(|one| one.passage),
                column(|one| one.pairs),
            ])
        })?;
        Ok(columns.map(|column| column.into_pyarray(py)))
    }

    /// Whether each cell has a query.
    fn query_cells<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let found = enter(py, None, |_| {
            self.of_cells(|cell| self.inner.query(cell) != MISSING)
        })?;
        Ok(found.into_pyarray(py))
    }

    /// Language of each cell.
    fn cell_languages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<i16>>> {
        let found = enter(py, None, |_| {
            self.of_cells(|cell| self.inner.language(cell) as i16)
        })?;
        Ok(found.into_pyarray(py))
    }

    /// Group, query row, passage row, query language and passage language of pair ids.
    fn pairs<'py>(&self, py: Python<'py>, ids: Ids<'py>) -> PyResult<Decoded<'py>> {
        let ids = ids.as_slice()?;
        let index = &self.inner;
        let (group, query, passage, from, to) = enter(py, None, |_| {
            index.whole()?;
            room::check(ids.len(), 28, || format!("{} pairs", ids.len()))?;
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

    /// Whether some cell lists a text.
    #[getter]
    fn has_texts(&self) -> bool {
        self.inner.has_texts()
    }

    /// The texts of pair ids, as (indptr, ids).
    fn texts<'py>(&self, py: Python<'py>, ids: Ids<'py>) -> PyResult<Identities<'py>> {
        let ids = ids.as_slice()?;
        let index = &self.inner;
        let (bounds, texts) = enter(py, None, |_| {
            let (mut bounds, mut texts) = (vec![0], Vec::new());
            for &id in ids {
                let (query_cell, passage_cell) = decode(index, id)?;
                let start = texts.len();
                let both = index.texts(pairs::Pair {
                    query_cell,
                    passage_cell,
                });
                texts.extend(both.into_iter().flatten().map(|&text| i64::from(text)));
                texts[start..].sort_unstable();
                // A text that both cells list is one.
                let mut kept = start;
                for place in start..texts.len() {
                    if kept == start || texts[kept - 1] != texts[place] {
                        texts[kept] = texts[place];
                        kept += 1;
                    }
                }
                texts.truncate(kept);
                bounds.push(texts.len() as i64);
            }
            Ok((bounds, texts))
        })?;
        Ok((bounds.into_pyarray(py), texts.into_pyarray(py)))
    }

    /// Query identity and passage identity of pair ids.
    fn identities<'py>(&self, py: Python<'py>, ids: Ids<'py>) -> PyResult<Identities<'py>> {
        let ids = ids.as_slice()?;
        let index = &self.inner;
        let (query, passage) = enter(py, None, |_| {
            index.whole()?;
            room::check(ids.len(), 16, || format!("{} pairs", ids.len()))?;
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

impl PairIndex {
    /// Something of every cell.
    fn of_cells<T>(&self, of: impl Fn(u32) -> T) -> Result<Vec<T>> {
        self.inner.whole()?;
        room::check(self.inner.cells(), size_of::<T>(), || {
            format!("a column of {} cells", self.inner.cells())
        })?;
        Ok((0..self.inner.cells() as u32).map(of).collect())
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
