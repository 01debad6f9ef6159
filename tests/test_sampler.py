"""Plans keep every promise, whatever the data."""

from __future__ import annotations

import dataclasses
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InfeasiblePlan, InvalidArgument, StateMismatch
from hybrid_fast.sampler import STREAM_VERSION
from plan_reference import (
    Table,
    check_guard,
    check_kinds,
    check_passes,
    check_ratio,
    check_row_kinds,
    check_rows_are_pairs,
    check_shares,
    rows_of,
)

GUARD = ("group", "query", "passage")
RATIOS = st.one_of(st.sampled_from([0.0, 0.25, 0.4, 0.5, 1.0]), st.floats(0, 1))


def index_of(table):
    return hf.PairIndex.from_columns(
        table.group,
        table.language,
        table.query,
        table.passage,
        languages=[f"l{number}" for number in range(table.languages)],
        query_identity=table.query_identity,
        passage_identity=table.passage_identity,
    )


def full_table(languages, groups, *, shared=1, step=1):
    """All groups in all languages; ``shared`` groups in a row have one passage identity."""
    cells = [(g, language) for g in range(groups) for language in range(languages)]
    rows = list(range(len(cells)))
    return Table(
        languages,
        [g * step for g, _ in cells],
        [language for _, language in cells],
        rows,
        rows,
        passage_identity=None if shared == 1 else [g // shared for g, _ in cells],
    )


def full(languages, groups, **more):
    return index_of(full_table(languages, groups, **more))


def each(sampler, start=0, stop=None):
    return [sampler.batch(i) for i in range(start, len(sampler) if stop is None else stop)]


def same(left, right):
    return all(
        np.array_equal(getattr(left, field.name), getattr(right, field.name))
        for field in dataclasses.fields(left)
    )


def lists(sampler):
    return list(sampler)


@st.composite
def tables(draw):
    """Random corpora: gaps in ids, missing cells and sides, shared identities."""
    languages = draw(st.integers(1, 4))
    groups = draw(st.integers(4, 40))
    missing = draw(st.sampled_from([0.0, 0.0, 0.1, 0.4]))
    shared = draw(st.sampled_from([None, "pairs", "some", "giant"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = np.cumsum(rng.integers(1, 9, groups)).tolist()
    cells = [(g, language) for g in range(groups) for language in range(languages)]
    cells = [cell for cell in cells if rng.random() >= missing] or [(0, 0)]
    if draw(st.booleans()):
        rng.shuffle(cells)
    rows = rng.permutation(len(cells)).tolist()
    sides = rng.random((2, len(cells))) >= missing / 2
    identity = {
        None: None,
        "pairs": [int(g) // 2 for g, _ in cells],
        "some": [int(one) for one in rng.integers(0, len(cells), groups)[[g for g, _ in cells]]],
        "giant": [0 if g % 3 else 7 + int(g) for g, _ in cells],
    }[shared]
    return Table(
        languages,
        [ids[g] for g, _ in cells],
        [int(language) for _, language in cells],
        [row if has else -1 for row, has in zip(rows, sides[0], strict=True)],
        [row if has else -1 for row, has in zip(rows, sides[1], strict=True)],
        passage_identity=identity,
    )


def sampler_or_none(table, *arguments, **options):
    """A sampler, or None where the data cannot fill what is asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return hf.HybridBatchSampler(index_of(table), *arguments, **options)
        except InfeasiblePlan:
            return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    tables(),
    st.integers(1, 6),
    RATIOS,
    st.sampled_from(["exact", "coupled", "bernoulli"]),
    st.sampled_from(["mixed", "homogeneous"]),
    st.integers(0, 2**64 - 1),
)
def test_promises_of_batches(table, size, ratio, mixing, cross, seed):
    sampler = sampler_or_none(table, size, ratio, mixing=mixing, cross=cross, seed=seed, batches_per_epoch=40)
    if sampler is None:
        return
    batches = each(sampler)
    check_rows_are_pairs(table, batches)
    check_kinds(batches)
    check_guard(table, batches, GUARD)
    if mixing == "exact":
        check_ratio([batch.is_mono for batch in batches], ratio)
    mono = {a: 1 for a in range(table.languages) if table.pairs[a, a]}
    check_shares([batch.query_language[0] for batch in batches if batch.is_mono], mono)
    strata = {pair: 1 for pair, rows in table.pairs.items() if rows and pair[0] != pair[1]}
    crossing = [rows_of(batch) for batch in batches if not batch.is_mono]
    if cross == "homogeneous":
        assert all(len({row[:2] for row in rows}) == 1 for rows in crossing)
        check_shares([rows[0][:2] for rows in crossing], strata)
    else:
        check_shares([row[:2] for rows in crossing for row in rows], strata)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(20, 60),
    st.integers(1, 5),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["mixed", "homogeneous"]),
    st.integers(0, 2**64 - 1),
)
def test_no_pair_twice_within_a_pass(languages, groups, size, shared, cross, seed):
    table = full_table(languages, groups, shared=shared)
    for ratio in (0.0, 1.0) if languages > 1 else (1.0,):
        sampler = hf.HybridBatchSampler(
            index_of(table), size, ratio, cross=cross, seed=seed, batches_per_epoch=150
        )
        homogeneous = ratio == 1.0 or cross == "homogeneous"
        check_passes(table, each(sampler), size, homogeneous=homogeneous)


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(1, 5), RATIOS, st.sampled_from(["exact", "coupled", "bernoulli"]))
def test_promises_of_rows(table, size, ratio, mixing):
    sampler = sampler_or_none(table, size, ratio, mixing=mixing, unit="row", batches_per_epoch=30)
    if sampler is None:
        return
    batches = each(sampler)
    check_rows_are_pairs(table, batches)
    check_row_kinds(batches)
    check_guard(table, batches, GUARD)
    assert batches[0].is_mono.shape == (size,)
    kinds = [mono for batch in batches for mono in batch.is_mono.tolist()]
    if mixing == "exact":
        check_ratio(kinds, ratio)
    turns = [row[:2] for batch in batches for row in rows_of(batch)]
    for mono in (True, False):
        shares = {pair: 1 for pair, rows in table.pairs.items() if rows and (pair[0] == pair[1]) == mono}
        check_shares([pair for pair in turns if (pair[0] == pair[1]) == mono], shares)


@settings(max_examples=40, deadline=None)
@given(tables(), st.integers(1, 5), st.sampled_from(["batch", "row"]), st.data())
def test_any_order_of_reading_gives_the_same_batches(table, size, unit, data):
    sampler = sampler_or_none(table, size, 0.5, unit=unit, batches_per_epoch=50)
    if sampler is None:
        return
    whole = sampler.batches(0, 50)
    start = data.draw(st.integers(0, 50))
    stop = data.draw(st.integers(start, 50))
    part = sampler.batches(start, stop)
    fresh = sampler_or_none(table, size, 0.5, unit=unit, batches_per_epoch=50)
    for name in ("is_mono", "group", "query", "passage", "query_language", "passage_language"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[start:stop])
    for i in data.draw(st.lists(st.integers(0, 49), max_size=6)):
        alone = fresh.batch(i)
        assert np.array_equal(alone.query, whole.query[i])
        assert np.array_equal(alone.is_mono, whole.is_mono[i])
    ids = np.array(lists(fresh))
    for column, expected in zip(
        fresh.index.pairs(ids.ravel()),
        (whole.group, whole.query, whole.passage, whole.query_language, whole.passage_language),
        strict=True,
    ):
        assert np.array_equal(column, expected.ravel())


@pytest.mark.parametrize(
    "weights", [{"l0": 1, "l1": 2, "l2": 3}, {"l0": 0.21, "l1": 0.5, "l2": 1.7}, [3, 1, 1]]
)
def test_explicit_weights_are_followed(weights):
    table = full_table(3, 90)
    given = list(weights.values()) if isinstance(weights, dict) else weights
    sampler = hf.HybridBatchSampler(index_of(table), 4, 0.5, language_weights=weights, batches_per_epoch=400)
    batches = each(sampler)
    check_shares([b.query_language[0] for b in batches if b.is_mono], dict(enumerate(given)))
    pairs = {(a, b): given[a] * given[b] for a in range(3) for b in range(3) if a != b}
    check_shares([row[:2] for b in batches if not b.is_mono for row in rows_of(b)], pairs)


def test_a_power_of_the_sizes_is_followed():
    cells = [(g, language) for language, n in enumerate((160, 40, 90)) for g in range(n)]
    group, language = zip(*cells, strict=True)
    rows = list(range(len(cells)))
    table = Table(3, list(group), list(language), rows, rows)
    sampler = hf.HybridBatchSampler(index_of(table), 5, 1.0, language_weights=0.5, batches_per_epoch=300)
    shares = {0: 160**0.5, 1: 40**0.5, 2: 90**0.5}
    check_shares([b.query_language[0] for b in each(sampler)], shares)


def test_weight_zero_leaves_a_language_out():
    weights = {"l0": 1, "l1": 0, "l2": 1}
    sampler = hf.HybridBatchSampler(full(3, 60), 5, 0.5, language_weights=weights)
    batch = sampler.batches(0, len(sampler))
    assert 1 not in batch.query_language
    assert 1 not in batch.passage_language
    assert len(sampler) == 2 * 12


@pytest.mark.parametrize("mixing", ["exact", "coupled", "bernoulli"])
@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
def test_the_jth_batch_of_a_kind_is_the_same_whatever_the_ratio(mixing, cross):
    index = full(4, 60, shared=2)
    by_ratio = []
    for ratio in (0.4, 0.5, 0.9):
        sampler = hf.HybridBatchSampler(index, 5, ratio, mixing=mixing, cross=cross, batches_per_epoch=200)
        batches = each(sampler)
        by_ratio.append([[b for b in batches if b.is_mono], [b for b in batches if not b.is_mono]])
    for kind in (0, 1):
        first = by_ratio[0][kind]
        for other in by_ratio[1:]:
            assert all(same(a, b) for a, b in zip(first, other[kind], strict=False))


def test_coupled_plans_are_nested_over_ratios():
    index = full(3, 60)
    low, high = (
        hf.HybridBatchSampler(index, 2, ratio, mixing="coupled", batches_per_epoch=2000)
        .batches(0, 2000)
        .is_mono
        for ratio in (0.4, 0.5)
    )
    assert not (low & ~high).any()
    assert abs((low != high).mean() - 0.1) < 0.005


def test_bernoulli_draws_are_independent_of_the_batch_before():
    sampler = hf.HybridBatchSampler(full(3, 60), 2, 0.3, mixing="bernoulli", batches_per_epoch=20_000)
    mono = sampler.batches(0, 20_000).is_mono
    assert abs(mono.mean() - 0.3) < 0.015
    assert abs((mono[1:] & mono[:-1]).mean() - 0.09) < 0.01


def test_seed_and_epoch_are_not_added():
    index = full(3, 60)
    a = hf.HybridBatchSampler(index, 5, seed=42)
    b = hf.HybridBatchSampler(index, 5, seed=43)
    a.set_epoch(1)
    assert not np.array_equal(a.batches(0, 30).query, b.batches(0, 30).query)
    c = hf.HybridBatchSampler(index, 5, seed=42)
    assert not np.array_equal(a.batches(0, 30).query, c.batches(0, 30).query)
    c.set_epoch(1)
    assert np.array_equal(a.batches(0, 30).query, c.batches(0, 30).query)


def test_parallel_languages_do_not_walk_in_lockstep():
    sampler = hf.HybridBatchSampler(full(2, 400), 20, 1.0)
    batches = each(sampler)
    first = [b.group for b in batches if b.query_language[0] == 0]
    second = [b.group for b in batches if b.query_language[0] == 1]
    shared = [len(set(a) & set(b)) for a, b in zip(first, second, strict=True)]
    assert max(shared) < 10


@pytest.mark.parametrize("world", [2, 3, 6])
@pytest.mark.parametrize("unit", ["batch", "row"])
def test_ranks_slice_one_stream(world, unit):
    index = full(3, 60)
    whole = hf.HybridBatchSampler(index, 6, unit=unit)
    parts = [hf.HybridBatchSampler(index, 6, unit=unit, world_size=world, rank=rank) for rank in range(world)]
    assert {len(part) for part in parts} == {len(whole)}
    for i in range(0, len(whole), 5):
        expected = whole.batch(i)
        pieces = [part.batch(i) for part in parts]
        for name in ("group", "query", "passage", "query_language", "passage_language"):
            assert np.array_equal(np.concatenate([getattr(p, name) for p in pieces]), getattr(expected, name))
    joined = [
        [pair for part in rows for pair in part] for rows in zip(*(list(part) for part in parts), strict=True)
    ]
    assert joined == list(whole)


@pytest.mark.parametrize("ratio", [0.0, 0.4, 1.0])
def test_monolingual_rows_of_several_languages_mix_only_by_name(ratio):
    table = full_table(4, 90, shared=2)
    sampler = hf.HybridBatchSampler(index_of(table), 8, ratio, mono="xx-mixed")
    plain = hf.HybridBatchSampler(index_of(table), 8, ratio)
    batches = each(sampler)
    check_rows_are_pairs(table, batches)
    for batch in batches:
        same = batch.query_language == batch.passage_language
        assert same.all() if batch.is_mono else not same.any()
        assert len(set(batch.group.tolist())) == 8
    mixed = [len(set(batch.query_language.tolist())) for batch in batches if batch.is_mono]
    assert all(languages > 1 for languages in mixed)
    found = hf.simulate(sampler)
    assert found.duplicates == found.not_placed == 0
    assert max(found.drift, found.language_drift) < 1
    # The cross-lingual batches are those of the usual plan.
    cross = [batch.passage.tolist() for batch in batches if not batch.is_mono]
    assert cross == [batch.passage.tolist() for batch in each(plain) if not batch.is_mono]


@pytest.mark.parametrize("shared", [1, 3])
def test_one_epoch_of_monolingual_batches_is_one_pass(shared):
    table = full_table(11, 601, shared=shared)
    size = 32
    sampler = hf.HybridBatchSampler(index_of(table), size, 1.0)
    assert len(sampler) == table.epoch_length(size) == 11 * (601 // size)
    batches = sampler.batches(0, len(sampler))
    ids = batches.query.ravel()
    assert len(np.unique(ids)) == len(ids)
    drawn = np.bincount(batches.query_language.ravel(), minlength=11)
    assert ((601 - drawn) < size).all()


def test_the_rows_left_over_are_other_ones_each_epoch():
    sampler = hf.HybridBatchSampler(full(1, 70), 8, 1.0)
    left = []
    for epoch in range(6):
        sampler.set_epoch(epoch)
        left.append(frozenset(range(70)) - set(sampler.batches(0, len(sampler)).group.ravel().tolist()))
    assert all(len(rows) == 6 for rows in left)
    assert len(set(left)) > 3


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_length_does_not_depend_on_the_ratio(ratio):
    table = full_table(3, 50)
    assert len(hf.HybridBatchSampler(index_of(table), 7, ratio)) == table.epoch_length(7)


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(1, 4))
def test_length_counts_the_drawable_queries(table, size):
    for ratio in (0.0, 1.0):
        sampler = sampler_or_none(table, size, ratio)
        if sampler is not None:
            assert len(sampler) == table.epoch_length(size)


GOLDEN = {
    "mixed": ({"seed": 7}, 0, "91b53ae06b8afae0c88197e9d9521732"),
    "coupled": (
        {"mixing": "coupled", "cross": "homogeneous", "mono_ratio": 0.25, "seed": 2**64 - 1},
        5,
        "04c4ac956dec2a1485cf030cc8bf244e",
    ),
    "bernoulli": ({"mixing": "bernoulli", "language_weights": 0.3}, 1, "051e47794090f99adbbfc720f124175f"),
    "rows": ({"unit": "row", "mono_ratio": "cosine:0..1"}, 0, "9475619a93224db28868765d6dbe48ae"),
    "windows": (
        {"scope": "rank", "guard_window": 2, "language_weights": [1, 2, 0.4]},
        3,
        "67a60e2a8f57f2b8fa41457a22ffca53",
    ),
    "networks": ({"batch_size": 64, "mono_ratio": 0.3}, 2, "e1ed96fc84ae48b2814c11026ddd1b57"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_plans(name):
    """The stream of version 2; where a digest changes, so must STREAM_VERSION, and the change log says so."""
    options, epoch, digest = GOLDEN[name]
    assert STREAM_VERSION == 2
    index = full(3, 900, shared=3) if name == "networks" else full(3, 80, shared=2)
    sampler = hf.HybridBatchSampler(index, **{"batch_size": 8, **options})
    sampler.set_epoch(epoch)
    assert hf.simulate(sampler).digest == digest


def test_a_state_of_xx_mixed_batches_before_they_changed_is_refused():
    sampler = hf.HybridBatchSampler(full(3, 80), 8, mono="xx-mixed")
    state = sampler.state_dict()
    assert state["stream_version"] == STREAM_VERSION + 1
    sampler.load_state_dict(state)
    with pytest.raises(StateMismatch, match="another stream version"):
        sampler.load_state_dict(state | {"stream_version": STREAM_VERSION})


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 59), st.integers(0, 3))
def test_resume_goes_on_where_it_stopped(handed_out, epoch):
    index = full(3, 100)
    sampler = hf.HybridBatchSampler(index, 5, batches_per_epoch=60)
    sampler.set_epoch(epoch)
    everything = list(sampler)
    reader = iter(sampler)
    for _ in range(handed_out):
        next(reader)
    state = sampler.state_dict()
    assert state["batch"] == handed_out
    again = hf.HybridBatchSampler(index, 5, batches_per_epoch=60)
    again.load_state_dict(state)
    assert again.epoch == epoch
    assert again.state_dict() == state
    assert len(again) == 60
    assert list(again) == everything[handed_out:]
    assert list(again) == everything


def test_a_pickled_sampler_goes_on_where_it_stood():
    sampler = hf.HybridBatchSampler(full(3, 40), 8, "linear:0.2..0.7", seed=3)
    sampler.set_epoch(2)
    walk = iter(sampler)
    next(walk)
    sampler.set_mono_ratio(0.9)
    other = pickle.loads(pickle.dumps(sampler))
    assert repr(other) == repr(sampler)
    assert list(other) == list(walk)


def test_position_and_epochs():
    sampler = hf.HybridBatchSampler(full(2, 40), 5)
    first = sampler.batch(0)
    reader = iter(sampler)
    next(reader), next(reader)
    sampler.set_epoch(0)
    assert sampler.state_dict()["batch"] == 2
    assert same(sampler.batch(0), first)
    sampler.set_epoch(1)
    assert sampler.state_dict() | {"batch": 0, "epoch": 1} == sampler.state_dict()
    state = sampler.state_dict() | {"batch": 3}
    sampler.load_state_dict(state)
    sampler.set_epoch(1)
    assert len(list(sampler)) == len(sampler) - 3
    sampler.load_state_dict(state)
    sampler.set_epoch(2)
    assert len(list(sampler)) == len(sampler)


def test_a_state_of_something_else_is_refused():
    sampler = hf.HybridBatchSampler(full(2, 40), 5)
    state = sampler.state_dict()
    with pytest.raises(StateMismatch, match="index"):
        hf.HybridBatchSampler(full(2, 41), 5).load_state_dict(state)
    with pytest.raises(StateMismatch, match="configuration"):
        hf.HybridBatchSampler(full(2, 40), 5, seed=1).load_state_dict(state)
    with pytest.raises(StateMismatch, match="stream version"):
        sampler.load_state_dict(state | {"stream_version": 0})
    with pytest.raises(StateMismatch, match="batch"):
        sampler.load_state_dict({name: value for name, value in state.items() if name != "batch"})
    with pytest.raises(InvalidArgument, match="batch"):
        sampler.load_state_dict(state | {"batch": len(sampler) + 1})
    ranks = hf.HybridBatchSampler(full(2, 40), 6, world_size=2, rank=1)
    ranks.load_state_dict(hf.HybridBatchSampler(full(2, 40), 6).state_dict())


def test_batches_past_the_end():
    sampler = hf.HybridBatchSampler(full(2, 40), 5)
    for number in (-1, len(sampler), 10**9):
        with pytest.raises(IndexError, match="16 batches"):
            sampler.batch(number)
    with pytest.raises(IndexError):
        sampler.batches(3, len(sampler) + 1)
    with pytest.raises(IndexError):
        sampler.batches(-1, 3)
    assert sampler.batches(4, 4).query.shape == (0, 5)


def test_types_of_a_batch():
    sampler = hf.HybridBatchSampler(full(2, 40, step=3), np.int64(5))
    batch = sampler.batch(np.int64(2))
    assert isinstance(batch.is_mono, bool)
    for name in ("group", "query", "passage"):
        assert getattr(batch, name).dtype == np.int64
        assert getattr(batch, name).shape == (5,)
    assert batch.query_language.dtype == batch.passage_language.dtype == np.int16
    assert not (batch.group % 3).any()
    many = sampler.batches(0, 3)
    assert many.is_mono.shape == (3,)
    assert many.is_mono.dtype == np.bool_
    ids = next(iter(sampler))
    assert type(ids) is list
    assert type(ids[0]) is int


def refused(kind, match, *arguments, **options):
    with pytest.raises(kind, match=match):
        hf.HybridBatchSampler(*arguments, **options)


def test_refusals_name_what_is_missing():
    index = full(2, 40)
    refused(InvalidArgument, "mono_ratio.3. is 2", index, 5, lambda batch: 0.5 if batch < 3 else 2)
    refused(InvalidArgument, "linear:FROM", index, 5, "linear")
    refused(InvalidArgument, "ascending", index, 5, hf.Piecewise(((0, 0.2), (5, 0.3), (5, 0.1))))
    refused(InvalidArgument, "scope=.step.", index, 5, guard_window=4)
    refused(
        InvalidArgument,
        "guard_window is 4, which 3 ranks",
        index,
        5,
        scope="rank",
        guard_window=4,
        world_size=3,
    )
    refused(InvalidArgument, "scope", index, 5, scope="node")
    refused(InvalidArgument, "mono_ratio", index, 5, 1.5)
    refused(InvalidArgument, "mono_ratio", index, 5, float("nan"))
    refused(InvalidArgument, "batch_size", index, 0)
    refused(TypeError, "batch_size", index, 2.5)
    refused(InvalidArgument, "mixing", index, 5, mixing="random")
    refused(InvalidArgument, "unit", index, 5, unit="token")
    refused(InvalidArgument, "cross", index, 5, cross="some")
    refused(InvalidArgument, "guard", index, 5, guard=("group", "text"))
    refused(InvalidArgument, "seed", index, 5, seed=2**64)
    refused(InvalidArgument, "seed", index, 5, seed=-1)
    refused(InvalidArgument, "world_size|share", index, 5, world_size=2)
    refused(InvalidArgument, "rank", index, 6, world_size=2, rank=2)
    refused(InvalidArgument, "l7", index, 5, language_weights={"l0": 1, "l1": 1, "l7": 1})
    refused(InvalidArgument, "l1", index, 5, language_weights={"l0": 1})
    refused(InvalidArgument, "l1", index, 5, language_weights={"l0": 1, "l1": -1})
    refused(InvalidArgument, "weight", index, 5, language_weights=[0, 0])
    refused(InvalidArgument, "batches_per_epoch", index, 5, batches_per_epoch=0)
    refused(TypeError, "PairIndex", [1, 2], 5)


def test_data_that_cannot_fill_a_batch_is_named():
    cells = [(g, 0) for g in range(40)] + [(g, 1) for g in range(6)]
    group, language = zip(*cells, strict=True)
    rows = list(range(len(cells)))
    index = hf.PairIndex.from_columns(group, language, rows, rows, languages=["en", "yo"])
    refused(InfeasiblePlan, r"stratum of yo has 6 rows.*batch_size = 8", index, 8, 0.5)
    hf.HybridBatchSampler(index, 8, 1.0, language_weights={"en": 1, "yo": 0})
    refused(InfeasiblePlan, "6 groups", index, 8, 0.0)
    refused(InfeasiblePlan, "en → yo has 6 rows", index, 8, 0.0, cross="homogeneous")
    one = full(1, 40)
    refused(InfeasiblePlan, "mono_ratio to 1", one, 5, 0.5)
    hf.HybridBatchSampler(one, 5, 1.0)
    same_passage = full(1, 40, shared=40)
    refused(InfeasiblePlan, "1 different passage", same_passage, 5, 1.0)
    hf.HybridBatchSampler(same_passage, 5, 1.0, guard=("group", "query"))


def test_queries_and_passages_in_different_languages():
    """Queries in two languages, passages only in a third: cross-lingual batches, and only those."""
    cells = [(g, language) for g in range(40) for language in range(3)]
    group, language = zip(*cells, strict=True)
    query = [c if language[c] else -1 for c in range(len(cells))]
    passage = [-1 if language[c] else c for c in range(len(cells))]
    index = hf.PairIndex.from_columns(group, language, query, passage, languages=["en", "hau", "ibo"])
    sampler = hf.HybridBatchSampler(index, 8, 0.0)
    assert len(sampler) == 10
    assert "hau" in sampler.left_out
    batches = sampler.batches(0, len(sampler))
    assert set(batches.passage_language.ravel()) == {0}
    assert set(batches.query_language.ravel()) == {1, 2}
    refused(InfeasiblePlan, "mono_ratio to 0", index, 8, 0.5)


def test_an_epoch_of_no_batches_is_refused():
    cells = [(g, language) for g in range(12) for language in range(2)]
    kept = [(g, language) for g, language in cells if (g % 2) == language or g < 3]
    group, language = zip(*kept, strict=True)
    rows = list(range(len(kept)))
    index = hf.PairIndex.from_columns(group, language, rows, rows, languages=["a", "b"])
    refused(InfeasiblePlan, "2 groups|3 groups", index, 4, 0.0)
    index = full(4, 6)
    assert len(hf.HybridBatchSampler(index, 6, 0.0)) == 4


def test_a_frequent_identity_is_named_and_its_surplus_deferred():
    table = full_table(2, 90)
    table = dataclasses.replace(table, passage_identity=[0 if g < 40 else g for g in table.group])
    with pytest.warns(UserWarning, match="passage identity 0 has 40 rows"):
        sampler = hf.HybridBatchSampler(index_of(table), 10, 1.0, batches_per_epoch=40)
    check_guard(table, each(sampler), GUARD)
    found = hf.simulate(sampler)
    assert found.duplicates == 0
    assert found.not_placed > 0
    assert "passage identity 0" in str(found)
    with pytest.warns(UserWarning, match="passage identity 0"):
        cross = hf.HybridBatchSampler(index_of(table), 10, 0.0, batches_per_epoch=40)
    check_guard(table, each(cross), GUARD)


@pytest.mark.parametrize("off", GUARD)
def test_a_guard_can_be_switched_off(off):
    table = full_table(3, 30, shared=15)
    guard = tuple(name for name in GUARD if name != off)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if off == "passage":
            sampler = hf.HybridBatchSampler(index_of(table), 6, 0.5, guard=guard)
            found = hf.simulate(sampler)
            assert found.unguarded["passage"] > 0
        else:
            table = full_table(3, 30)
            sampler = hf.HybridBatchSampler(index_of(table), 6, 0.5, guard=guard)
            found = hf.simulate(sampler)
    assert found.duplicates == 0
    check_guard(table, each(sampler), guard)


def test_several_golds_of_a_question_do_not_meet():
    table = full_table(3, 60)
    table = dataclasses.replace(table, query_identity=[g // 3 for g in table.group])
    sampler = hf.HybridBatchSampler(index_of(table), 8, 0.5)
    check_guard(table, each(sampler), GUARD)


def test_simulation_counts_what_is_drawn():
    table = full_table(3, 60, shared=2)
    sampler = hf.HybridBatchSampler(index_of(table), 6, 0.4)
    found = hf.simulate(sampler)
    batches = each(sampler)
    rows = [row for batch in batches for row in rows_of(batch)]
    assert found.batches == len(sampler) == 30
    assert found.rows == len(rows)
    assert found.by_kind == {"monolingual": 12, "cross-lingual": 18}
    assert found.drift <= 0.5
    assert found.duplicates == 0
    assert found.not_placed == 0
    assert found.query_rows == {f"l{n}": sum(row[0] == n for row in rows) for n in range(3)}
    assert found.passage_rows == {f"l{n}": sum(row[1] == n for row in rows) for n in range(3)}
    assert found.pairs == len(set(rows))
    assert found.available == 9 * 60
    for n in range(3):
        assert found.coverage[f"l{n}"] == len({row[3] for row in rows if row[0] == n}) / 60
    assert "30 batches" in str(found)
    more = hf.simulate(sampler, batches=75)
    assert more.batches == 75
    assert more.drift <= 0.5
    assert hf.simulate(sampler).digest == found.digest != more.digest
    assert sampler.state_dict()["batch"] == 0


def test_shape_of_real_data():
    """11 languages × 600 groups, up to 6 questions on one passage, batches of 32 and 100."""
    rng = np.random.default_rng(3)
    sizes = rng.choice([1, 1, 2, 2, 3, 6], 400)
    identity = np.repeat(np.arange(400), sizes)[:600]
    table = full_table(11, 600)
    table = dataclasses.replace(table, passage_identity=[int(identity[g]) for g in table.group])
    index = index_of(table)
    for size in (32, 100):
        for ratio in (0.0, 0.5, 1.0):
            sampler = hf.HybridBatchSampler(index, size, ratio, mixing="coupled")
            assert len(sampler) == 11 * (600 // size)
            found = hf.simulate(sampler)
            assert found.duplicates == 0
            assert found.not_placed == 0
            batches = each(sampler)
            check_guard(table, batches, GUARD)
            mono = [batch for batch in batches if batch.is_mono]
            check_passes(table, mono, size, homogeneous=True)
            cross = [batch for batch in batches if not batch.is_mono]
            check_passes(table, cross, size, homogeneous=False)
    assert index.bytes < 600 * 11 * 4 * 3


def test_repr_says_what_it_is():
    sampler = hf.HybridBatchSampler(full(2, 40), 5, 0.25, mixing="coupled")
    text = repr(sampler)
    for part in ("16 batches of 5", "0.25", "coupled", "l0, l1", "seed=13"):
        assert part in text
