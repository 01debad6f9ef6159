//! Audits against counts made the plain way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::hash::key;
use crate::mixture::Mixing;
use crate::packing::Guard;
use crate::pairs::{Columns, PairIndex};
use crate::plan::{Config, Holds, LanguageWeights};
use crate::ratio::{Piece, Ratio};

/// Query identity and passage identity of (group, language).
type Identities = BTreeMap<(i64, i64), (i64, i64)>;

/// Groups × languages with holes, ids with gaps, passages shared by some groups; and the identities
/// of (group, language).
fn index(
    languages: i64,
    groups: i64,
    holes: u64,
    gap: i64,
    by_language: bool,
    seed: u64,
) -> (PairIndex, Identities) {
    let mut cells: Vec<(i64, i64)> = (0..groups)
        .flat_map(|group| (0..languages).map(move |language| (group * gap, language)))
        .collect();
    if by_language {
        cells.sort_by_key(|&(group, language)| (language, group));
    }
    let rows = |side: u64| -> Vec<i64> {
        let there = |row: u64| key(&[seed, side, row]) % 16 >= holes;
        (0..cells.len() as i64)
            .map(|row| if there(row as u64) { row } else { -1 })
            .collect()
    };
    let passage_identity: Vec<i64> = cells.iter().map(|cell| cell.0 / gap / 2).collect();
    let query_identity: Vec<i64> = cells.iter().map(|cell| cell.0 * 16 + cell.1).collect();
    let identities = cells
        .iter()
        .zip(query_identity.iter().zip(&passage_identity))
        .map(|(&cell, (&query, &passage))| (cell, (query, passage)))
        .collect();
    let columns = Columns {
        group: &cells.iter().map(|cell| cell.0).collect::<Vec<_>>(),
        language: &cells.iter().map(|cell| cell.1).collect::<Vec<_>>(),
        query: &rows(0),
        passage: &rows(1),
        query_identity: Some(&query_identity),
        passage_identity: Some(&passage_identity),
    };
    let index = PairIndex::new(columns, languages as usize).expect("the columns are well formed");
    (index, identities)
}

/// The greatest distances of the counts of `turns` from their shares, after every prefix.
fn distances(turns: &[usize], shares: &[f64], most: &mut [f64]) {
    let mut counts = vec![0u64; shares.len()];
    for (turn, &item) in turns.iter().enumerate() {
        counts[item] += 1;
        for (one, &share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let distance = (counts[one] as f64 - share * (turn + 1) as f64).abs();
            most[one] = most[one].max(distance);
        }
    }
}

