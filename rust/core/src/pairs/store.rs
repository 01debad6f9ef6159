//! Numbers in memory of their own, or inside the bytes of an index file.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use memmap2::Mmap;

/// Numbers whose bytes have no gaps and of which any bytes are one.
///
/// # Safety
/// As said.
#[allow(unsafe_code)] // the promise above
pub(super) unsafe trait Plain: Copy + PartialEq + fmt::Debug + 'static {}
#[allow(unsafe_code)] // whole numbers keep it
// SAFETY: no gaps, any bytes are one.
unsafe impl Plain for u8 {}
#[allow(unsafe_code)] // as above
// SAFETY: as above.
unsafe impl Plain for u16 {}
#[allow(unsafe_code)] // as above
// SAFETY: as above.
unsafe impl Plain for u32 {}
#[allow(unsafe_code)] // as above
// SAFETY: as above.
unsafe impl Plain for u64 {}

/// The bytes of numbers, as they are in memory.
pub(super) fn bytes_of<T: Plain>(numbers: &[T]) -> &[u8] {
    #[allow(unsafe_code)] // the same bytes under their own type
    // SAFETY: numbers without gaps are bytes, and bytes need no alignment.
    let (_, bytes, _) = unsafe { numbers.align_to::<u8>() };
    bytes
}

/// The bytes of an index file: mapped, or held.
pub(super) enum Image {
    Mapped(Mmap),
    /// As words, for the alignment of a mapping; the number of bytes may be less.
    Held(Vec<u64>, usize),
}

impl Image {
    pub(super) fn copied(bytes: &[u8]) -> Self {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        Self::Held(words.collect(), bytes.len())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(words, len) => &bytes_of(words)[..*len],
        }
    }
}

/// A read-only run of numbers.
pub(super) enum Store<T: 'static> {
    Owned(Vec<T>),
    /// Numbers inside the image, which is kept alive; its bytes never move.
    Shared(&'static [T], Arc<Image>),
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
        Some(Self::Shared(numbers, Arc::clone(image)))
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
            Self::Shared(numbers, _) => numbers,
        }
    }
}

impl<T: Clone> Clone for Store<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Owned(numbers) => Self::Owned(numbers.clone()),
            Self::Shared(numbers, image) => Self::Shared(numbers, Arc::clone(image)),
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
