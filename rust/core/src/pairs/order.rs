//! Cells by group, then language.

use super::column::Column;
use super::divisor::Divisor;
use super::survey::PIECE;
use crate::Error;

/// The columns that order the cells.
pub(super) struct Places<'a> {
    pub(super) cells: usize,
    pub(super) languages: usize,
    pub(super) group: &'a Column,
    pub(super) language: &'a Column,
    /// Smallest and largest group id.
    pub(super) ids: (u32, u32),
}

impl Places<'_> {
    /// Whether a table with a place for every id is small beside the columns.
    pub(super) fn are_dense(&self) -> bool {
        let range = u64::from(self.ids.1 - self.ids.0) + 1;
        self.languages <= 64 && range <= 2 * self.cells as u64 + 1024
    }

    /// The order where the rules of the columns tell it.
    pub(super) fn ruled(&self) -> Option<Column> {
        let languages = self.languages as u32;
        match (self.group, self.language) {
            (Column::Quotient(_, a), Column::Remainder(0, b))
                if a == b && a.value() == languages =>
            {
                Some(Column::Position(0))
            }
            (group, Column::Constant(_)) if group.is_strictly_rising(self.cells) => {
                Some(Column::Position(0))
            }
            // One language after another, each with all groups in the same order.
            (Column::Remainder(_, a), Column::Quotient(0, b))
                if a == b && u64::from(a.value()) * self.languages as u64 == self.cells as u64 =>
            {
                Some(Column::Transposed(Divisor::new(languages), a.value()))
            }
            _ => None,
        }
    }

    /// Whether the cells are in order as they are.
    pub(super) fn is_sorted(&self) -> bool {
        let (mut groups, mut languages) = (Vec::new(), Vec::new());
        let mut last = None;
        for start in (0..self.cells).step_by(PIECE) {
            let count = PIECE.min(self.cells - start);
            self.group.read(start as u32, &mut groups, count);
            self.language.read(start as u32, &mut languages, count);
            for place in groups.iter().copied().zip(languages.iter().copied()) {
                if last >= Some(place) {
                    return false;
                }
                last = Some(place);
            }
        }
        true
    }

    /// Cells by group, whatever the ids, by the lower and then the upper half of the id; cells of
    /// one group stay as they are.
    pub(super) fn by_group(&self) -> Vec<u32> {
        const HALF: usize = 1 << 16;
        let mut low = vec![0u32; HALF];
        let mut high = vec![0u32; HALF];
        self.each_id(|_, id| {
            low[id as usize % HALF] += 1;
            high[id as usize / HALF] += 1;
        });
        for counts in [&mut low, &mut high] {
            let mut before = 0;
            for count in counts {
                before += std::mem::replace(count, before);
            }
        }
        let mut halfway = vec![0; self.cells];
        self.each_id(|cell, id| {
            let place = &mut low[id as usize % HALF];
            halfway[*place as usize] = cell;
            *place += 1;
        });
        let mut order = vec![0; self.cells];
        for cell in halfway {
            let place = &mut high[self.group.at(cell) as usize / HALF];
            order[*place as usize] = cell;
            *place += 1;
        }
        order
    }

    fn each_id(&self, mut visit: impl FnMut(u32, u32)) {
        let mut ids = Vec::new();
        for start in (0..self.cells).step_by(PIECE) {
            let count = PIECE.min(self.cells - start);
            self.group.read(start as u32, &mut ids, count);
            for (cell, &id) in (start as u32..).zip(&ids) {
                visit(cell, id);
            }
        }
    }
}

/// The sentence for two cells of one group and language.
pub(super) fn twice(a: u32, b: u32, group: u32, language: u32) -> Error {
    let (a, b) = (a.min(b), a.max(b));
    Error::InvalidArgument(format!(
        "cells {a} and {b} are both group {group}, language {language}; \
         give each (group, language) once"
    ))
}
