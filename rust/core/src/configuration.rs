//! Everything that decides which batches are drawn, beside the index and the epoch.

use crate::mixture::Mixing;
use crate::packing::Guard;
use crate::ratio::Ratio;

/// What is drawn by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The whole batch is of one kind.
    Batch,
    /// Each row is drawn by kind.
    Row,
}

/// What a batch of one kind holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Rows of several strata.
    Mixed,
    /// Rows of one stratum.
    Homogeneous,
}

/// How much of the batches each language gets.
#[derive(Debug, Clone, PartialEq)]
pub enum LanguageWeights {
    /// The same for every language.
    Uniform,
    /// Proportional to size^t.
    Power(f64),
    /// One weight a language, 0 or more.
    Explicit(Vec<f64>),
}

/// Everything that decides a plan, beside the index and the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rows of a batch.
    pub batch_size: usize,
    /// α, the share of monolingual batches (or rows), over time.
    pub ratio: Ratio,
    /// How the kinds alternate.
    pub mixing: Mixing,
    /// What is drawn by kind.
    pub unit: Unit,
    /// What a monolingual batch holds: rows of one language, or, as an ablation, of several.
    pub mono: Holds,
    /// What a cross-lingual batch holds.
    pub cross: Holds,
    /// How much each language gets.
    pub language_weights: LanguageWeights,
    /// One weight a language for monolingual batches (or rows), where it is not the one above.
    pub mono_weights: Option<Vec<f64>>,
    /// Batches of an epoch; by default Σ over languages of ⌊drawable queries / batch size⌋.
    pub batches_per_epoch: Option<u64>,
    /// What must not come twice in a batch.
    pub guard: Guard,
    /// Consecutive batches that are guarded together; at least 1.
    pub guard_window: u64,
    /// Seed of everything random.
    pub seed: u64,
}
