//! An index as one file: written in one go, mapped when opened.

use std::fs::File;
use std::io;

use memmap2::Mmap;

use super::format::{NONE, Reader, Writer, Wrong};
use super::image::Image;
use super::texts::Texts;
use super::{PairIndex, Sharing};
use crate::{Error, Result};

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
        let mut to = Writer::default();
        to.plain(note);
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
        if let Some(texts) = &self.texts {
            to.extend();
            texts.write(&mut to);
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
        let unmapped =
            |error| Error::InvalidArgument(format!("{name} cannot be mapped into memory: {error}"));
        let (map, file) = (map.map_err(unmapped)?, file.try_clone().map_err(unmapped)?);
        Self::read(Image::mapped(map, file, name), name, verify)
    }

    /// Like [`open`](Self::open), from the bytes of such a file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<(Self, Vec<u8>)> {
        Self::read(Image::copied(bytes, name), name, true)
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
        let note = from.run::<u8>()?;
        note.touch_all();
        let note = note.to_vec();
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
        let texts = if from.is_extended() {
            Some(Texts::read(from, cells, languages)?)
        } else {
            None
        };
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
            texts,
            fingerprint,
            image: Some(from.image()),
        };
        Some((index, note))
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::sample;
    use super::*;
    use crate::pairs::format::ALIGNMENT;
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
