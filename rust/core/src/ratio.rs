//! The share of monolingual batches over time: a number, or pieces that are constant or linear.

use crate::{Error, Result};

/// One in fixed point.
pub(crate) const ONE: u128 = 1 << 62;

/// Ends of sloping pieces are rounded to multiples of this, so that their areas are exact.
const COARSE: u32 = 22;

/// Longest sloping piece in slots, for the same reason.
const LONGEST: u64 = 1 << 40;

/// α as a function of the batches drawn so far, over all epochs.
///
/// ```
/// use hybrid_fast_core::ratio::{Piece, Ratio};
/// let rising = Ratio::new(&[
///     Piece { start: 0, from: 0.0, to: 1.0 },
///     Piece { start: 100, from: 1.0, to: 1.0 },
/// ])?;
/// assert_eq!(rising.at(50), 0.5);
/// # Ok::<(), hybrid_fast_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    pieces: Vec<Fixed>,
    /// Slots of a batch.
    scale: u64,
}

/// A piece of a [`Ratio`]: from batch `start` to the next piece α goes evenly from `from` to `to`; the last
/// piece stays at `from`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Its first batch.
    pub start: u64,
    /// α at its start.
    pub from: f64,
    /// α at its end.
    pub to: f64,
}

/// A piece in slots and fixed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fixed {
    start: u64,
    from: u64,
    to: u64,
    /// Slots over which it goes from one end to the other; 0 for the last piece.
    length: u64,
    /// Slots before the next piece: fewer where a change cut it short; 0 for the last piece.
    extent: u64,
    /// The area before it.
    before: u128,
    /// Where ties are decided for all of it, unless they are decided slot by slot.
    tie: Option<u64>,
}

impl Ratio {
    /// The same share at all times.
    ///
    /// # Errors
    /// `InvalidArgument` if it is not within 0 and 1.
    pub fn constant(ratio: f64) -> Result<Self> {
        Self::new(&[Piece {
            start: 0,
            from: ratio,
            to: ratio,
        }])
    }

