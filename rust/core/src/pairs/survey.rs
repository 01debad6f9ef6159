//! One pass over a column: is it in range, does it follow a rule, what is its hash.

use super::column::Column;
use super::divisor::Divisor;
use super::numbers::Numbers;
use super::plain::bytes_of;
use super::store::Store;
use super::{LIMIT, MISSING};
use crate::{Error, Result};
use xxhash_rust::xxh3::Xxh3;

/// Numbers read together: they stay in the first caches.
pub(super) const PIECE: usize = 4096;

/// A column on its way in: a rule as long as the values follow it, then the values.
#[derive(Debug)]
pub(super) struct Growing {
    state: State,
    len: u32,
    /// Room to make when the values follow no rule.
    expected: usize,
    /// Whether every value fits a byte.
    narrow: bool,
    spare: Vec<u32>,
}

#[derive(Debug)]
enum State {
    Rule(Column),
    Bytes(Vec<u8>),
    Values(Vec<u32>),
}

impl Growing {
    pub(super) fn new(expected: usize, narrow: bool) -> Self {
        Self {
            state: State::Rule(Column::Constant(0)),
            len: 0,
            expected,
            narrow,
            spare: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, mut values: &[u32]) {
        while !values.is_empty() {
            match &mut self.state {
                State::Bytes(held) => {
                    held.extend(values.iter().map(|&value| value as u8));
                    self.len += values.len() as u32;
                    return;
                }
                State::Values(held) => {
                    held.extend_from_slice(values);
                    self.len += values.len() as u32;
                    return;
                }
                State::Rule(rule) => {
                    if self.len == 0 {
                        *rule = Column::Constant(values[0]);
                    }
                    rule.read(self.len, &mut self.spare, values.len());
                    let same = if self.spare == values {
                        values.len()
                    } else {
                        let pairs = self.spare.iter().zip(values);
                        pairs.take_while(|(ruled, given)| ruled == given).count()
                    };
                    self.len += same as u32;
                    values = &values[same..];
                    if let Some(&value) = values.first() {
                        match next_rule(rule, self.len, value) {
                            Some(next) => *rule = next,
                            None => self.hold(),
                        }
                    }
                }
            }
        }
    }

    /// Leaves the rule: the values so far are written out.
    fn hold(&mut self) {
        let State::Rule(rule) = &self.state else {
            return;
        };
        let before = 0..self.len;
        self.state = if self.narrow {
            let mut held = Vec::with_capacity(self.expected);
            rule.gather(before, &mut held, |value| value as u8);
            State::Bytes(held)
        } else {
            let mut held = Vec::with_capacity(self.expected);
            rule.gather(before, &mut held, |value| value);
            State::Values(held)
        };
    }

    pub(super) fn finish(self) -> Column {
        match self.state {
            State::Rule(rule) => rule,
            State::Bytes(mut held) => {
                held.shrink_to_fit();
                Column::Bytes(Store::from(held))
            }
            State::Values(mut held) => {
                held.shrink_to_fit();
                Column::Values(Store::from(held))
            }
        }
    }
}

/// The rule that the values before `position` follow as well and that gives `value` there.
fn next_rule(rule: &Column, position: u32, value: u32) -> Option<Column> {
    match *rule {
        Column::Constant(base) => match value.wrapping_sub(base) {
            1 if position == 1 => Some(Column::Position(base)),
            1 => Some(Column::Quotient(base, Divisor::new(position))),
            by if position == 1 && value > base => Some(Column::Multiple(base, by)),
            _ => None,
        },
        Column::Position(base) if value == base && position > 1 => {
            Some(Column::Remainder(base, Divisor::new(position)))
        }
        _ => None,
    }
}

/// What one pass over a column found.
pub(super) struct Survey {
    pub(super) column: Column,
    pub(super) hash: u64,
    pub(super) least: i64,
    pub(super) most: i64,
}

impl Survey {
    /// Whether some cell has no value.
    pub(super) fn lacks(&self) -> bool {
        self.least < 0
    }
}

/// Reads a column whose values must lie in `least..=most`.
pub(super) fn survey(
    name: &str,
    numbers: &(impl Numbers + ?Sized),
    (least, most): (i64, i64),
    expected: &str,
) -> Result<Survey> {
    let len = numbers.len();
    let mut column = Growing::new(len, least >= 0 && most <= i64::from(u8::MAX));
    let mut hash = Xxh3::new();
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    let mut wide = vec![0; PIECE.min(len)];
    let mut narrow = Vec::with_capacity(PIECE.min(len));
    for start in (0..len).step_by(PIECE) {
        let wide = &mut wide[..PIECE.min(len - start)];
        numbers.read(start, wide);
        let (mut lowest, mut highest) = (i64::MAX, i64::MIN);
        for &value in &*wide {
            lowest = lowest.min(value);
            highest = highest.max(value);
        }
        if lowest < least || highest > most {
            let outside = |value: &i64| !(least..=most).contains(value);
            let place = wide.iter().position(outside).unwrap_or(0);
            return Err(Error::InvalidArgument(format!(
                "{name} of cell {} is {}, expected {expected}",
                start + place,
                wide[place]
            )));
        }
        low = low.min(lowest);
        high = high.max(highest);
        narrow.clear();
        narrow.extend(wide.iter().map(|&value| value as u32)); // −1 becomes MISSING
        hash.update(bytes_of(&narrow));
        column.push(&narrow);
    }
    const { assert!(-1i64 as u32 == MISSING && LIMIT < MISSING as i64) };
    Ok(Survey {
        column: column.finish(),
        hash: hash.digest(),
        least: low,
        most: high,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    proptest! {
        #[test]
        fn a_column_reads_back_and_a_rule_costs_nothing(
            rule in 0usize..7,
            by in 2u32..9,
            base in prop_oneof![Just(0u32), Just(5), any::<u32>()],
            len in 0usize..300,
            pieces in 1usize..40,
            broken in prop::option::weighted(0.3, 0usize..300),
            seed: u64,
        ) {
            let mut values: Vec<u32> = (0..len as u32)
                .map(|position| match rule {
                    0 => base,
                    1 => base.wrapping_add(position / by),
                    2 => base.wrapping_add(position % by),
                    3 => base.wrapping_add(position * by),
                    4 => base.wrapping_add(position),
                    _ => mix(seed ^ u64::from(position)) as u32 % 3,
                })
                .collect();
            let broken = broken.filter(|&place| place < len);
            if let Some(place) = broken {
                values[place] = mix(seed) as u32 % 400;
            }
            for narrow in [false, true] {
                let values: Vec<u32> = values.iter().map(|&v| if narrow { v & 255 } else { v }).collect();
                let mut column = Growing::new(len, narrow);
                values.chunks(pieces).for_each(|piece| column.push(piece));
                let column = column.finish();
                let mut read = Vec::new();
                column.read(0, &mut read, len);
                prop_assert_eq!(&read, &values);
                let one_by_one: Vec<u32> = (0..len as u32).map(|p| column.at(p)).collect();
                prop_assert_eq!(&one_by_one, &values);
                if rule < 5 && broken.is_none() && !narrow && u64::from(base) + 3000 < u64::from(u32::MAX) {
                    prop_assert_eq!(column.bytes(), 0);
                }
                let most = if narrow { len } else { 4 * len };
                prop_assert!(column.bytes() <= most);
            }
        }

        #[test]
        fn a_survey_finds_the_first_value_outside(len in 1usize..9000, place in 0usize..9000) {
            let place = place % len;
            let mut values = vec![3i64; len];
            values[place] = 8;
            *values.last_mut().expect("not empty") = values[len - 1].max(7);
            let wrong = survey("query", &values[..], (0, 6), "less").err();
            let first = if place == len - 1 { len - 1 } else { place };
            prop_assert_eq!(
                wrong,
                Some(Error::InvalidArgument(format!("query of cell {first} is 8, expected less")))
            );
        }
    }

    #[test]
    fn the_hash_is_that_of_the_narrow_bytes_whatever_they_were_given_as() {
        let wide: Vec<i64> = (0..10_000).map(|one| one * one % 7919 - 1).collect();
        let narrow: Vec<i32> = wide.iter().map(|&one| one as i32).collect();
        let bytes: Vec<u8> = narrow.iter().flat_map(|one| one.to_le_bytes()).collect();
        let hashes = [
            survey("a", &wide[..], (-1, LIMIT), "").map(|one| one.hash),
            survey("a", &narrow[..], (-1, LIMIT), "").map(|one| one.hash),
        ];
        assert_eq!(hashes, [Ok(xxh3_64(&bytes)), Ok(xxh3_64(&bytes))]);
    }
}
