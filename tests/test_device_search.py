"""Search on a device against the exact search of the core; the same code runs on torch's CPU device."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast import scorers, searching
from hybrid_fast.errors import InvalidArgument, InvalidShape, NotANumber, NotSupported

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

from hybrid_fast.device import DeviceScorer  # noqa: E402  # needs torch

CPU = torch.device("cpu")
TILES = [(2048, 16384), (4, 16), (1, 7), (3, 1)]


@contextlib.contextmanager
def on_device(tile: tuple[int, int], device: object = CPU) -> Iterator[None]:
    """Let ``hf.search`` and ``hf.merge`` compute on a device in tiles of this shape."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "scorer_for", lambda *_: DeviceScorer(device, tile))
        yield


def searched(tile, *args, **kwargs) -> hf.SearchResult:
    with on_device(tile):
        return hf.search(*args, **kwargs)


def same(ours: hf.SearchResult, exact: hf.SearchResult) -> None:
    for name in ("ids", "scores"):
        assert getattr(ours, name).dtype == getattr(exact, name).dtype
        assert getattr(ours, name).shape == getattr(exact, name).shape
        assert (getattr(ours, name) == getattr(exact, name)).all()
    for name in ("ranks", "pool_ranks"):
        a, b = getattr(ours, name), getattr(exact, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert (a.values == b.values).all()
            assert (a.indptr == b.indptr).all()


@st.composite
def tied(draw: st.DrawFn):
    """Small whole numbers: every float32 sum is exact, and most scores are tied."""
    queries, passages = draw(st.integers(0, 13)), draw(st.integers(0, 90))
    dimension = draw(st.integers(0, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    q, p = rng.integers(-2, 3, (queries, dimension)), rng.integers(-2, 3, (passages, dimension))
    golds = [
        rng.permutation(passages)[: rng.integers(0, min(passages, 9) + 1)].tolist() for _ in range(queries)
    ]
    pools = rng.integers(0, 4, passages) if draw(st.booleans()) else None
    return q, p, golds if draw(st.booleans()) else None, pools


def stored_as(values: np.ndarray, kind: str):
    if kind == "bfloat16":
        return torch.tensor(values).bfloat16()
    if kind == "tensor":
        return torch.tensor(values, dtype=torch.float16)
    return values.astype(kind)


KINDS = st.sampled_from(["float32", "float16", "bfloat16", "tensor"])


@settings(deadline=None, max_examples=200)
@given(tied(), st.integers(0, 95), st.sampled_from(TILES), KINDS, KINDS)
def test_exact_scores_give_the_very_same_answer(case, k, tile, query_kind, passage_kind):
    q, p, golds, pools = case
    q, p = stored_as(q, query_kind), stored_as(p, passage_kind)
    exact = hf.search(q, p, k, positives=golds, pools=pools)
    same(searched(tile, q, p, k, positives=golds, pools=pools), exact)


@settings(deadline=None, max_examples=60)
@given(tied(), st.integers(0, 95), st.sampled_from(TILES), st.lists(st.integers(0, 90), max_size=4))
def test_shards_and_merged_results_give_the_very_same_answer(case, k, tile, cuts):
    q, p, golds, pools = case
    q, p = q.astype("f4"), p.astype("f2")
    exact = hf.search(q, p, k, positives=golds, pools=pools)
    edges = [0, *sorted(min(cut, len(p)) for cut in cuts), len(p)]
    spans = list(itertools.pairwise(edges))
    shards = [p[a:b] for a, b in spans]
    same(searched(tile, q, shards, k, positives=golds, pools=pools), exact)
    with on_device(tile):
        merged = hf.merge(
            hf.search(
                q,
                p[a:b],
                k,
                positives=golds and [[gold - a for gold in sorted(row) if a <= gold < b] for row in golds],
                pools=None if pools is None else pools[a:b],
            )
            for a, b in spans
        )
    in_order = hf.search(q, p, k, positives=golds and [sorted(row) for row in golds], pools=pools)
    assert (merged.ids == in_order.ids).all()
    assert (merged.ranks is None) == (golds is None)
    if golds:
        assert (merged.ranks.values == in_order.ranks.values).all()
        assert pools is None or (merged.pool_ranks.values == in_order.pool_ranks.values).all()


def bound(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The tolerance that the docstring states, for each pair."""
    norms = np.linalg.norm(q.astype("f8"), axis=1)[:, None] * np.linalg.norm(p.astype("f8"), axis=1)
    return 2 * q.shape[1] * 2.0**-24 * norms


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(1, 300),
    st.sampled_from(["float32", "float16"]),
    st.sampled_from([(16, 128), (2048, 16384), (7, 50)]),
    st.booleans(),
)
def test_other_scores_are_within_the_stated_tolerance(seed, dimension, kind, tile, pooled):
    rng = np.random.default_rng(seed)
    spread = 10.0 ** rng.uniform(-1, 1, (200, 1))
    q = rng.standard_normal((20, dimension)).astype(kind)
    p = (rng.standard_normal((200, dimension)) * spread + 0.5).astype(kind)
    p[100:110] = p[50:60]
    p[150] = p[151] + np.float32(2e-7)
    golds = [rng.permutation(200)[:5].tolist() for _ in range(20)]
    pools = rng.integers(0, 3, 200) if pooled else None
    exact = hf.search(q, p, 200, positives=golds, pools=pools)
    scores, near = np.empty((20, 200)), bound(q, p)
    np.put_along_axis(scores, exact.ids, exact.scores.astype("f8"), axis=1)
    ours = searched(tile, q, p, 30, positives=golds, pools=pools)
    assert (
        np.abs(np.take_along_axis(scores, ours.ids, 1) - ours.scores) <= np.take_along_axis(near, ours.ids, 1)
    ).all()
    assert all(len(set(row)) == 30 for row in ours.ids.tolist())
    for query, row in enumerate(golds):
        # Two passages may swap only where their tolerances overlap.
        order = ours.ids[query]
        left_out = np.setdiff1d(np.arange(200), order)
        assert (scores[query, left_out] - near[query, left_out]).max() <= (scores[query] + near[query])[
            order
        ].min()
        for gold, rank in zip(row, ours.ranks[query], strict=True):
            slack = near[query] + near[query, gold]
            apart = scores[query] - scores[query, gold]
            others = np.arange(200) != gold
            surely, maybe = (apart > slack) & others, (apart >= -slack) & others
            assert 1 + surely.sum() <= rank <= 1 + maybe.sum()
    if pooled:
        for label in set(pools.tolist()):
            assert ours.pool_ranks.select(label).values.max(initial=1) <= (pools == label).sum()


def test_a_listed_positive_has_its_place_as_rank():
    rng = np.random.default_rng(3)
    q, p = rng.standard_normal((40, 384)).astype("f4"), rng.standard_normal((900, 384)).astype("f4")
    p[300:600] = p[:300]
    golds = [rng.permutation(900)[:11].tolist() for _ in range(40)]
    for tile in [(16, 256), (7, 100), (2048, 16384)]:
        found = searched(tile, q, p, 900, positives=golds)
        for query, row in enumerate(golds):
            places = [found.ids[query].tolist().index(gold) + 1 for gold in row]
            assert found.ranks[query].tolist() == places


def test_a_positive_keeps_one_score_where_tiles_round_differently(monkeypatch):
    rng = np.random.default_rng(9)
    q, p = rng.standard_normal((30, 64)).astype("f4"), rng.standard_normal((200, 64)).astype("f4")
    p[100:] = p[:100]
    golds = [rng.permutation(200)[:7].tolist() for _ in range(30)]
    plain = DeviceScorer.score_positives

    def rounded_down(*arguments):
        return np.nextafter(plain(*arguments), np.float32(-np.inf))

    monkeypatch.setattr(DeviceScorer, "score_positives", rounded_down)
    for tile in [(8, 64), (30, 200), (7, 1)]:
        found = searched(tile, q, p, 200, positives=golds)
        for query, row in enumerate(golds):
            places = [found.ids[query].tolist().index(gold) + 1 for gold in row]
            assert found.ranks[query].tolist() == places


def test_equal_passages_are_ordered_by_id_across_blocks():
    q, p = np.ones((3, 2), dtype="f4"), np.ones((500, 2), dtype="f4")
    p[7], p[400] = 0.5, 2
    for tile in [(2, 16), (3, 499), (1, 1), (8, 8192)]:
        found = searched(tile, q, p, 20, positives=[[399, 400, 7], [], [0]])
        assert found.ids.tolist() == [[400, *range(7), *range(8, 20)]] * 3
        assert found.ranks.values.tolist() == [1 + 399, 1, 500, 2]


def test_signed_zeros_are_equal_and_infinities_are_ordered():
    q = np.array([[1, 0], [1, 1e30]], dtype="f4")
    p = np.array([[-0.0, 0], [0.0, 0], [0, 3e38], [-np.inf, 0], [-0.0, -3e38]], dtype="f4")
    exact = hf.search(q, p, 5, positives=[[4, 0, 3], [2, 3]])
    for tile in [(2, 5), (1, 2), (5, 1)]:
        same(searched(tile, q, p, 5, positives=[[4, 0, 3], [2, 3]]), exact)
        same(searched(tile, q, p, 2), hf.search(q, p, 2))


@pytest.mark.parametrize("tile", [(2048, 16384), (2, 8), (3, 1)])
@pytest.mark.parametrize("k", [0, 3])
@pytest.mark.parametrize("golds", [None, [[19]] * 6])
def test_nan_names_query_and_passage_as_on_the_cpu(tile, k, golds):
    q, p = np.ones((6, 3), dtype="f4"), np.ones((20, 3), dtype="f4")
    p[13, 1] = p[19, 0] = np.nan
    for find in (hf.search, lambda *a, **o: searched(tile, *a, **o)):
        with pytest.raises(NotANumber, match="the score of query 0 and passage 13 is NaN"):
            find(q, p, k, positives=golds)
        with pytest.raises(NotANumber, match="the score of query 0 and passage 13 is NaN"):
            find(q, [p[:4], p[4:12], p[12:]], k, positives=golds)
        cancelling, zero = q.copy(), p.copy()
        cancelling[4, 2], zero[5, 2] = np.inf, 0
        with pytest.raises(NotANumber, match="the score of query 4 and passage 5 is NaN"):
            find(cancelling, zero, k, positives=golds)


def test_strided_rows_and_memory_maps(tmp_path):
    rng = np.random.default_rng(4)
    q, p = rng.integers(-3, 4, (9, 6)).astype("f4"), rng.integers(-3, 4, (80, 6)).astype("f2")
    np.save(tmp_path / "p.npy", p)
    mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
    for passages in (mapped, p[::-3], p[5:60:2, 1:], torch.tensor(p)[::2], torch.tensor(p).T.contiguous().T):
        queries = q[:, : passages.shape[1]]
        given = passages.contiguous() if isinstance(passages, torch.Tensor) else passages
        same(searched((4, 16), queries, passages, 8), hf.search(queries, given, 8))


def test_progress_counts_blocks_and_its_exception_stops_the_search():
    q, p = np.ones((5, 4), dtype="f4"), np.ones((30, 4), dtype="f4")
    seen = []
    searched((2, 7), q, p, 2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 5) for done in range(1, 6)]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched((2, 7), q, p, 2, progress=stop)


def test_scores_are_plain_float32_and_the_process_keeps_its_settings():
    matmul = torch.backends.cuda.matmul
    switch = "fp32_precision" if hasattr(matmul, "fp32_precision") else "allow_tf32"
    before = getattr(matmul, switch)
    inside = []
    q, p = torch.randn(5, 64, requires_grad=True), torch.randn(30, 64)
    try:
        setattr(matmul, switch, "tf32" if switch == "fp32_precision" else True)
        wanted = getattr(matmul, switch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = searched((2, 16), q, p, 30, progress=lambda *_: inside.append(getattr(matmul, switch)))
        assert inside == [{"fp32_precision": "ieee", "allow_tf32": False}[switch]] * 2
        with pytest.raises(RuntimeError, match="enough"):
            searched((2, 16), q, p, 3, progress=lambda *_: (_ for _ in ()).throw(RuntimeError("enough")))
        assert getattr(matmul, switch) == wanted
    finally:
        setattr(matmul, switch, before)
    assert torch.is_grad_enabled()
    assert np.abs(found.scores - hf.search(q, p, 30).scores).max() < 1e-4


def test_what_is_refused():
    q, p = np.ones((2, 3), dtype="f4"), np.ones((4, 3), dtype="f4")
    with pytest.raises(TypeError, match=r"passages is float64"):
        searched((2, 2), q, p.astype("f8"))
    with pytest.raises(TypeError, match=r"passages is torch.float64.*passages\.float\(\)"):
        searched((2, 2), q, torch.ones(4, 3, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"passages is sparse"):
        searched((2, 2), q, torch.ones(4, 3).to_sparse())
    with pytest.raises(
        TypeError, match=r"passages\[1\] is on meta, the search runs on cpu; pass passages\[1\]\.to"
    ):
        searched((2, 2), q, [p, torch.ones(4, 3, device="meta")])
    with pytest.raises(InvalidShape, match="queries has 1 dimensions"):
        searched((2, 2), torch.ones(3), p)
    with pytest.raises(InvalidShape, match="queries have 3 dimensions, passages have 2"):
        searched((2, 2), q, p[:, :2])
    with pytest.raises(InvalidArgument, match="query 1 hold passage 4, which is not one of the 4 passages"):
        searched((2, 2), q, p, positives=[[0], [4]])
    with pytest.raises(InvalidArgument, match=r"device is 'tpu', expected 'cpu', 'cuda' or 'cuda:<number>'"):
        hf.search(q, p, device="tpu")
    with pytest.raises(InvalidArgument, match="device is 'cuda:x'"):
        hf.search(q, p, device="cuda:x")


def test_without_a_gpu_the_error_is_a_sentence(monkeypatch):
    q = np.ones((2, 3), dtype="f4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        NotSupported, match=r"^device='cuda:1' needs a CUDA device, and torch finds none here"
    ):
        hf.search(q, q, device="cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(NotSupported, match=r"^device='cuda:3' is not there: torch finds 1"):
        hf.search(q, q, device=torch.device("cuda:3"))


def test_without_torch_the_error_is_a_sentence():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, hybrid_fast as hf\n"
        "q = np.ones((2, 3), dtype='f4')\n"
        "try: hf.search(q, q, device='cuda')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "device='cuda' needs torch; pip install 'hybrid_fast[train]' brings it\n"


def test_results_of_different_devices_do_not_merge_their_ranks():
    q, p = np.ones((2, 3), dtype="f4"), np.ones((4, 3), dtype="f4")
    one = hf.search(q, p, 2, positives=[[0], [1]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeviceScorer, "name", "cuda:0")
        other = searched((2, 2), q, p, 2, positives=[[0], [1]])
    with pytest.raises(InvalidArgument, match=r"on different devices \(cpu, cuda:0\)"):
        hf.merge([one, other])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
@pytest.mark.parametrize("where", ["host", "device"])
def test_a_gpu_gives_the_same_answer(where):
    rng = np.random.default_rng(7)
    q, p = rng.integers(-3, 4, (3000, 24)).astype("f4"), rng.integers(-3, 4, (40_000, 24)).astype("f2")
    golds = [rng.permutation(40_000)[: rng.integers(0, 6)].tolist() for _ in range(3000)]
    pools = rng.integers(0, 5, 40_000)
    exact = hf.search(q, p, 100, positives=golds, pools=pools)
    place = (lambda a: torch.tensor(a, device="cuda")) if where == "device" else (lambda a: a)
    ours = hf.search(
        place(q), [place(p[:9000]), place(p[9000:])], 100, positives=golds, pools=pools, device="cuda"
    )
    same(ours, exact)
    q, p = rng.standard_normal((500, 384)).astype("f4"), rng.standard_normal((50_000, 384)).astype("f2")
    exact = hf.search(q, p, 50)
    near = (
        2 * 384 * 2.0**-24 * np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(p.astype("f4"), axis=1).max()
    )
    assert (np.abs(hf.search(place(q), place(p), 50, device="cuda:0").scores - exact.scores) <= near).all()


def test_scorers_are_chosen_by_name():
    assert scorers.scorer_for("cpu", "f32", 1).name == "cpu"
    assert DeviceScorer(torch.device("cuda", 1)).name == "cuda:1"
