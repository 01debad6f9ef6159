//! Whether every batch that a plan may bring can be filled, looked into before the plan is accepted.
//!
//! Where each stratum has more rows than the others of a batch can stand in the way of, no more need be
//! known. Else the strata of the batches of some epochs are read, without drawing rows, and for each that
//! differs from those before rows are looked for. A batch that is drawn later finds rows the same way; where
//! its strata seldom come together, rows of others of its kind may have to do.

use std::collections::HashSet;
use std::sync::Arc;

use crate::Result;
use crate::configuration::Unit;
use crate::epoch::Epoch;
use crate::hash::key;

use crate::layout::{Lane, Layout};
use crate::mixture::Mixing;
use crate::pairs::Key;
use crate::pulse::Pulse;

/// Epochs whose batches must all be filled as they are.
const STRICT_EPOCHS: u64 = 8;

/// Epochs whose batches are looked at, at most.
const EPOCHS: u64 = 64;

/// Slots read, and rows looked through, about.
const SLOTS: u64 = 1 << 19;
const ROWS: u64 = 1 << 22;

/// The logarithm of what is too seldom to come up.
const SELDOM: f64 = -30.0;

/// What was looked at.
struct Looked<'a> {
    layout: &'a Arc<Layout>,
    compositions: HashSet<Vec<u32>>,
    rows: u64,
    pulse: &'a Pulse<'a>,
}

/// Refuses a plan of which a batch cannot be filled.
///
/// # Errors
/// `InfeasiblePlan`, naming a stratum of that batch; `Interrupted`.
pub(crate) fn probe(layout: &Arc<Layout>, pulse: &Pulse) -> Result<()> {
    let mut looked = Looked {
        layout,
        compositions: HashSet::new(),
        rows: 0,
        pulse,
    };
    let lanes: Vec<&Lane> = [&layout.monolingual, &layout.cross]
        .into_iter()
        .flatten()
        .collect();
    let is_alone = |lane: &&&Lane| lane.homogeneous && !layout.is_windowed();
    for &one in lanes.iter().filter(is_alone).flat_map(|lane| &lane.strata) {
        pulse.check()?;
        if !layout.is_roomy(one, true) {
            looked.look(vec![one as u32; layout.config.batch_size], true)?;
        }
    }
    let mut mixed = lanes.iter().filter(|lane| !is_alone(lane));
    if mixed.all(|lane| lane.strata.iter().all(|&one| layout.is_roomy(one, false))) {
        return Ok(());
    }
    let mut slots = 0;
    for number in 0..EPOCHS {
        let epoch = Epoch::new(Arc::clone(layout), number)?;
        for composition in epoch.compositions(SLOTS / 8) {
            pulse.check()?;
            slots += composition.len() as u64;
            looked.look(composition, number < STRICT_EPOCHS)?;
            if looked.rows > ROWS {
                break;
            }
        }
        slots += layout.strata.len() as u64;
        if slots > SLOTS || looked.rows > ROWS {
            break;
        }
    }
    if layout.config.mixing == Mixing::Bernoulli && layout.shares_blocks() {
        looked.look_at_ends()?;
    }
    Ok(())
}

impl Looked<'_> {
    /// Looks for rows for a batch of given strata; where it need not be `strict`, of others too.
    fn look(&mut self, mut composition: Vec<u32>, strict: bool) -> Result<()> {
        let given: Vec<usize> = composition.iter().map(|&one| one as usize).collect();
        composition.sort_unstable();
        if self.compositions.contains(&composition) {
            return Ok(());
        }
        let strata: Vec<usize> = composition.iter().map(|&one| one as usize).collect();
        let rows = |run: &[usize]| self.layout.strata[run[0]].rows;
        let empty = vec![None; strata.len()];
        let (layout, pulse) = (self.layout, self.pulse);
        if layout.by_chance(&strata).is_none() {
            self.rows += strata.chunk_by(|a, b| a == b).map(rows).sum::<u64>();
        }
        let mut found = layout.anew(&strata, pulse)?;
        if found.is_none() {
            let spare = |run: &&[usize]| rows(run) / run.len() as u64;
            let scarcest = strata.chunk_by(|a, b| a == b).min_by_key(spare);
            let scarcest = scarcest.map_or(0, |run| run[0]);
            if !strict && let Some(place) = given.iter().position(|&one| one == scarcest) {
                found = layout.eased(&given, &empty, place, 0, pulse)?;
            }
            if found.is_none() {
                return Err(layout.cannot_fill(scarcest, pulse));
            }
        }
        self.compositions.insert(composition);
        Ok(())
    }

    /// Independent draws bring every number of rows (or batches) of a kind that is not too seldom.
    fn look_at_ends(&mut self) -> Result<()> {
        let config = &self.layout.config;
        let (least, most) = config.ratio.range();
        let units = match config.unit {
            Unit::Row => self.layout.guarded_rows() as u64,
            Unit::Batch => config.guard_window,
        };
        let step = (units / 32).max(1);
        let epoch = Epoch::new(Arc::clone(self.layout), 0)?;
        for mono in (0..=units).filter(|&mono| mono % step == 0 || mono == units) {
            if seldom(units, mono, (least, most)) {
                continue;
            }
            for number in 0..8 {
                self.pulse.check()?;
                let turn = key(&[mono, number]) >> 44;
                self.look(epoch.composition(mono, turn), false)?;
            }
        }
        Ok(())
    }
}

/// Whether `mono` of `units` independent draws are seldom monolingual, whatever α within its range.
fn seldom(units: u64, mono: u64, (least, most): (f64, f64)) -> bool {
    let (all, some) = (units as f64, mono as f64);
    let likeliest = (some / all).clamp(least, most);
    let choose: f64 = (0..mono)
        .map(|one| ((all - one as f64) / (some - one as f64)).ln())
        .sum();
    let power = |count: f64, chance: f64| {
        if count > 0.0 {
            count * chance.ln()
        } else {
            0.0
        }
    };
    choose + power(some, likeliest) + power(all - some, 1.0 - likeliest) < SELDOM
}

impl Layout {
    /// Whether a stratum has a row for a slot of a batch whatever stands at the others.
    fn is_roomy(&self, one: usize, alone: bool) -> bool {
        let stratum = &self.strata[one];
        let most = |key: &Key| match key {
            Key::Group => 1,
            Key::Query => u64::from(self.index.sharing(Key::Query).most[stratum.query]),
            Key::Passage => u64::from(self.index.sharing(Key::Passage).most[stratum.passage]),
        };
        let kinds = self.guarded_kinds(alone);
        let blocked: u64 = kinds.iter().map(|key| most(key).max(1)).sum();
        // A row of the same stratum stands in the way of itself under every kind.
        let blocked = if alone {
            (blocked + 1).saturating_sub(kinds.len() as u64)
        } else {
            blocked
        };
        let texts = if self.guards_texts() {
            self.index.longest_texts() * self.index.most_texts(stratum.query, stratum.passage)
        } else {
            0
        };
        let blocked = blocked.saturating_add(texts);
        stratum.rows > (self.guarded_rows() as u64 - 1).saturating_mul(blocked)
    }
}
