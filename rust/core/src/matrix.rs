//! Checked borrowed views of row-major matrices.
//!
//! A row is a contiguous slice; rows may lie any fixed distance apart, also backwards or on top
//! of each other, as NumPy slices do. Nothing is copied.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::{Error, Result};

/// Largest number of rows or columns, so that a row or column fits 32 bits.
pub const MOST: usize = u32::MAX as usize - 1;

/// A borrowed matrix of one element type.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, T> {
    data: &'a [T],
    first: usize,
    rows: usize,
    columns: usize,
    stride: isize,
}

impl<'a, T> View<'a, T> {
    /// A view of `rows` rows of `columns` elements: row `i` starts at `first + i · stride` of `data`.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] when a row would lie outside `data`, or a side exceeds [`MOST`].
    pub fn new(
        data: &'a [T],
        first: usize,
        (rows, columns): (usize, usize),
        stride: isize,
    ) -> Result<Self> {
        if rows > MOST || columns > MOST {
            return Err(Error::InvalidShape(format!(
                "a matrix of {rows} × {columns} is larger than the limit of {MOST} a side"
            )));
        }
        if rows > 0 && columns > 0 {
            let start = i128::try_from(first).unwrap_or(i128::MAX / 2);
            let last = start + (rows as i128 - 1) * stride as i128;
            let (low, high) = (start.min(last), start.max(last) + columns as i128);
            if low < 0 || high > data.len() as i128 {
                return Err(Error::InvalidShape(format!(
                    "a view of {rows} rows of {columns} with row stride {stride} from element {first} \
                     does not fit {} elements",
                    data.len()
                )));
            }
        }
        Ok(Self {
            data,
            first,
            rows,
            columns,
            stride,
        })
    }

    /// A view of contiguous rows.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] when `data` does not hold exactly `rows · columns` elements.
    pub fn contiguous(data: &'a [T], rows: usize, columns: usize) -> Result<Self> {
        if rows.checked_mul(columns) != Some(data.len()) {
            return Err(Error::InvalidShape(format!(
                "{} elements do not make {rows} rows of {columns}",
                data.len()
            )));
        }
        Self::new(data, 0, (rows, columns), columns as isize)
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `row`, which must be below [`View::rows`].
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [T] {
        debug_assert!(row < self.rows);
        if self.columns == 0 {
            return &[];
        }
        let start = self
            .first
            .wrapping_add_signed(self.stride.wrapping_mul(row as isize));
        &self.data[start..start + self.columns]
    }
}

/// An element that widens to `f32` without loss.
pub trait Element: Copy + Send + Sync {
    /// Widens a row; returns the row itself where it is `f32` already, else `scratch`.
    fn widen<'a>(row: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32];
}

impl Element for f32 {
    fn widen<'a>(row: &'a [Self], _: &'a mut Vec<f32>) -> &'a [f32] {
        row
    }
}

impl Element for f16 {
    fn widen<'a>(row: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(row.len(), 0.0);
        row.convert_to_f32_slice(scratch);
        scratch
    }
}

impl Element for bf16 {
    fn widen<'a>(row: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(row.len(), 0.0);
        row.convert_to_f32_slice(scratch);
        scratch
    }
}

/// A borrowed matrix of embeddings: `f32`, `f16` or `bf16`.
#[derive(Debug, Clone, Copy)]
pub enum Embeddings<'a> {
    /// Single precision.
    F32(View<'a, f32>),
    /// IEEE half precision.
    F16(View<'a, f16>),
    /// Brain floating point.
    Bf16(View<'a, bf16>),
}

impl Embeddings<'_> {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::F32(view) => view.rows(),
            Self::F16(view) => view.rows(),
            Self::Bf16(view) => view.rows(),
        }
    }

    /// Number of columns: the dimension of the embeddings.
    #[must_use]
    pub fn columns(&self) -> usize {
        match self {
            Self::F32(view) => view.columns(),
            Self::F16(view) => view.columns(),
            Self::Bf16(view) => view.columns(),
        }
    }

    /// Bytes of one element.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::F32(_) => 4,
            Self::F16(_) | Self::Bf16(_) => 2,
        }
    }

    /// Row `row` as `f32`; `scratch` holds it where it had to be widened.
    #[must_use]
    pub fn row<'s>(&'s self, row: usize, scratch: &'s mut Vec<f32>) -> &'s [f32] {
        match self {
            Self::F32(view) => f32::widen(view.row(row), scratch),
            Self::F16(view) => f16::widen(view.row(row), scratch),
            Self::Bf16(view) => bf16::widen(view.row(row), scratch),
        }
    }

    /// A 64-bit hash of shape and widened values, to notice that an array has changed: of all rows, or of
    /// 65 536 evenly spaced ones where there are more.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut lanes = [0x9e37_79b9_7f4a_7c15_u64; 8];
        let mut scratch = Vec::new();
        let count = self.rows().min(1 << 16);
        for number in 0..count {
            let row = number * self.rows() / count;
            for piece in self.row(row, &mut scratch).chunks(8) {
                for (lane, value) in lanes.iter_mut().zip(piece) {
                    let mixed = *lane ^ u64::from(value.to_bits());
                    *lane = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
                }
            }
        }
        let shape = [self.rows() as u64, self.columns() as u64];
        lanes.iter().chain(&shape).fold(0, |hash: u64, &word| {
            (hash.rotate_left(23) ^ word).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_be_strided_backwards_and_broadcast() {
        let data: Vec<f32> = (0..12u8).map(f32::from).collect();
        let every_other = View::new(&data, 0, (2, 2), 6).expect("fits");
        assert_eq!(
            (every_other.row(0), every_other.row(1)),
            (&[0., 1.][..], &[6., 7.][..])
        );
        let backwards = View::new(&data, 9, (4, 3), -3).expect("fits");
        assert_eq!(
            (backwards.row(0), backwards.row(3)),
            (&[9., 10., 11.][..], &[0., 1., 2.][..])
        );
        let same = View::new(&data, 4, (100, 3), 0).expect("fits");
        assert_eq!(same.row(99), &[4., 5., 6.]);
    }

    #[test]
    fn a_view_outside_its_data_is_refused() {
        let data = [0f32; 12];
        assert!(View::new(&data, 0, (3, 4), 5).is_err());
        assert!(View::new(&data, 3, (3, 4), -2).is_err());
        assert!(View::contiguous(&data, 5, 2).is_err());
        assert!(View::<f32>::new(&[], 0, (5, 0), 0).is_ok());
        assert!(View::<f32>::new(&[], 0, (0, 5), 5).is_ok());
    }

    #[test]
    fn halves_widen_exactly() {
        let data = [f16::from_f32(0.5), f16::MAX, f16::NEG_INFINITY];
        let view = Embeddings::F16(View::contiguous(&data, 1, 3).expect("fits"));
        assert_eq!(
            view.row(0, &mut Vec::new()),
            &[0.5, 65504.0, f32::NEG_INFINITY]
        );
    }

    #[test]
    fn the_fingerprint_notices_a_changed_or_moved_value() {
        let mut data = vec![1f32; 40];
        let of = |data: &[f32]| {
            Embeddings::F32(View::contiguous(data, 4, 10).expect("fits")).fingerprint()
        };
        let before = of(&data);
        assert_eq!(before, of(&data));
        data[17] = 2.0;
        let moved = of(&data);
        data.swap(17, 25);
        assert!(before != moved && moved != of(&data));
    }
}
