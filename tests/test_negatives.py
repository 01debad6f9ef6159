"""Hard negatives: no positive of the batch, the first of each list that may be taken, on any rank."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument, InvalidShape, StateMismatch

LANGUAGES = ("l0", "l1", "l2")


def columns(groups, shared, missing):
    """Cells of groups in three languages; ``shared`` groups in a row have one passage identity."""
    cells = [(g, language) for g in range(groups) for language in range(3) if (g, language) not in missing]
    rows = list(range(len(cells)))
    return {
        "group": [g for g, _ in cells],
        "language": [language for _, language in cells],
        "query": rows,
        "passage": rows[::-1],
        "passage_identity": [g // shared for g, _ in cells],
        "query_identity": [g for g, _ in cells],
    }


def index_of(table):
    return hf.PairIndex.from_columns(**table, languages=LANGUAGES)


def plain(table, lists, batch, count, match_language):
    """The rule word for word, from the columns alone."""
    identity = dict(zip(table["passage"], table["passage_identity"], strict=True))
    language = dict(zip(table["passage"], table["language"], strict=True))
    asks = dict(zip(table["query"], table["query_identity"], strict=True))
    cells = list(zip(table["group"], table["query_identity"], table["passage_identity"], strict=True))
    answers = {(q, p) for g, q, _ in cells for h, _, p in cells if g == h}
    used = {identity[row] for row in batch.passage.tolist()}
    taken = [[-1] * count for _ in batch.query]
    for place in range(count):
        for row, (query, target) in enumerate(
            zip(batch.query.tolist(), batch.passage_language.tolist(), strict=True)
        ):
            for passage in lists.get(query, []):
                own = identity.get(passage, ("unknown", passage))
                if own in used or (asks[query], own) in answers:
                    continue
                if match_language and language[passage] != target:
                    continue
                used.add(own)
                taken[row][place] = passage
                break
    return taken


@st.composite
def worlds(draw):
    groups = draw(st.integers(12, 24))
    missing = draw(st.sets(st.tuples(st.integers(0, groups - 1), st.integers(0, 2)), max_size=6))
    table = columns(groups, draw(st.sampled_from([1, 2])), missing)
    n = len(table["group"])
    match_language = draw(st.booleans())
    most = n - 1 if match_language else n + 5
    lists = draw(
        st.dictionaries(
            st.integers(0, n - 1), st.lists(st.integers(0, most), max_size=5, unique=True), max_size=n
        )
    )
    return table, lists, match_language


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    worlds(),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from(["batch", "row"]),
    st.integers(0, 99),
)
def test_each_row_takes_the_first_of_its_list_that_may_be_taken(world, count, ratio, unit, seed):
    table, lists, match_language = world
    options = {
        "unit": unit,
        "seed": seed,
        "hard_negatives": lists,
        "negatives_per_query": count,
        "negatives_language": "passage" if match_language else "any",
        "batches_per_epoch": 6,
    }
    index = index_of(table)
    sampler = hf.HybridBatchSampler(index, 4, ratio, **options)
    ranks = [hf.HybridBatchSampler(index, 4, ratio, rank=rank, world_size=2, **options) for rank in (0, 1)]
    many = sampler.batches(0, 6)
    assert many.negatives.shape == (6, 4, count)
    assert many.negatives.dtype == np.int64
    handed_out = list(sampler)
    for i in range(6):
        batch = sampler.batch(i)
        assert batch.negatives.tolist() == plain(table, lists, batch, count, match_language)
        assert np.array_equal(batch.negatives, many.negatives[i])
        shares = np.concatenate([one.batch(i).negatives for one in ranks])
        assert np.array_equal(shares, batch.negatives)
        assert [list(pair.negatives) for pair in handed_out[i]] == batch.negatives.tolist()
        assert np.array_equal(index.pairs(handed_out[i])[1], batch.query)


def rows_of(batches):
    """Queries with their negatives, in the order of the queries."""
    return sorted(
        (query, *negatives)
        for batch in batches
        for query, negatives in zip(batch.query.tolist(), batch.negatives.tolist(), strict=True)
    )


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_scope_rank_guards_the_whole_window(world_size):
    table = columns(40, 1, set())
    identity = dict(zip(table["passage"], table["passage_identity"], strict=True))
    lists = np.random.default_rng(5).integers(0, len(table["group"]), (len(table["group"]), 6))
    options = {"scope": "rank", "guard_window": 4, "hard_negatives": lists, "seed": 9, "batches_per_epoch": 8}
    ranks = [
        hf.HybridBatchSampler(index_of(table), 3, 0.5, rank=rank, world_size=world_size, **options)
        for rank in range(world_size)
    ]
    alone = hf.HybridBatchSampler(index_of(table), 3, 0.5, **options)
    for window in range(2):
        own = range(window * 4 // world_size, (window + 1) * 4 // world_size)
        dealt = [one.batch(i) for one in ranks for i in own]
        positives = {identity[row] for batch in dealt for row in batch.passage.tolist()}
        taken = [identity[row] for batch in dealt for row in batch.negatives.ravel().tolist() if row >= 0]
        assert len(taken) > 6
        assert len(set(taken)) == len(taken)
        assert not positives & set(taken)
        whole = [alone.batch(i) for i in range(window * 4, window * 4 + 4)]
        assert rows_of(dealt) == rows_of(whole)
    for one in ranks:
        for i, pairs in enumerate(one):
            assert [list(pair.negatives) for pair in pairs] == one.batch(i).negatives.tolist()


def test_without_lists_nothing_changes():
    index = index_of(columns(12, 1, set()))
    without = hf.HybridBatchSampler(index, 4)
    with_lists = hf.HybridBatchSampler(index, 4, hard_negatives={0: [30]})
    assert without.batch(0).negatives is None
    assert type(next(iter(without))[0]) is int
    assert list(without) == list(with_lists)


FORMS = {
    "array": np.array([[7, 9], [-1, 3], [-1, -1], [4, -1]]),
    "mapping": {0: [7, 9], 1: np.array([3]), 3: (4,)},
    "lists": [[7, 9], [3], [], [4]],
    "sparse": (np.array([0, 2, 3, 3, 4]), [7, 9, 3, 4]),
}


@pytest.mark.parametrize("form", FORMS)
def test_lists_come_in_several_forms(form):
    taken = hf.HardNegatives.of(FORMS[form])
    assert [taken[query].tolist() for query in range(len(taken))] == [[7, 9], [3], [], [4]]
    index = index_of(columns(12, 1, set()))
    fingerprints = {
        hf.HybridBatchSampler(index, 4, hard_negatives=one).negatives.fingerprint
        for one in (FORMS[form], taken)
    }
    assert len(fingerprints) == 1


def test_a_state_belongs_to_its_negatives():
    index = index_of(columns(12, 1, set()))
    lists = {0: [30, 20], 1: [25]}
    state = hf.HybridBatchSampler(index, 4, hard_negatives=lists).state_dict()
    hf.HybridBatchSampler(index, 4, hard_negatives=dict(lists)).load_state_dict(state)
    for other in (
        {"hard_negatives": {0: [20, 30], 1: [25]}},
        {"hard_negatives": lists, "negatives_per_query": 2},
        {"hard_negatives": lists, "negatives_language": "passage"},
        {},
    ):
        with pytest.raises(StateMismatch, match="another configuration"):
            hf.HybridBatchSampler(index, 4, **other).load_state_dict(state)


def test_known_positives_and_ambiguous_passages_are_left_out_and_counted():
    # Query 0 is asked in groups 0 and 1 (two golds); passage row 9 stands in two cells as two identities.
    index = hf.PairIndex.from_columns(
        group=[0, 1, 2, 3, 4],
        language=[0] * 5,
        query=[0, 1, 2, 3, 4],
        passage=[5, 6, 7, 9, 9],
        languages=["x"],
        query_identity=[0, 0, 2, 3, 4],
        passage_identity=[50, 60, 70, 80, 90],
    )
    sampler = hf.HybridBatchSampler(index, 1, 1.0, hard_negatives={0: [5, 6, 9, 8], 2: [6]})
    assert sampler.negatives.known_positives == 2
    assert sampler.negatives.ambiguous == 1
    taken = {int(b.query[0]): b.negatives.tolist() for b in map(sampler.batch, range(len(sampler)))}
    assert taken[0] == [[8]]
    assert taken[2] == [[6]]
    assert taken[3] == [[-1]]


def test_pairs_with_negatives_are_whole_numbers_that_travel():
    pair = pickle.loads(pickle.dumps(hf.sampler.PairWithNegatives(12, [3, -1])))
    assert pair == 12
    assert isinstance(pair, int)
    assert pair.negatives == (3, -1)


def test_refusals():
    index = index_of(columns(12, 1, set()))

    def refused(kind, match, **options):
        with pytest.raises(kind, match=match):
            hf.HybridBatchSampler(index, 4, **options)

    refused(InvalidShape, r"shape \(3,\)", hard_negatives=np.arange(3))
    refused(InvalidArgument, "row -2", hard_negatives=np.array([[-2]]))
    refused(InvalidArgument, "row -1", hard_negatives={0: [-1]})
    refused(InvalidArgument, "row -5", hard_negatives={-5: [1]})
    refused(InvalidShape, "from 0 to their number, 2", hard_negatives=([0, 1], [3, 4]))
    refused(InvalidShape, "from 0", hard_negatives=([0, 2, 1, 2], [3, 4]))
    refused(TypeError, "float64", hard_negatives=np.array([[0.5]]))
    refused(InvalidArgument, "negatives_per_query is 0", hard_negatives={0: [1]}, negatives_per_query=0)
    refused(InvalidArgument, "negatives_language", hard_negatives={0: [1]}, negatives_language="same")
    refused(InvalidArgument, "row 99 is in no cell", hard_negatives={0: [99]}, negatives_language="passage")
    refused(
        InvalidShape,
        "1 identities for 2 passages",
        hard_negatives=hf.HardNegatives(np.array([0, 2]), np.array([1, 2]), np.array([1])),
    )
