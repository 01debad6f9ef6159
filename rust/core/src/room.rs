//! Room for what a caller sizes: asked for before it is taken, since an allocation that fails ends the process.

use std::hint::black_box;

use crate::{Error, Result};

/// Refuses what memory has no room for: `count` items of `bytes` each, which `what` names in the plural.
pub fn check(count: usize, bytes: usize, what: impl FnOnce() -> String) -> Result<()> {
    let mut room = Vec::<u8>::new();
    let there = count
        .checked_mul(bytes)
        .is_some_and(|all| room.try_reserve_exact(all).is_ok());
    // Seen, or the compiler leaves out an allocation that nothing is written to.
    black_box(&mut room);
    if there {
        return Ok(());
    }
    Err(too_large(&what()))
}

/// `count` times a value.
pub(crate) fn filled<T: Clone>(
    value: T,
    count: usize,
    what: impl FnOnce() -> String,
) -> Result<Vec<T>> {
    check(count, size_of::<T>(), what)?;
    Ok(vec![value; count])
}

/// The error for more than memory has room for.
pub(crate) fn too_large(what: &str) -> Error {
    Error::InvalidArgument(format!("{what} do not fit memory; ask for fewer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_holds_is_refused_by_name() {
        let what = || "9 things".to_owned();
        for count in [usize::MAX, usize::MAX / 8, isize::MAX as usize / 8, 1 << 58] {
            let refused = filled(0u64, count, what).err();
            let sentence = "9 things do not fit memory; ask for fewer";
            assert_eq!(refused, Some(Error::InvalidArgument(sentence.into())));
        }
        assert_eq!(filled(7u8, 3, what), Ok(vec![7, 7, 7]));
        assert_eq!(check(0, 8, what), Ok(()));
    }
}