    /// A share that changes.
    ///
    /// # Errors
    /// `InvalidArgument` for a share outside 0 and 1, pieces that do not start at 0 and ascend, or one
    /// of more than 2⁴⁰ rows that slopes.
    pub fn new(pieces: &[Piece]) -> Result<Self> {
        for share in pieces.iter().flat_map(|piece| [piece.from, piece.to]) {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::InvalidArgument(format!(
                    "mono_ratio is {share}, expected a number from 0 to 1"
                )));
            }
        }
        if pieces.first().is_none_or(|first| first.start != 0)
            || pieces.windows(2).any(|two| two[0].start >= two[1].start)
        {
            return Err(Error::InvalidArgument(
                "the changes of mono_ratio do not start at batch 0 and ascend".into(),
            ));
        }
        let fixed = |share: f64| (share * ONE as f64) as u64;
        let mut ratio = Self {
            pieces: Vec::with_capacity(pieces.len()),
            scale: 1,
        };
        for (number, piece) in pieces.iter().enumerate() {
            let end = pieces.get(number + 1).map(|next| next.start);
            let (mut from, mut to) = (fixed(piece.from), fixed(piece.to));
            if end.is_none() {
                to = from;
            }
            if from != to {
                from = from >> COARSE << COARSE;
                to = to >> COARSE << COARSE;
            }
            ratio.pieces.push(Fixed {
                start: piece.start,
                from,
                to,
                length: end.map_or(0, |end| end - piece.start),
                extent: end.map_or(0, |end| end - piece.start),
                before: 0,
                tie: None,
            });
        }
        ratio.settle()?;
        Ok(ratio)
    }

    /// The same up to batch `batch`, to the last bit, and `share` from there on.
    ///
    /// # Errors
    /// `InvalidArgument` if `share` is not within 0 and 1.
    pub fn changed(&self, batch: u64, share: f64) -> Result<Self> {
        let start = batch * self.scale;
        let mut changed = self.clone();
        changed.pieces.retain(|piece| piece.start < start);
        if let Some(cut) = changed.pieces.last_mut() {
            cut.extent = start - cut.start;
        }
        let after = Self::constant(share)?.pieces;
        changed
            .pieces
            .extend(after.into_iter().map(|piece| Fixed { start, ..piece }));
        changed.settle()?;
        Ok(changed)
    }

    /// The same over rows: a batch has `size` slots.
    ///
    /// # Errors
    /// `InvalidArgument` for a sloping piece of too many rows.
    pub fn over_rows(&self, size: u64) -> Result<Self> {
        let mut wide = self.clone();
        wide.scale *= size;
        for piece in &mut wide.pieces {
            for slots in [&mut piece.start, &mut piece.length, &mut piece.extent] {
                *slots = slots.saturating_mul(size);
            }
        }
        wide.settle()?;
        Ok(wide)
    }

    /// Computes areas and tie rules.
    fn settle(&mut self) -> Result<()> {
        let mut before = 0;
        // First slot of the pieces at hand in which a tie could meet another one slots later.
        let mut run: Option<u64> = None;
        for piece in &mut self.pieces {
            let slopes = piece.from != piece.to;
            if slopes && piece.length > LONGEST {
                return Err(Error::InvalidArgument(format!(
                    "mono_ratio slopes over {} rows, expected at most {LONGEST}; give constant pieces",
                    piece.length
                )));
            }
            let plain = !slopes && piece.from > 0 && u128::from(piece.from) < ONE;
            run = if plain {
                None
            } else {
                run.or(Some(piece.start))
            };
            piece.tie = run;
            piece.before = before;
            before += piece.area(piece.extent);
        }
        Ok(())
    }

    fn piece(&self, slot: u64) -> &Fixed {
        let next = self.pieces.partition_point(|piece| piece.start <= slot);
        &self.pieces[next - 1]
    }

    /// The integral over the slots before `slot`, in fixed point.
    pub(crate) fn before(&self, slot: u64) -> u128 {
        let piece = self.piece(slot);
        piece.before + piece.area(slot - piece.start)
    }

    /// What decides a tie of the sum before `slot`.
    pub(crate) fn tie(&self, slot: u64) -> u64 {
        // The end of a piece belongs to it.
        self.piece(slot.saturating_sub(1)).tie.unwrap_or(slot)
    }

    /// The share of the slots `first..first + slots`, if it is the same for all.
    pub(crate) fn constant_over(&self, first: u64, slots: u64) -> Option<u64> {
        let piece = self.piece(first);
        let last = piece.extent == 0 || first + slots <= piece.start + piece.extent;
        (last && piece.from == piece.to).then_some(piece.from)
    }

    /// The integral over some slots.
    pub(crate) fn sum(&self, slots: std::ops::Range<u64>) -> f64 {
        (self.before(slots.end) - self.before(slots.start)) as f64 / ONE as f64
    }

    /// α at the start of a batch.
    #[must_use]
    pub fn at(&self, batch: u64) -> f64 {
        let slot = batch * self.scale;
        let piece = self.piece(slot);
        let share = |fixed: u64| fixed as f64 / ONE as f64;
        if piece.from == piece.to {
            return share(piece.from);
        }
        let way = (slot - piece.start) as f64 / piece.length as f64;
        share(piece.from) + (share(piece.to) - share(piece.from)) * way
    }

    /// The integral of α over the first `batches` batches.
    #[must_use]
    pub fn integral(&self, batches: u64) -> f64 {
        self.before(batches * self.scale) as f64 / ONE as f64 / self.scale as f64
    }

    /// The least and the greatest α of all times.
    #[must_use]
    pub fn range(&self) -> (f64, f64) {
        let ends = self.pieces.iter().flat_map(|piece| [piece.from, piece.to]);
        let (least, most) = ends.fold((u64::MAX, 0), |(least, most), end| {
            (least.min(end), most.max(end))
        });
        (least as f64 / ONE as f64, most as f64 / ONE as f64)
    }
}

