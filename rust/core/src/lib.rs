//! Ratio-controlled pair sampling, exact ranks, bounded top-k and ranking measures
//! for multilingual dense retrieval.
//!
//! The crate is pure computation: no I/O, no printing, no global thread pool. Every
//! function takes borrowed arrays and plain numbers, and returns an [`Error`] instead of
//! panicking on bad input. Results never depend on thread count, block size or CPU features.
//!
//! Data flows one way: `pairs` → `mixture` + `permutation` → `plan` (which rows make a batch),
//! and `matrix` → `kernel` → `topk`, `ranks` → `search` → `metrics` (how good an encoder is).
#![deny(unsafe_code)]

mod blocks;
pub mod epoch;
mod error;
pub mod kernel;
pub mod matrix;
pub mod metrics;
pub mod mixture;
pub mod packing;
pub mod pairs;
pub mod permutation;
pub mod plan;
pub mod ranks;
pub mod search;
mod thinning;
pub mod threads;
pub mod topk;

pub use error::{Error, Result};
