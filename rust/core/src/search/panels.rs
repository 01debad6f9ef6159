//! The order in which passages are visited, in panels of one pool each.

use std::ops::Range;

use crate::kernel::PANEL;
use crate::{Result, room};

/// Passages of one pool that are scored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panel {
    /// Positions in the order of visiting.
    pub(super) places: Range<usize>,
    /// Their pool.
    pub(super) label: u32,
}

/// The order of visiting: positions run pool after pool, ids up within a pool.
pub(super) struct Visit {
    /// Passage at each position; `None` when passages stand in that order already.
    order: Option<Vec<u32>>,
    pub(super) panels: Vec<Panel>,
}

impl Visit {
    /// `spread` visits panels from all over the passages early: where neighbours are alike, as passages of
    /// one language are, lists then turn most others away.
    pub(super) fn new(passages: usize, labels: Option<&[u32]>, spread: bool) -> Result<Self> {
        // A panel holds one pool, and pools may be as many as passages.
        let most = if labels.is_some() { passages } else { 0 };
        room::check(most, size_of::<u32>() + 2 * size_of::<Panel>(), || {
            format!("{passages} passages in pools")
        })?;
        let order = labels.filter(|labels| !labels.is_sorted()).map(|labels| {
            let mut order: Vec<u32> = (0..labels.len() as u32).collect();
            order.sort_by_key(|&passage| labels[passage as usize]);
            order
        });
        let label = |place: usize| match (labels, &order) {
            (None, _) => 0,
            (Some(labels), None) => labels[place],
            (Some(labels), Some(order)) => labels[order[place] as usize],
        };
        let mut panels = Vec::with_capacity(passages.div_ceil(PANEL));
        let mut start = 0;
        while start < passages {
            let own = label(start);
            let most = (start + PANEL).min(passages);
            let end = (start..most)
                .find(|&place| label(place) != own)
                .unwrap_or(most);
            panels.push(Panel {
                places: start..end,
                label: own,
            });
            start = end;
        }
        if spread {
            let stride = panels.len().isqrt().max(1);
            let starts = (0..stride).flat_map(|start| (start..panels.len()).step_by(stride));
            panels = starts.map(|number| panels[number].clone()).collect();
        }
        Ok(Self { order, panels })
    }

    /// The passage at a position.
    pub(super) fn passage(&self, place: usize) -> usize {
        self.order
            .as_ref()
            .map_or(place, |order| order[place] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_one_pool_and_visit_every_passage_once() {
        let labels: Vec<u32> = (0..300).map(|i| i * 7 % 3).collect();
        let visit = Visit::new(300, Some(&labels), true).expect("little");
        let mut seen = vec![false; 300];
        for panel in &visit.panels {
            assert!(panel.places.len() <= PANEL);
            for place in panel.places.clone() {
                let passage = visit.passage(place);
                assert_eq!(labels[passage], panel.label);
                assert!(!std::mem::replace(&mut seen[passage], true));
            }
        }
        assert!(seen.iter().all(|&seen| seen));
        assert_eq!(Visit::new(130, None, true).expect("little").panels.len(), 3);
        assert!(Visit::new(0, None, true).expect("none").panels.is_empty());
    }
}
