//! Numbers for the strata that have pairs, in the order of [`PairIndex::strata`].

use crate::pairs::{PairIndex, StratumSize};
use crate::{Error, Result};

/// Pairs of languages up to which a table with a place for each finds numbers.
const TABLED: usize = 1 << 16;

/// Stands for a stratum without pairs.
const NONE: u32 = u32::MAX;

/// Finds the number of a stratum.
#[derive(Debug)]
pub(super) struct Numbering {
    languages: usize,
    sizes: Vec<StratumSize>,
    by: By,
}

#[derive(Debug)]
enum By {
    /// The number of each stratum, row by row of query languages.
    Table(Vec<u32>),
    /// The first number of each query language, and the number of all.
    Search(Vec<u32>),
}

impl Numbering {
    pub(super) fn new(index: &PairIndex) -> Result<Self> {
        let (languages, sizes) = (index.languages(), index.strata()?);
        let by = if languages * languages <= TABLED {
            let mut table = vec![NONE; languages * languages];
            for (number, one) in (0..).zip(&sizes) {
                table[one.query as usize * languages + one.passage as usize] = number;
            }
            By::Table(table)
        } else {
            let mut first = vec![0; languages + 1];
            sizes
                .iter()
                .for_each(|one| first[one.query as usize + 1] += 1);
            for language in 0..languages {
                first[language + 1] += first[language];
            }
            By::Search(first)
        };
        Ok(Self {
            languages,
            sizes,
            by,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Which strata are monolingual.
    pub(super) fn alone(&self) -> Vec<bool> {
        self.sizes
            .iter()
            .map(|one| one.query == one.passage)
            .collect()
    }

    /// All pairs there are.
    pub(super) fn pairs(&self) -> u64 {
        self.sizes.iter().map(|one| u64::from(one.pairs)).sum()
    }

    /// The numbers of the strata of some rows.
    pub(super) fn numbers(&self, query: &[i16], passage: &[i16]) -> Result<Vec<u32>> {
        let rows = query.iter().zip(passage);
        let numbers: Vec<u32> = match &self.by {
            By::Table(table) => rows
                .map(|(&query, &passage)| table[query as usize * self.languages + passage as usize])
                .collect(),
            By::Search(_) => rows
                .map(|(&query, &passage)| {
                    let number = self.number(query as usize, passage as usize);
                    number.unwrap_or(NONE)
                })
                .collect(),
        };
        match numbers.iter().position(|&number| number == NONE) {
            None => Ok(numbers),
            Some(row) => Err(Error::OutOfRange(format!(
                "a row of language {} → language {} was drawn, of which the index has none",
                query[row], passage[row]
            ))),
        }
    }

    /// The number of a stratum, if it has pairs.
    #[inline]
    pub(super) fn number(&self, query: usize, passage: usize) -> Option<u32> {
        match &self.by {
            By::Table(table) => table
                .get(query * self.languages + passage)
                .copied()
                .filter(|&number| number != NONE),
            By::Search(first) => {
                let start = *first.get(query)? as usize;
                let own = &self.sizes[start..*first.get(query + 1)? as usize];
                let place = own.binary_search_by_key(&(passage as u32), |one| one.passage);
                Some((start + place.ok()?) as u32)
            }
        }
    }
}
