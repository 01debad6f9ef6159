"""Random corpora and random requests: every promise is kept, or the request is refused by name."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InfeasiblePlan, InvalidArgument
from plan_reference import (
    Table,
    check_guard,
    check_kinds,
    check_ratio,
    check_row_kinds,
    check_rows_are_pairs,
    check_shares,
    rows_of,
)

GUARDS = ("group", "query", "passage")
COLUMNS = ("group", "query", "passage", "query_language", "passage_language")
QUICK = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much]}


def names_of(table):
    return [f"l{number}" for number in range(table.languages)]


def index_of(table):
    return hf.PairIndex.from_columns(
        table.group,
        table.language,
        table.query,
        table.passage,
        languages=names_of(table),
        query_identity=table.query_identity,
        passage_identity=table.passage_identity,
    )


@st.composite
def corpora(draw):
    """Gaps in ids, missing cells and sides, hubs, languages of one group, identities on both sides."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    languages = draw(st.integers(1, 5))
    groups = draw(st.integers(1, 60))
    missing = draw(st.sampled_from([0.0, 0.1, 0.5]))
    ids = (np.cumsum(rng.integers(1, 10**6, groups)) % (2**32 - 1)).tolist()
    kept = rng.random((groups, languages)) >= missing
    if draw(st.booleans()):
        # A language of one group.
        kept[:, -1] = False
        kept[rng.integers(groups), -1] = True
    kept[0, 0] = True
    cells = np.argwhere(kept)
    rng.shuffle(cells)
    sides = rng.random((2, len(cells))) >= draw(st.sampled_from([0.0, 0.0, 0.15]))
    rows = rng.permutation(len(cells))

    def identity():
        form = draw(st.sampled_from(["none", "none", "twins", "random", "hub", "all equal"]))
        of_group = {
            "none": None,
            "twins": np.arange(groups) // 2,
            "random": rng.integers(0, max(1, groups // 2), groups),
            "hub": np.where(rng.random(groups) < 0.4, 7, 1000 + np.arange(groups)),
            "all equal": np.full(groups, 3),
        }[form]
        return None if of_group is None else of_group[cells[:, 0]].tolist()

    return Table(
        languages,
        [ids[group] for group in cells[:, 0]],
        cells[:, 1].tolist(),
        np.where(sides[0], rows, -1).tolist(),
        np.where(sides[1], rows, -1).tolist(),
        query_identity=identity(),
        passage_identity=identity(),
    )


@st.composite
def requests(draw, languages):
    """Options of a sampler; many cannot be met."""
    weights = draw(
        st.one_of(
            st.just("uniform"),
            st.sampled_from([0.0, 0.3, 1.0]),
            st.lists(st.sampled_from([0, 0.5, 1, 2, 3.7]), min_size=languages, max_size=languages),
        )
    )
    return {
        "batch_size": draw(st.integers(1, 9)),
        "mono_ratio": draw(st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))),
        "mixing": draw(st.sampled_from(["exact", "coupled", "bernoulli"])),
        "unit": draw(st.sampled_from(["batch", "batch", "row"])),
        "cross": draw(st.sampled_from(["mixed", "homogeneous"])),
        "language_weights": weights,
        "guard": tuple(draw(st.sets(st.sampled_from(GUARDS)))),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "batches_per_epoch": draw(st.sampled_from([None, 1, 30])),
    }


