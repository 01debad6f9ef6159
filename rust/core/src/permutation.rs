//! Keyed permutations in constant memory.
