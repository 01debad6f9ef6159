//! Rows rounded to whole numbers of one or two bytes a column, and what the bytes miss.

use super::amx::FINER;
use super::tile::{LANES, filled};
use super::{Isa, Kernel, dispatched};

/// What [`Kernel::quantise`] finds out about a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantised {
    /// A byte of 1 stands for this much.
    pub scale: f32,
    /// Largest magnitude of the centred row.
    pub most: f32,
    /// Sum of squares of the centred row; not finite when the row is not, or is huge.
    pub squares: f32,
    /// Sum of squares of what the first bytes miss of the centred row.
    pub first_missed: f32,
    /// Sum of squares of what all bytes miss of it.
    pub missed: f32,
    /// Inner product of the row as given with the other side's centre.
    pub bias: f32,
}

dispatched! {
    /// Rounds `row − centre` to whole multiples of a scale, at most 127 either way, and writes them to
    /// `bytes`; what is left comes to `second` in steps [`FINER`] times smaller, unless that is empty.
    /// Both are filled up with zeros. Sums are taken in [`LANES`] lanes of `f32`.
    quantise, quantise_avx2, quantise_avx512 = quantise_body(row: &[f32], centre: &[f32], other: &[f32], bytes: &mut [i8], second: &mut [i8]) -> Quantised;
}

/// Below this magnitude squares lose digits, and the scale its inverse.
const SMALLEST: f32 = 1e-30;

#[inline(always)]
fn quantise_body(
    row: &[f32],
    centre: &[f32],
    other: &[f32],
    bytes: &mut [i8],
    second: &mut [i8],
) -> Quantised {
    let mut most = [0f32; LANES];
    let mut squares = [0f32; LANES];
    let mut bias = [0f32; LANES];
    over_lanes(row, centre, other, |lane, row, centre, other| {
        let value = row - centre;
        most[lane] = if value.abs() > most[lane] {
            value.abs()
        } else {
            most[lane]
        };
        squares[lane] = value.mul_add(value, squares[lane]);
        bias[lane] = row.mul_add(other, bias[lane]);
    });
    let most = most.into_iter().fold(0.0, f32::max);
    let (scale, inverse) = if most < SMALLEST {
        (0.0, 0.0)
    } else {
        (most / 127.0, 127.0 / most)
    };
    let (mut first_missed, mut missed) = ([0f32; LANES], [0f32; LANES]);
    let (rows, rest) = row.as_chunks::<LANES>();
    let (centres, centre_rest) = centre.as_chunks::<LANES>();
    let coarse = (scale, inverse);
    let fine = (scale / FINER, inverse * FINER);
    for (number, (row, centre)) in rows.iter().zip(centres).enumerate() {
        let mut values = difference(row, centre);
        put_lanes(bytes, number, round(&mut values, coarse, &mut first_missed));
        if !second.is_empty() {
            put_lanes(second, number, round(&mut values, fine, &mut missed));
        }
    }
    if !rest.is_empty() {
        let mut values = difference(&filled(rest), &filled(centre_rest));
        put_lanes(
            bytes,
            rows.len(),
            round(&mut values, coarse, &mut first_missed),
        );
        if !second.is_empty() {
            put_lanes(second, rows.len(), round(&mut values, fine, &mut missed));
        }
    }
    let after = row.len().next_multiple_of(LANES);
    bytes.iter_mut().skip(after).for_each(|byte| *byte = 0);
    second.iter_mut().skip(after).for_each(|byte| *byte = 0);
    let sum = |lanes: [f32; LANES]| lanes.into_iter().sum::<f32>();
    let first_missed = sum(first_missed);
    Quantised {
        scale,
        most,
        squares: sum(squares),
        first_missed,
        missed: if second.is_empty() {
            first_missed
        } else {
            sum(missed)
        },
        bias: sum(bias),
    }
}

#[inline(always)]
fn difference(row: &[f32; LANES], centre: &[f32; LANES]) -> [f32; LANES] {
    let mut values = [0f32; LANES];
    for lane in 0..LANES {
        values[lane] = row[lane] - centre[lane];
    }
    values
}

