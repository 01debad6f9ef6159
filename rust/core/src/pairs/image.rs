//! The bytes of an index file, each block compared with its checksum before it is first read.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use memmap2::Mmap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::plain::bytes_of;
use crate::{Error, Result};

/// Bytes of a block, in powers of two: few enough to be checked in microseconds.
const BLOCK_BITS: u32 = 16;

/// An index file holds other bytes than were saved: what a panic says when they are first read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage(pub String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of an index file.
pub(super) struct Image {
    bytes: Bytes,
    name: Box<str>,
    /// Where the content begins.
    content: usize,
    /// The checksum of each block of it.
    sums: Vec<u64>,
    /// A bit for each block that was found to be what was saved.
    checked: Vec<AtomicU64>,
    /// Blocks not looked at yet.
    left: AtomicUsize,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

enum Bytes {
    Mapped(Mmap, File),
    /// As words, for the alignment of a mapping; the number of bytes may be less.
    Held(Vec<u64>, usize),
}

impl Image {
    pub(super) fn mapped(map: Mmap, file: File, name: &str) -> Self {
        Self::new(Bytes::Mapped(map, file), name)
    }

    pub(super) fn copied(bytes: &[u8], name: &str) -> Self {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        Self::new(Bytes::Held(words.collect(), bytes.len()), name)
    }

    fn new(bytes: Bytes, name: &str) -> Self {
        Self {
            bytes,
            name: name.into(),
            content: 0,
            sums: Vec::new(),
            checked: Vec::new(),
            left: AtomicUsize::new(0),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map, _) => map,
            Bytes::Held(words, len) => &bytes_of(words)[..*len],
        }
    }

    /// Has the content, from byte `content` on, compared with the checksums of its blocks when it is read;
    /// `None` if those are not as many as the blocks.
    pub(super) fn watch(&mut self, content: usize, sums: Vec<u64>) -> Option<()> {
        let blocks = self.bytes().len().checked_sub(content)?;
        if blocks.div_ceil(1 << BLOCK_BITS) != sums.len() {
            return None;
        }
        self.content = content;
        self.checked = (0..sums.len().div_ceil(64))
            .map(|_| AtomicU64::new(0))
            .collect();
        self.left = AtomicUsize::new(sums.len());
        self.sums = sums;
        Some(())
    }

    /// Takes every block for checked.
    pub(super) fn trust(&mut self) {
        self.left = AtomicUsize::new(0);
    }

    /// Whether every block was checked.
    #[inline(always)]
    pub(super) fn is_sound(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Checks the block of a byte.
    #[inline(always)]
    pub(super) fn touch(&self, byte: usize) {
        if !self.is_sound() {
            self.touch_block((byte - self.content) >> BLOCK_BITS);
        }
    }

    /// Checks the blocks of some bytes.
    pub(super) fn touch_range(&self, bytes: Range<usize>) {
        if self.is_sound() || bytes.is_empty() {
            return;
        }
        let block = |byte: usize| (byte - self.content) >> BLOCK_BITS;
        (block(bytes.start)..=block(bytes.end - 1)).for_each(|block| self.touch_block(block));
    }

    #[inline(always)]
    fn touch_block(&self, block: usize) {
        let known = |bits: &AtomicU64| bits.load(Ordering::Relaxed) >> (block % 64) & 1 == 1;
        if !self.checked.get(block / 64).is_some_and(known) {
            self.check(block);
        }
    }

    /// Panics with a [`Damage`] where a block is not what was saved: reading has no other way to say so.
    #[cold]
    fn check(&self, block: usize) {
        if let Err(error) = self.whole() {
            resume_unwind(Box::new(Damage(error.to_string())));
        }
        let start = self.content + (block << BLOCK_BITS);
        let end = (start + (1 << BLOCK_BITS)).min(self.bytes().len());
        let found = self.bytes().get(start..end).map(xxh3_64);
        if found.is_none() || found.as_ref() != self.sums.get(block) {
            resume_unwind(Box::new(Damage(format!(
                "{} is damaged: its bytes {start} to {end} are others than were saved; save the index again",
                self.name
            ))));
        }
        let bit = 1 << (block % 64);
        if self.checked[block / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Refuses a file that was cut short after it was opened: what is mapped of it is no longer there.
    pub(super) fn whole(&self) -> Result<()> {
        let Bytes::Mapped(map, file) = &self.bytes else {
            return Ok(());
        };
        match file.metadata() {
            Ok(state) if state.len() < map.len() as u64 => Err(Error::InvalidArgument(format!(
                "{} was cut from {} bytes to {} while it was open; save the index again, and replace its \
                 file instead of changing it",
                self.name,
                map.len(),
                state.len()
            ))),
            _ => Ok(()),
        }
    }
}

/// The checksums of the blocks of what is written.
#[derive(Default)]
pub(super) struct Sums {
    done: Vec<u64>,
    block: Xxh3,
    filled: usize,
}

impl Sums {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (here, later) = bytes.split_at(bytes.len().min((1 << BLOCK_BITS) - self.filled));
            self.block.update(here);
            self.filled += here.len();
            if self.filled == 1 << BLOCK_BITS {
                self.close();
            }
            bytes = later;
        }
    }

    fn close(&mut self) {
        self.done.push(self.block.digest());
        self.block.reset();
        self.filled = 0;
    }

    pub(super) fn finish(mut self) -> Vec<u64> {
        if self.filled > 0 {
            self.close();
        }
        self.done
    }
}
