//! Any embeddings with any pools and positives: an error, or the answer of all written scores in a sort.

#![no_main]

mod given;

use arbitrary::{Result, Unstructured};
use given::{Layout, bytes, choose_instructions, order, positives};
use half::{bf16, f16};
use hybrid_fast_core::kernel::inner_product;
use hybrid_fast_core::matrix::{Embeddings, View};
use hybrid_fast_core::ranks::{Positives, Ties};
use hybrid_fast_core::search::{Precision, Search, Targets, score_positives};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Too few bytes to make a case of are no case.
    let _ = case(&mut Unstructured::new(data));
});

/// Embeddings in memory of their own.
enum Memory {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Memory {
    fn of(kind: u8, bytes: &[u8]) -> Self {
        let pairs = bytes.as_chunks::<2>().0.iter();
        match kind {
            0 => Self::F32(
                bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&b| f32::from_le_bytes(b))
                    .collect(),
            ),
            1 => Self::F16(pairs.map(|&b| f16::from_le_bytes(b)).collect()),
            2 => Self::Bf16(pairs.map(|&b| bf16::from_le_bytes(b)).collect()),
            // Whole numbers, so that many scores tie, and no NaN.
            3 => Self::F32(bytes.iter().map(|&b| f32::from(b % 5) - 2.0).collect()),
            4 => Self::F16(
                bytes
                    .iter()
                    .map(|&b| f16::from_bits(u16::from(b) * 100))
                    .collect(),
            ),
            // Like embeddings: small, of both signs, around a common direction.
            _ => Self::F32(
                bytes
                    .iter()
                    .map(|&b| f32::from(b) / 2560.0 - 0.03)
                    .collect(),
            ),
        }
    }

    fn view(&self, offset: usize, layout: &Layout) -> Option<Embeddings<'_>> {
        let shape = (layout.rows, layout.columns);
        Some(match self {
            Self::F32(all) => {
                Embeddings::F32(View::new(&all[offset..], layout.first, shape, layout.stride).ok()?)
            }
            Self::F16(all) => {
                Embeddings::F16(View::new(&all[offset..], layout.first, shape, layout.stride).ok()?)
            }
            Self::Bf16(all) => Embeddings::Bf16(
                View::new(&all[offset..], layout.first, shape, layout.stride).ok()?,
            ),
        })
    }
}

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    let present = choose_instructions(u)?;
    let most = *u.choose(&[60usize, 3000, 25_000])?;
    let length = u.int_in_range(0..=most)?;
    let of_passages = Layout::of(u, length)?;
    let mut of_queries = Layout::of(u, length)?;
    if !u.ratio(1, 30)? && length >= of_passages.columns {
        // As many dimensions, which two layouts seldom have by chance.
        let rows = u.int_in_range(0..=60usize.min(length / of_passages.columns.max(1)))?;
        let (columns, stride) = (of_passages.columns, of_passages.columns as isize);
        of_queries = Layout {
            rows,
            columns,
            first: 0,
            stride,
        };
    }
    let k = u.int_in_range(0..=of_passages.rows.min(300) + 3)?;
    let threads = Some(u.int_in_range(1..=3)?);
    let precision = *u.choose(&[
        Precision::Plain,
        Precision::Auto,
        Precision::Coarse,
        Precision::Coarse,
    ])?;
    let first_id = *u.choose(&[0usize, 1000])?;
    let pools = u.int_in_range(0..=5u32)?;
    let (indptr, mut ids) = positives(u, of_queries.rows.min(300), of_passages.rows.min(300))?;
    ids.iter_mut().for_each(|id| *id += first_id as i64);
    let offset = u.int_in_range(0..=3)?;
    let (of_query, of_passage) = (u.int_in_range(0..=5)?, u.int_in_range(0..=5)?);
    let all = bytes(u, (length + offset) * 8)?;
    let (q, p) = all.split_at(all.len() / 2);
    let (q, p) = (Memory::of(of_query, q), Memory::of(of_passage, p));
    let (Some(queries), Some(passages)) =
        (q.view(offset, &of_queries), p.view(offset, &of_passages))
    else {
        return Ok(());
    };
    if queries.rows() * passages.rows() * passages.columns() > 2_000_000 {
        return Ok(());
    }
    let Ok(golds) = Positives::new(&indptr, &ids, queries.rows(), first_id, passages.rows()) else {
        return Ok(());
    };
    let labels: Vec<u32> = (0..passages.rows())
        .map(|row| (row * 7 / 3) as u32 % pools.max(1))
        .collect();
    let of_golds: Vec<u32> = ids
        .iter()
        .map(|&id| labels[id as usize - first_id])
        .collect();
    let scores = score_positives(&queries, &passages, &golds, first_id, threads);
    let fits = queries.columns() == passages.columns();
    assert_eq!(scores.is_ok(), fits && present);
    let scores = scores.unwrap_or_else(|_| vec![0.0; ids.len()]);
    let search = Search {
        queries,
        passages,
        k,
        first_id,
        labels: (pools > 0).then_some(&labels),
        targets: Some(Targets {
            positives: golds,
            scores: &scores,
            labels: (pools > 0).then_some(&of_golds),
        }),
        precision,
        threads,
    };
    let found = search.run(&|_, _| true);
    if !fits {
        assert!(found.is_err());
        return Ok(());
    }

    let (mut one, mut other) = (Vec::new(), Vec::new());
    let matrix: Vec<Vec<f64>> = (0..queries.rows())
        .map(|query| {
            let row = queries.row(query, &mut one);
            (0..passages.rows())
                .map(|passage| f64::from(inner_product(row, passages.row(passage, &mut other))))
                .collect()
        })
        .collect();
    let any_nan = matrix.iter().flatten().any(|score| score.is_nan());
    assert_eq!(found.is_err(), any_nan || !present);
    let Ok(found) = found else {
        return Ok(());
    };
    assert_eq!(found.columns, k.min(passages.rows()));
    for (query, row) in matrix.iter().enumerate() {
        let place = query * found.columns..(query + 1) * found.columns;
        let expected = &order(row)[..found.columns];
        let ids_found: Vec<i64> = found.ids[place.clone()]
            .iter()
            .map(|id| id - first_id as i64)
            .collect();
        assert_eq!(ids_found, expected);
        for (score, &id) in found.scores[place].iter().zip(expected) {
            assert_eq!(f64::from(*score).to_bits(), row[id as usize].to_bits());
        }
        for gold in golds.range(query) {
            let own = ids[gold] as usize - first_id;
            let ahead = |same: bool| {
                1 + row
                    .iter()
                    .enumerate()
                    .filter(|&(id, &score)| {
                        (score > row[own] || score == row[own] && id < own)
                            && (!same || labels[id] == labels[own])
                    })
                    .count() as i64
            };
            assert_eq!(found.tallies[gold].rank(Ties::Id), ahead(false));
            if pools > 0 {
                assert_eq!(found.pool_tallies[gold].rank(Ties::Id), ahead(true));
            }
        }
    }
    Ok(())
}
