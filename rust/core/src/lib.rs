//! Ratio-controlled pair sampling, exact ranks, bounded top-k and ranking measures
//! for multilingual dense retrieval.
//!
//! The crate is pure computation: no I/O but the pair index's own file, no printing, no global
//! thread pool. Every function takes borrowed arrays and plain numbers, and returns an [`Error`]
//! instead of panicking on bad input. Results never depend on thread count, block size or CPU features.
//!
//! Data flows one way. Which rows make a batch: `hash`, `permutation`, `pairs` → `ratio` → `mixture` (kinds) and `turns`
//! (languages) → `packing`, `configuration`, `streams` → `layout` → `thinning`, `sizes`, `weights`, `epoch_length`
//! → `shaping` (checks the data, decides passes and blocks) → `screening`, `colouring`, `representatives` → `blocks` (rows
//! drawn and guarded) → `epoch` → `probing` (what cannot be filled) → `plan` → `audit`; long work asks `pulse` whether to go on. Beside them: `near_duplicates` (which passages count as one), `negatives` (hard
//! negatives of a batch).
//! How good an encoder is: `matrix` → `kernel` → `selection`, `rows` → `topk`, `ranks` → `search` → `metrics`.
#![deny(unsafe_code)]

pub mod audit;
mod blocks;
mod colouring;
mod configuration;
pub mod epoch;
pub mod epoch_length;
mod error;
pub mod hash;
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
mod probing;
mod pulse;
mod radix;
pub mod ranks;
pub mod ratio;
mod representatives;
pub mod room;
mod rows;
mod screening;
pub mod search;
mod selection;
mod shaping;
pub mod sizes;
mod streams;
mod text_classes;
mod thinning;
pub mod threads;
pub mod topk;
pub mod turns;
pub mod weights;

pub use error::{Error, Result};
