//! Groups found in the order of the cells: where each begins, which languages it has.

use super::MISSING;
use super::column::Column;
use super::masks::{GrowingMasks, Masks};
use super::members::Growing;
use super::order::{Places, twice};
use super::strata::Strata;
use super::survey::{self, PIECE};
use super::table::{Mask, Table};
use crate::Result;

/// A side of the cells, if some cell has none.
pub(super) type Side<'a> = Option<&'a Column>;

/// What one pass over the ordered cells finds.
pub(super) struct Arranged {
    pub(super) order: Column,
    /// First position of each group.
    pub(super) first: Column,
    pub(super) groups: usize,
    pub(super) masks: Masks,
    pub(super) strata: Strata,
}

/// Orders the cells and finds their groups.
pub(super) fn arrange(places: &Places<'_>, query: Side<'_>, passage: Side<'_>) -> Result<Arranged> {
    let ruled = places.ruled();
    if let Some(order) = &ruled
        && let Some(arranged) = implied(places, order, query, passage)
    {
        return Ok(arranged);
    }
    let sorted = || places.is_sorted().then_some(Column::Position(0));
    if let Some(order) = ruled.or_else(sorted) {
        let mut pass = Pass::new(places, query, passage);
        pass.ruled(&order);
        return Ok(pass.finish(order));
    }
    match places.languages {
        _ if !places.are_dense() => {
            let mut order = places.by_group();
            let mut pass = Pass::new(places, query, passage);
            pass.held(&mut order)?;
            Ok(pass.finish(Column::Values(order.into())))
        }
        0..=16 => tabled::<u16>(places, query, passage),
        17..=32 => tabled::<u32>(places, query, passage),
        _ => tabled::<u64>(places, query, passage),
    }
}

/// Cells in any order, their ids close together.
fn tabled<T: Mask>(places: &Places<'_>, query: Side<'_>, passage: Side<'_>) -> Result<Arranged> {
    let Table { order, masks, full } = Table::<T>::new(places)?;
    if full && query.is_none() && passage.is_none() {
        return Ok(complete(places, Column::Values(order.into())));
    }
    let mut pass = Pass::new(places, query, passage);
    pass.masked(&order, &masks);
    Ok(pass.finish(Column::Values(order.into())))
}

/// Nothing is missing and the rules tell all.
fn implied(
    places: &Places<'_>,
    order: &Column,
    query: Side<'_>,
    passage: Side<'_>,
) -> Option<Arranged> {
    let rounds = match (order, places.language) {
        (Column::Transposed(..), _) => true,
        (_, Column::Remainder(_, by)) => by.value() as usize == places.languages,
        _ => places.languages == 1,
    };
    let whole = rounds && places.cells.is_multiple_of(places.languages);
    let lacking = query.is_some() || passage.is_some();
    (whole && !lacking).then(|| complete(places, order.clone()))
}

/// Every group has everything.
fn complete(places: &Places<'_>, order: Column) -> Arranged {
    let groups = places.cells / places.languages;
    Arranged {
        order,
        first: match places.languages {
            1 => Column::Position(0),
            languages => Column::Multiple(0, languages as u32),
        },
        groups,
        masks: Masks::Full,
        strata: Strata::complete(groups, places.languages),
    }
}

/// The pass over the ordered cells.
struct Pass<'a> {
    places: &'a Places<'a>,
    query: Side<'a>,
    passage: Side<'a>,
    first: survey::Growing,
    /// First positions that are not in `first` yet.
    starts: Vec<u32>,
    masks: GrowingMasks,
    groups: usize,
    /// Languages of the groups: cells, or cells with a query, and cells with a passage.
    asked: Vec<Growing>,
    answered: Option<Vec<Growing>>,
}

impl<'a> Pass<'a> {
    fn new(places: &'a Places<'a>, query: Side<'a>, passage: Side<'a>) -> Self {
        let apart = query.is_some() || passage.is_some();
        Self {
            places,
            query,
            passage,
            first: survey::Growing::new(0, false),
            starts: Vec::with_capacity(PIECE),
            masks: GrowingMasks::new(places.languages),
            groups: 0,
            asked: vec![Growing::default(); places.languages],
            answered: apart.then(|| vec![Growing::default(); places.languages]),
        }
    }

