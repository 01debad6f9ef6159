//! Texts that too many rows bring: how many batches a pass can have, and what no batch can hold.

use crate::hash::Numbered;
use crate::layout::{Lane, Layout, Stratum};
use crate::pairs::each_text;
use crate::pulse::Pulse;
use crate::{Error, Result, room};

/// Rows of some strata, divided so that no two of a class can be in one batch.
pub(crate) struct TextClasses {
    /// Rows of each class; a row that shares no text is a class of its own.
    pub(crate) classes: Vec<(u32, u64)>,
    /// Texts and the rows that bring them, more than one each; the most frequent first.
    pub(crate) texts: Vec<(u32, u64)>,
}

impl TextClasses {
    /// The most rows of a class.
    pub(crate) fn most(&self) -> u64 {
        self.classes.iter().map(|one| one.1).max().unwrap_or(0)
    }
}

impl Layout {
    /// Each row goes to the most frequent of its texts.
    ///
    /// # Errors
    /// `Interrupted`; `InvalidArgument` for more rows than memory holds.
    pub(crate) fn text_classes(&self, strata: &[&Stratum], pulse: &Pulse) -> Result<TextClasses> {
        let count: u64 = strata.iter().map(|one| one.rows).sum();
        // A class for each row at most, and what is counted of its texts.
        room::check(count as usize, 3 * size_of::<(u32, u64)>(), || {
            format!("{count} rows that bring texts")
        })?;
        let mut counts: Numbered<u32, u64> = Numbered::default();
        let rows = || {
            let pairs = strata
                .iter()
                .flat_map(|stratum| (0..stratum.rows).map(|row| self.pair(stratum, row)));
            pairs.map(|pair| self.index.texts(pair))
        };
        for texts in rows() {
            pulse.check()?;
            for text in each_text(texts) {
                *counts.entry(text).or_default() += 1;
            }
        }
        let mut classes: Numbered<u32, u64> = Numbered::default();
        let mut alone = 0u64;
        for texts in rows() {
            pulse.check()?;
            let often = |text: u32| (counts[&text], std::cmp::Reverse(text));
            match each_text(texts).max_by_key(|&text| often(text)) {
                Some(text) if counts[&text] > 1 => *classes.entry(text).or_default() += 1,
                _ => alone += 1,
            }
        }
        let mut classes: Vec<(u32, u64)> = classes.into_iter().collect();
        classes.sort_unstable();
        classes.extend((0..alone).map(|_| (u32::MAX, 1)));
        let mut texts: Vec<(u32, u64)> = counts.into_iter().filter(|one| one.1 > 1).collect();
        texts.sort_unstable_by_key(|&(text, count)| (std::cmp::Reverse(count), text));
        Ok(TextClasses { classes, texts })
    }

    /// Refuses strata whose rows share batches and of which so many bring the same texts that no batch can
    /// be filled.
    ///
    /// # Errors
    /// `InfeasiblePlan`, with the text that most of them bring; `Interrupted`.
    pub(crate) fn spread_texts(&self, lanes: &[Lane], pulse: &Pulse) -> Result<()> {
        if !self.guards_texts() {
            return Ok(());
        }
        let size = self.guarded_rows() as u64;
        let strata: Vec<&Stratum> = lanes
            .iter()
            .flat_map(|lane| &lane.strata)
            .map(|&one| &self.strata[one])
            .collect();
        let rows: u64 = strata.iter().map(|one| one.rows).sum();
        let most: u64 = strata
            .iter()
            .map(|one| self.index.most_texts(one.query, one.passage).max(1))
            .sum();
        if rows.div_ceil(most) >= size {
            return Ok(());
        }
        let found = self.text_classes(&strata, pulse)?;
        if found.classes.len() as u64 >= size {
            return Ok(());
        }
        let what = if strata.len() == 1 {
            self.name(strata[0])
        } else {
            "the data".to_owned()
        };
        Err(self.too_common(&what, rows, &found))
    }

    /// The text that most rows of a stratum bring, and how many do; `None` if no two do.
    pub(crate) fn most_common_text(
        &self,
        stratum: &Stratum,
        pulse: &Pulse,
    ) -> Result<Option<(u32, u64)>> {
        if !self.guards_texts() {
            return Ok(None);
        }
        let found = self.text_classes(&[stratum], pulse)?;
        Ok(found.texts.first().copied())
    }

    /// Says that no batch can be filled, since so many rows bring the same text.
    pub(crate) fn too_common(&self, what: &str, rows: u64, found: &TextClasses) -> Error {
        let (text, count) = found.texts.first().copied().unwrap_or_default();
        Error::InfeasiblePlan(format!(
            "{what} has {rows} rows, and {count} of them bring text {text}; only {} without a common \
             text can be in one batch, fewer than {} = {}; take smaller batches, leave out what repeats \
             (such as one negative for many rows), or guard=(…) without \"passage\"",
            found.classes.len(),
            if self.is_windowed() {
                "guard_window · batch_size"
            } else {
                "batch_size"
            },
            self.guarded_rows()
        ))
    }
}
