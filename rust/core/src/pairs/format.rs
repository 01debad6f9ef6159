//! The format of an index file.
//!
//! Words of 8 bytes, lowest byte first: a header (magic, version, its own length, the file's
//! length, checksums of the content and of each block of it, numbers, and where each run of numbers lies)
//! and the runs, each at a multiple of 64 bytes.

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::column::Column;
use super::divisor::Divisor;
use super::image::{Image, Sums};
use super::plain::{Plain, bytes_of};
use super::store::Store;

const MAGIC: u64 = u64::from_le_bytes(*b"hf-pairs");
const VERSION: u64 = 2;

/// The version of a file that holds lists of texts too: a reader that knows none must refuse it.
const EXTENDED: u64 = 3;

/// Words of the header before the fields, and the checksum after them.
const LEADING: usize = 5;

/// Every run of numbers starts at a multiple of this.
pub(super) const ALIGNMENT: usize = 64;

/// Says that there is nothing.
pub(super) const NONE: u64 = u64::MAX;

/// What an index puts in its file.
#[derive(Default)]
pub(super) struct Writer<'a> {
    fields: Vec<u64>,
    runs: Vec<&'a [u8]>,
    end: usize,
    extended: bool,
}

impl<'a> Writer<'a> {
    /// Says that lists of texts follow.
    pub(super) fn extend(&mut self) {
        self.extended = true;
    }

    pub(super) fn number(&mut self, number: impl Into<u64>) {
        self.fields.push(number.into());
    }

    pub(super) fn size(&mut self, number: usize) {
        self.fields.push(number as u64);
    }

    pub(super) fn run<T: Plain>(&mut self, numbers: &'a Store<T>) {
        numbers.touch_all();
        self.plain(numbers);
    }

    pub(super) fn plain<T: Plain>(&mut self, numbers: &'a [T]) {
        let bytes = bytes_of(numbers);
        self.size(self.end);
        self.size(numbers.len());
        self.runs.push(bytes);
        self.end += bytes.len().next_multiple_of(ALIGNMENT);
    }

    pub(super) fn column(&mut self, column: &'a Column) {
        let mut rule = |tag: u64, a: u32, b: u32| {
            self.fields.extend([tag, u64::from(a), u64::from(b)]);
        };
        match column {
            Column::Constant(value) => rule(0, *value, 0),
            Column::Position(base) => rule(1, *base, 0),
            Column::Quotient(base, by) => rule(2, *base, by.value()),
            Column::Remainder(base, by) => rule(3, *base, by.value()),
            Column::Multiple(base, by) => rule(4, *base, *by),
            Column::Transposed(by, rows) => rule(5, by.value(), *rows),
            Column::Bytes(values) => {
                self.number(6u64);
                self.run(values);
            }
            Column::Values(values) => {
                self.number(7u64);
                self.run(values);
            }
        }
    }

    pub(super) fn write(self, out: &mut dyn io::Write) -> io::Result<()> {
        let zeros = [0u8; ALIGNMENT];
        let (mut hash, mut sums) = (Xxh3::new(), Sums::default());
        for run in &self.runs {
            for part in [
                run,
                &zeros[..run.len().next_multiple_of(ALIGNMENT) - run.len()],
            ] {
                hash.update(part);
                sums.update(part);
            }
        }
        let sums = sums.finish();
        let header = 8 * (LEADING + 1 + sums.len() + self.fields.len() + 1);
        let content = header.next_multiple_of(ALIGNMENT);
        let mut words = vec![
            MAGIC,
            if self.extended { EXTENDED } else { VERSION },
            header as u64,
            (content + self.end) as u64,
            hash.digest(),
            sums.len() as u64,
        ];
        words.extend(&sums);
        words.extend(&self.fields);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes.resize(content, 0);
        out.write_all(&bytes)?;
        for run in &self.runs {
            out.write_all(run)?;
            let padding = run.len().next_multiple_of(ALIGNMENT) - run.len();
            out.write_all(&zeros[..padding])?;
        }
        out.flush()
    }
}

