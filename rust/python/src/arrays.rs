//! NumPy arrays as the core's borrowed views, and the core's vectors as NumPy arrays; no copies.

use half::slice::HalfBitsSliceExt;
use half::{bf16, f16};
use hybrid_fast_core::Error;
use hybrid_fast_core::matrix::{Embeddings, View};
use hybrid_fast_core::topk::Scores;
use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::to_py;

/// A matrix that is kept alive while the core reads it. `uint16` carries the bits of bfloat16, which
/// NumPy has no type for.
pub(crate) enum Held<'py> {
    F64(PyReadonlyArray2<'py, f64>),
    F32(PyReadonlyArray2<'py, f32>),
    F16(PyReadonlyArray2<'py, f16>),
    Bf16(PyReadonlyArray2<'py, u16>),
}

impl<'py> Held<'py> {
    pub(crate) fn new(array: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        if let Ok(held) = array.extract() {
            return Ok(Self::F32(held));
        }
        if let Ok(held) = array.extract() {
            return Ok(Self::F16(held));
        }
        if let Ok(held) = array.extract() {
            return Ok(Self::Bf16(held));
        }
        if let Ok(held) = array.extract() {
            return Ok(Self::F64(held));
        }
        Err(PyTypeError::new_err(format!(
            "{name} must be a matrix of float64, float32, float16 or bfloat16"
        )))
    }

    pub(crate) fn scores(&self, name: &str) -> PyResult<Scores<'_>> {
        Ok(match self {
            Self::F64(held) => Scores::F64(view(held, name)?),
            Self::F32(held) => Scores::F32(view(held, name)?),
            Self::F16(held) => Scores::F16(view(held, name)?),
            Self::Bf16(held) => Scores::Bf16(bf16_view(held, name)?),
        })
    }

    pub(crate) fn embeddings(&self, name: &str) -> PyResult<Embeddings<'_>> {
        Ok(match self {
            Self::F64(_) => {
                return Err(PyTypeError::new_err(format!(
                    "{name} is float64; scores are computed in float32, so cast it: {name}.astype('float32')"
                )));
            }
            Self::F32(held) => Embeddings::F32(view(held, name)?),
            Self::F16(held) => Embeddings::F16(view(held, name)?),
            Self::Bf16(held) => Embeddings::Bf16(bf16_view(held, name)?),
        })
    }
}

/// Where a strided array lies: its elements from the lowest address on, the first row's offset and
/// the distance of rows.
struct Layout<'a, T> {
    data: &'a [T],
    first: usize,
    shape: (usize, usize),
    stride: isize,
}

fn layout<'a, T: Element>(
    array: &'a PyReadonlyArray2<'_, T>,
    name: &str,
) -> PyResult<Layout<'a, T>> {
    let (rows, columns) = (array.shape()[0], array.shape()[1]);
    let shape = (rows, columns);
    if rows == 0 || columns == 0 {
        return Ok(Layout {
            data: &[],
            first: 0,
            shape,
            stride: 0,
        });
    }
    let size = size_of::<T>() as isize;
    let strides = array.strides();
    // A side of length 1 is never stepped along, so its stride means nothing.
    let bytes = if rows == 1 { 0 } else { strides[0] };
    if (columns > 1 && strides[1] != size) || bytes % size != 0 {
        return Err(to_py(Error::InvalidArgument(format!(
            "{name} is not contiguous along its rows (Fortran order or a column step); \
             pass numpy.ascontiguousarray({name})"
        ))));
    }
    let pointer = array.data().cast_const();
    if !pointer.is_aligned() {
        return Err(to_py(Error::InvalidArgument(format!(
            "{name} is not aligned in memory; pass {name}.copy()"
        ))));
    }
    let stride = bytes / size;
    let reach = stride.unsigned_abs() * (rows - 1);
    let first = if stride < 0 { reach } else { 0 };
    // SAFETY: shape and strides come from NumPy, which owns all elements that they reach and keeps
    // them while `array` is held; the lowest and the highest of them bound the slice, and any bits
    // between are valid floats or integers. The pointer is aligned and not null.
    let data = unsafe { std::slice::from_raw_parts(pointer.sub(first), reach + columns) };
    Ok(Layout {
        data,
        first,
        shape,
        stride,
    })
}

fn view<'a, T: Element>(array: &'a PyReadonlyArray2<'_, T>, name: &str) -> PyResult<View<'a, T>> {
    let Layout {
        data,
        first,
        shape,
        stride,
    } = layout(array, name)?;
    View::new(data, first, shape, stride).map_err(to_py)
}

fn bf16_view<'a>(array: &'a PyReadonlyArray2<'_, u16>, name: &str) -> PyResult<View<'a, bf16>> {
    let Layout {
        data,
        first,
        shape,
        stride,
    } = layout(array, name)?;
    View::new(data.reinterpret_cast(), first, shape, stride).map_err(to_py)
}

/// The elements of a contiguous vector.
pub(crate) fn slice<'a, T: Element>(
    array: &'a PyReadonlyArray1<'_, T>,
    name: &str,
) -> PyResult<&'a [T]> {
    array
        .as_slice()
        .map_err(|_| to_py(Error::InvalidArgument(format!("{name} is not contiguous"))))
}

/// A vector as a matrix of `columns` columns.
pub(crate) fn matrix<T: Element>(
    py: Python<'_>,
    values: Vec<T>,
    rows: usize,
    columns: usize,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    PyArray1::from_vec(py, values).reshape([rows, columns])
}
