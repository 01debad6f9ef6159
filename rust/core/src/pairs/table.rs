//! Unordered cells put in order by a table of their groups' languages: one pass to fill it, one
//! to place each cell where the languages before its own say.

use super::order::{Places, twice};
use super::survey::PIECE;
use crate::{Error, Result};

/// A set of languages, one bit each.
pub(super) trait Mask: Copy + Default {
    fn wide(self) -> u64;
    fn narrow(mask: u64) -> Self;
}

macro_rules! mask {
    ($($kind:ty),*) => {$(
        impl Mask for $kind {
            #[inline(always)]
            fn wide(self) -> u64 {
                u64::from(self)
            }

            #[inline(always)]
            fn narrow(mask: u64) -> Self {
                mask as Self
            }
        }
    )*};
}

mask!(u16, u32, u64);

/// Cells in order, and the languages of each id between the smallest and the largest.
pub(super) struct Table<T> {
    pub(super) order: Vec<u32>,
    pub(super) masks: Vec<T>,
    /// Whether every id has every language.
    pub(super) full: bool,
}

impl<T: Mask> Table<T> {
    pub(super) fn new(places: &Places<'_>) -> Result<Self> {
        let range = (places.ids.1 - places.ids.0) as usize + 1;
        let mut masks = vec![T::default(); range];
        let mut repeated = None;
        each(places, |cell, place, language| {
            let mask = &mut masks[place];
            let bit = 1u64 << language;
            if mask.wide() & bit != 0 && repeated.is_none() {
                repeated = Some((cell, place, language));
            }
            *mask = T::narrow(mask.wide() | bit);
        });
        if let Some(repeated) = repeated {
            return Err(first_of(places, repeated));
        }
        let mut order = vec![0; places.cells];
        let languages = places.languages;
        // Nothing comes twice, so that as many cells as places fill them all.
        let full = range as u64 * languages as u64 == places.cells as u64;
        if full {
            each(places, |cell, place, language| {
                order[place * languages + language as usize] = cell;
            });
        } else {
            let mut before = 0;
            let count = |mask: &T| {
                let here = mask.wide().count_ones();
                before += here;
                before - here
            };
            let starts: Vec<u32> = masks.iter().map(count).collect();
            each(places, |cell, place, language| {
                let below = masks[place].wide() & ((1 << language) - 1);
                order[(starts[place] + below.count_ones()) as usize] = cell;
            });
        }
        Ok(Self { order, masks, full })
    }
}

/// Visits every cell with its id, counted from the smallest, and its language.
fn each(places: &Places<'_>, mut visit: impl FnMut(u32, usize, u32)) {
    let (mut ids, mut languages) = (Vec::new(), Vec::new());
    for start in (0..places.cells).step_by(PIECE) {
        let count = PIECE.min(places.cells - start);
        places.group.read(start as u32, &mut ids, count);
        places.language.read(start as u32, &mut languages, count);
        for (cell, (&id, &language)) in (start as u32..).zip(ids.iter().zip(&languages)) {
            visit(cell, (id - places.ids.0) as usize, language);
        }
    }
}

/// The error that names both cells of one group and language.
fn first_of(places: &Places<'_>, (cell, place, language): (u32, usize, u32)) -> Error {
    let mut first = cell;
    each(places, |one, at, of| {
        if one < first && at == place && of == language {
            first = one;
        }
    });
    twice(first, cell, places.ids.0 + place as u32, language)
}