/// The file of an index, read in the order in which it was written.
pub(super) struct Reader {
    image: Arc<Image>,
    fields: std::vec::IntoIter<u64>,
    content: usize,
    extended: bool,
}

/// What is wrong with a file, as the end of a sentence that its name begins.
pub(super) type Wrong = String;

impl Reader {
    pub(super) fn new(mut image: Image, verify: bool) -> std::result::Result<Self, Wrong> {
        let bytes = image.bytes();
        let word = |at: usize| -> Option<u64> {
            let word = bytes.get(8 * at..8 * at + 8)?;
            Some(u64::from_le_bytes(word.try_into().ok()?))
        };
        let foreign = "is not a file of a pair index; make one with PairIndex.save";
        if word(0) != Some(MAGIC) {
            return Err(foreign.into());
        }
        let short = || {
            format!(
                "is cut off after {} bytes; save the index again",
                bytes.len()
            )
        };
        match word(1) {
            Some(VERSION | EXTENDED) => {}
            Some(version) => {
                return Err(format!(
                    "has version {version} of the format, expected {VERSION} or {EXTENDED}; build and save the \
                     index again with this release"
                ));
            }
            None => return Err(short()),
        }
        let header = word(2).ok_or_else(short)? as usize;
        let damaged = "has a damaged header; save the index again";
        if !header.is_multiple_of(8) || header / 8 <= LEADING {
            return Err(damaged.into());
        }
        let own = bytes.get(..header - 8).ok_or_else(short)?;
        if word(header / 8 - 1).ok_or_else(short)? != xxh3_64(own) {
            return Err(damaged.into());
        }
        let len = word(3).ok_or_else(short)?;
        if bytes.len() as u64 != len {
            return Err(format!(
                "has {} bytes, and its header says {len}; save the index again",
                bytes.len()
            ));
        }
        let extended = word(1) == Some(EXTENDED);
        let content = header.next_multiple_of(ALIGNMENT);
        if verify && word(4) != bytes.get(content..).map(xxh3_64) {
            return Err("holds other bytes than were saved; save the index again".into());
        }
        let mut fields = (LEADING..header / 8 - 1).filter_map(word);
        let blocks = fields.next().and_then(|count| usize::try_from(count).ok());
        let sums: Vec<u64> = fields.by_ref().take(blocks.ok_or(damaged)?).collect();
        let fields: Vec<u64> = fields.collect();
        image.watch(content, sums).ok_or(damaged)?;
        if verify {
            image.trust();
        }
        Ok(Self {
            fields: fields.into_iter(),
            content,
            extended,
            image: Arc::new(image),
        })
    }

    pub(super) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image)
    }

    /// Whether lists of texts follow the rest.
    pub(super) fn is_extended(&self) -> bool {
        self.extended
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.fields.next()
    }

    pub(super) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(super) fn narrow(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    pub(super) fn run<T: Plain>(&mut self) -> Option<Store<T>> {
        let start = self.content.checked_add(self.size()?)?;
        let count = self.size()?;
        Store::within(&self.image, start, count)
    }

    /// A column of at least `len` values.
    pub(super) fn column(&mut self, len: usize) -> Option<Column> {
        let tag = self.number()?;
        if tag >= 6 {
            let column = match tag {
                6 => Column::Bytes(self.run().filter(|values| values.len() >= len)?),
                7 => Column::Values(self.run().filter(|values| values.len() >= len)?),
                _ => return None,
            };
            return Some(column);
        }
        let (a, b) = (self.narrow()?, self.narrow()?);
        let divisor = |by: u32| (by >= 2).then(|| Divisor::new(by));
        Some(match tag {
            0 => Column::Constant(a),
            1 => Column::Position(a),
            2 => Column::Quotient(a, divisor(b)?),
            3 => Column::Remainder(a, divisor(b)?),
            4 => Column::Multiple(a, b),
            _ => Column::Transposed(divisor(a)?, b),
        })
    }
}
