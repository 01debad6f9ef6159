"""Search over several shards and mapped files: the answer of one search, in little memory of its own."""

from __future__ import annotations

import itertools
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast import memory_maps
from hybrid_fast.errors import InvalidArgument, InvalidShape, NotANumber


def equal(ours: hf.SearchResult, whole: hf.SearchResult) -> None:
    assert (ours.ids.shape, ours.ids.dtype) == (whole.ids.shape, whole.ids.dtype)
    assert (ours.ids == whole.ids).all()
    assert (ours.scores.view(np.uint32) == whole.scores.view(np.uint32)).all()
    for name in ("ranks", "pool_ranks"):
        a, b = getattr(ours, name), getattr(whole, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert (a.indptr == b.indptr).all()
            assert (a.values == b.values).all()


@st.composite
def corpora(draw: st.DrawFn):
    """Embeddings with ties, where the corpus is cut, golds and pools."""
    queries, passages = draw(st.integers(0, 12)), draw(st.integers(0, 150))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dimension = draw(st.integers(1, 20))
    q, p = (
        (rng.integers(-2, 3, (n, dimension)) if draw(st.booleans()) else rng.standard_normal((n, dimension)))
        for n in (queries, passages)
    )
    kind = draw(st.sampled_from(["f4", "f2"]))
    cuts = draw(st.lists(st.integers(0, passages), max_size=5))
    golds = [rng.permutation(passages)[: rng.integers(0, min(passages, 9) + 1)] for _ in range(queries)]
    pools = rng.integers(0, 4, passages)
    edges = itertools.pairwise([0, *sorted(cuts), passages])
    return q.astype("f4"), p.astype(kind), list(edges), golds, pools


@settings(deadline=None)
@given(corpora(), st.integers(0, 160), st.booleans(), st.booleans(), st.sampled_from([list, tuple]))
def test_shards_give_the_answer_of_one_search(case, k, with_golds, with_pools, holder):
    q, p, edges, golds, pools = case
    options = {"positives": golds if with_golds else None, "pools": pools if with_pools else None}
    ours = hf.search(q, holder(p[a:b] for a, b in edges), k, **options)
    whole = hf.search(q, p, k, **options)
    equal(ours, whole)
    if len(p):
        half = len(edges) // 2
        cut = edges[half][0]
        parts = []
        for span, shards in (((0, cut), edges[:half]), ((cut, len(p)), edges[half:])):
            local = [[gold - span[0] for gold in row if span[0] <= gold < span[1]] for row in golds]
            parts.append(
                hf.search(
                    q,
                    [p[a:b] for a, b in shards] or p[:0],
                    k,
                    positives=local if with_golds else None,
                    pools=pools[span[0] : span[1]] if with_pools else None,
                )
            )
        merged = hf.merge(parts)
        assert (merged.ids == whole.ids).all()
        if with_golds:
            # Merged positives stand in the order of the shards.
            moved = [np.concatenate([row[row < cut], row[row >= cut]]) for row in golds]
            equal(merged, hf.search(q, p, k, **(options | {"positives": moved})))


def test_shards_may_differ_in_type_and_home(tmp_path):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    q, p = rng.standard_normal((7, 16)).astype("f4"), rng.standard_normal((90, 16)).astype("f2")
    np.save(tmp_path / "p.npy", p[:40])
    p[40:60] = torch.tensor(p[40:60].astype("f4")).bfloat16().half().numpy()
    shards = [
        np.load(tmp_path / "p.npy", mmap_mode="r"),
        torch.tensor(p[40:60].astype("f4")).bfloat16(),
        p[60:70].astype("f4"),
        p[70:],
    ]
    golds = [[3, 45, 65, 89]] * 7
    equal(hf.search(q, shards, 30, positives=golds), hf.search(q, p, 30, positives=golds))


def test_a_list_of_rows_is_one_matrix():
    q, rows = np.eye(3, dtype="f4"), [np.array([0, 1, 0], dtype="f4"), np.array([1, 0, 0], dtype="f4")]
    assert hf.search(q, rows, 1).ids.tolist() == [[1], [0], [0]]


def test_what_is_refused_names_the_shard():
    q, p = np.ones((2, 3), dtype="f4"), np.ones((4, 3), dtype="f4")
    with pytest.raises(InvalidShape, match="passages is empty, expected a matrix or the matrices"):
        hf.search(q, [])
    with pytest.raises(TypeError, match=r"passages\[1\] is float64.*passages\[1\]\.astype"):
        hf.search(q, [p, p.astype("f8")])
    with pytest.raises(InvalidShape, match=r"passages\[1\] has 1 dimensions"):
        hf.search(q, [p, p[0]])
    with pytest.raises(InvalidShape, match="queries have 3 dimensions, passages of shard 1 have 2"):
        hf.search(q, [p, p[:, :2]])
    with pytest.raises(InvalidShape, match="pools has 4 labels, there are 8 passages"):
        hf.search(q, [p, p], pools=[0] * 4)
    with pytest.raises(InvalidArgument, match="query 1 hold passage 8, which is not one of the 8 passages"):
        hf.search(q, [p, p], positives=[[7], [8]])
    with pytest.raises(InvalidShape, match="positives describe 1 queries, there are 2"):
        hf.search(q, [p, p], positives=[[7]])
    with pytest.raises(InvalidArgument, match="passage 5 twice"):
        hf.search(q, [p, p], positives=[[5, 1, 5], []])
    second = p.copy()
    second[1, 0] = np.nan
    with pytest.raises(NotANumber, match="query 0 and passage 5 is NaN"):
        hf.search(q, [p, second], positives=[[5], [0]])


def test_progress_of_shards_counts_passages_to_the_end():
    q, p = np.ones((10, 4), dtype="f4"), np.ones((30, 4), dtype="f4")
    seen: list[tuple[int, int]] = []
    hf.search(q, [p[:7], p[7:7], p[7:]], 2, progress=lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {30}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (30, 30)


@pytest.fixture
def mapped(tmp_path):
    rng = np.random.default_rng(4)
    p = rng.standard_normal((5000, 16)).astype("f2")
    np.save(tmp_path / "a.npy", p[:3000])
    np.save(tmp_path / "b.npy", p[3000:])
    return p, [np.load(tmp_path / name, mmap_mode="r") for name in ("a.npy", "b.npy")]


def test_the_kernel_is_asked_for_each_row_once_and_a_window_ahead(mapped, monkeypatch):
    p, shards = mapped
    asked: list[tuple[int, int, int]] = []
    done: list[int] = []

    def advise(array: np.ndarray, advice: str) -> None:
        shard = next(number for number, shard in enumerate(shards) if np.may_share_memory(array, shard))
        first = (array.ctypes.data - shards[shard].ctypes.data) // 32 + (0, 3000)[shard]
        asked.append((first, first + len(array), done[-1] if done else 0))

    monkeypatch.setattr(memory_maps, "_advise", advise)
    monkeypatch.setattr(memory_maps, "_AHEAD", 400 * 32)
    ahead = memory_maps.ReadAhead([shards[0], p[:0], shards[1]])
    for row in [*range(0, 5000, 7), 5000, 5000]:
        done.append(row)
        ahead.reached(row)
    assert [first for first, _, _ in asked] == [0, *(stop for _, stop, _ in asked[:-1])]
    assert asked[-1][1] == 5000
    assert all(stop <= row + 400 for _, stop, row in asked)
    # Never is the work less than most of a window from the edge of what was asked for.
    assert all(row <= first - 250 for first, _, row in asked[1:])
    assert len(asked) < 60


def test_mapped_shards_give_the_same_answer_with_and_without_advice(mapped, monkeypatch):
    p, shards = mapped
    whole = hf.search(p[:4], p, 5)
    equal(hf.search(p[:4], shards, 5), whole)
    monkeypatch.setattr(mmap, "MADV_WILLNEED", 12345, raising=False)  # the kernel knows no such advice
    equal(hf.search(p[:4], shards, 5), whole)
    monkeypatch.delattr(mmap, "MADV_WILLNEED")
    equal(hf.search(p[:4], shards, 5), whole)


def test_slices_and_views_of_maps_are_recognised(mapped):
    _, (shard, _) = mapped
    for view in (shard, shard[10:], np.asarray(shard)[::2], shard[::-1], shard[:0]):
        assert memory_maps._mapping(view) is not None
        memory_maps._advise(view, "MADV_WILLNEED")
        start, length = memory_maps._span(view, memory_maps._mapping(view)[0])
        assert start % mmap.ALLOCATIONGRANULARITY == 0
        assert 0 <= start <= start + length <= shard.nbytes + 4096
    assert memory_maps._mapping(np.ones(3)) is None
    assert memory_maps.file_stamp(np.ones(3)) is None


def test_a_mapped_file_that_changed_is_not_merged(tmp_path):
    path, q = tmp_path / "p.npy", np.ones((2, 4), dtype="f4")
    np.save(path, np.ones((6, 4), dtype="f4"))

    def searched() -> hf.SearchResult:
        return hf.search(q, np.load(path, mmap_mode="r"), 2, positives=[[1], [2]])

    first, second = searched(), searched()
    assert hf.merge([first, second]).ranks.values.tolist() == [2, 8, 3, 9]
    time.sleep(0.02)
    with path.open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(np.float32(7).tobytes())
    with pytest.raises(InvalidArgument, match="embeddings of shard 0 were changed after its search"):
        hf.merge([first, second])


OWN_MEMORY = """
import sys, re, numpy as np, hybrid_fast as hf
def anonymous():
    text = open('/proc/self/status').read()
    return int(re.search(r'RssAnon:\\s+(\\d+) kB', text)[1]) << 10
q = np.load(sys.argv[1])
shards = [np.load(name, mmap_mode='r') for name in sys.argv[2:]]
golds = [[i, len(shards[0]) + i] for i in range(len(q))]
hf.search(q, shards[0][:3000], 10, threads=2)
before, most = anonymous(), 0
def watch(done, total):
    global most
    most = max(most, anonymous())
found = hf.search(q, shards, 10, positives=golds, threads=2, progress=watch)
print(most - before, found.ranks.values.max())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_own_memory_does_not_grow_with_the_files(tmp_path):
    rng = np.random.default_rng(5)
    np.save(tmp_path / "q.npy", rng.standard_normal((20, 128)).astype("f4"))
    block = rng.standard_normal((20_000, 128)).astype("f2")
    for name in ("a.npy", "b.npy"):
        shard = np.lib.format.open_memmap(tmp_path / name, "w+", "f2", (400_000, 128))
        for start in range(0, len(shard), len(block)):
            shard[start : start + len(block)] = block
        shard.flush()
        del shard
    arguments = [sys.executable, "-c", OWN_MEMORY, *(tmp_path / name for name in ("q.npy", "a.npy", "b.npy"))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120)
    grown, worst = map(int, done.stdout.split())
    # 200 MB of float16, 400 MB as float32; a chunk of passages and the lists are far below.
    assert grown < 100 << 20
    assert worst > 20


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no signals on this system")
def test_ctrl_c_stops_a_search_over_mapped_shards_and_leaves_no_file(tmp_path):
    shard = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", "f2", (300_000, 128))
    del shard
    shards = [np.load(tmp_path / "p.npy", mmap_mode="r")] * 40
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        hf.search(np.ones((4000, 128), dtype="f4"), shards, 5)
    assert time.perf_counter() - start < 8
    assert [path.name for path in tmp_path.iterdir()] == ["p.npy"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_searches_too():
    rng = np.random.default_rng(6)
    q, p = rng.standard_normal((300, 64)).astype("f4"), rng.standard_normal((20_000, 64)).astype("f4")
    before = hf.search(q, [p[:9000], p[9000:]], 5, positives=[[1]] * 300, threads=3)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            after = hf.search(q, [p[:9000], p[9000:]], 5, positives=[[1]] * 300, threads=3)
            code = 0 if (after.ids == before.ids).all() else 2
        finally:
            os._exit(code)
    limit = time.monotonic() + 60
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > limit:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("a search in a forked child hangs")
        time.sleep(0.02)
    assert os.waitstatus_to_exitcode(status) == 0