def made(table, options):
    """The sampler, or None where it is refused, which must be by name and with a count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return hf.HybridBatchSampler(index_of(table), **options)
        except (InfeasiblePlan, InvalidArgument) as error:
            text = str(error)
            assert text
            assert re.search(r"\d|l\d|weight|mono_ratio|batch", text), text
            assert "language 0" not in text, text
            assert "\n" not in text
            return None


def too_tight_for_rows(sampler, epochs):
    """Whether rows drawn by kind meet a batch that cannot be filled, which no constructor foresees yet."""
    if sampler.unit == "batch":
        return False
    for epoch in epochs:
        sampler.set_epoch(epoch)
        try:
            sampler.batches(0, len(sampler))
        except InfeasiblePlan:
            return True
    return False


def test_what_cannot_be_drawn_is_refused_before_it_is():
    group, language = [1, 2, 2, 2, 4], [2, 0, 1, 2, 0]
    rows = list(range(5))
    sampler = made(
        Table(3, group, language, rows, rows),
        {"batch_size": 2, "mono_ratio": 1.0, "unit": "row", "batches_per_epoch": 30},
    )
    for epoch in range(20) if sampler else ():
        sampler.set_epoch(epoch)
        sampler.batches(0, 30)


def given_weights(table, options):
    """Whole-number-free weights of the languages, from the definition."""
    form = options["language_weights"]
    if isinstance(form, list):
        return {number: weight for number, weight in enumerate(form) if weight > 0}
    sizes = {number: len(table.pairs[number, number]) for number in range(table.languages)}
    if form == "uniform":
        return dict.fromkeys(range(table.languages), 1)
    return {number: size**form for number, size in sizes.items() if size}


@settings(max_examples=200, **QUICK)
@given(st.data())
def test_every_request_is_met_or_refused_by_name(data):
    table = data.draw(corpora())
    options = data.draw(requests(table.languages))
    sampler = made(table, options)
    if sampler is None or too_tight_for_rows(sampler, (0, 3)):
        return
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        batches = [sampler.batch(i) for i in range(len(sampler))]
        check_rows_are_pairs(table, batches)
        check_guard(table, batches, sampler.guard)
        assert {len(batch.group) for batch in batches} == {options["batch_size"]}
        if options["unit"] == "row":
            check_row_kinds(batches)
            kinds = [mono for batch in batches for mono in batch.is_mono.tolist()]
        else:
            check_kinds(batches)
            kinds = [batch.is_mono for batch in batches]
        if options["mixing"] == "exact":
            check_ratio(kinds, options["mono_ratio"])
        if options["cross"] == "homogeneous" and options["unit"] == "batch":
            assert all(len({row[:2] for row in rows_of(batch)}) == 1 for batch in batches)


@settings(max_examples=200, **QUICK)
@given(st.data())
def test_only_what_is_impossible_is_refused(data):
    """Where each row has its own identities, the definition says what can be filled."""
    table = data.draw(corpora())
    table.query_identity = table.passage_identity = None
    options = data.draw(requests(table.languages)) | {"unit": "batch"}
    # A share so small that its kind never comes needs nothing of it.
    options["mono_ratio"] = data.draw(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
    options["batches_per_epoch"] = data.draw(st.sampled_from([None, 40]))
    form = options["language_weights"]
    weights = form if isinstance(form, list) else [1] * table.languages
    drawn = [number for number, weight in enumerate(weights) if weight > 0]
    size, ratio = options["batch_size"], options["mono_ratio"]
    alone = [len(table.pairs[a, a]) for a in drawn if table.pairs[a, a]]
    crossing = [table.pairs[a, b] for a in drawn for b in drawn if a != b and table.pairs[a, b]]
    impossible = not drawn
    if ratio > 0:
        impossible |= not alone or min(alone) < size
    if ratio < 1 and options["cross"] == "homogeneous":
        impossible |= not crossing or min(map(len, crossing)) < size
    if ratio < 1 and options["cross"] == "mixed":
        impossible |= len({row[0] for rows in crossing for row in rows}) < size
    if options["batches_per_epoch"] is None:
        queries = [{row[1] for b in drawn for row in table.pairs[a, b]} for a in drawn]
        impossible |= sum(len(rows) // size for rows in queries) == 0
    refused = made(table, options) is None
    if ratio < 1 and options["cross"] == "mixed" and crossing and min(map(len, crossing)) < size:
        # Rows of several strata share a batch, and a small one may have none left for its turn.
        assert refused or not impossible
    else:
        assert refused == impossible


@settings(max_examples=150, **QUICK)
@given(st.data())
def test_turns_follow_the_weights(data):
    table = data.draw(corpora())
    options = data.draw(requests(table.languages)) | {"batches_per_epoch": 60, "unit": "batch"}
    # Sizes count only where the weights ask for them, and then over languages that can be drawn.
    assume(not isinstance(options["language_weights"], float))
    sampler = made(table, options)
    assume(sampler is not None)
    batches = [sampler.batch(i) for i in range(60)]
    weights = given_weights(table, options)
    alone = {a: w for a, w in weights.items() if table.pairs[a, a]}
    check_shares([batch.query_language[0] for batch in batches if batch.is_mono], alone)
    pairs = {
        (a, b): weights[a] * weights[b] for a in weights for b in weights if a != b and table.pairs[a, b]
    }
    crossing = [rows_of(batch) for batch in batches if not batch.is_mono]
    if options["cross"] == "homogeneous":
        crossing = [rows[:1] for rows in crossing]
    check_shares([row[:2] for rows in crossing for row in rows], pairs)


@settings(max_examples=50, **QUICK)
@given(st.data())
def test_any_way_of_reading_gives_one_stream(data):
    table = data.draw(corpora())
    options = data.draw(requests(table.languages)) | {"batches_per_epoch": 40}
    world = data.draw(st.sampled_from([1, 2, 3, 4]))
    options["batch_size"] = world * data.draw(st.integers(1, 3))
    sampler = made(table, options)
    epoch = data.draw(st.sampled_from([0, 1, 2**40]))
    assume(sampler is not None and not too_tight_for_rows(sampler, (epoch,)))
    sampler.set_epoch(epoch)
    whole = sampler.batches(0, 40)
    places = data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=8))
    pieces = [made(table, options | {"world_size": world, "rank": rank}) for rank in range(world)]
    for piece in pieces:
        piece.set_epoch(epoch)
        assert len(piece) == len(sampler)
    for place in places:
        parts = [piece.batch(place) for piece in pieces]
        for name in COLUMNS:
            joined = np.concatenate([getattr(part, name) for part in parts])
            assert np.array_equal(joined, getattr(whole, name)[place]), name
    start = data.draw(st.integers(0, 39))
    cold = made(table, options)
    cold.set_epoch(epoch)
    cold.load_state_dict(cold.state_dict() | {"batch": start})
    ids = [row for batch in cold for row in batch]
    decoded = sampler.index.pairs(np.array(ids, dtype=np.int64))
    for name, column in zip(COLUMNS, decoded, strict=True):
        assert np.array_equal(column, getattr(whole, name)[start:].ravel()), name


@settings(max_examples=50, **QUICK)
@given(st.data())
def test_the_length_is_that_of_the_definition_and_of_what_comes(data):
    table = data.draw(corpora())
    size = data.draw(st.integers(1, 6))
    ratio = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    sampler = made(table, {"batch_size": size, "mono_ratio": ratio})
    assume(sampler is not None)
    assert len(sampler) == table.epoch_length(size)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        assert len(list(sampler)) == len(sampler)


def repeats_within_passes(plan, size, rows):
    """How many rows of a stratum's passes of ⌊rows / size⌋ batches came before in their pass."""
    each = rows // size * size
    drawn = plan.query.ravel()
    parts = [drawn[start : start + each] for start in range(0, len(drawn), each)]
    return sum(len(part) - len(np.unique(part)) for part in parts)


