//! Batches as a pure function of index, configuration, seed, epoch and batch number.
