//! What every epoch has in common: strata, lanes, passes and blocks.

use std::sync::Arc;

use crate::configuration::{Config, Unit};
use crate::kernel::Kernel;
use crate::packing::Keys;
use crate::pairs::{Key, Pair, PairIndex, PairTexts};
use crate::turns::Shares;

/// A kind of identity that the guard looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// The group.
    Group,
    /// The query identity.
    Query,
    /// The passage identity.
    Passage,
    /// A text that the index lists for cells.
    Text,
}

pub(crate) const KINDS: [IdentityKind; 3] = [
    IdentityKind::Group,
    IdentityKind::Query,
    IdentityKind::Passage,
];

impl From<IdentityKind> for Key {
    fn from(kind: IdentityKind) -> Self {
        match kind {
            IdentityKind::Group => Self::Group,
            IdentityKind::Query => Self::Query,
            // A text has no column of its own; the guard of passages switches it.
            IdentityKind::Passage | IdentityKind::Text => Self::Passage,
        }
    }
}

/// An identity that has more rows in a stratum than a pass can place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequent {
    /// Which identity.
    pub kind: IdentityKind,
    /// Its value, as given.
    pub identity: u32,
    /// Query and passage language of the stratum; `None` for all strata together whose rows
    /// mix in a batch.
    pub stratum: Option<(usize, usize)>,
    /// Rows that have it.
    pub rows: u64,
    /// Rows that one pass can place.
    pub placed: u64,
}

/// Rows whose identities come too often for every one of them to be placed in each pass.
#[derive(Debug, Clone)]
pub(crate) struct Thinned {
    /// These rows, increasing.
    pub(crate) heavy: Vec<u32>,
    /// These rows by identity, each with the sum of the chances up to it.
    pub(crate) chances: Vec<(u32, f64)>,
    /// How many of them a pass keeps: the sum of all chances.
    pub(crate) kept: u64,
}

/// A stratum that may be drawn.
#[derive(Debug, Clone)]
pub(crate) struct Stratum {
    pub(crate) query: usize,
    pub(crate) passage: usize,
    pub(crate) rows: u64,
    /// Batches of a homogeneous pass.
    pub(crate) batches: u64,
    /// Blocks of a homogeneous pass.
    pub(crate) blocks: u64,
    /// Which rows a mixed pass leaves out.
    pub(crate) thinned: Option<Thinned>,
}

impl Stratum {
    /// Rows of a pass.
    pub(crate) fn drawn(&self) -> u64 {
        self.thinned.as_ref().map_or(self.rows, |thinned| {
            self.rows - thinned.heavy.len() as u64 + thinned.kept
        })
    }
}

/// The strata that share the batches (or rows) of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) strata: Vec<usize>,
    pub(crate) shares: Arc<Shares>,
    /// Whether a batch holds one stratum.
    pub(crate) homogeneous: bool,
    /// Batches of a block of its own whose rows come from several strata.
    pub(crate) block_batches: u64,
}

/// How a checked configuration divides an index into passes and blocks.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) index: Arc<PairIndex>,
    pub(crate) config: Config,
    pub(crate) kernel: Kernel,
    pub(crate) strata: Vec<Stratum>,
    pub(crate) monolingual: Option<Lane>,
    pub(crate) cross: Option<Lane>,
    /// The least and the greatest α for which passes leave rows out.
    pub(crate) planned: (f64, f64),
    pub(crate) frequent: Vec<Frequent>,
    pub(crate) len: u64,
}

impl Layout {
    pub(crate) fn name(&self, stratum: &Stratum) -> String {
        if stratum.query == stratum.passage {
            format!("the monolingual stratum of language {}", stratum.query)
        } else {
            format!(
                "the cross-lingual stratum language {} → language {}",
                stratum.query, stratum.passage
            )
        }
    }

    /// Slots that must not hold an identity twice.
    pub(crate) fn guarded_rows(&self) -> usize {
        self.config.batch_size * self.config.guard_window as usize
    }

    /// Whether several batches are guarded together, so that rows of all kinds share blocks.
    pub(crate) fn is_windowed(&self) -> bool {
        self.config.guard_window > 1
    }

    /// Whether monolingual and cross-lingual rows share blocks.
    pub(crate) fn shares_blocks(&self) -> bool {
        self.is_windowed() || self.config.unit == Unit::Row
    }

    /// Kinds of identities that could come twice among rows of one stratum, or of several.
    pub(crate) fn guarded_kinds(&self, one_stratum: bool) -> Vec<Key> {
        let switches = self.config.guard.switches();
        let kinds = KINDS.into_iter().zip(switches).filter(|&(_, on)| on);
        kinds
            .map(|(kind, _)| Key::from(kind))
            .filter(|&key| match key {
                // Rows of a stratum are of different groups.
                Key::Group => !one_stratum,
                _ => {
                    let by_group = one_stratum || self.config.guard.group;
                    !by_group || self.index.sharing(key).across_groups
                }
            })
            .collect()
    }

    /// Batches of a block whose rows come from several strata: of one kind, or of both where they share
    /// blocks.
    pub(crate) fn block_batches(&self, monolingual: bool) -> u64 {
        let lane = if monolingual {
            &self.monolingual
        } else {
            &self.cross
        };
        match lane {
            Some(lane) if !self.shares_blocks() => lane.block_batches,
            _ => self.usual_block_batches(),
        }
    }

    pub(crate) fn keys(&self, pair: Pair) -> Keys {
        [
            self.index.group(pair.query_cell),
            self.index.query_identity(pair.query_cell),
            self.index.passage_identity(pair.passage_cell),
        ]
    }

    /// Whether the texts that rows bring must not come twice in a batch.
    pub(crate) fn guards_texts(&self) -> bool {
        self.config.guard.passage && self.index.has_texts()
    }

    /// The texts of a row that are guarded.
    pub(crate) fn guarded_texts(&self, pair: Pair) -> PairTexts<'_> {
        if self.guards_texts() {
            self.index.texts(pair)
        } else {
            [&[], &[]]
        }
    }

    pub(crate) fn pair(&self, stratum: &Stratum, row: u64) -> Pair {
        self.index.pair(stratum.query, stratum.passage, row as u32)
    }
}
