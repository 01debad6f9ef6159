//! Ranking measures from the ranks of the positives.
