//! Which kind and stratum each batch is.
