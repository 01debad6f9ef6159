"""A plan that is accepted can be drawn to its end; a plan that is refused cannot; both are told soon."""

from __future__ import annotations

import itertools
import signal
import time
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InfeasiblePlan
from parallel_index import parallel

GUARD = ("group", "query", "passage")


@st.composite
def columns(draw, most_languages=4, most_groups=16):
    """Cells with gaps, and identities that are shared by chance, by neighbours or by many."""
    languages = draw(st.integers(1, most_languages))
    groups = draw(st.integers(2, most_groups))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    there = rng.random(groups * languages) < draw(st.sampled_from([1, 0.8, 0.6]))
    cells = np.flatnonzero(there)
    assume(len(cells))
    group, rows = cells // languages, np.arange(len(cells))

    def identity():
        rule = draw(st.sampled_from(["own", "neighbours", "hub", "some", "few"]))
        if rule == "neighbours":
            return group // draw(st.integers(2, 4))
        if rule == "hub":
            return np.where(rng.random(groups) < draw(st.floats(0, 1)), 0, np.arange(groups) + 1)[group]
        if rule == "some":
            return rng.integers(0, 2 * groups, groups)[group]
        return rng.integers(0, len(rows) + 1, len(rows)) if rule == "few" else rows

    return languages, group, cells % languages, identity(), identity()


def index_of(table):
    languages, group, language, query, passage = table
    rows = np.arange(len(group))
    names = [f"l{number}" for number in range(languages)]
    return hf.PairIndex.from_columns(
        group, language, rows, rows, languages=names, query_identity=query, passage_identity=passage
    )


def made(index, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hf.HybridBatchSampler(index, *arguments, **options)


@settings(max_examples=300, deadline=None)
@given(
    columns(),
    st.integers(1, 7),
    st.sampled_from([0.0, 1.0, 0.5, 0.9, "linear:0..1"]),
    st.fixed_dictionaries(
        {
            "unit": st.sampled_from(["row", "batch"]),
            "mixing": st.sampled_from(["bernoulli", "exact", "coupled"]),
            "cross": st.sampled_from(["mixed", "homogeneous"]),
            "mono": st.sampled_from(["homogeneous", "xx-mixed"]),
            "guard": st.sampled_from([GUARD, GUARD, GUARD[1:], GUARD[2:], GUARD[::2]]),
            "language_weights": st.sampled_from(["uniform", 0.5]),
            "batches_per_epoch": st.sampled_from([None, 60]),
            "seed": st.integers(0, 2**32),
        }
    ),
    st.sampled_from([None, 1, 2, 3]),
)
def test_what_is_accepted_is_drawn(table, size, ratio, options, window):
    scope = "step" if window is None else "rank"
    try:
        sampler = made(index_of(table), size, ratio, scope=scope, guard_window=window, **options)
    except InfeasiblePlan:
        assume(False)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        drawn = sampler.batches(0, len(sampler))
        same = drawn.query_language == drawn.passage_language
        assert (same == (drawn.is_mono if sampler.unit == "row" else drawn.is_mono[:, None])).all()
        found = {"group": drawn.group, "query": table[3][drawn.query], "passage": table[4][drawn.passage]}
        for name in sampler.guard:
            ordered = np.sort(found[name].reshape(-1, size * sampler.guard_window), axis=1)
            assert (ordered[:, 1:] != ordered[:, :-1]).all(), name


@settings(max_examples=200, deadline=None)
@given(
    columns(most_languages=1, most_groups=9),
    st.integers(1, 5),
    st.sampled_from(["batch", "row"]),
    st.sampled_from(["exact", "bernoulli"]),
)
def test_one_language_is_refused_where_no_batch_exists_and_only_there(table, size, unit, mixing):
    query, passage = table[3].tolist(), table[4].tolist()
    exists = any(
        len({query[row] for row in rows}) == len({passage[row] for row in rows}) == size
        for rows in itertools.combinations(range(len(query)), size)
    )
    try:
        sampler = made(index_of(table), size, 1.0, unit=unit, mixing=mixing, batches_per_epoch=30)
    except InfeasiblePlan:
        assert not exists
        return
    assert exists
    assert sampler.batches(0, 30).query.shape == (30, size)


def test_the_only_batch_there_is_is_found():
    """Each query has two passages, and only one choice of all gives different ones to all."""
    size = 12
    query = np.repeat(np.arange(size), 2)[1:]
    passage = np.concatenate([[0], *((number - 1, number) for number in range(1, size))])
    table = (1, np.arange(len(query)), np.zeros(len(query), int), query, passage)
    drawn = made(index_of(table), size, 1.0, batches_per_epoch=20).batches(0, 20)
    assert (np.sort(passage[drawn.query], axis=1) == np.arange(size)).all()
    assert (np.sort(query[drawn.query], axis=1) == np.arange(size)).all()


def test_rows_of_a_kind_that_could_not_fill_a_batch_alone():
    """By independent draws all three rows may be cross-lingual, for which there are two groups."""
    group, language = [0, 1, 2, 3, 0, 1], [0, 0, 0, 0, 1, 1]
    index = hf.PairIndex.from_columns(group, language, range(6), range(6), languages=["a", "b"])
    with pytest.raises(InfeasiblePlan, match="too few different"):
        hf.HybridBatchSampler(
            index, 3, 0.5, unit="row", mixing="bernoulli", language_weights={"a": 9, "b": 1}
        )


@pytest.mark.parametrize(
    ("languages", "groups", "size", "options"),
    [
        (3, 400, 380, {"unit": "row"}),
        (3, 400, 400, {"unit": "row"}),
        (11, 600, 590, {"mono_ratio": 0.0}),
        (3, 400, 95, {"scope": "rank", "guard_window": 4}),
        (300, 40, 10, {"cross": "homogeneous"}),
        (300, 40, 30, {"unit": "row"}),
    ],
)
def test_few_groups_or_many_languages_take_no_minutes(languages, groups, size, options):
    index = parallel(languages, groups)
    start = time.perf_counter()
    sampler = made(index, size, **options)
    drawn = sampler.batches(0, 3)
    assert time.perf_counter() - start < 20
    window = np.sort(drawn.group[: sampler.guard_window].ravel())
    assert len(np.unique(window)) == len(window)


def hub(languages, groups):
    group = np.arange(languages * groups) // languages
    return parallel(languages, groups, passage_identity=np.where(group < groups // 2, 0, group))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@pytest.mark.parametrize("what", ["plan", "block"])
def test_ctrl_c_stops_a_plan_and_a_block(what):
    index = hub(160, 240) if what == "plan" else parallel(3, 400)
    sampler = (
        None if what == "plan" else hf.HybridBatchSampler(index, 380, 0.5, unit="row", batches_per_epoch=64)
    )

    def stop(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    start = time.perf_counter()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            made(index, 6) if sampler is None else sampler.batches(0, 64)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - start < 1.5
