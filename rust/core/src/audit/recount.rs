//! How many values are equal to an earlier one.

/// Spreads nearby values: 2⁶⁴ divided by the golden ratio.
const MIXER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A hash table that is emptied by counting up: an entry of an earlier stamp is none.
#[derive(Debug)]
pub(super) struct Recount {
    /// Stamp above, value below.
    entries: Vec<u64>,
    shift: u32,
    stamp: u32,
}

impl Recount {
    /// Room for `values` values at a time.
    pub(super) fn new(values: usize) -> Self {
        let room = (8 * values).next_power_of_two().max(16);
        Self {
            entries: vec![0; room],
            shift: 64 - room.trailing_zeros(),
            stamp: 0,
        }
    }

    /// How many of `values` are equal to an earlier one.
    pub(super) fn repeated(&mut self, values: &[u32]) -> u64 {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.entries.fill(0);
            self.stamp = 1;
        }
        values
            .iter()
            .map(|&value| u64::from(self.again(value)))
            .sum()
    }

    #[inline]
    fn again(&mut self, value: u32) -> bool {
        let stamp = u64::from(self.stamp) << 32;
        let entry = stamp | u64::from(value);
        let mut place = (u64::from(value).wrapping_mul(MIXER) >> self.shift) as usize;
        loop {
            let there = self.entries[place];
            if there < stamp {
                self.entries[place] = entry;
                return false;
            }
            if there == entry {
                return true;
            }
            place = (place + 1) & (self.entries.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_says_what_a_set_says(
            batches in prop::collection::vec(prop::collection::vec(0u32..40, 0..30), 0..20),
            far in 0u32..2,
        ) {
            let mut recount = Recount::new(30);
            for batch in batches {
                let values: Vec<u32> = batch.iter().map(|value| value + far * (u32::MAX - 40)).collect();
                let set: BTreeSet<u32> = values.iter().copied().collect();
                prop_assert_eq!(recount.repeated(&values), (values.len() - set.len()) as u64);
            }
        }
    }

    #[test]
    fn a_stamp_that_comes_round_again_forgets() {
        let mut recount = Recount::new(2);
        assert_eq!(recount.repeated(&[7, 7]), 1);
        recount.stamp = u32::MAX;
        assert_eq!(recount.repeated(&[7, 7]), 1);
    }
}
