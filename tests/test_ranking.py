"""Top-k and ranks against the oracle, over types, layouts, ties, empties and bad input."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
import reference
from hybrid_fast.errors import InvalidArgument, InvalidShape, NotANumber

TIES = ("id", "trec_eval", "worst", "mean")


@st.composite
def cases(draw: st.DrawFn, dtypes=(np.float64, np.float32, np.float16)):
    """Scores with many ties, both zeros and infinities; golds in any order, rows may be empty."""
    queries, passages = draw(st.integers(0, 5)), draw(st.integers(0, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = np.array([-np.inf, -1.5, -0.0, 0.0, 0.25, 2.0, np.inf, *range(3, 3 + draw(st.integers(0, 40)))])
    scores = rng.choice(levels, (queries, passages)).astype(draw(st.sampled_from(dtypes)))
    golds = [
        rng.permutation(passages)[: rng.integers(0, min(passages, 15) + 1)].tolist() for _ in range(queries)
    ]
    return scores, golds


@settings(deadline=None)
@given(cases(), st.integers(0, 80), st.sampled_from([1, 2, None]))
def test_topk_equals_the_oracle(case, k, threads):
    scores, _ = case
    values, ids = hf.topk(scores, k, threads=threads)
    expected_values, expected_ids = reference.topk(scores, k)
    assert values.dtype == scores.dtype
    assert ids.dtype == np.int64
    assert values.shape == ids.shape == (len(scores), min(k, scores.shape[1]))
    assert ids.tolist() == expected_ids
    assert values.tolist() == expected_values


@settings(deadline=None)
@given(cases(), st.sampled_from(TIES), st.sampled_from([1, 2, None]))
def test_ranks_equal_the_oracle(case, ties, threads):
    scores, golds = case
    found = hf.ranks(scores, golds, ties=ties, threads=threads)
    assert found.values.dtype == (np.float64 if ties == "mean" else np.int64)
    assert [found[query].tolist() for query in range(len(found))] == reference.ranks(scores, golds, ties)


@settings(deadline=None)
@given(cases(), st.sampled_from(TIES))
def test_ranks_agree_with_topk(case, ties):
    scores, golds = case
    _, ids = hf.topk(scores, scores.shape[1])
    found = hf.ranks(scores, golds)
    for query, row in enumerate(golds):
        assert [ids[query, place - 1] for place in found[query]] == row


@settings(deadline=None)
@given(cases(), st.integers(1, 3), st.integers(0, 2), st.booleans())
def test_strided_rows_are_read_in_place(case, step, margin, backwards):
    scores, golds = case
    wide = np.full((len(scores) * step, scores.shape[1] + margin), np.nan, dtype=scores.dtype)
    view = wide[::step, : scores.shape[1]]
    view = view[::-1] if backwards else view
    view[:] = scores
    assert (hf.topk(view, 7)[1] == hf.topk(scores, 7)[1]).all()
    assert (hf.ranks(view, golds).values == hf.ranks(scores, golds).values).all()


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64])
def test_positives_of_any_integer_type_and_form(kind):
    scores = np.array([[0.1, 0.7, 0.7, 0.2], [1.0, 2.0, 3.0, 4.0]], dtype=np.float32)
    rows = [[3, 2], []]
    expected = [3, 2]
    assert hf.ranks(scores, rows).values.tolist() == expected
    assert hf.ranks(scores, [np.array(row, dtype=kind) for row in rows]).values.tolist() == expected
    csr = (np.array([0, 2, 2], dtype=kind), np.array([3, 2], dtype=kind))
    assert hf.ranks(scores, csr).values.tolist() == expected
    assert hf.ranks(scores, (np.array([0, 2, 2, 2], dtype=kind)[:3], csr[1][::-1][::-1])).indptr.tolist() == [
        0,
        2,
        2,
    ]


def test_torch_tensors_without_a_copy():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    numbers = np.random.default_rng(3).integers(-5, 5, (6, 50)).astype(np.float32)
    golds = [[1, 2]] * 6
    expected = hf.topk(numbers, 9)[1], hf.ranks(numbers, golds).values
    for kind in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        tensor = torch.tensor(numbers, requires_grad=True).to(kind)
        values, ids = hf.topk(tensor, 9)
        assert (ids == expected[0]).all()
        assert (hf.ranks(tensor, golds).values == expected[1]).all()
        assert values.dtype == {"float64": "f8", "float16": "f2"}.get(str(kind)[6:], "f4")
        assert (hf.ranks(tensor[::2], golds[::2]).values == expected[1].reshape(6, 2)[::2].ravel()).all()
    assert (hf.ranks(numbers, [torch.tensor([1, 2])] * 6).values == expected[1]).all()
    with pytest.raises(TypeError, match=r"torch\.int64; cast it"):
        hf.topk(torch.ones(2, 2, dtype=torch.int64), 1)
    with pytest.raises(TypeError, match=r"meta; pass scores\.cpu\(\)"):
        hf.topk(torch.ones(2, 2, device="meta"), 1)


def test_memory_maps_are_read_and_can_be_read_only(tmp_path):
    scores = np.random.default_rng(1).standard_normal((4, 30)).astype(np.float32)
    np.save(tmp_path / "scores.npy", scores)
    mapped = np.load(tmp_path / "scores.npy", mmap_mode="r")
    assert (hf.topk(mapped, 5)[1] == hf.topk(scores, 5)[1]).all()


def test_a_nan_is_named_with_its_position():
    scores = np.zeros((3, 5), dtype=np.float16)
    scores[1, 4] = scores[2, 0] = np.nan
    with pytest.raises(NotANumber, match=r"scores\[1, 4\] is NaN \(query 1, passage 4\)"):
        hf.topk(scores, 2)
    with pytest.raises(NotANumber, match=r"scores\[1, 4\] is NaN"):
        hf.ranks(scores, [[]] * 3)


def test_nothing_is_cast_silently():
    for kind in (np.int64, np.uint8, np.bool_):
        with pytest.raises(TypeError, match=r"cast it to a float type: scores\.astype"):
            hf.topk(np.ones((2, 2), dtype=kind), 1)
    for wrong in (np.ones((2, 2), dtype=complex), np.array([["a"]]), np.ones((2, 2), dtype=np.longdouble)):
        with pytest.raises(TypeError, match="scores is"):
            hf.topk(wrong, 1)
    with pytest.raises(TypeError, match=r"byte order; cast it: scores\.astype\('float32'\)"):
        hf.topk(np.ones((2, 2), dtype=">f4"), 1)
    with pytest.raises(TypeError, match="masked"):
        hf.topk(np.ma.masked_array(np.ones((2, 2))), 1)


def test_layouts_and_shapes_that_are_refused():
    with pytest.raises(InvalidArgument, match=r"Fortran order.*ascontiguousarray\(scores\)"):
        hf.topk(np.asfortranarray(np.ones((3, 4))), 1)
    with pytest.raises(InvalidArgument, match="Fortran"):
        hf.ranks(np.ones((3, 8))[:, ::2], [[]] * 3)
    with pytest.raises(InvalidShape, match="scores has 1 dimensions"):
        hf.topk(np.ones(4), 1)
    with pytest.raises(InvalidShape, match="not a matrix"):
        hf.topk([[1.0], [1.0, 2.0]], 1)
    one_column = np.asfortranarray(np.ones((3, 1)))
    assert hf.topk(one_column, 1)[1].tolist() == [[0]] * 3
    shifted = np.frombuffer(b"\0" + np.ones(4, dtype=np.float32).tobytes(), dtype=np.uint8)[1:].view(
        np.float32
    )
    with pytest.raises(InvalidArgument, match="not aligned"):
        hf.topk(shifted.reshape(2, 2), 1)


@pytest.mark.parametrize(
    ("positives", "error", "message"),
    [
        ([[0]], InvalidShape, "positives describe 1 queries, there are 2"),
        (
            [[0], [4]],
            InvalidArgument,
            "positives of query 1 hold passage 4, which is not one of the 4 passages",
        ),
        ([[-1], []], InvalidArgument, "positives of query 0 hold passage -1"),
        ([[1, 2, 1], []], InvalidArgument, "positives of query 0 hold passage 1 twice"),
        ([[0.5], []], TypeError, "positives are float64, expected whole numbers"),
        ([["a"], []], TypeError, "expected whole numbers"),
        ([True, False], TypeError, "row 0 of positives is bool"),
        ("ab", TypeError, "positives is str"),
        (([0, 1, 1],), InvalidShape, "positives are a tuple of 1"),
        (([0, 2, 1], [1]), InvalidShape, "indptr decreases after entry 1"),
        (([0, 1, 3], [1, 2]), InvalidShape, "indptr runs from 0 to 3, expected 0 to 2"),
        (([0, 1, 2], [[1, 2]]), InvalidShape, "positives have 2 dimensions"),
        (([0, 1, 2], np.array([1, 2**63], dtype=np.uint64)), InvalidArgument, "beyond int64"),
    ],
)
def test_positives_that_are_refused(positives, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        hf.ranks(np.ones((2, 4)), positives)


def test_arguments_that_are_refused():
    scores = np.ones((2, 3))
    with pytest.raises(InvalidArgument, match="k is -1, expected 0 or more"):
        hf.topk(scores, -1)
    with pytest.raises(TypeError, match=r"k is 1\.5, expected a whole number"):
        hf.topk(scores, 1.5)
    with pytest.raises(InvalidArgument, match="threads is 0, expected 1 or more"):
        hf.topk(scores, 1, threads=0)
    with pytest.raises(InvalidArgument, match='ties is "best", expected "id"'):
        hf.ranks(scores, [[], []], ties="best")


def test_ranks_can_be_made_by_hand_and_are_checked():
    made = hf.Ranks([0, 1, 1], [4])
    assert len(made) == 2
    assert made[-1].tolist() == []
    with pytest.raises(IndexError, match="no query 2"):
        made[2]
    with pytest.raises(InvalidShape, match="does not cut 1 ranks"):
        hf.Ranks([0, 2], [4])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_large_input_does_not_depend_on_threads(seed):
    scores = np.random.default_rng(seed).integers(0, 5000, (3, 200_000)).astype(np.float32)
    golds = [[5, 100_000, 199_999], [], list(range(0, 200_000, 9973))]
    one = hf.topk(scores, 50, threads=1), hf.ranks(scores, golds, threads=1).values
    for threads in (2, 3, 8):
        values, ids = hf.topk(scores, 50, threads=threads)
        assert (ids == one[0][1]).all()
        assert (values == one[0][0]).all()
        assert (hf.ranks(scores, golds, threads=threads).values == one[1]).all()
    order = np.lexsort((np.arange(200_000), -scores[0]))
    assert (one[0][1][0] == order[:50]).all()


def _in_a_child(queue: multiprocessing.Queue) -> None:
    queue.put(int(hf.topk(np.ones((4, 1_000_000), dtype=np.float32), 3, threads=2)[1].sum()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_hang():
    hf.topk(np.ones((4, 1_000_000), dtype=np.float32), 3, threads=2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == 12
    child.join(timeout=60)
    assert child.exitcode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_in_the_middle_of_a_call_does_not_hang():
    scores = np.ones((40, 1_000_000), dtype=np.float32)
    expected = hf.ranks(scores, [[5]] * 40, threads=2).values.sum()
    busy = threading.Thread(target=lambda: [hf.topk(scores, 10, threads=2) for _ in range(10)])
    busy.start()
    child = os.fork()
    if child == 0:
        same = hf.ranks(scores, [[5]] * 40, threads=2).values.sum() == expected
        os._exit(0 if same else 1)
    busy.join()
    deadline = time.monotonic() + 60
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert ended[1] == 0


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_positives_as_vectors_equal_positives_as_lists(kind):
    scores = np.random.default_rng(5).random((4, 60), dtype=np.float32)
    golds = [[3, 59, 0], [], [7], [1, 2]]
    expected = hf.ranks(scores, golds).values.tolist()
    vectors = [np.array(row, dtype=kind) for row in golds]
    assert hf.ranks(scores, vectors).values.tolist() == expected
    vectors[1] = np.zeros(0, dtype=np.int16)
    assert hf.ranks(scores, vectors).values.tolist() == expected
    assert hf.ranks(scores, [tuple(row) for row in golds]).values.tolist() == expected
    assert hf.ranks(scores, [[np.int64(i) for i in row] for row in golds]).values.tolist() == expected
    with pytest.raises(InvalidArgument, match="hold passage 1 twice"):
        hf.ranks(scores, [*vectors[:3], np.array([1, 2, 1], dtype=kind)])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("place", [0, 1, 15, 16, 63, 64, 4079, 4080, 9998, 9999])
def test_a_nan_anywhere_is_found(dtype, place):
    scores = np.random.default_rng(7).random((3, 10_000)).astype(dtype)
    scores[1, place] = np.nan
    message = rf"scores\[1, {place}\] is NaN"
    for golds in (0, 1, 3, 4, 40):
        with pytest.raises(NotANumber, match=message):
            hf.ranks(scores, [list(range(100, 100 + golds))] * 3)
    for k in (0, 1, 30, 3000, 10_000):
        with pytest.raises(NotANumber, match=message):
            hf.topk(scores, k)


def test_a_thread_that_flushes_denormals_finds_the_same():
    torch = pytest.importorskip("torch")
    scores = np.array([[0.0, 1e-40, 2e-40, -1e-40, 3e-42]], dtype=np.float32)
    q, p = np.full((1, 1), 1e-20, dtype=np.float32), np.array([[1e-20], [2e-20], [0.0]], dtype=np.float32)
    assert torch.set_flush_denormal(True)
    try:
        found = hf.ranks(scores, [[0, 1, 2, 3, 4]]).values.tolist(), hf.topk(scores, 5)[1].tolist()
        searched = hf.search(q, p, 3).ids.tolist()
        assert np.float32(1e-20) * np.float32(1e-20) == 0  # what the caller had set is back
    finally:
        torch.set_flush_denormal(False)
    assert found == ([4, 2, 1, 5, 3], [[2, 1, 4, 0, 3]])
    assert searched == [[1, 0, 2]]


def test_torch_is_not_imported():
    code = (
        "import sys, numpy as np, hybrid_fast as hf\n"
        "r = hf.search(np.eye(3, dtype='f4'), np.eye(3, dtype='f4'), 2, positives=[[0]] * 3)\n"
        "hf.topk(np.eye(3), 1); hf.measure(r.ranks, ['AP'])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
