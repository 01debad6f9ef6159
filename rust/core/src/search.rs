//! Streaming search: top-k and ranks without the whole score matrix.
