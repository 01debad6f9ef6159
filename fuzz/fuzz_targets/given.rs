//! What a caller may pass, read from the fuzzer's bytes.

use arbitrary::{Result, Unstructured};
use hybrid_fast_core::kernel::Kernel;

/// Names the instruction set of the calls that follow; returns whether there is such a one.
pub fn choose_instructions(u: &mut Unstructured<'_>) -> Result<bool> {
    let kernels = Kernel::available();
    let place = u.int_in_range(0..=4 * kernels.len())?;
    let present = place < 4 * kernels.len();
    let name = if present {
        kernels[place % kernels.len()].name()
    } else {
        "abacus"
    };
    // SAFETY: the fuzzer runs its target in one thread, and threads of ours have ended when a call returns.
    unsafe { std::env::set_var("HYBRID_FAST_CPU", name) };
    Ok(present)
}

/// A shape, the first element of row 0 and the distance of rows: mostly such as fit `length` elements.
#[derive(Debug)]
pub struct Layout {
    pub rows: usize,
    pub columns: usize,
    pub first: usize,
    pub stride: isize,
}

impl Layout {
    pub fn of(u: &mut Unstructured<'_>, length: usize) -> Result<Self> {
        let widest = u.choose(&[1usize, 20, 70, 300, 5000, 70_000])?;
        let columns = u.int_in_range(0..=length.min(*widest))?;
        let margin = u.int_in_range(0..=9)?;
        let step = columns + margin;
        let fit = if columns == 0 {
            3
        } else {
            (length + margin) / step
        };
        let rows = u.int_in_range(0..=fit.min(200))?;
        let last = rows.saturating_sub(1) * step;
        let most = 1 + 30_000 / columns.max(1);
        Ok(match u.int_in_range(0..=9)? {
            0..=4 => Self {
                rows,
                columns,
                first: 0,
                stride: step as isize,
            },
            5 | 6 => Self {
                rows,
                columns,
                first: last,
                stride: -(step as isize),
            },
            7 => Self {
                rows: u.int_in_range(0..=most.min(200))?,
                columns,
                first: length - columns,
                stride: 0,
            },
            _ => Self {
                rows: rows.min(9),
                columns,
                first: u.arbitrary()?,
                stride: u.arbitrary()?,
            },
        })
    }
}

/// Rows of positives as (indptr, ids): mostly valid ones.
pub fn positives(
    u: &mut Unstructured<'_>,
    rows: usize,
    columns: usize,
) -> Result<(Vec<i64>, Vec<i64>)> {
    let (mut indptr, mut ids) = (vec![0], Vec::<i64>::new());
    let most = *u.choose(&[0usize, 1, 3, 11, 40])?;
    for _ in 0..rows {
        let start = ids.len();
        for _ in 0..u.int_in_range(0..=most.min(columns))? {
            let id = u.int_in_range(0..=columns as i64)?;
            // Ids outside and ids twice are met, but seldom.
            let odd = id == columns as i64 || ids[start..].contains(&id);
            if !odd || u.ratio(1, 50)? {
                ids.push(id);
            }
        }
        indptr.push(ids.len() as i64);
    }
    if u.ratio(1, 20)? {
        indptr = (0..u.int_in_range(0..=9)?)
            .map(|_| u.arbitrary())
            .collect::<Result<_>>()?;
    }
    Ok((indptr, ids))
}

/// Bytes made of what is left: repeated, or mixed with their places so that few repeat.
pub fn bytes(u: &mut Unstructured<'_>, length: usize) -> Result<Vec<u8>> {
    let mixed: bool = u.arbitrary()?;
    let seed = u.bytes(u.len())?;
    if seed.is_empty() {
        return Ok(vec![0; length]);
    }
    Ok((0..length)
        .map(|place| {
            let byte = seed[place % seed.len()];
            if mixed && place >= seed.len() {
                let hash =
                    (place as u64 ^ u64::from(byte) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (hash >> 56) as u8
            } else {
                byte
            }
        })
        .collect())
}

/// Ids, best first: greater score, then smaller id.
pub fn order(scores: &[f64]) -> Vec<i64> {
    let mut ids: Vec<i64> = (0..scores.len() as i64).collect();
    let of = |id: i64| scores[id as usize];
    ids.sort_by(|&a, &b| {
        of(b)
            .partial_cmp(&of(a))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    ids
}
