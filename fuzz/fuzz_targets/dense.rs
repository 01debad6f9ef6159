//! Any matrix of scores with any positives: an error, or the answer of a full sort.

#![no_main]

mod given;

use arbitrary::{Result, Unstructured};
use given::{Layout, bytes, choose_instructions, order, positives};
use half::{bf16, f16};
use hybrid_fast_core::matrix::View;
use hybrid_fast_core::ranks::{Positives, Ties, ranks};
use hybrid_fast_core::topk::{Stored, topk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Too few bytes to make a case of are no case.
    let _ = case(&mut Unstructured::new(data));
});

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    match u.int_in_range(0..=5)? {
        0 => check(u, |b| f32::from_le_bytes(b), f64::from),
        1 => check(u, |b: [u8; 2]| f16::from_le_bytes(b), f64::from),
        2 => check(u, |b: [u8; 2]| bf16::from_le_bytes(b), f64::from),
        3 => check(u, |b| f64::from_le_bytes(b), |value| value),
        // Few values, so that many tie, and no NaN.
        4 => check(u, |b: [u8; 1]| f32::from(b[0] % 7) - 2.0, f64::from),
        _ => check(
            u,
            |b: [u8; 1]| f16::from_bits(u16::from(b[0]) * 120),
            f64::from,
        ),
    }
}

fn check<T, const SIZE: usize>(
    u: &mut Unstructured<'_>,
    read: impl Fn([u8; SIZE]) -> T,
    wide: impl Fn(T) -> f64,
) -> Result<()>
where
    T: Stored,
{
    let present = choose_instructions(u)?;
    let most = *u.choose(&[8usize, 300, 3000, 40_000])?;
    let length = u.int_in_range(0..=most)?;
    let layout = Layout::of(u, length)?;
    let k = u.int_in_range(0..=layout.columns.min(70_000) + 3)?;
    let threads = Some(u.int_in_range(1..=3)?);
    let (indptr, ids) = positives(u, layout.rows.min(300), layout.columns.min(70_000))?;
    // Off any vector boundary.
    let offset = u.int_in_range(0..=3)?;
    let memory: Vec<T> = bytes(u, (length + offset) * SIZE)?
        .as_chunks::<SIZE>()
        .0
        .iter()
        .map(|&b| read(b))
        .collect();
    let Ok(view) = View::new(
        &memory[offset..],
        layout.first,
        (layout.rows, layout.columns),
        layout.stride,
    ) else {
        return Ok(());
    };
    let scores: Vec<Vec<f64>> = (0..layout.rows)
        .map(|row| view.row(row).iter().map(|&s| wide(s)).collect())
        .collect();
    let any_nan = scores.iter().flatten().any(|score| score.is_nan());
    let is_answer = |failed: bool| {
        assert_eq!(failed, any_nan || !present);
        !failed
    };

    let best = topk(&view, k, threads, &|_, _| true);
    if is_answer(best.is_err()) {
        let best = best.expect("an answer");
        assert_eq!(best.columns, k.min(layout.columns));
        for (row, scores) in scores.iter().enumerate() {
            let place = row * best.columns..(row + 1) * best.columns;
            let expected = &order(scores)[..best.columns];
            assert_eq!(&best.ids[place.clone()], expected);
            for (value, &id) in best.values[place].iter().zip(expected) {
                assert_eq!(wide(*value).to_bits(), scores[id as usize].to_bits());
            }
        }
    }

    let Ok(golds) = Positives::new(&indptr, &ids, layout.rows, 0, layout.columns) else {
        return Ok(());
    };
    let tallies = ranks(&view, &golds, threads, &|_, _| true);
    if is_answer(tallies.is_err()) {
        let tallies = tallies.expect("an answer");
        for (row, scores) in scores.iter().enumerate() {
            for place in golds.range(row) {
                let own = ids[place] as usize;
                let count = |keep: &dyn Fn(usize, f64) -> bool| {
                    scores
                        .iter()
                        .enumerate()
                        .filter(|&(id, &score)| keep(id, score))
                        .count() as i64
                };
                let greater = count(&|_, score| score > scores[own]);
                let before = count(&|id, score| score == scores[own] && id < own);
                let after = count(&|id, score| score == scores[own] && id > own);
                assert_eq!(tallies[place].rank(Ties::Id), 1 + greater + before);
                assert_eq!(tallies[place].rank(Ties::TrecEval), 1 + greater + after);
                assert_eq!(
                    tallies[place].rank(Ties::Worst),
                    1 + greater + before + after
                );
            }
        }
    }
    Ok(())
}
