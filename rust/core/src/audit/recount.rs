//! Whether a value came before, since the last time that one asked to start anew.

/// A hash table that is emptied by counting up: an entry of an earlier stamp is none.
#[derive(Debug)]
pub(super) struct Recount {
    /// Stamp above, value below.
    entries: Vec<u64>,
    shift: u32,
    stamp: u32,
}

impl Recount {
    /// Room for `values` values between two starts.
    pub(super) fn new(values: usize) -> Self {
        let room = (4 * values).next_power_of_two().max(16);
        Self {
            entries: vec![0; room],
            shift: 64 - room.trailing_zeros(),
            stamp: 0,
        }
    }

    /// Forgets every value; must be called before the first one.
    pub(super) fn start(&mut self) {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.entries.fill(0);
            self.stamp = 1;
        }
    }

    /// Whether `value` came since the start; from now on it did.
    pub(super) fn again(&mut self, value: u32) -> bool {
        let entry = u64::from(self.stamp) << 32 | u64::from(value);
        let mut place =
            (u64::from(value).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize;
        loop {
            let there = self.entries[place];
            if there == entry {
                return true;
            }
            if there >> 32 != u64::from(self.stamp) {
                self.entries[place] = entry;
                return false;
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
                recount.start();
                let mut set = BTreeSet::new();
                for value in batch {
                    let value = value + far * (u32::MAX - 40);
                    prop_assert_eq!(recount.again(value), !set.insert(value));
                }
            }
        }
    }

    #[test]
    fn a_stamp_that_comes_round_again_forgets() {
        let mut recount = Recount::new(2);
        recount.start();
        assert!(!recount.again(7) && recount.again(7));
        recount.stamp = u32::MAX;
        recount.start();
        assert!(!recount.again(7) && recount.again(7));
    }
}