/// Writes the bytes of all lanes, as many as there is room for.
#[inline(always)]
fn put_lanes(bytes: &mut [i8], number: usize, lanes: [i8; LANES]) {
    let start = number * LANES;
    if let Some(room) = bytes.get_mut(start..start + LANES) {
        room.copy_from_slice(&lanes);
    } else {
        let room = &mut bytes[start..];
        let count = room.len();
        room.copy_from_slice(&lanes[..count]);
    }
}

/// Adding and taking away 1.5 · 2²³ rounds to a whole number, ties to even, and leaves it in the low bits.
const ROUNDING: f32 = 12_582_912.0;

/// Rounds the values of all lanes and leaves in them what the bytes miss. Each loop is one instruction,
/// which the compiler gives one register.
#[inline(always)]
fn round(
    values: &mut [f32; LANES],
    (scale, inverse): (f32, f32),
    missed: &mut [f32; LANES],
) -> [i8; LANES] {
    let (mut shifted, mut bytes) = ([0f32; LANES], [0i8; LANES]);
    for lane in 0..LANES {
        shifted[lane] = values[lane].mul_add(inverse, ROUNDING);
    }
    for lane in 0..LANES {
        values[lane] = (shifted[lane] - ROUNDING).mul_add(-scale, values[lane]);
        missed[lane] = values[lane].mul_add(values[lane], missed[lane]);
    }
    for lane in 0..LANES {
        bytes[lane] = shifted[lane].to_bits() as u8 as i8;
    }
    bytes
}

/// Calls `take(lane, row, centre, other)` for each column.
#[inline(always)]
fn over_lanes(
    row: &[f32],
    centre: &[f32],
    other: &[f32],
    mut take: impl FnMut(usize, f32, f32, f32),
) {
    let (rows, row_rest) = row.as_chunks::<LANES>();
    let (centres, centre_rest) = centre.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    for ((row, centre), other) in rows.iter().zip(centres).zip(others) {
        for lane in 0..LANES {
            take(lane, row[lane], centre[lane], other[lane]);
        }
    }
    for (lane, ((row, centre), other)) in
        row_rest.iter().zip(centre_rest).zip(other_rest).enumerate()
    {
        take(lane, *row, *centre, *other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::STEP;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_and_what_they_miss_make_up_the_row(
            row in prop::collection::vec(-1f32..1.0, 0..80),
            scale in prop::sample::select(vec![1e-25f32, 1e-3, 1.0, 1e15]),
            two in any::<bool>(),
        ) {
            let row: Vec<f32> = row.into_iter().map(|value| value * scale).collect();
            let centre: Vec<f32> = row.iter().rev().map(|value| value / 3.0).collect();
            for kernel in Kernel::available() {
                let length = if two { row.len().next_multiple_of(64) } else { row.len().next_multiple_of(STEP) };
                let (mut bytes, mut second) = (vec![7i8; length], vec![7i8; if two { length } else { 0 }]);
                let told = kernel.quantise(&row, &centre, &centre, &mut bytes, &mut second);
                let (mut first_missed, mut missed) = (0.0, 0.0);
                let unit = f64::from(told.scale);
                for (place, byte) in bytes.iter().enumerate() {
                    let value = if place < row.len() { row[place] - centre[place] } else { 0.0 };
                    let left = f64::from(value) - unit * f64::from(*byte);
                    prop_assert!(left.abs() <= unit * 0.500_02 && *byte > i8::MIN);
                    prop_assert!(value.abs() <= told.most && (place < row.len() || *byte == 0));
                    first_missed += left * left;
                    let finer = second.get(place).copied().unwrap_or(0);
                    let last = left - unit / f64::from(FINER) * f64::from(finer);
                    prop_assert!(!two || last.abs() <= unit / 254.0 * 0.500_1 && finer > i8::MIN);
                    missed += last * last;
                }
                let close = |told: f32, exact: f64| (f64::from(told) - exact).abs() <= exact * 1e-2 + 1e-40;
                prop_assert!(close(told.first_missed, first_missed), "{} {first_missed}", told.first_missed);
                prop_assert!(close(told.missed, missed), "{} {missed}", told.missed);
            }
        }
    }
}