impl Fixed {
    /// The integral over its first `slots` slots: α₀ d + (α₁ − α₀) d² / 2L, rounded down.
    fn area(&self, slots: u64) -> u128 {
        let level = u128::from(self.from) * u128::from(slots);
        if self.from == self.to {
            return level;
        }
        // |α₁ − α₀| has 40 bits and d² at most 80.
        let slope = (i128::from(self.to) - i128::from(self.from)) >> COARSE;
        let square = i128::from(slots) * i128::from(slots);
        let bent = (slope * square).div_euclid(2 * i128::from(self.length)) << COARSE;
        (level as i128 + bent) as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn areas_are_integrals(
            shares in prop::collection::vec((0f64..=1.0, 0f64..=1.0, 1u64..50), 1..8),
            size in 1u64..20,
        ) {
            let mut pieces = Vec::new();
            let mut start = 0;
            for (from, to, length) in shares {
                pieces.push(Piece { start, from, to });
                start += length;
            }
            let ratio = Ratio::new(&pieces)?.over_rows(size)?;
            let mut sum = 0.0;
            for slot in 0..start * size {
                let area = ratio.before(slot);
                prop_assert!((area as f64 / ONE as f64 - sum).abs() < 1e-6);
                prop_assert!(ratio.before(slot + 1) >= area);
                prop_assert!(ratio.before(slot + 1) <= area + ONE);
                // Even steps: the middle of a slot stands for it.
                let next = pieces.iter().rposition(|piece| piece.start * size <= slot).expect("from 0");
                let piece = pieces[next];
                let end = pieces.get(next + 1).map(|next| next.start);
                sum += match end {
                    Some(end) => {
                        let way = (slot as f64 + 0.5 - (piece.start * size) as f64) / ((end - piece.start) * size) as f64;
                        piece.from + (piece.to - piece.from) * way
                    }
                    None => piece.from,
                };
            }
        }
    }

    proptest! {
        #[test]
        fn a_change_leaves_what_was_before_to_the_last_bit(
            (from, to) in (0u8..=4, 0u8..=4),
            (length, change, share) in (1u64..300, 0u64..300, 0f64..=1.0),
            size in 1u64..9,
        ) {
            let piece = |start, from: u8, to: u8| Piece {
                start,
                from: f64::from(from) / 4.0,
                to: f64::from(to) / 4.0,
            };
            let plain = Ratio::new(&[piece(0, from, to), piece(length, to, to)])?;
            let changed = plain.changed(change, share)?.over_rows(size)?;
            let plain = plain.over_rows(size)?;
            for slot in 0..=change * size {
                prop_assert_eq!(changed.before(slot), plain.before(slot));
                prop_assert!(slot == 0 || changed.tie(slot) == plain.tie(slot));
            }
            prop_assert!((changed.at(change) - share).abs() < 1e-9);
            let later = changed.before((change + 3) * size) - changed.before(change * size);
            prop_assert!((later as f64 / ONE as f64 - share * (3 * size) as f64).abs() < 1e-9);
        }
    }

    #[test]
    fn shares_and_times_are_checked() {
        for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Ratio::constant(ratio).is_err());
        }
        let piece = |start| Piece {
            start,
            from: 0.5,
            to: 0.5,
        };
        assert!(Ratio::new(&[]).is_err());
        assert!(Ratio::new(&[piece(1)]).is_err());
        assert!(Ratio::new(&[piece(0), piece(4), piece(4)]).is_err());
        let long = Piece {
            start: 0,
            from: 0.0,
            to: 1.0,
        };
        assert!(Ratio::new(&[long, piece(LONGEST + 1)]).is_err());
    }
}