/// The area under α before `batch`.
fn integral(pieces: &[Piece], batch: f64) -> f64 {
    let mut area = 0.0;
    for (number, piece) in pieces.iter().enumerate() {
        let start = piece.start as f64;
        let end = pieces
            .get(number + 1)
            .map_or(f64::INFINITY, |next| next.start as f64);
        let width = batch.min(end) - start;
        if width > 0.0 {
            let slope = if end.is_finite() {
                (piece.to - piece.from) / (end - start)
            } else {
                0.0
            };
            area += width * (piece.from + slope * width / 2.0);
        }
    }
    area
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_audit_is_what_plain_counting_finds(
        languages in 2i64..5,
        groups in 40i64..90,
        holes in 0u64..4,
        gap in prop::sample::select(vec![1i64, 3, 1000]),
        by_language: bool,
        size in 1usize..6,
        ratio in prop::sample::select(vec![0.0, 0.3, 0.5, 1.0]),
        slope: bool,
        guard_window in 1u64..4,
        mixing in prop::sample::select(vec![Mixing::Exact, Mixing::Coupled, Mixing::Bernoulli]),
        homogeneous: bool,
        row: bool,
        guarded: bool,
        weighted: bool,
        seed: u64,
    ) {
        let (index, identities) = index(languages, groups, holes, gap, by_language, seed);
        let mut pieces = vec![Piece { start: 0, from: ratio, to: ratio }];
        if slope {
            pieces = vec![
                Piece { start: 0, from: ratio, to: 0.4 },
                Piece { start: 230, from: 0.4, to: 0.4 },
                Piece { start: 270, from: 0.75, to: 0.75 },
            ];
        }
        // Row by row, Bernoulli's tables take long without optimisation.
        let mixing = if row && mixing == Mixing::Bernoulli { Mixing::Exact } else { mixing };
        let config = Config {
            batch_size: size,
            ratio: Ratio::new(&pieces)?,
            mixing,
            unit: if row { Unit::Row } else { Unit::Batch },
            mono: Holds::Homogeneous,
            cross: if homogeneous { Holds::Homogeneous } else { Holds::Mixed },
            language_weights: if weighted { LanguageWeights::Power(0.3) } else { LanguageWeights::Uniform },
            mono_weights: weighted.then(|| (1..=languages).map(|one| one as f64).collect()),
            batches_per_epoch: Some(50),
            guard: Guard { group: guarded, query: true, passage: guarded },
            guard_window,
            seed,
        };
        let plan = match Plan::new(Arc::new(index), config) {
            Ok(plan) => plan,
            Err(Error::InfeasiblePlan(_)) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        // An epoch holds whole windows.
        let length = plan.len();
        let batches = 2 * length + 20;
        let slots = if row { length * size as u64 } else { length };
        let scale = if row { size as f64 } else { 1.0 };
        let wide = |slot: u64| integral(&pieces, slot as f64 / scale) * scale;
        let options = Options { threads: Some(1), marks: 7 };
        let found = audit(&plan, 4, batches, options, &|_, _| true)?;

        let count = languages as usize;
        let mut strata = vec![0; count * count];
        let mut pairs = vec![BTreeSet::new(); count * count];
        let (mut asking, mut answering) = (vec![BTreeSet::new(); count], vec![BTreeSet::new(); count]);
        let (mut kinds, mut drift, mut repeated, mut substitutes) = (vec![], 0f64, [0; 3], 0);
        let mut shares = vec![0.0; count * count];
        for one in plan.shares() {
            shares[one.query * count + one.passage] = one.share;
        }
        let of = |mono: bool| -> Vec<f64> {
            let kind = |one: usize| one / count == one % count;
            (0..count * count).map(|one| if kind(one) == mono { shares[one] } else { 0.0 }).collect()
        };
        let mut most = vec![0.0; count * count];
        for (epoch, length) in [(4, length), (5, length), (6, 20)] {
            let all = plan.epoch(epoch)?.batches(0, length, &|_, _| true)?;
            let (mut mono_turns, mut cross_turns) = (vec![], vec![]);
            for (place, (&from, &to)) in all.query_language.iter().zip(&all.passage_language).enumerate() {
                let stratum = from as usize * count + to as usize;
                strata[stratum] += 1;
                pairs[stratum].insert(all.pair[place]);
                asking[from as usize].insert(all.group[place]);
                answering[to as usize].insert(all.group[place]);
                let first = place % size == 0;
                if all.is_mono[if row { place } else { place / size }] {
                    if row || first { mono_turns.push(stratum); }
                } else if row || first || !homogeneous {
                    cross_turns.push(stratum);
                }
            }
            distances(&mono_turns, &of(true), &mut most);
            distances(&cross_turns, &of(false), &mut most);
            let mut monolingual = 0;
            for (slot, &mono) in all.is_mono.iter().enumerate() {
                monolingual += u64::from(mono);
                let so_far = wide(epoch * slots + slot as u64 + 1) - wide(epoch * slots);
                drift = drift.max((monolingual as f64 - so_far).abs());
            }
            kinds.extend(all.is_mono);
            let window = guard_window as usize * size;
            for start in (0..all.group.len()).step_by(window) {
                let mut sets = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
                for place in start..(start + window).min(all.group.len()) {
                    let group = all.group[place];
                    let (query, _) = identities[&(group, i64::from(all.query_language[place]))];
                    let (_, passage) = identities[&(group, i64::from(all.passage_language[place]))];
                    for ((set, sum), value) in sets.iter_mut().zip(&mut repeated).zip([group, query, passage]) {
                        *sum += u64::from(!set.insert(value));
                    }
                }
            }
            substitutes += all.substitutes;
        }
        prop_assert_eq!(&found.strata, &strata);
        let sizes = |sets: &[BTreeSet<i64>]| -> Vec<u64> { sets.iter().map(|set| set.len() as u64).collect() };
        prop_assert_eq!(&found.pairs, &sizes(&pairs));
        prop_assert_eq!(&found.query_groups, &sizes(&asking));
        prop_assert_eq!(&found.passage_groups, &sizes(&answering));
        prop_assert_eq!(found.monolingual, kinds.iter().filter(|mono| **mono).count() as u64);
        prop_assert!((found.drift - drift).abs() < 1e-6);
        prop_assert_eq!(found.repeated, repeated);
        prop_assert_eq!(found.substitutes, substitutes);
        for (stratum, (found, expected)) in found.deviations.iter().zip(&most).enumerate() {
            prop_assert!((found - expected).abs() < 1e-9, "{stratum}: {found} {expected}");
        }
        prop_assert_eq!(found.marks.len(), 8);
        for mark in &found.marks {
            let before = &kinds[..mark.at as usize];
            prop_assert_eq!(mark.monolingual, before.iter().filter(|mono| **mono).count() as u64);
            let so_far = wide(4 * slots + mark.at) - wide(4 * slots);
            prop_assert!((mark.asked - so_far).abs() < 1e-6);
        }
    }
}

fn plain(groups: i64) -> Result<Arc<Plan>> {
    let (index, _) = index(3, groups, 1, 1, false, 5);
    let config = Config {
        batch_size: 32,
        ratio: Ratio::constant(0.4)?,
        mixing: Mixing::Exact,
        unit: Unit::Batch,
        mono: Holds::Homogeneous,
        cross: Holds::Mixed,
        language_weights: LanguageWeights::Uniform,
        mono_weights: None,
        batches_per_epoch: Some(6000),
        guard: Guard {
            group: true,
            query: true,
            passage: true,
        },
        guard_window: 1,
        seed: 3,
    };
    Plan::new(Arc::new(index), config)
}

#[test]
fn threads_change_nothing() -> Result<()> {
    let plan = plain(500)?;
    let all: Vec<Audit> = [1, 2, 5]
        .map(|threads| {
            let options = Options {
                threads: Some(threads),
                ..Options::default()
            };
            audit(&plan, 0, 10_000, options, &|_, _| true)
        })
        .into_iter()
        .collect::<Result<_>>()?;
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    assert_eq!(all[0].repeated, [0; 3]);
    assert!(all[0].deviations.iter().all(|one| *one < 1.0));
    assert_eq!(all[0].marks.len(), 101);
    Ok(())
}

#[test]
fn the_digest_tells_plans_apart() -> Result<()> {
    let plan = plain(100)?;
    let digest = |epoch, batches| -> Result<u128> {
        Ok(audit(&plan, epoch, batches, Options::default(), &|_, _| true)?.digest)
    };
    assert_eq!(digest(0, 100)?, digest(0, 100)?);
    assert_ne!(digest(0, 100)?, digest(0, 101)?);
    assert_ne!(digest(0, 100)?, digest(1, 100)?);
    Ok(())
}

#[test]
fn a_no_stops_the_count() -> Result<()> {
    let plan = plain(100)?;
    let stopped = audit(&plan, 0, 6000, Options::default(), &|_, _| false);
    assert_eq!(stopped, Err(Error::Interrupted));
    Ok(())
}
