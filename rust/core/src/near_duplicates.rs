//! Clusters of texts that say almost the same, by the exact Jaccard similarity of their character grams.
//!
//! Two sets with a Jaccard similarity of at least t share one of the rarest ⌊(1 − t)·n⌋ + 1 grams of each,
//! and the place of the first one shared bounds how many more there are (prefix and position filters:
//! Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant 2007; Xiao et al. 2011). So no pair is missed, as
//! sketches such as MinHash may, and few are compared. Pairs that are already joined are never compared.

use crate::{Error, Result};

/// Counters of how rare a gram is; several grams may share one, which costs time and never a pair.
const COUNTERS_LOG2: u32 = 24;

/// Texts between two calls of `tick`.
const BETWEEN_TICKS: usize = 4096;

/// Keeps a product such as 0.8 · 10 from being rounded up past its integer.
const SLACK: f64 = 1e-9;

/// Texts as code points, one after another: text i is `codes[indptr[i]..indptr[i + 1]]`.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// Code points of all texts.
    pub codes: &'a [u32],
    /// One entry more than there are texts, from 0 to the number of code points, increasing.
    pub indptr: &'a [i64],
}

/// Joins texts whose sets of grams of `gram` code points have a Jaccard similarity of `threshold` or more,
/// and theirs in turn (connected components). A shorter text is one gram; empty texts are equal.
///
/// Grams are compared by a hash of 64 bits. Memory: 8 bytes a distinct gram of each text, and 16 for each of
/// its rarest 1 − `threshold`.
///
/// Returns the smallest text of each text's cluster.
///
/// # Errors
/// `InvalidShape` for bounds that do not fit; `InvalidArgument` for a gram of 0, a threshold that is not above
/// 0 and at most 1, or more than 2³² − 2 texts; `Interrupted` when `tick(done, texts)` returns false.
pub fn clusters(
    texts: Texts<'_>,
    gram: usize,
    threshold: f64,
    tick: &dyn Fn(usize, usize) -> bool,
) -> Result<Vec<i64>> {
    if gram == 0 || !(threshold > 0.0 && threshold <= 1.0) {
        return Err(Error::InvalidArgument(format!(
            "grams of {gram} characters and a threshold of {threshold} were given, expected 1 or more, \
             and above 0 and at most 1"
        )));
    }
    let sets = Sets::new(texts, gram, tick)?;
    let lists = Lists::new(&sets, threshold);
    let mut forest = Forest::new(sets.len());
    // The last text that each one met, so that a pair meets once however many grams it shares.
    let mut met = vec![u32::MAX; sets.len()];
    for (done, &text) in lists.order.iter().enumerate() {
        if done % BETWEEN_TICKS == 0 && !tick(sets.len() + done, 2 * sets.len()) {
            return Err(Error::Interrupted);
        }
        let own = sets.of(text);
        let size = own.len() as f64;
        let least = (threshold * size - SLACK).ceil() as u32;
        for &position in lists.of(text) {
            let place = lists.entries[position as usize].place;
            // What is left of this text's grams allows so large another set, and no larger.
            let left = f64::from(own.len() as u32 - place);
            let most = (left * (1.0 + threshold) / threshold - size + SLACK).floor();
            let before = &lists.entries[lists.first[position as usize] as usize..position as usize];
            let small = before.partition_point(|other| other.size < least);
            let fits = before[small..].partition_point(|other| f64::from(other.size) <= most);
            for other in &before[small..small + fits] {
                let both = f64::from(other.size) + size;
                let needed = (threshold / (1.0 + threshold) * both - SLACK).ceil() as u32;
                if other.size - other.place < needed {
                    continue;
                }
                // Only now, for a pair that fails here fails wherever it meets again.
                if std::mem::replace(&mut met[other.text as usize], text) == text
                    || forest.root(text) == forest.root(other.text)
                {
                    continue;
                }
                let others = sets.of(other.text);
                let common = common(own, others, needed as usize);
                let all = own.len() + others.len() - common;
                if common as f64 / all as f64 >= threshold {
                    forest.join(text, other.text);
                }
            }
        }
    }
    Ok((0..sets.len() as u32)
        .map(|text| i64::from(forest.root(text)))
        .collect())
}

/// How many hashes two increasing slices share; fewer than `needed` need not be counted to the end.
fn common(one: &[u64], other: &[u64], needed: usize) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < one.len() && j < other.len() {
        if count + (one.len() - i).min(other.len() - j) < needed {
            break;
        }
        let (a, b) = (one[i], other[j]);
        count += usize::from(a == b);
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
    count
}