    /// Cells that a rule puts in order of group and language.
    fn ruled(&mut self, order: &Column) {
        let cells = self.places.cells;
        let (mut ids, mut languages) = (Vec::new(), Vec::new());
        let (mut positions, mut members) = (Vec::new(), Vec::new());
        let mut id = None;
        let mut start = 0u32;
        for from in (0..cells).step_by(PIECE) {
            let count = PIECE.min(cells - from);
            if matches!(order, Column::Position(0)) {
                self.places.group.read(from as u32, &mut ids, count);
                self.places
                    .language
                    .read(from as u32, &mut languages, count);
            } else {
                order.read(from as u32, &mut positions, count);
                ids.clear();
                languages.clear();
                let cells = || positions.iter().copied();
                self.places.group.gather(cells(), &mut ids, |id| id);
                self.places
                    .language
                    .gather(cells(), &mut languages, |one| one);
            }
            for (position, (&one, &language)) in (from as u32..).zip(ids.iter().zip(&languages)) {
                if id != Some(one) {
                    if id.is_some() {
                        self.group(start, &members, false);
                    }
                    id = Some(one);
                    start = position;
                    members.clear();
                }
                members.push((language, order.at(position)));
            }
        }
        self.group(start, &members, true);
    }

    /// Cells in order, and the languages of each id from the smallest to the largest.
    fn masked<T: Mask>(&mut self, order: &[u32], masks: &[T]) {
        let mut members: Vec<(u32, u32)> = Vec::new();
        let mut start = 0;
        for mask in masks
            .iter()
            .map(|mask| mask.wide())
            .filter(|&mask| mask != 0)
        {
            members.clear();
            let mut left = mask;
            for &cell in &order[start..start + mask.count_ones() as usize] {
                members.push((left.trailing_zeros(), cell));
                left &= left - 1;
            }
            let end = start + members.len();
            self.group(start as u32, &members, end == order.len());
            start = end;
        }
    }

    /// Cells in order of group; puts each group's in order of language.
    fn held(&mut self, order: &mut [u32]) -> Result<()> {
        let mut members: Vec<(u32, u32)> = Vec::new();
        let mut start = 0;
        while start < order.len() {
            let id = self.places.group.at(order[start]);
            members.clear();
            for &cell in &order[start..] {
                if self.places.group.at(cell) != id {
                    break;
                }
                members.push((self.places.language.at(cell), cell));
            }
            members.sort_unstable();
            if let Some(two) = members.windows(2).find(|two| two[0].0 == two[1].0) {
                return Err(twice(two[0].1, two[1].1, id, two[0].0));
            }
            for (place, &(_, cell)) in order[start..].iter_mut().zip(&members) {
                *place = cell;
            }
            let end = start + members.len();
            self.group(start as u32, &members, end == order.len());
            start = end;
        }
        Ok(())
    }

    /// One group: its first position, and the language and cell of each member.
    #[inline]
    fn group(&mut self, start: u32, members: &[(u32, u32)], last: bool) {
        let group = self.groups as u32;
        for (nth, &(language, cell)) in (0..).zip(members) {
            self.masks.add(language, nth);
            let has = |side: Side<'_>| side.is_none_or(|side| side.at(cell) != MISSING);
            if has(self.query) {
                self.asked[language as usize].add(group);
            }
            if let Some(answered) = &mut self.answered
                && has(self.passage)
            {
                answered[language as usize].add(group);
            }
        }
        self.masks.close(members.len() as u32, last);
        self.starts.push(start);
        if self.starts.len() == PIECE {
            self.first.push(&self.starts);
            self.starts.clear();
        }
        self.groups += 1;
    }

    fn finish(mut self, order: Column) -> Arranged {
        self.first.push(&self.starts);
        Arranged {
            order,
            first: self.first.finish(),
            groups: self.groups,
            masks: self.masks.finish(),
            strata: Strata::new(self.groups, self.asked, self.answered),
        }
    }
}
