//! Columns of numbers: implied by a rule, or held.

use super::divisor::Divisor;

/// A column of numbers that costs nothing where it follows a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    /// Every value is this one.
    Constant(u32),
    /// The position itself.
    Position,
    /// The position divided by this.
    Quotient(Divisor),
    /// The position modulo this.
    Remainder(Divisor),
    /// The position times this.
    Multiple(u32),
    /// Values of one byte.
    Bytes(Vec<u8>),
    /// Values of four bytes.
    Values(Vec<u32>),
}

impl Column {
    pub(super) fn compress(values: impl Iterator<Item = u32> + Clone) -> Self {
        let mut rest = values.clone();
        let Some(first) = rest.next() else {
            return Self::Constant(0);
        };
        if values.clone().all(|value| value == first) {
            return Self::Constant(first);
        }
        let follows = |rule: &Self| {
            values
                .clone()
                .enumerate()
                .all(|(position, value)| rule.at(position as u32) == value)
        };
        if first == 0 {
            let run = values.clone().take_while(|&value| value == 0).count() as u32;
            let climb = (0..)
                .zip(values.clone())
                .take_while(|(position, value)| position == value)
                .count() as u32;
            let step = rest.next().unwrap_or(0);
            let rules = [
                (run == 1).then_some(Self::Position),
                (run > 1).then(|| Self::Quotient(Divisor::new(run))),
                (climb > 1).then(|| Self::Remainder(Divisor::new(climb))),
                Some(Self::Multiple(step)),
            ];
            if let Some(rule) = rules.into_iter().flatten().find(follows) {
                return rule;
            }
        }
        if values.clone().all(|value| value <= u32::from(u8::MAX)) {
            return Self::Bytes(values.map(|value| value as u8).collect());
        }
        Self::Values(values.collect())
    }

    /// The value at a position.
    #[inline(always)]
    pub(super) fn at(&self, position: u32) -> u32 {
        match self {
            Self::Constant(value) => *value,
            Self::Position => position,
            Self::Quotient(by) => by.quotient(position),
            Self::Remainder(by) => by.remainder(position),
            Self::Multiple(by) => position.wrapping_mul(*by),
            Self::Bytes(values) => u32::from(values[position as usize]),
            Self::Values(values) => values[position as usize],
        }
    }

    /// Appends the values at `positions`; the kind of column is looked at once, so that the
    /// loads of neighbours overlap.
    #[inline(always)]
    pub(super) fn gather<T>(
        &self,
        positions: impl ExactSizeIterator<Item = u32>,
        out: &mut Vec<T>,
        widen: impl Fn(u32) -> T,
    ) {
        match self {
            Self::Constant(value) => out.extend(positions.map(|_| widen(*value))),
            Self::Position => out.extend(positions.map(widen)),
            Self::Quotient(by) => out.extend(positions.map(|p| widen(by.quotient(p)))),
            Self::Remainder(by) => out.extend(positions.map(|p| widen(by.remainder(p)))),
            Self::Multiple(by) => out.extend(positions.map(|p| widen(p.wrapping_mul(*by)))),
            Self::Bytes(values) => {
                out.extend(positions.map(|p| widen(u32::from(values[p as usize]))));
            }
            Self::Values(values) => out.extend(positions.map(|p| widen(values[p as usize]))),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Values(values) => size_of_val(values.as_slice()),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permutation::mix;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_compressed_column_reads_back(
            rule in 0usize..5,
            by in 1u32..9,
            len in 0u32..200,
            seed: u64,
        ) {
            let values: Vec<u32> = (0..len)
                .map(|position| match rule {
                    0 => by,
                    1 => position / by,
                    2 => position % by,
                    3 => position * by,
                    _ => mix(seed ^ u64::from(position)) as u32 % 3,
                })
                .collect();
            let column = Column::compress(values.iter().copied());
            for (position, &value) in values.iter().enumerate() {
                prop_assert_eq!(column.at(position as u32), value);
            }
            prop_assert!(rule == 4 || column.bytes() == 0);
        }
    }
}
