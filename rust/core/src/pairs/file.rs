//! An index as one file: written in one go, mapped when opened.
//!
//! Words of 8 bytes, lowest byte first: a header (magic, version, its own length, the file's
//! length, checksums, numbers, and where each run of numbers lies) and the runs, each at a
//! multiple of 64 bytes.

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::Mmap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::column::Column;
use super::divisor::Divisor;
use super::store::{Image, Plain, Store, bytes_of};
use super::{PairIndex, Sharing};
use crate::{Error, Result};

const MAGIC: u64 = u64::from_le_bytes(*b"hf-pairs");
const VERSION: u64 = 1;

/// Words of the header before the fields, and the checksum after them.
const LEADING: usize = 5;

/// Every run of numbers starts at a multiple of this.
const ALIGNMENT: usize = 64;

/// Says that there is nothing.
pub(super) const NONE: u64 = u64::MAX;

/// What an index puts in its file.
pub(super) struct Writer<'a> {
    fields: Vec<u64>,
    runs: Vec<&'a [u8]>,
    end: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn number(&mut self, number: impl Into<u64>) {
        self.fields.push(number.into());
    }

    pub(super) fn size(&mut self, number: usize) {
        self.fields.push(number as u64);
    }

    pub(super) fn run<T: Plain>(&mut self, numbers: &'a [T]) {
        let bytes = bytes_of(numbers);
        self.size(self.end);
        self.size(numbers.len());
        self.runs.push(bytes);
        self.end += bytes.len().next_multiple_of(ALIGNMENT);
    }

    fn column(&mut self, column: &'a Column) {
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

    fn write(self, out: &mut dyn io::Write) -> io::Result<()> {
        let header = 8 * (LEADING + self.fields.len() + 1);
        let content = header.next_multiple_of(ALIGNMENT);
        let zeros = [0u8; ALIGNMENT];
        let mut hash = Xxh3::new();
        for run in &self.runs {
            hash.update(run);
            hash.update(&zeros[..run.len().next_multiple_of(ALIGNMENT) - run.len()]);
        }
        let mut words = vec![
            MAGIC,
            VERSION,
            header as u64,
            (content + self.end) as u64,
            hash.digest(),
        ];
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
}

/// What is wrong with a file, as the end of a sentence that its name begins.
type Wrong = String;

impl Reader {
    fn new(image: Image, verify: bool) -> std::result::Result<Self, Wrong> {
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
            Some(VERSION) => {}
            Some(version) => {
                return Err(format!(
                    "has version {version} of the format, expected {VERSION}; build and save the \
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
        let content = header.next_multiple_of(ALIGNMENT);
        if verify && word(4) != bytes.get(content..).map(xxh3_64) {
            return Err("holds other bytes than were saved; save the index again".into());
        }
        let fields: Vec<u64> = (LEADING..header / 8 - 1).filter_map(word).collect();
        Ok(Self {
            fields: fields.into_iter(),
            content,
            image: Arc::new(image),
        })
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
    fn column(&mut self, len: usize) -> Option<Column> {
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

impl PairIndex {
    /// Writes the index and a note (such as the names of the languages) in the format that
    /// [`open`](Self::open) reads.
    ///
    /// # Errors
    /// What `out` says; `Unsupported` on processors with the highest byte first.
    pub fn write(&self, note: &[u8], out: &mut dyn io::Write) -> io::Result<()> {
        if cfg!(target_endian = "big") {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let mut to = Writer {
            fields: Vec::new(),
            runs: Vec::new(),
            end: 0,
        };
        to.run(note);
        to.number(self.fingerprint);
        for size in [self.languages, self.cells, self.groups] {
            to.size(size);
        }
        to.number(self.first_id.map_or(NONE, u64::from));
        for column in [&self.group, &self.language, &self.query, &self.passage] {
            to.column(column);
        }
        for identity in [&self.query_identity, &self.passage_identity] {
            to.number(identity.is_some());
            if let Some(identity) = identity {
                to.column(identity);
            }
        }
        to.column(&self.order);
        to.column(&self.first);
        self.masks.write(&mut to);
        self.strata.write(&mut to);
        for sharing in &self.sharing {
            to.number(sharing.across_groups);
            for &most in &sharing.most {
                to.number(most);
            }
        }
        to.write(out)
    }

    /// Opens a file that [`write`](Self::write) made, and returns the index and the note. The
    /// file is mapped: opening reads its header only, and processes that open the same file
    /// share its memory. It must not be changed in place while it is open; replacing it by
    /// another (a rename) is safe. With `verify`, all of it is read and checked.
    ///
    /// # Errors
    /// `InvalidArgument`, beginning with `name`, for a file that is none, cut off, damaged or
    /// of another version.
    pub fn open(file: &File, name: &str, verify: bool) -> Result<(Self, Vec<u8>)> {
        #[allow(unsafe_code)] // a mapping trusts that nobody changes the file
        // SAFETY: documented as the caller's part; files are replaced by a rename, not changed.
        let map = unsafe { Mmap::map(file) };
        let map = map.map_err(|error| {
            Error::InvalidArgument(format!("{name} cannot be mapped into memory: {error}"))
        })?;
        Self::read(Image::Mapped(map), name, verify)
    }

    /// Like [`open`](Self::open), from the bytes of such a file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<(Self, Vec<u8>)> {
        Self::read(Image::copied(bytes), name, true)
    }

    fn read(image: Image, name: &str, verify: bool) -> Result<(Self, Vec<u8>)> {
        let wrong = |wrong: Wrong| Error::InvalidArgument(format!("{name} {wrong}"));
        if cfg!(target_endian = "big") {
            return Err(Error::NotSupported(format!(
                "{name} cannot be opened on a processor with the highest byte first"
            )));
        }
        let mut from = Reader::new(image, verify).map_err(wrong)?;
        Self::fields(&mut from)
            .filter(|_| from.number().is_none())
            .ok_or_else(|| {
                wrong("has a header that contradicts itself; save the index again".into())
            })
    }

    fn fields(from: &mut Reader) -> Option<(Self, Vec<u8>)> {
        let note = from.run::<u8>()?.to_vec();
        let fingerprint = from.number()?;
        let (languages, cells, groups) = (from.size()?, from.size()?, from.size()?);
        let first_id = match from.number()? {
            NONE => None,
            first => Some(u32::try_from(first).ok()?),
        };
        let (group, language) = (from.column(cells)?, from.column(cells)?);
        let (query, passage) = (from.column(cells)?, from.column(cells)?);
        let mut identity = || match from.number()? {
            0 => Some(None),
            1 => from.column(cells).map(Some),
            _ => None,
        };
        let (query_identity, passage_identity) = (identity()?, identity()?);
        let (order, first) = (from.column(cells)?, from.column(groups)?);
        let masks = super::masks::Masks::read(from, groups)?;
        let strata = super::strata::Strata::read(from, groups, languages)?;
        let mut sharing = || -> Option<Sharing> {
            let across_groups = from.number()? == 1;
            let most = (0..languages)
                .map(|_| from.narrow())
                .collect::<Option<_>>()?;
            Some(Sharing {
                across_groups,
                most,
            })
        };
        let sharing = [sharing()?, sharing()?, sharing()?];
        let index = Self {
            languages,
            cells,
            first_id,
            group,
            language,
            query,
            passage,
            query_identity,
            passage_identity,
            order,
            first,
            groups,
            masks,
            strata,
            sharing,
            fingerprint,
        };
        Some((index, note))
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::sample;
    use super::*;
    use proptest::prelude::*;

    fn saved(index: &PairIndex) -> Vec<u8> {
        let mut bytes = Vec::new();
        index.write(b"note", &mut bytes).expect("memory takes it");
        bytes
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(sample in sample()) {
            let index = sample.index();
            let bytes = saved(&index);
            let (read, note) = PairIndex::from_bytes(&bytes, "it")?;
            prop_assert_eq!(&note, b"note");
            prop_assert_eq!(&read, &index);
            prop_assert_eq!(saved(&read), bytes);
        }

        #[test]
        fn no_cut_and_no_changed_bit_goes_unseen(sample in sample(), place: prop::sample::Index, bit in 0u32..8) {
            let bytes = saved(&sample.index());
            let place = place.index(bytes.len());
            prop_assert!(PairIndex::from_bytes(&bytes[..place], "it").is_err());
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert!(PairIndex::from_bytes(&longer, "it").is_err());
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let header = u64::from_le_bytes(bytes[16..24].try_into().expect("a word")) as usize;
            let padding = header..header.next_multiple_of(ALIGNMENT);
            prop_assert_eq!(
                PairIndex::from_bytes(&changed, "it").is_err(),
                !padding.contains(&place)
            );
        }
    }
}
