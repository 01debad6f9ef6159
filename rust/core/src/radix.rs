//! Sorting of keys whose upper half decides nearly always: by bytes of that half, then the few that share it.

/// Keys below which a comparison sort is as fast.
const SMALL: usize = 200;

/// Sorts ascending; `spare` is working memory.
pub(crate) fn sort(keys: &mut Vec<u64>, spare: &mut Vec<u64>) {
    if keys.len() < SMALL {
        keys.sort_unstable();
        return;
    }
    let mut counts = [[0u32; 256]; 4];
    for key in &*keys {
        for (byte, counts) in counts.iter_mut().enumerate() {
            counts[(key >> (32 + 8 * byte)) as usize & 255] += 1;
        }
    }
    for (byte, counts) in counts.iter_mut().enumerate() {
        if counts.iter().any(|count| *count as usize == keys.len()) {
            continue; // all share this byte
        }
        let mut place = 0;
        for count in counts.iter_mut() {
            place += std::mem::replace(count, place);
        }
        spare.resize(keys.len(), 0);
        for &key in &*keys {
            let place = &mut counts[(key >> (32 + 8 * byte)) as usize & 255];
            spare[*place as usize] = key;
            *place += 1;
        }
        std::mem::swap(keys, spare);
    }
    for run in keys.chunk_by_mut(|a, b| a >> 32 == b >> 32) {
        if run.len() > 1 {
            run.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts(
            count in 0usize..2000,
            mask in prop::sample::select(vec![u64::MAX, 0xff00_00ff, 0xffff_00ff_0000_0003, 7]),
            seed in any::<u64>(),
        ) {
            let mut state = seed;
            let mut keys: Vec<u64> = (0..count)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state ^ state >> 31) & mask
                })
                .collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort(&mut keys, &mut vec![3; 50]);
            prop_assert_eq!(keys, expected);
        }
    }
}