def one_language(query_identity, passage_identity):
    rows = np.arange(len(query_identity))
    return hf.PairIndex.from_columns(
        rows,
        np.zeros_like(rows),
        rows,
        rows,
        languages=["l0"],
        query_identity=query_identity,
        passage_identity=passage_identity,
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("size", "batches"), [(4, 8), (16, 16), (32, 5), (100, 12)])
def test_a_perfect_pass_where_passages_are_as_frequent_as_can_be(size, batches, seed):
    """Every passage comes ⌊rows / size⌋ times: each batch must hold every passage once."""
    rng = np.random.default_rng(seed)
    passage = rng.permutation(np.repeat(np.arange(size), batches))
    perfect(one_language(np.arange(size * batches), passage), size, size * batches, seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("size", "batches"),
    [(4, 8), (24, 16), (32, 5), (50, 12)],
)
def test_a_perfect_pass_where_queries_and_passages_are_as_frequent_as_can_be(size, batches, seed):
    """Each batch must hold every query identity and every passage identity once: an edge colouring."""
    rng = np.random.default_rng(seed)
    query = rng.permutation(np.repeat(np.arange(size), batches))
    passage = rng.permutation(np.repeat(np.arange(size), batches))
    perfect(one_language(query, passage), size, size * batches, seed)


@settings(max_examples=60, **QUICK)
@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 11), st.integers(0, 2**32))
def test_a_perfect_pass_where_the_definition_says_that_one_exists(size, batches, more, seed):
    """Only query and passage identities bind, none more often than ⌊rows / size⌋."""
    rng = np.random.default_rng(seed)
    rows = size * batches + more % size

    def identities():
        left = rows
        counts = []
        while left:
            count = int(min(left, rng.integers(1, batches + 1)))
            counts.append(count)
            left -= count
        return rng.permutation(np.repeat(np.arange(len(counts)), counts))

    perfect(one_language(identities(), identities()), size, rows, seed)


def perfect(index, size, rows, seed):
    """Three passes in a row defer nothing, repeat nothing and warn of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sampler = hf.HybridBatchSampler(
            index, size, 1.0, batches_per_epoch=3 * (rows // size), seed=seed, guard=("query", "passage")
        )
    plan = sampler.batches(0, len(sampler))
    query, passage = index.identities(np.array(list(sampler)).ravel())
    for identity in (query, passage):
        ordered = np.sort(identity.reshape(-1, size), axis=1)
        assert not (ordered[:, 1:] == ordered[:, :-1]).any()
    assert repeats_within_passes(plan, size, rows) == 0
    assert hf.simulate(sampler).not_placed == 0
