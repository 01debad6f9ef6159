//! Columns of whole numbers as NumPy holds them: any type, any stride, no copy.

use hybrid_fast_core::pairs::Numbers;
use numpy::ndarray::ArrayView1;
use numpy::{PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// A borrowed column; NumPy refuses to write to it meanwhile.
pub(crate) enum Column<'py> {
    I64(PyReadonlyArray1<'py, i64>),
    U64(PyReadonlyArray1<'py, u64>),
    I32(PyReadonlyArray1<'py, i32>),
    U32(PyReadonlyArray1<'py, u32>),
    I16(PyReadonlyArray1<'py, i16>),
    U16(PyReadonlyArray1<'py, u16>),
    I8(PyReadonlyArray1<'py, i8>),
    U8(PyReadonlyArray1<'py, u8>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Column<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(array) = given.extract() {
            return Ok(Self::I64(array));
        }
        if let Ok(array) = given.extract() {
            return Ok(Self::U64(array));
        }
        if let Ok(array) = given.extract() {
            return Ok(Self::I32(array));
        }
        if let Ok(array) = given.extract() {
            return Ok(Self::U32(array));
        }
        if let Ok(array) = given.extract() {
            return Ok(Self::I16(array));
        }
        if let Ok(array) = given.extract() {
            return Ok(Self::U16(array));
        }
        if let Ok(array) = given.extract() {
            return Ok(Self::I8(array));
        }
        if let Ok(array) = given.extract() {
            return Ok(Self::U8(array));
        }
        let kind = given
            .cast::<PyUntypedArray>()
            .map(|array| array.dtype().to_string())
            .unwrap_or_else(|_| "no array".into());
        Err(PyTypeError::new_err(format!(
            "a column holds {kind}, expected one dimension of integers"
        )))
    }
}

/// Equal steps through memory, which a slice has not.
struct Strided<'a, T>(ArrayView1<'a, T>);

impl<T: Copy + Send + Sync> Numbers for Strided<'_, T>
where
    [T]: Numbers,
{
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, start: usize, out: &mut [i64]) {
        for (place, out) in out.iter_mut().enumerate() {
            [self.0[start + place]].read(0, std::slice::from_mut(out));
        }
    }
}

impl Column<'_> {
    /// The numbers, wherever they are.
    pub(crate) fn numbers(&self) -> Box<dyn Numbers + '_> {
        macro_rules! numbers {
            ($array:expr) => {
                match $array.as_slice() {
                    Ok(slice) => Box::new(slice),
                    Err(_) => Box::new(Strided($array.as_array())),
                }
            };
        }
        match self {
            Self::I64(array) => numbers!(array),
            Self::U64(array) => numbers!(array),
            Self::I32(array) => numbers!(array),
            Self::U32(array) => numbers!(array),
            Self::I16(array) => numbers!(array),
            Self::U16(array) => numbers!(array),
            Self::I8(array) => numbers!(array),
            Self::U8(array) => numbers!(array),
        }
    }
}
