"""Texts that rows bring: what is accepted is drawn and holds none twice; what is refused cannot be drawn."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InfeasiblePlan
from test_sampler_feasible import columns, made


@st.composite
def lists(draw, cells):
    """A list of texts for each cell: none for many, one for very many, some by chance."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rule = draw(st.sampled_from(["few", "hub", "long", "chain"]))
    if rule == "chain":
        held = [[cell, cell + 1] if rng.random() < 0.7 else [] for cell in range(cells)]
    else:
        most, kinds = {"few": (1, 3 * cells), "hub": (1, 2 * cells), "long": (4, 4 * cells)}[rule]
        held = [rng.integers(1, kinds + 1, rng.integers(0, most + 1)).tolist() for _ in range(cells)]
        if rule == "hub":
            common = rng.random(cells) < draw(st.floats(0, 1))
            held = [[0, *own] if hub else own for own, hub in zip(held, common, strict=True)]
    return [sorted(set(own)) for own in held]


def index_of(table, held):
    languages, group, language, query, passage = table
    rows = np.arange(len(group))
    return hf.PairIndex.from_columns(
        group,
        language,
        rows,
        rows,
        languages=[f"l{number}" for number in range(languages)],
        query_identity=query,
        passage_identity=passage,
        texts=(np.cumsum([0, *map(len, held)]), list(itertools.chain(*held))),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    columns(),
    st.integers(1, 7),
    st.sampled_from([0.0, 1.0, 0.5, 0.9, "linear:0..1"]),
    st.fixed_dictionaries(
        {
            "unit": st.sampled_from(["row", "batch"]),
            "mixing": st.sampled_from(["bernoulli", "exact", "coupled"]),
            "cross": st.sampled_from(["mixed", "homogeneous"]),
            "mono": st.sampled_from(["homogeneous", "xx-mixed"]),
            "guard": st.sampled_from([("group", "query", "passage"), ("query", "passage"), ("passage",)]),
            "language_weights": st.sampled_from(["uniform", 0.5]),
            "batches_per_epoch": st.sampled_from([None, 60]),
            "seed": st.integers(0, 2**32),
        }
    ),
    st.sampled_from([None, 1, 2, 3]),
)
def test_what_is_accepted_is_drawn_without_a_text_twice(data, table, size, ratio, options, window):
    held = data.draw(lists(len(table[1])))
    scope = "step" if window is None else "rank"
    try:
        sampler = made(index_of(table, held), size, ratio, scope=scope, guard_window=window, **options)
    except InfeasiblePlan:
        assume(False)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        drawn = sampler.batches(0, len(sampler))
        found = {"group": drawn.group, "query": table[3][drawn.query], "passage": table[4][drawn.passage]}
        rows = size * sampler.guard_window
        for name in sampler.guard:
            ordered = np.sort(found[name].reshape(-1, rows), axis=1)
            assert (ordered[:, 1:] != ordered[:, :-1]).all(), name
        asked, answered = drawn.query.reshape(-1, rows), drawn.passage.reshape(-1, rows)
        for cells in zip(asked.tolist(), answered.tolist(), strict=True):
            brought = [text for row in zip(*cells, strict=True) for text in set(held[row[0]] + held[row[1]])]
            assert len(brought) == len(set(brought))


@settings(max_examples=200, deadline=None)
@given(
    st.data(),
    columns(most_languages=1, most_groups=9),
    st.integers(1, 5),
    st.sampled_from(["batch", "row"]),
    st.sampled_from(["exact", "bernoulli"]),
)
def test_one_language_is_refused_where_no_batch_exists_and_only_there(data, table, size, unit, mixing):
    held = data.draw(lists(len(table[1])))
    query, passage = table[3].tolist(), table[4].tolist()

    def fits(rows):
        texts = [text for row in rows for text in held[row]]
        kinds = [query[row] for row in rows], [passage[row] for row in rows], texts
        return all(len(set(kind)) == len(kind) for kind in kinds)

    exists = any(fits(rows) for rows in itertools.combinations(range(len(query)), size))
    try:
        sampler = made(index_of(table, held), size, 1.0, unit=unit, mixing=mixing, batches_per_epoch=30)
    except InfeasiblePlan:
        assert not exists
        return
    assert exists
    assert all(fits(batch) for batch in sampler.batches(0, 30).query.tolist())


def test_a_text_of_too_many_rows_is_named_with_their_count():
    table = (1, np.arange(12), np.zeros(12, int), np.arange(12), np.arange(12))
    held = [[7] if row < 9 else [] for row in range(12)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = hf.HybridBatchSampler(index_of(table, held), 4, 1.0, batches_per_epoch=20).batches(0, 20)
    assert (np.sum(drawn.query < 9, axis=1) == 1).all()
    with pytest.raises(InfeasiblePlan, match="9 of them bring text 7; only 4 without a common text"):
        hf.HybridBatchSampler(index_of(table, held), 5, 1.0, batches_per_epoch=20)


def test_lists_pass_through_a_file_and_damage_to_them_is_found(tmp_path):
    count = 40_000
    cells = np.arange(count)
    texts = cells * 7919 % 30_011
    index = hf.PairIndex.from_columns(
        cells // 3, cells % 3, cells, cells, languages=["a", "b", "c"], texts=(np.arange(count + 1), texts)
    )
    path = tmp_path / "pairs.index"
    index.save(path)
    opened = hf.PairIndex.open(path)
    assert opened.fingerprint == index.fingerprint
    ids = cells[:9] * 3 + cells[:9] % 3
    assert [one.tolist() for one in opened.texts(ids)] == [one.tolist() for one in index.texts(ids)]
    content = bytearray(path.read_bytes())
    assert content[8] == 3
    place = content.index(texts[20_000:20_020].astype("<u4").tobytes())
    content[place] ^= 1
    damaged = tmp_path / "damaged.index"
    damaged.write_bytes(content)
    with pytest.raises(hf.errors.InvalidArgument, match="other bytes than were saved"):
        hf.PairIndex.open(damaged, verify=True)
    opened = hf.PairIndex.open(damaged)
    with pytest.raises(hf.errors.InvalidArgument, match="is damaged"):
        opened.texts([20_000 * 3 + 20_000 % 3])
    with pytest.raises(hf.errors.InvalidArgument, match="is damaged"):
        hf.HybridBatchSampler(opened, 32, 1.0).batches(0, 50)
