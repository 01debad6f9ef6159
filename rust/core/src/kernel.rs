//! Score tiles: inner products in one written order of operations.
