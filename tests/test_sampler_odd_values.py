"""Odd values are refused in words that name the argument; nothing panics."""

from __future__ import annotations

import numpy as np
import pytest

import hybrid_fast as hf
from hybrid_fast.errors import HybridFastError

ODD = [
    None,
    True,
    -1,
    0,
    1.5,
    float("nan"),
    float("inf"),
    -0.0,
    2**63,
    2**64,
    10**400,
    "",
    "x",
    b"x",
    [],
    [1],
    {},
    {"l0": 1},
    {"l9": 1},
    object(),
    np.array([1.0, 2.0]),
    np.array(0.5),
    np.float32(0.5),
    np.int8(3),
    1j,
    (None,),
    ("group", None),
    [float("nan"), 1],
    [1, 10**400],
    {"l0": "a", "l1": 1},
    {"l0": 1, "l1": float("inf")},
    range(2),
    lambda: None,
]


def index():
    rows = np.arange(80)
    return hf.PairIndex.from_columns(rows // 2, rows % 2, rows, rows, languages=["l0", "l1"])


def refusal(call, *kinds):
    """The words of an error of these kinds; None where there is none. Others pass through."""
    try:
        call()
    except kinds as error:
        return str(error) or "(no words)"
    return None


@pytest.mark.parametrize(
    "name",
    [
        "batch_size",
        "mono_ratio",
        "mixing",
        "unit",
        "cross",
        "language_weights",
        "batches_per_epoch",
        "guard",
        "scope",
        "rank",
        "world_size",
        "seed",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_odd_arguments_are_refused_in_words(name):
    one = index()
    named = {"language_weights": ("language_weights", "weight"), "rank": ("rank", "world_size")}
    unclear = []
    for value in ODD:
        options = {"batch_size": 4} | {name: value}
        try:
            words = refusal(
                lambda options=options: hf.HybridBatchSampler(one, **options).batch(0),
                HybridFastError,
                TypeError,
            )
        except Exception as error:
            unclear.append((value, repr(error)))
            continue
        if words is not None and not any(word in words for word in named.get(name, (name,))):
            unclear.append((value, words))
    assert unclear == []


@pytest.mark.parametrize("value", ODD, ids=lambda one: repr(one).partition(" at 0x")[0][:30])
def test_odd_positions_are_refused_in_words(value):
    sampler = hf.HybridBatchSampler(index(), 4)
    for call in (
        sampler.batch,
        lambda one: sampler.batches(one, 2),
        lambda one: sampler.batches(0, one),
        sampler.set_epoch,
        lambda one: sampler.load_state_dict(sampler.state_dict() | {"batch": one}),
        lambda one: sampler.load_state_dict(sampler.state_dict() | {"epoch": one}),
        lambda one: sampler.load_state_dict(one),
        lambda one: hf.simulate(sampler, batches=one) if not isinstance(one, int) or one < 100 else None,
    ):
        words = refusal(lambda call=call: call(value), HybridFastError, TypeError, IndexError)
        assert words != "(no words)"
    sampler.set_epoch(0)
    assert len(list(sampler)) <= len(sampler)


@pytest.mark.parametrize(
    "column", ["group", "language", "query", "passage", "passage_identity", "query_identity"]
)
@pytest.mark.parametrize(
    "values",
    [
        [0.5] * 8,
        ["a"] * 8,
        [True] * 8,
        [None] * 8,
        [-2] * 8,
        [2**40] * 8,
        [2**70] * 8,
        np.zeros((8, 1), np.int64),
        np.zeros(7, np.int64),
        np.array(3),
        "abcdefgh",
        [],
        5,
        np.array([np.nan] * 8),
        np.array(["2020-01-01"] * 8, dtype="datetime64[D]"),
        [0, 0, 0, 0, 0, 0, 0, 2**32],
    ],
    ids=lambda one: f"{one!r}"[:30],
)
def test_odd_columns_are_refused_in_words(column, values):
    rows = np.arange(8)
    columns = {"group": rows // 2, "language": rows % 2, "query": rows, "passage": rows} | {column: values}
    words = refusal(
        lambda: hf.PairIndex.from_columns(**columns, languages=["l0", "l1"]), HybridFastError, TypeError
    )
    assert words not in (None, "(no words)")