/// Trees of joined texts, whose root is their smallest.
struct Forest {
    parent: Vec<u32>,
}

impl Forest {
    fn new(texts: usize) -> Self {
        Self {
            parent: (0..texts as u32).collect(),
        }
    }

    fn root(&mut self, mut text: u32) -> u32 {
        while self.parent[text as usize] != text {
            let above = self.parent[self.parent[text as usize] as usize];
            self.parent[text as usize] = above;
            text = above;
        }
        text
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other) as usize] = one.min(other);
    }
}

/// The grams of each text: hashes, each once, increasing.
struct Sets {
    grams: Vec<u64>,
    ends: Vec<usize>,
}

impl Sets {
    fn new(texts: Texts<'_>, gram: usize, tick: &dyn Fn(usize, usize) -> bool) -> Result<Self> {
        let count = texts.indptr.len().saturating_sub(1);
        if count >= u32::MAX as usize {
            return Err(Error::InvalidArgument(format!(
                "{count} texts were given, expected at most {}",
                u32::MAX - 1
            )));
        }
        let mut sets = Self {
            grams: Vec::new(),
            ends: Vec::with_capacity(count),
        };
        let mut own = Vec::new();
        for (number, bounds) in texts.indptr.windows(2).enumerate() {
            if number % BETWEEN_TICKS == 0 && !tick(number, 2 * count) {
                return Err(Error::Interrupted);
            }
            let codes = usize::try_from(bounds[0])
                .ok()
                .zip(usize::try_from(bounds[1]).ok())
                .and_then(|(from, to)| texts.codes.get(from..to))
                .ok_or_else(|| {
                    Error::InvalidShape(format!(
                        "text {number} is not within the code points given"
                    ))
                })?;
            own.clear();
            if codes.len() < gram {
                own.push(hash(codes));
            } else {
                own.extend(codes.windows(gram).map(hash));
            }
            own.sort_unstable();
            own.dedup();
            sets.grams.extend_from_slice(&own);
            sets.ends.push(sets.grams.len());
        }
        Ok(sets)
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn of(&self, text: u32) -> &[u64] {
        let text = text as usize;
        let start = if text == 0 { 0 } else { self.ends[text - 1] };
        &self.grams[start..self.ends[text]]
    }
}

fn hash(codes: &[u32]) -> u64 {
    let mixed = codes.iter().fold(codes.len() as u64, |state, &code| {
        let state = (state ^ u64::from(code)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        state ^ (state >> 29)
    });
    mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

/// A rare gram of a text.
#[derive(Clone, Copy)]
struct Entry {
    text: u32,
    /// How many grams the text has.
    size: u32,
    /// The place of this one among them, rarest first.
    place: u32,
}

/// For each gram, the texts that it is among the rarest of, small ones first.
struct Lists {
    /// Texts by the size of their sets, then by number.
    order: Vec<u32>,
    /// Sorted by gram, then in the order of texts.
    entries: Vec<Entry>,
    /// Positions in `entries` of each text's that have others before them, rarest first, and the ends of
    /// each text's part.
    own: Vec<u32>,
    ends: Vec<usize>,
    /// For each entry, the first of its gram.
    first: Vec<u32>,
}

impl Lists {
    fn new(sets: &Sets, threshold: f64) -> Self {
        let counter = |gram: u64| (gram >> (64 - COUNTERS_LOG2)) as usize;
        let mut counts = vec![0u32; 1 << COUNTERS_LOG2];
        for &gram in &sets.grams {
            counts[counter(gram)] += 1;
        }
        let mut order: Vec<u32> = (0..sets.len() as u32).collect();
        order.sort_by_key(|&text| sets.of(text).len());
        let mut grams = Vec::new();
        let mut rare: Vec<(u32, u64)> = Vec::new();
        for &text in &order {
            let own = sets.of(text);
            let kept = own.len() + 1 - (threshold * own.len() as f64 - SLACK).ceil() as usize;
            rare.clear();
            rare.extend(own.iter().map(|&gram| (counts[counter(gram)], gram)));
            if kept < rare.len() {
                rare.select_nth_unstable(kept - 1);
                rare.truncate(kept);
            }
            rare.sort_unstable();
            for (place, &(count, gram)) in rare.iter().enumerate() {
                // A gram of one text only brings it together with nobody.
                if count > 1 {
                    grams.push((
                        gram,
                        Entry {
                            text,
                            size: own.len() as u32,
                            place: place as u32,
                        },
                    ));
                }
            }
        }
        // Stable, so texts stay in order within a gram.
        grams.sort_by_key(|&(gram, _)| gram);
        let mut first = vec![0u32; grams.len()];
        let mut ends = vec![0usize; sets.len()];
        for position in 1..grams.len() {
            if grams[position - 1].0 == grams[position].0 {
                first[position] = first[position - 1];
                ends[grams[position].1.text as usize] += 1;
            } else {
                first[position] = position as u32;
            }
        }
        let entries: Vec<Entry> = grams.into_iter().map(|(_, entry)| entry).collect();
        let mut next = Vec::with_capacity(sets.len());
        let mut sum = 0;
        for end in &mut ends {
            next.push(sum);
            sum += *end;
            *end = sum;
        }
        let mut own = vec![0u32; sum];
        for (position, entry) in entries.iter().enumerate() {
            if first[position] < position as u32 {
                let slot = &mut next[entry.text as usize];
                own[*slot] = position as u32;
                *slot += 1;
            }
        }
        // Rarest first: the position filter holds for the first gram that two texts share.
        let mut start = 0;
        for &end in &ends {
            own[start..end].sort_unstable_by_key(|&position| entries[position as usize].place);
            start = end;
        }
        Self {
            order,
            entries,
            own,
            ends,
            first,
        }
    }

    /// Positions in `entries` of one text's, rarest first.
    fn of(&self, text: u32) -> &[u32] {
        let text = text as usize;
        let start = if text == 0 { 0 } else { self.ends[text - 1] };
        &self.own[start..self.ends[text]]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn joined(texts: &[Vec<u32>], gram: usize, threshold: f64) -> Result<Vec<i64>> {
        let mut indptr = vec![0i64];
        for text in texts {
            indptr.push(indptr.last().map_or(0, |end| end + text.len() as i64));
        }
        let codes = texts.concat();
        let texts = Texts {
            codes: &codes,
            indptr: &indptr,
        };
        clusters(texts, gram, threshold, &|_, _| true)
    }

    fn grams(text: &[u32], gram: usize) -> BTreeSet<Vec<u32>> {
        if text.len() < gram {
            return BTreeSet::from([text.to_vec()]);
        }
        text.windows(gram).map(<[u32]>::to_vec).collect()
    }

    /// All pairs compared, and components spread until nothing changes.
    fn plain(texts: &[Vec<u32>], gram: usize, threshold: f64) -> Vec<i64> {
        let sets: Vec<_> = texts.iter().map(|text| grams(text, gram)).collect();
        let mut root: Vec<i64> = (0..texts.len() as i64).collect();
        loop {
            let before = root.clone();
            for (i, one) in sets.iter().enumerate() {
                for (j, other) in sets.iter().enumerate() {
                    let common = one.intersection(other).count() as f64;
                    if common / one.union(other).count() as f64 >= threshold {
                        root[i] = root[i].min(root[j]);
                    }
                }
            }
            if before == root {
                return root;
            }
        }
    }

    /// Texts that resemble each other: parts of a few sentences with some letters changed.
    fn alike() -> impl Strategy<Value = Vec<Vec<u32>>> {
        let changed = (
            prop::collection::vec(0u32..6, 0..3),
            0usize..40,
            0usize..12,
            0u32..3,
        );
        let text = changed.prop_map(|(changes, start, cut, step)| {
            let mut text: Vec<u32> = (start as u32..60).map(|n| (n * (7 + step)) % 11).collect();
            text.truncate(text.len() - cut.min(text.len()));
            for change in changes {
                let at = (change as usize * 9) % text.len().max(1);
                if let Some(code) = text.get_mut(at) {
                    *code = 100 + change;
                }
            }
            text
        });
        prop::collection::vec(text, 0..30)
    }

    proptest! {
        #[test]
        fn equals_all_pairs_compared(
            texts in alike(),
            gram in 1usize..6,
            threshold in prop::sample::select(vec![0.1, 0.3, 0.5, 0.75, 0.8, 0.9, 1.0]),
        ) {
            prop_assert_eq!(joined(&texts, gram, threshold), Ok(plain(&texts, gram, threshold)));
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        assert!(joined(&[], 5, 0.0).is_err());
        assert!(joined(&[], 5, f64::NAN).is_err());
        assert!(joined(&[], 0, 0.5).is_err());
        assert_eq!(joined(&[], 5, 0.5), Ok(vec![]));
        let outside = Texts {
            codes: &[1, 2],
            indptr: &[0, 3],
        };
        assert!(clusters(outside, 5, 0.5, &|_, _| true).is_err());
        assert_eq!(
            clusters(
                Texts {
                    codes: &[1],
                    indptr: &[0, 1]
                },
                5,
                0.5,
                &|_, _| false
            ),
            Err(Error::Interrupted)
        );
    }
}
