//! Numbers on cache lines of their own: a load that crosses two lines costs twice.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A vector of numbers whose first one starts a cache line.
#[derive(Debug, Clone, Default)]
pub struct Aligned<T> {
    lines: Vec<Line>,
    length: usize,
    kind: std::marker::PhantomData<T>,
}

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Types that any bytes make a value of and that have no gaps.
///
/// # Safety
/// Every bit pattern must be valid, the alignment at most 64 and the type free of padding.
#[allow(unsafe_code)] // the contract above
pub unsafe trait Plain: Copy {}

#[allow(unsafe_code)] // bytes and arrays of them have no gaps and take any bits
// SAFETY: as said.
unsafe impl Plain for i8 {}
#[allow(unsafe_code)] // as above
// SAFETY: as above.
unsafe impl Plain for u8 {}
#[allow(unsafe_code)] // as above
// SAFETY: as above.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

impl<T: Plain> Aligned<T> {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: Vec::new(),
            length: 0,
            kind: std::marker::PhantomData,
        }
    }

    /// `length` values of zero bytes.
    #[must_use]
    pub fn zeros(length: usize) -> Self {
        let mut zeros = Self::new();
        zeros.resize(length);
        zeros
    }

    /// Makes room for `length` values; new ones are zero bytes or what stood there before.
    pub fn resize(&mut self, length: usize) {
        let lines = (length * size_of::<T>()).div_ceil(LINE);
        self.lines.resize(lines, Line([0; LINE]));
        self.length = length;
    }
}

impl<T: Plain> Deref for Aligned<T> {
    type Target = [T];
    #[allow(unsafe_code)] // the same bytes under their own type
    fn deref(&self) -> &[T] {
        // SAFETY: the lines hold at least `length` values of initialised bytes, aligned to 64, and `T`
        // takes any bits.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl<T: Plain> DerefMut for Aligned<T> {
    #[allow(unsafe_code)] // the same bytes under their own type
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`; `T` has no gaps, so that the bytes stay initialised.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_start_a_line_and_keep_their_place() {
        let mut values: Aligned<[[u8; 4]; 3]> = Aligned::zeros(7);
        assert_eq!(values.as_ptr().addr() % LINE, 0);
        values[6] = [[1, 2, 3, 4]; 3];
        values.resize(20);
        assert_eq!(
            (values.len(), values[6][2], values[19]),
            (20, [1, 2, 3, 4], [[0; 4]; 3])
        );
        assert!(Aligned::<i8>::new().is_empty());
    }
}
