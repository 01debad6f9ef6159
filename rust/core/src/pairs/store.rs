//! Numbers in memory of their own, or inside the bytes of an index file.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::image::Image;
use super::plain::Plain;

/// A read-only run of numbers. Those in a file are compared with its checksums before they are read: see
/// [`touch`](Self::touch) and its like.
pub(super) enum Store<T: 'static> {
    Owned(Vec<T>),
    /// Numbers inside the image, from this byte on; it is kept alive, and its bytes never move.
    Shared(&'static [T], usize, Arc<Image>),
}

impl<T: Plain> Store<T> {
    /// The `count` numbers at byte `start` of an image, or `None` if they are not all there.
    pub(super) fn within(image: &Arc<Image>, start: usize, count: usize) -> Option<Self> {
        let end = start.checked_add(count.checked_mul(size_of::<T>())?)?;
        let bytes = image.bytes().get(start..end)?;
        #[allow(unsafe_code)] // bytes of a file read as the numbers that they are
        // SAFETY: any bytes are such numbers.
        let (before, numbers, after) = unsafe { bytes.align_to::<T>() };
        if !before.is_empty() || !after.is_empty() || numbers.len() != count {
            return None;
        }
        #[allow(unsafe_code)] // a slice that lives as long as the image beside it
        // SAFETY: a mapping and a vector that nobody changes stay where they are until the
        // image is dropped; the slice goes out only for the lifetime of `self`.
        let numbers = unsafe { std::slice::from_raw_parts(numbers.as_ptr(), count) };
        Some(Self::Shared(numbers, start, Arc::clone(image)))
    }

    /// Lets the number at a position be read.
    #[inline(always)]
    pub(super) fn touch(&self, position: u32) {
        if let Self::Shared(_, start, image) = self {
            image.touch(start + position as usize * size_of::<T>());
        }
    }

    /// Lets the numbers at some positions be read.
    #[inline(always)]
    pub(super) fn touch_each(&self, positions: impl Iterator<Item = u32>) {
        if let Self::Shared(_, start, image) = self
            && !image.is_sound()
        {
            for position in positions {
                image.touch(start + position as usize * size_of::<T>());
            }
        }
    }

    /// Lets a range of numbers be read.
    pub(super) fn touch_range(&self, range: Range<usize>) {
        if let Self::Shared(_, start, image) = self {
            let [from, to] = [range.start, range.end].map(|end| start + end * size_of::<T>());
            image.touch_range(from..to);
        }
    }

    /// Lets all numbers be read.
    pub(super) fn touch_all(&self) {
        self.touch_range(0..self.len());
    }
}

impl<T> From<Vec<T>> for Store<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self::Owned(numbers)
    }
}

impl<T> Deref for Store<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(numbers) => numbers,
            Self::Shared(numbers, ..) => numbers,
        }
    }
}

impl<T: Clone> Clone for Store<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Owned(numbers) => Self::Owned(numbers.clone()),
            Self::Shared(numbers, start, image) => Self::Shared(numbers, *start, Arc::clone(image)),
        }
    }
}

impl<T: PartialEq> PartialEq for Store<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self::Owned(Vec::new())
    }
}

impl<T> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.len())
    }
}
