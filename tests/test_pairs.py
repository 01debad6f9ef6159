"""The pair index: what goes in comes out, and what is wrong is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument, InvalidShape

COLUMNS = {"group": [0, 0, 9, 9], "language": [0, 1, 0, 1], "query": [0, 1, 2, 3], "passage": [5, 6, 7, -1]}


def build(**changes):
    return hf.PairIndex.from_columns(**{**COLUMNS, "languages": ["en", "de"], **changes})


def test_counts():
    index = build()
    assert len(index) == 4
    assert index.groups == 2
    assert index.languages == ("en", "de")
    assert index.strata.tolist() == [[2, 1], [2, 1]]
    assert "4 cells" in repr(index)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64])
def test_any_integer_type(dtype):
    columns = {name: np.array([max(value, 0) for value in values], dtype) for name, values in COLUMNS.items()}
    index = build(**columns)
    plain = build(passage=[5, 6, 7, 0])
    assert index.fingerprint == plain.fingerprint


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**32), st.floats(0, 0.6))
def test_pairs_decode_to_the_values_given(languages, groups, seed, missing):
    rng = np.random.default_rng(seed)
    ids = rng.choice(2**32 - 1, groups, replace=False)
    cells = [(g, language) for g in range(groups) for language in range(languages)]
    cells = [cells[i] for i in rng.permutation(len(cells)) if rng.random() >= missing] or [(0, 0)]
    group = np.array([ids[g] for g, _ in cells])
    language = np.array([one for _, one in cells])
    query = np.where(rng.random(len(cells)) < missing, -1, rng.integers(0, 2**32 - 1, len(cells)))
    passage = np.where(rng.random(len(cells)) < missing, -1, rng.integers(0, 2**32 - 1, len(cells)))
    names = [str(number) for number in range(languages)]
    index = hf.PairIndex.from_columns(group, language, query, passage, languages=names)
    where = {cell: position for position, cell in enumerate(cells)}
    strata = np.zeros((languages, languages), int)
    for (g, a), asked in where.items():
        for b in range(languages):
            answered = where.get((g, b))
            pair = asked * languages + b
            if answered is None or query[asked] < 0 or passage[answered] < 0:
                with pytest.raises(IndexError, match=f"{pair} is no pair"):
                    index.pairs([pair])
                continue
            strata[a, b] += 1
            row = [int(column[0]) for column in index.pairs([pair])]
            assert row == [ids[g], query[asked], passage[answered], a, b]
    assert index.strata.tolist() == strata.tolist()


def test_implied_columns_cost_nothing():
    groups, languages = 5000, 4
    rows = np.arange(groups * languages)
    by_group = hf.PairIndex.from_columns(
        rows // languages, rows % languages, rows, rows, languages=list("abcd")
    )
    assert by_group.bytes < groups * languages / 2
    rng = np.random.default_rng(0)
    explicit = hf.PairIndex.from_columns(
        rows // languages, rows % languages, rng.permutation(rows), rows, languages=list("abcd")
    )
    assert explicit.bytes - by_group.bytes == 4 * len(rows)


def test_ids_outside_are_refused():
    index = build()
    for pair in (-1, 8, 2**40):
        with pytest.raises(IndexError, match="is no pair"):
            index.pairs([pair])
    group, query, passage, asked, answered = index.pairs(np.array([], np.int64))
    assert len(group) == len(query) == len(passage) == len(asked) == len(answered) == 0


@pytest.mark.parametrize(
    ("changes", "kind", "match"),
    [
        ({"query": [0, 1, 2]}, InvalidShape, "query has 3 values"),
        ({"passage_identity": [0]}, InvalidShape, "passage_identity has 1"),
        ({"language": [0, 1, 0, 2]}, InvalidArgument, "language of cell 3 is 2"),
        ({"language": [0, 1, -1, 1]}, InvalidArgument, "language of cell 2 is -1"),
        ({"query": [0, -2, 2, 3]}, InvalidArgument, "query of cell 1 is -2"),
        ({"group": [0, 0, -1, 9]}, InvalidArgument, "group of cell 2 is -1"),
        ({"passage": [0, 1, 2, 2**32 - 1]}, InvalidArgument, "passage of cell 3 is 4294967295"),
        ({"query": np.array([0, 1, 2, 2**63], np.uint64)}, InvalidArgument, "query holds"),
        ({"group": [0, 0, 0, 9]}, InvalidArgument, "cells 0 and 2 are both group 0"),
        ({"query": [[0, 1], [2, 3]]}, InvalidShape, "one dimension"),
        ({"query": [0.0, 1.0, 2.0, 3.0]}, TypeError, "query holds float64"),
        ({"languages": "en"}, TypeError, "languages"),
        ({"languages": ["en", "en"]}, InvalidArgument, "'en' is given twice"),
        ({"languages": []}, InvalidArgument, "0 languages"),
        ({name: [] for name in COLUMNS}, InvalidArgument, "no cells"),
        ({"passage_identity": [0, -1, 0, 0]}, InvalidArgument, "passage_identity of cell 1"),
    ],
)
def test_what_is_wrong_is_named(changes, kind, match):
    with pytest.raises(kind, match=match):
        build(**changes)


def test_decoded_pairs_have_the_names_of_a_batch() -> None:
    index = hf.PairIndex.from_columns(
        [5, 5, 9, 9], [0, 1, 0, 1], [0, 1, 2, 3], [10, 11, 12, 13], languages=["en", "sw"]
    )
    sampler = hf.HybridBatchSampler(index, 2, 0.0)
    pairs, batch = index.pairs(next(iter(sampler))), sampler.batch(0)
    for name in ("group", "query", "passage", "query_language", "passage_language"):
        assert np.array_equal(getattr(pairs, name), getattr(batch, name))
        assert getattr(pairs, name).dtype == getattr(batch, name).dtype
