//! Random indexes for tests: full or with gaps, sorted or not, rows their own or shared.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Columns, PairIndex};
use crate::hash::key;
use crate::permutation::Permutation;

/// The columns of an index.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) languages: usize,
    pub(super) group: Vec<i64>,
    pub(super) language: Vec<i64>,
    pub(super) query: Vec<i64>,
    pub(super) passage: Vec<i64>,
    pub(super) query_identity: Option<Vec<i64>>,
    pub(super) passage_identity: Option<Vec<i64>>,
}

/// How a side of the cells is numbered.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Numbers {
    /// By position.
    Cells,
    /// Anyhow, below a number.
    Shared(u64),
}

/// How the cells lie.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Groups,
    Languages,
    None,
}

prop_compose! {
    /// Any index.
    pub(super) fn sample()(
        groups in prop_oneof![3 => 1usize..6, 3 => 1usize..200, 1 => 600usize..1500],
        languages in prop_oneof![8 => 1usize..5, 1 => 14usize..19, 1 => 30usize..35, 1 => 62usize..68],
        absent in 0u64..4,
        holes in 0u64..4,
        order in prop::sample::select(vec![Order::Groups, Order::Languages, Order::None]),
        gaps in prop::sample::select(vec![1u64, 3, 1_000_003]),
        numbers in prop::array::uniform4(prop_oneof![
            Just(Numbers::Cells),
            (1u64..2000).prop_map(Numbers::Shared),
        ]),
        identities: [bool; 2],
        seed: u64,
    ) -> Sample {
        let groups = if languages > 4 { groups.min(400 / languages) } else { groups };
        let chance = |of: &[u64]| {
            let mut parts = vec![seed];
            parts.extend(of);
            key(&parts)
        };
        let ids = |group: u64| if gaps == 1 { group } else { group * gaps % (1 << 32) };
        let mut cells: Vec<(u64, u64)> = (0..groups as u64)
            .flat_map(|group| (0..languages as u64).map(move |language| (group, language)))
            .filter(|&(group, language)| chance(&[1, group, language]) % 8 >= absent)
            .collect();
        if cells.is_empty() {
            cells.push((0, 0));
        }
        if order == Order::Languages {
            cells.sort_by_key(|&(group, language)| (language, group));
        }
        if order == Order::None {
            let order = Permutation::new(cells.len() as u64, seed);
            cells = (0..cells.len() as u64).map(|at| cells[order.at(at) as usize]).collect();
        }
        let side = |side: u64, numbers: Numbers, holes: u64| -> Vec<i64> {
            (0..cells.len() as u64)
                .map(|cell| match numbers {
                    _ if chance(&[2, side, cell]) % 16 < holes => -1,
                    Numbers::Cells => cell as i64,
                    Numbers::Shared(below) => (chance(&[3, side, cell]) % below) as i64,
                })
                .collect()
        };
        Sample {
            languages,
            group: cells.iter().map(|&(group, _)| ids(group) as i64).collect(),
            language: cells.iter().map(|&(_, language)| language as i64).collect(),
            query: side(0, numbers[0], holes),
            passage: side(1, numbers[1], if seed % 2 == 0 { 0 } else { holes }),
            query_identity: identities[0].then(|| side(2, numbers[2], 0)),
            passage_identity: identities[1].then(|| side(3, numbers[3], 0)),
        }
    }
}

impl Sample {
    pub(super) fn columns(&self) -> Columns<'_> {
        Columns {
            group: &self.group,
            language: &self.language,
            query: &self.query,
            passage: &self.passage,
            query_identity: self.query_identity.as_deref(),
            passage_identity: self.passage_identity.as_deref(),
        }
    }

    pub(super) fn index(&self) -> PairIndex {
        PairIndex::new(self.columns(), self.languages).expect("the columns are well formed")
    }

    /// Strata to look at: all, or a few of many.
    pub(super) fn strata(&self) -> Vec<(usize, usize)> {
        let count = self.languages * self.languages;
        let step = if count > 25 { count / 7 } else { 1 };
        let number = |one: usize| (one / self.languages, one % self.languages);
        (0..count).step_by(step).map(number).collect()
    }

    /// Query's cell and passage's cell of every pair of a stratum, by group id.
    pub(super) fn stratum(&self, from: usize, to: usize) -> Vec<(u32, u32)> {
        let mut groups: BTreeMap<i64, (Option<u32>, Option<u32>)> = BTreeMap::new();
        for (cell, &group) in self.group.iter().enumerate() {
            let sides = groups.entry(group).or_default();
            if self.language[cell] as usize == from && self.query[cell] >= 0 {
                sides.0 = Some(cell as u32);
            }
            if self.language[cell] as usize == to && self.passage[cell] >= 0 {
                sides.1 = Some(cell as u32);
            }
        }
        let both = |(asked, answered): (Option<u32>, Option<u32>)| Some((asked?, answered?));
        groups.into_values().filter_map(both).collect()
    }
}
