//! Exact ranks of the positives.
