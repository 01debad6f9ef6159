//! Columns as they are given: any whole numbers, read a piece at a time.

/// A column of whole numbers that is read a piece at a time, so that no copy of it is needed.
pub trait Numbers: Send + Sync {
    /// How many numbers there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the numbers from `start` on into all of `out`; what is too large for an i64 becomes
    /// the largest.
    fn read(&self, start: usize, out: &mut [i64]);
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Numbers for [$kind] {
            fn len(&self) -> usize {
                self.len()
            }

            fn read(&self, start: usize, out: &mut [i64]) {
                for (out, &number) in out.iter_mut().zip(&self[start..]) {
                    *out = i64::from(number);
                }
            }
        }
    )*};
}

numbers!(i64, i32, u32, i16, u16, i8, u8);

impl Numbers for [u64] {
    fn len(&self) -> usize {
        self.len()
    }

    fn read(&self, start: usize, out: &mut [i64]) {
        for (out, &number) in out.iter_mut().zip(&self[start..]) {
            *out = number.min(i64::MAX as u64) as i64;
        }
    }
}

impl<T: Numbers + ?Sized> Numbers for &T {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn read(&self, start: usize, out: &mut [i64]) {
        (**self).read(start, out);
    }
}
