//! Ratio-controlled pair sampling, exact ranks, bounded top-k and ranking measures
//! for multilingual dense retrieval.
//!
//! The crate is pure computation: no I/O but the pair index's own file, no printing, no global
//! thread pool. Every function takes borrowed arrays and plain numbers, and returns an [`Error`]
//! instead of panicking on bad input. Results never depend on thread count, block size or CPU features.
//!
//! Data flows one way. Which rows make a batch: `pairs`, `mixture`, `permutation`, `packing` →
//! `configuration`, `streams` → `layout` → `thinning`, `sizes` → `shaping` (checks the data, decides
//! passes and blocks), `blocks` (rows packed under the guard) → `epoch` → `plan` → `audit`.
//! Beside them: `near_duplicates` (which passages count as one), `negatives` (hard negatives of a batch).
//! How good an encoder is: `matrix` → `kernel` → `selection`, `rows` → `topk`, `ranks` → `search` → `metrics`.
#![deny(unsafe_code)]

pub mod audit;
mod blocks;
mod configuration;
pub mod epoch;
mod error;
pub mod kernel;
mod layout;
pub mod matrix;
pub mod metrics;
pub mod mixture;
pub mod near_duplicates;
pub mod negatives;
pub mod packing;
pub mod pairs;
pub mod permutation;
pub mod plan;
mod radix;
pub mod ranks;
mod rows;
pub mod search;
mod selection;
mod shaping;
pub mod sizes;
mod streams;
mod thinning;
pub mod threads;
pub mod topk;

pub use error::{Error, Result};
