//! Columns of numbers: implied by a rule, or held.

use super::divisor::Divisor;
use super::store::Store;

/// A column of numbers that costs nothing where it follows a rule; sums are modulo 2³².
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// Every value is this one.
    Constant(u32),
    /// A base and the position.
    Position(u32),
    /// A base and the position divided by a number.
    Quotient(u32, Divisor),
    /// A base and the position modulo a number.
    Remainder(u32, Divisor),
    /// A base and the position times a number.
    Multiple(u32, u32),
    /// Positions of a table read by columns, so many rows high: position / rows of them.
    Transposed(Divisor, u32),
    /// Values of one byte.
    Bytes(Store<u8>),
    /// Values of four bytes.
    Values(Store<u32>),
}

impl Column {
    /// The value at a position.
    #[inline(always)]
    pub(super) fn at(&self, position: u32) -> u32 {
        match self {
            Self::Constant(value) => *value,
            Self::Position(base) => base.wrapping_add(position),
            Self::Quotient(base, by) => base.wrapping_add(by.quotient(position)),
            Self::Remainder(base, by) => base.wrapping_add(by.remainder(position)),
            Self::Multiple(base, by) => base.wrapping_add(position.wrapping_mul(*by)),
            Self::Transposed(by, rows) => transposed(*by, *rows, position),
            Self::Bytes(values) => {
                values.touch(position);
                u32::from(values[position as usize])
            }
            Self::Values(values) => {
                values.touch(position);
                values[position as usize]
            }
        }
    }

    /// Appends the values at `positions`; the kind of column is looked at once, so that the
    /// loads of neighbours overlap.
    #[inline(always)]
    pub(super) fn gather<T>(
        &self,
        positions: impl ExactSizeIterator<Item = u32> + Clone,
        out: &mut Vec<T>,
        widen: impl Fn(u32) -> T,
    ) {
        match self {
            Self::Constant(value) => out.extend(positions.map(|_| widen(*value))),
            Self::Position(0) => out.extend(positions.map(widen)),
            Self::Position(base) => out.extend(positions.map(|p| widen(base.wrapping_add(p)))),
            Self::Quotient(base, by) => {
                out.extend(positions.map(|p| widen(base.wrapping_add(by.quotient(p)))));
            }
            Self::Remainder(base, by) => {
                out.extend(positions.map(|p| widen(base.wrapping_add(by.remainder(p)))));
            }
            Self::Multiple(base, by) => {
                out.extend(positions.map(|p| widen(base.wrapping_add(p.wrapping_mul(*by)))));
            }
            Self::Transposed(by, rows) => {
                out.extend(positions.map(|p| widen(transposed(*by, *rows, p))));
            }
            Self::Bytes(values) => {
                values.touch_each(positions.clone());
                let values: &[u8] = values;
                out.extend(positions.map(|p| widen(u32::from(values[p as usize]))));
            }
            Self::Values(values) => {
                values.touch_each(positions.clone());
                let values: &[u32] = values;
                out.extend(positions.map(|p| widen(values[p as usize])));
            }
        }
    }

    /// Writes the values from `start` on over `out`.
    pub(super) fn read(&self, start: u32, out: &mut Vec<u32>, count: usize) {
        out.clear();
        match self {
            Self::Bytes(values) => {
                values.touch_range(start as usize..start as usize + count);
                let values = &values[start as usize..][..count];
                out.extend(values.iter().map(|&value| u32::from(value)));
            }
            Self::Values(values) => {
                values.touch_range(start as usize..start as usize + count);
                out.extend_from_slice(&values[start as usize..][..count]);
            }
            // A column may hold as many values as a u32 counts, but its positions stay below.
            _ => self.gather((0..count as u32).map(|one| start + one), out, |value| value),
        }
    }

    /// Whether `len` values are different from one another by the rule alone.
    pub(super) fn is_strictly_rising(&self, len: usize) -> bool {
        let last = |base: u32, by: u32| u64::from(base) + u64::from(by) * (len as u64 - 1);
        match self {
            Self::Position(base) => last(*base, 1) <= u64::from(u32::MAX),
            Self::Multiple(base, by) => *by > 0 && last(*base, *by) <= u64::from(u32::MAX),
            _ => len == 1,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Values(values) => values.len() * size_of::<u32>(),
            _ => 0,
        }
    }
}

#[inline(always)]
fn transposed(by: Divisor, rows: u32, position: u32) -> u32 {
    by.remainder(position) * rows + by.quotient(position)
}
