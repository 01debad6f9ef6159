//! Streams of random numbers, one for each thing that an epoch decides.

use crate::hash::key;

/// Changes whenever the same configuration would give other batches.
pub const STREAM_VERSION: u64 = 2;

/// Streams of random numbers within an epoch.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Kind = 1,
    MonolingualTurn = 2,
    CrossTurn = 3,
    Pass = 4,
    Packing = 5,
    Substitute = 6,
    Deal = 7,
}

/// Hashes the streams of one epoch apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    base: u64,
}

impl Streams {
    pub(crate) fn new(seed: u64, epoch: u64) -> Self {
        Self {
            base: key(&[STREAM_VERSION, seed, epoch]),
        }
    }

    pub(crate) fn number(self, stream: Stream, parts: &[u64]) -> u64 {
        let mut all = vec![self.base, stream as u64];
        all.extend_from_slice(parts);
        key(&all)
    }
}
