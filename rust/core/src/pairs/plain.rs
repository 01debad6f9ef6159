//! Numbers as the bytes they are in memory.

use std::fmt;

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
