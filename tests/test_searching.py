"""Streaming search and merging of shards against the oracle, the dense functions and faiss."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
import reference
from hybrid_fast.errors import InvalidArgument, InvalidShape, NotANumber


@st.composite
def cases(draw: st.DrawFn, most_queries: int = 20, most_passages: int = 200):
    """Embeddings whose scores tie often, golds and pools."""
    queries, passages = draw(st.integers(0, most_queries)), draw(st.integers(0, most_passages))
    dimension = draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from([np.float32, np.float16]))
    q = rng.integers(-2, 3, (queries, dimension)).astype(kind)
    p = rng.integers(-2, 3, (passages, dimension)).astype(kind)
    golds = [
        rng.permutation(passages)[: rng.integers(0, min(passages, 14) + 1)].tolist() for _ in range(queries)
    ]
    pools = rng.integers(0, draw(st.integers(1, 5)), passages)
    if draw(st.booleans()):
        pools.sort()
    return q, p, golds, [("ar", "de", "en", "sw", "zh")[pool] for pool in pools]


def same(a: hf.SearchResult, b: hf.SearchResult) -> None:
    assert (a.ids == b.ids).all()
    assert (a.scores == b.scores).all()
    assert a.ids.shape == b.ids.shape


@settings(deadline=None)
@given(cases(), st.integers(0, 30), st.sampled_from([1, 2, 3]))
def test_search_equals_the_dense_functions(case, k, threads):
    q, p, golds, pools = case
    found = hf.search(q, p, k, positives=golds, pools=pools, threads=threads)
    matrix = q.astype(np.float64) @ p.astype(np.float64).T  # small integers: exact
    values, ids = hf.topk(matrix, k)
    assert found.ids.tolist() == ids.tolist()
    assert found.scores.tolist() == values.tolist()
    assert found.scores.dtype == np.float32
    assert found.ranks.values.tolist() == hf.ranks(matrix, golds).values.tolist()
    for label in set(pools):
        chosen = found.pool_ranks.select(label)
        for query, row in enumerate(golds):
            own = [reference.pool_rank(matrix[query], gold, pools) for gold in row if pools[gold] == label]
            assert chosen[query].tolist() == own


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([np.float32, np.float16]))
def test_scores_are_in_the_written_order_bit_for_bit(seed, dimension, kind):
    rng = np.random.default_rng(seed)
    q = (rng.standard_normal((3, dimension)) * 10.0 ** rng.integers(-3, 4, (3, 1))).astype(kind)
    p = rng.standard_normal((37, dimension)).astype(kind)
    found = hf.search(q, p, 37)
    expected = reference.scores(q, p)
    assert (np.take_along_axis(expected, found.ids, axis=1) == found.scores).all()
    alone = hf.search(q[1:2], p[5:6], 1)
    assert alone.scores[0, 0] == expected[1, 5]


def test_overflow_is_a_value_and_nan_is_an_error():
    q = np.array([[1e30, 1.0]], dtype=np.float32)
    p = np.array([[1e30, 0.0], [1.0, 1.0], [-1e30, 0.0]], dtype=np.float32)
    found = hf.search(q, p, 3, positives=[[2, 0]])
    assert found.ids.tolist() == [[0, 1, 2]]
    assert found.scores[0].tolist() == [np.inf, np.float32(1e30), -np.inf]
    assert found.ranks.values.tolist() == [3, 1]
    p[1] = np.inf, -np.inf
    with pytest.raises(NotANumber, match="query 0 and passage 1 is NaN"):
        hf.search(q, p, 3, positives=[[1]])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_the_nan_that_is_named_does_not_depend_on_threads(seed, count):
    rng = np.random.default_rng(seed)
    q, p = rng.standard_normal((150, 64)).astype("f4"), rng.standard_normal((3000, 64)).astype("f4")
    rows = np.sort(rng.permutation(3000)[:count])
    p[rows, 7] = np.nan
    for threads in (1, 2, 5):
        with pytest.raises(NotANumber, match=f"query 0 and passage {rows[0]} is NaN"):
            hf.search(q, p, 3, threads=threads)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 40, 300]), st.booleans())
def test_large_search_does_not_depend_on_threads(seed, queries, pooled):
    rng = np.random.default_rng(seed)
    q, p = rng.standard_normal((queries, 48)).astype("f4"), rng.standard_normal((9000, 48)).astype("f4")
    p[4000:4400] = p[100:500]
    golds = [rng.permutation(9000)[: rng.integers(0, 30)] for _ in range(queries)]
    pools = rng.integers(0, 11, 9000) if pooled else None
    one = hf.search(q, p, 60, positives=golds, pools=pools, threads=1)
    for threads in (2, 7):
        other = hf.search(q, p, 60, positives=golds, pools=pools, threads=threads)
        same(one, other)
        assert (one.ranks.values == other.ranks.values).all()
        assert not pooled or (one.pool_ranks.values == other.pool_ranks.values).all()
    matrix = q.astype(np.float64) @ p.astype(np.float64).T
    assert np.abs(np.take_along_axis(matrix, one.ids, axis=1) - one.scores).max() < 1e-4


def test_equals_faiss_on_data_without_ties():
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(11)
    q, p = rng.standard_normal((200, 96)).astype("f4"), rng.standard_normal((5000, 96)).astype("f4")
    index = faiss.IndexFlatIP(96)
    index.add(p)
    values, ids = index.search(q, 50)
    found = hf.search(q, p, 50)
    apart = np.diff(values, axis=1).max() < -1e-6
    assert apart or (np.sort(ids) == np.sort(found.ids)).mean() > 0.999
    differ = ids != found.ids
    # Where the order differs, the scores are equal up to the rounding of faiss's own sums.
    assert np.abs(values - found.scores)[differ].max(initial=0) < 1e-4
    assert differ.mean() < 1e-3


def test_torch_bfloat16_and_mixed_types():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    rng = np.random.default_rng(5)
    q, p = (
        torch.tensor(rng.standard_normal((9, 24))).bfloat16(),
        torch.tensor(rng.standard_normal((80, 24))).half(),
    )
    found = hf.search(q, p, 8, positives=[[3]] * 9)
    plain = hf.search(q.float().numpy(), p.float(), 8, positives=[[3]] * 9)
    same(found, plain)
    assert (found.ranks.values == plain.ranks.values).all()
    same(hf.search(q[::2], p[10:60:5], 8), hf.search(q[::2].float(), p[10:60:5].float(), 8))


def test_memory_mapped_embeddings(tmp_path):
    rng = np.random.default_rng(6)
    q, p = rng.standard_normal((5, 8)).astype("f2"), rng.standard_normal((70, 8)).astype("f4")
    np.save(tmp_path / "q.npy", q)
    np.save(tmp_path / "p.npy", p)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("q.npy", "p.npy")]
    same(hf.search(*mapped, 4), hf.search(q, p, 4))


def test_empty_matrices_and_no_dimensions():
    none, some = np.zeros((0, 4), dtype="f4"), np.ones((3, 4), dtype="f4")
    assert hf.search(none, some, 2, positives=[]).ids.shape == (0, 2)
    assert hf.search(some, none, 2, positives=[[]] * 3, pools=[]).ids.shape == (3, 0)
    flat = np.zeros((3, 0), dtype="f4")
    assert hf.search(flat, flat, 2).ids.tolist() == [[0, 1]] * 3


@pytest.mark.parametrize(
    "pools",
    [
        ["x", "y", "x", "y"],
        np.array(["x", "y", "x", "y"]),
        np.array([7, 3, 7, 3], dtype=np.int8),
        [("a", 1), True, ("a", 1), True],
        np.array(["x", 2, "x", 2], dtype=object),
        np.ma.masked_array([7.5, 3.5, 7.5, 3.5], [False] * 4),
    ],
)
def test_pools_of_any_labels(pools):
    q, p = np.ones((1, 1), dtype="f4"), np.array([[1], [2], [3], [4]], dtype="f4")
    found = hf.search(q, p, 1, positives=[[0, 1, 3]], pools=pools)
    first, second = list(pools)[:2]
    assert found.ranks.values.tolist() == [4, 3, 1]
    assert found.pool_ranks.values.tolist() == [2, 2, 1]
    assert found.pool_ranks.select(first).values.tolist() == [2]
    assert found.pool_ranks.select(second).values.tolist() == [2, 1]
    assert found.pool_ranks.mask(second).tolist() == [False, True, True]
    with pytest.raises(InvalidArgument, match="no pool 'missing'; there are"):
        found.pool_ranks.select("missing")
    with pytest.raises(InvalidArgument, match=r"2 pools; choose one with pool_ranks\.select"):
        hf.measure(found.pool_ranks, ["AP"])


def test_what_is_refused():
    q, p = np.ones((2, 3), dtype="f4"), np.ones((4, 3), dtype="f4")
    with pytest.raises(TypeError, match=r"queries is float64.*queries\.astype\('float32'\)"):
        hf.search(q.astype(float), p)
    with pytest.raises(TypeError, match=r"passages is int64; cast it"):
        hf.search(q, p.astype(int))
    with pytest.raises(InvalidShape, match="queries have 3 dimensions, passages have 2"):
        hf.search(q, p[:, :2])
    with pytest.raises(InvalidShape, match="pools has 3 labels, there are 4 passages"):
        hf.search(q, p, pools=[1, 2, 3])
    with pytest.raises(TypeError, match="labels that can be hashed"):
        hf.search(q, p, pools=[[1]] * 4)
    with pytest.raises(TypeError, match="pools is str"):
        hf.search(q, p, pools="abcd")
    with pytest.raises(InvalidArgument, match="Fortran"):
        hf.search(q, np.asfortranarray(p))
    with pytest.raises(InvalidArgument, match="precision is 'int8', expected one of 'auto', 'f32'"):
        hf.search(q, p, precision="int8")
    with pytest.raises(InvalidArgument, match="query 1 hold passage 4, which is not one of the 4 passages"):
        hf.search(q, p, positives=[[0], [4]])
    with pytest.raises(InvalidShape, match="positives describe 1 queries, there are 2"):
        hf.search(q, p, positives=[[0]])


@settings(deadline=None)
@given(
    cases(8, 90), st.lists(st.integers(0, 90), max_size=4), st.integers(0, 25), st.booleans(), st.booleans()
)
def test_merged_shards_equal_one_search(case, cuts, k, with_golds, with_pools):
    q, p, golds, pools = case
    golds = [sorted(row) for row in golds]
    edges = [0, *sorted(min(cut, len(p)) for cut in cuts), len(p)]

    def one(start: int, stop: int) -> hf.SearchResult:
        local = [[gold - start for gold in row if start <= gold < stop] for row in golds]
        return hf.search(
            q,
            p[start:stop],
            k,
            positives=local if with_golds else None,
            pools=pools[start:stop] if with_pools else None,
        )

    shards = [one(start, stop) for start, stop in itertools.pairwise(edges)]
    whole = one(0, len(p))
    nested = hf.merge([hf.merge(shards[:2]), *shards[2:]])
    for merged in (hf.merge(shards), nested):
        same(merged, whole)
        if not with_golds:
            assert merged.ranks is None
            continue
        assert merged.ranks.indptr.tolist() == whole.ranks.indptr.tolist()
        assert merged.ranks.values.tolist() == whole.ranks.values.tolist()
        if with_pools:
            for label in set(pools):
                ours, theirs = merged.pool_ranks.select(label), whole.pool_ranks.select(label)
                assert ours.values.tolist() == theirs.values.tolist()


def test_merge_refuses_what_would_be_wrong():
    q, p = np.random.default_rng(2).standard_normal((2, 3, 4)).astype("f4")
    golds = [[0], [1], []]
    with pytest.raises(InvalidArgument, match="at least one"):
        hf.merge([])
    with pytest.raises(InvalidShape, match="different values of k"):
        hf.merge([hf.search(q, p, 1), hf.search(q, p, 2)])
    with pytest.raises(InvalidShape, match="different numbers of queries"):
        hf.merge([hf.search(q, p, 1), hf.search(q[:2], p, 1)])
    with pytest.raises(InvalidArgument, match="some shards were searched with positives and some without"):
        hf.merge([hf.search(q, p, 1, positives=golds), hf.search(q, p, 1)])
    with pytest.raises(InvalidArgument, match="some shards were searched with pools"):
        hf.merge([hf.search(q, p, 1, pools=[1, 1, 1]), hf.search(q, p, 1)])
    first = hf.search(q, p, 1, positives=golds)
    with pytest.raises(InvalidArgument, match="different queries"):
        hf.merge([first, hf.search(q + 1, p, 1, positives=golds)])
    travelled = pickle.loads(pickle.dumps(first))
    assert (travelled.ranks.values == first.ranks.values).all()
    with pytest.raises(InvalidArgument, match="shard 1 was searched with positives in another process"):
        hf.merge([first, travelled])
    buffer = p.copy()
    second = hf.search(q, buffer, 1, positives=golds)
    buffer[2, 1] += 1
    with pytest.raises(InvalidArgument, match="embeddings of shard 1 were changed after its search"):
        hf.merge([first, second])
    plain = pickle.loads(pickle.dumps(hf.search(q, p, 1)))
    assert hf.merge([plain, plain]).ids.shape == (3, 1)


def test_progress_counts_up_and_its_exception_stops_the_search():
    q, p = np.ones((10, 4), dtype="f4"), np.ones((30, 4), dtype="f4")
    seen: list[tuple[int, int]] = []
    hf.search(q, p, 2, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == len(seen)

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        hf.search(q, p, 2, progress=stop)


def missing_labels():
    yield [None, "x", "x", "y"], 0
    yield ["x", math.nan, "y", math.nan], 1
    yield ("x", "y", ("y", math.nan), "x"), 2
    yield np.array([1, 2, 2, np.nan]), 3
    yield np.array(["x", "y", None, "x"], dtype=object), 2
    yield np.array(["2020", "NaT", "2020", "2020"], dtype="M8[D]"), 1
    yield np.ma.masked_array([1, 2, 3, 4], [0, 0, 1, 0]), 2
    yield np.ma.masked_array(["a", "b", "c", "d"], [0, 1, 0, 0]), 1
    yield [1, 2, np.ma.masked, 3], 2
    yield (label for label in ["x", "x", "x", None]), 3
    pandas = pytest.importorskip("pandas")
    yield pandas.Series(["x", None, "y", "y"]), 1
    yield pandas.Series([1, pandas.NA, 1, 1], dtype="Int64"), 1
    yield pandas.Series(["x", "x", pandas.NA, "y"], dtype="string"), 2
    yield pandas.Categorical(["x", "y", None, "x"]), 2
    yield pandas.Series(pandas.Categorical(["x", "y", "y", None])), 3
    yield pandas.to_datetime(pandas.Series(["2020-01-01", None, None, None])), 1
    yield pandas.Index(["x", None, "y", "y"]), 1
    arrow = pytest.importorskip("pyarrow")
    yield arrow.array(["x", None, "y", "y"]), 1
    yield arrow.chunked_array([["x", "y"], ["y", None]]), 3
    yield arrow.array(["x", "y", None, "y"]).dictionary_encode(), 2
    yield list(arrow.array([1, 2, 3, None])), 3
    torch = pytest.importorskip("torch")
    yield torch.tensor([1.0, math.nan, 2.0, 2.0]), 1
    yield list(torch.tensor([1.0, 1.0, math.nan, 2.0])), 2


def test_a_missing_label_is_an_error_with_its_row():
    q, p = np.ones((1, 1), dtype="f4"), np.ones((4, 1), dtype="f4")
    for pools, row in missing_labels():
        with pytest.raises(
            InvalidArgument, match=rf"pools lack a label in row {row} \(.*\); give every row one"
        ):
            hf.search(q, p, 1, positives=[[0]], pools=pools)


def test_labels_of_every_container_are_the_same_pools():
    arrow, pandas, torch = (pytest.importorskip(name) for name in ("pyarrow", "pandas", "torch"))
    q, p = np.ones((1, 1), dtype="f4"), np.array([[1], [2], [3], [4]], dtype="f4")
    numbers = [7, 3, 7, 3]
    for pools in (
        numbers, iter(numbers), np.array(numbers), np.array(numbers, dtype=float), arrow.array(numbers),
        arrow.chunked_array([numbers[:1], numbers[1:]]), list(arrow.array(numbers)), pandas.Series(numbers),
        pandas.Series(numbers, dtype="Int64"), pandas.Categorical(numbers), torch.tensor(numbers),
        list(torch.tensor(numbers)),
    ):  # fmt: skip
        found = hf.search(q, p, 1, positives=[[0, 1, 3]], pools=pools).pool_ranks
        assert found.values.tolist() == [2, 2, 1]
        assert found.select(3).values.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        ({"x", "y"}, "pools is set, which has no order; expected a label a passage"),
        ({0: "x"}, "pools is dict, which has no order"),
        ("xyxy", "pools is str, expected a label a passage"),
        ([["x"], "y", "x", "y"], "pools must hold labels that can be hashed"),
        (np.ones((4, 1)), "pools has 2 dimensions, expected a label a passage"),
    ],
)
def test_what_is_no_column_of_labels_is_refused(pools, message):
    q, p = np.ones((1, 1), dtype="f4"), np.ones((4, 1), dtype="f4")
    with pytest.raises((TypeError, InvalidShape), match=message):
        hf.search(q, p, 1, pools=pools)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no signals on this system")
def test_ctrl_c_stops_a_long_search():
    q, p = np.ones((20_000, 64), dtype="f4"), np.ones((400_000, 64), dtype="f4")
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        hf.search(q, p, 5)
    assert time.perf_counter() - start < 8


def test_merge_refuses_results_that_no_search_returned():
    q, p = np.ones((2, 4), dtype="f4"), np.ones((5, 4), dtype="f4")
    found = hf.search(q, p, 3)
    by_hand = hf.SearchResult(found.ids, found.scores, None, None)
    cut = dataclasses.replace(found, ids=found.ids[:, :2], scores=found.scores[:, :2])
    other = dataclasses.replace(found, scores=found.scores[:1])
    for results, number in (([by_hand], 0), ([found, by_hand], 1), ([cut, found], 0), ([found, other], 1)):
        with pytest.raises(
            InvalidArgument, match=rf"result {number} is not as hybrid_fast\.search returned it"
        ):
            hf.merge(results)
    with pytest.raises(TypeError, match=r"merge needs a list of search results, .* and got one result"):
        hf.merge(found)
    with pytest.raises(TypeError, match="and got int"):
        hf.merge(3)
    with pytest.raises(TypeError, match="result 1 is int, expected a SearchResult"):
        hf.merge([found, 1])
    assert hf.merge([found, hf.merge([found, found])]).ids.tolist() == [[0, 1, 2]] * 2


def test_a_vector_is_no_shard(tmp_path):
    q, p = np.ones((2, 4), dtype="f4"), np.ones(4, dtype="f4")
    np.save(tmp_path / "p.npy", p)
    mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
    for passages in ([p], (p,), [mapped], [mapped, mapped], mapped, p):
        with pytest.raises(InvalidShape, match="has 1 dimensions, expected a matrix"):
            hf.search(q, passages, 1)


def test_k_is_a_number_and_0_keeps_none():
    q, p = np.ones((2, 4), dtype="f4"), np.ones((5, 4), dtype="f4")
    found = hf.search(q, p, 0, positives=[[1], [0, 2]])
    assert found.ids.shape == found.scores.shape == (2, 0)
    assert found.ranks.values.tolist() == [2, 1, 3]
    assert hf.topk(q, 0)[1].shape == (2, 0)
    for k in (True, np.bool_(True), 1.5, None, "3"):
        with pytest.raises(TypeError, match="expected a whole number"):
            hf.search(q, p, k)
        with pytest.raises(TypeError, match="expected a whole number"):
            hf.topk(q, k)
    with pytest.raises(TypeError, match="threads is True"):
        hf.search(q, p, 1, threads=True)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_negative_and_conjugate_views_of_torch_are_their_values(kind):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    plain = torch.tensor(rng.standard_normal((6, 8)), dtype=getattr(torch, kind))
    view = torch._neg_view(plain)
    assert view.is_neg()
    passages = np.ones((4, 8), dtype="f4") * np.arange(4, dtype="f4")[:, None]
    assert hf.search(view, passages, 2).scores.tolist() == hf.search(-plain, passages, 2).scores.tolist()
    assert hf.search(passages, view, 2).ids.tolist() == hf.search(passages, -plain, 2).ids.tolist()
    assert hf.topk(view, 3)[1].tolist() == hf.topk(-plain, 3)[1].tolist()
    if kind == "float32":
        conjugate = torch.randn(5, 7, dtype=torch.complex64).conj().imag.T.clone().T
        assert hf.topk(torch._neg_view(torch.ones(2, 3)), 1)[0].tolist() == [[-1.0]] * 2
        assert hf.ranks(conjugate.contiguous(), [[0]] * 5).values.tolist() == [
            1 + int((row > row[0]).sum()) for row in conjugate
        ]
