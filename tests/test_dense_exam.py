"""Top-k and ranks on every instruction set, type, layout, length and thread count against brute force."""

from __future__ import annotations

import numpy as np
import pytest

import brute_force
import hybrid_fast as hf
import reference
from hybrid_fast.errors import InvalidArgument, NotANumber
from instruction_sets import SETS, VARIABLE
from score_rows import KINDS, make

TYPES = ("float32", "float16", "bfloat16", "float64")
TIES = ("id", "trec_eval", "worst", "mean")
COLUMNS = (1, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 255, 257, 511, 1000, 4095, 4097)
"""Around every width that lanes, blocks and pieces may have."""
GOLDS = (1, 2, 3, 4, 5, 8, 11, 16, 17, 31, 32, 33, 64, 100)


def given(scores: np.ndarray, dtype: str) -> tuple[object, np.ndarray]:
    """Scores rounded to a type: what is passed, and the same values as NumPy holds them."""
    if dtype != "bfloat16":
        rounded = scores.astype(dtype)
        return rounded, rounded
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    tensor = torch.from_numpy(scores.astype(np.float32)).bfloat16()
    return tensor, tensor.float().numpy()


def check_topk(passed: object, scores: np.ndarray, k: int, threads: int = 1) -> None:
    values, ids = hf.topk(passed, k, threads=threads)
    expected = brute_force.order(scores)[:, :k]
    np.testing.assert_array_equal(ids, expected)
    chosen = np.take_along_axis(scores, expected, axis=1)
    assert values.dtype == scores.dtype
    # The very same bits: a zero keeps its sign.
    bits = f"i{scores.dtype.itemsize}"
    np.testing.assert_array_equal(values.view(bits), chosen.view(bits))


def check_ranks(passed: object, scores: np.ndarray, golds: np.ndarray, ties: str, threads: int = 1) -> None:
    found = hf.ranks(passed, brute_force.csr(golds), ties=ties, threads=threads)
    np.testing.assert_array_equal(found.values.reshape(golds.shape), brute_force.ranks(scores, golds, ties))


def some_ks(columns: int) -> list[int]:
    around = (0, 1, 2, 10, 100, columns // 16, columns // 2, columns - 1, columns, columns + 3)
    return sorted({k for k in around if k >= 0})


@pytest.mark.parametrize("cpu", SETS)
@pytest.mark.parametrize("dtype", TYPES)
def test_lengths(cpu, dtype, monkeypatch):
    monkeypatch.setenv(VARIABLE, cpu)
    rng = np.random.default_rng(31)
    for columns in COLUMNS:
        for name in ("continuous", "few_levels", "equal_at_the_threshold"):
            passed, scores = given(KINDS[name](rng, 3, columns), dtype)
            for k in some_ks(columns):
                check_topk(passed, scores, k)
            golds = brute_force.draw_golds(rng, 3, columns, min(columns, int(rng.choice(GOLDS))))
            check_ranks(passed, scores, golds, str(rng.choice(TIES)))


@pytest.mark.parametrize("cpu", SETS)
@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_rows(cpu, name, monkeypatch):
    monkeypatch.setenv(VARIABLE, cpu)
    rng = np.random.default_rng(32)
    for dtype in TYPES:
        passed, scores = given(KINDS[name](rng, 4, 2500), dtype)
        for k in (1, 11, 100, 160, 1000, 2500):
            check_topk(passed, scores, k)
        for count in (1, 3, 11, 32, 40):
            golds = brute_force.draw_golds(rng, 4, 2500, count)
            for ties in TIES:
                check_ranks(passed, scores, golds, ties)


@pytest.mark.parametrize("cpu", SETS)
def test_numbers_of_positives(cpu, monkeypatch):
    """Every count for which a kernel of its own may exist, on rows with ties."""
    monkeypatch.setenv(VARIABLE, cpu)
    rng = np.random.default_rng(33)
    for count in (*range(36), 64, 65, 200):
        for dtype in ("float32", "float16"):
            scores = make(rng, "few_levels", 3, 700, dtype)
            check_ranks(scores, scores, brute_force.draw_golds(rng, 3, 700, count), "id")


def test_rows_with_different_numbers_of_positives(monkeypatch):
    rng = np.random.default_rng(34)
    scores = make(rng, "few_levels", 60, 333, np.float32)
    golds = [rng.permutation(333)[: rng.choice([0, 1, 2, 3, 11, 50, 333])].tolist() for _ in range(60)]
    for cpu in SETS:
        monkeypatch.setenv(VARIABLE, cpu)
        for ties in TIES:
            found = hf.ranks(scores, golds, ties=ties, threads=1)
            for query, row in enumerate(golds):
                expected = brute_force.ranks(scores[query : query + 1], np.array([row], dtype=int), ties)
                assert found[query].tolist() == expected[0].tolist()


LAYOUTS = {
    "rows_apart": lambda a: wide(a, 2, 0)[::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "backwards_and_apart": lambda a: wide(a[::-1], 3, 5)[::-3, : a.shape[1]],
    "inside_wider_rows": lambda a: wide(a, 1, 3)[:, : a.shape[1]],
    "off_any_vector_boundary": lambda a: np.concatenate([a.ravel()[:1], a.ravel()])[1:].reshape(a.shape),
    "read_only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


def wide(rows: np.ndarray, step: int, margin: int) -> np.ndarray:
    """``rows`` with NaN around them, which must not be read, but none after the last row."""
    around = np.full(((len(rows) - 1) * step + 1, rows.shape[1] + margin), np.nan, dtype=rows.dtype)
    around[::step, : rows.shape[1]] = rows
    return around


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_layouts(layout, dtype, monkeypatch):
    rng = np.random.default_rng(35)
    for columns in (1, 17, 130, 1023):
        scores = make(rng, "few_levels", 9, columns, dtype)
        view = LAYOUTS[layout](scores)
        np.testing.assert_array_equal(view, scores)
        golds = brute_force.draw_golds(rng, 9, columns, min(columns, 4))
        for cpu in SETS:
            monkeypatch.setenv(VARIABLE, cpu)
            check_topk(view, scores, 20)
            check_ranks(view, scores, golds, "id")


@pytest.mark.parametrize("cpu", SETS)
def test_one_row_broadcast_over_all(cpu, monkeypatch):
    """A stride of 0."""
    monkeypatch.setenv(VARIABLE, cpu)
    row = make(np.random.default_rng(36), "few_levels", 1, 501, np.float32)
    scores = np.broadcast_to(row, (70, 501))
    check_topk(scores, np.ascontiguousarray(scores), 40)
    check_ranks(scores, scores, brute_force.draw_golds(np.random.default_rng(0), 70, 501, 3), "id")


def test_memory_that_no_float_may_lie_in():
    for scores in (
        np.frombuffer(b"\0" * 41, dtype=np.uint8)[1:].view(np.float32).reshape(2, 5),
        np.lib.stride_tricks.as_strided(np.zeros(40, "f4"), (3, 4), (18, 4)),
    ):
        with pytest.raises(InvalidArgument, match=r"not aligned|not contiguous"):
            hf.topk(scores, 1)


@pytest.mark.parametrize("cpu", SETS)
@pytest.mark.parametrize("name", ["continuous", "few_levels", "ascending", "mostly_minus_infinity"])
def test_long_rows_and_threads(cpu, name, monkeypatch):
    """Rows that are cut into parts; k around a sixteenth of a row and above."""
    monkeypatch.setenv(VARIABLE, cpu)
    rng = np.random.default_rng(37)
    scores = make(rng, name, 2, 150_001, np.float32)
    golds = brute_force.draw_golds(rng, 2, 150_001, 11)
    order = brute_force.order(scores)
    expected = brute_force.ranks(scores, golds)
    for threads in (1, 2, 3):
        for k in (1, 100, 1000, 9_400, 20_000, 75_000):
            assert (hf.topk(scores, k, threads=threads)[1] == order[:, :k]).all()
        found = hf.ranks(scores, brute_force.csr(golds), threads=threads)
        assert (found.values.reshape(golds.shape) == expected).all()


@pytest.mark.parametrize("cpu", SETS)
def test_many_rows_and_threads(cpu, monkeypatch):
    monkeypatch.setenv(VARIABLE, cpu)
    rng = np.random.default_rng(38)
    scores = make(rng, "few_levels", 3000, 257, np.float32)
    golds = brute_force.draw_golds(rng, 3000, 257, 3)
    for threads in (1, 2, 3):
        check_topk(scores, scores, 12, threads)
        check_ranks(scores, scores, golds, "mean", threads)


NANS = {
    "float16": (np.uint16, (0x7C01, 0x7E00, 0x7FFF, 0xFC01, 0xFE00)),
    "float32": (np.uint32, (0x7F80_0001, 0x7FC0_0000, 0x7FFF_FFFF, 0xFF80_0001, 0xFFC0_0000)),
    "float64": (np.uint64, (0x7FF0_0000_0000_0001, 0x7FF8_0000_0000_0000, 0xFFF8_0000_0000_0000)),
}


@pytest.mark.parametrize("cpu", SETS)
@pytest.mark.parametrize("dtype", NANS)
def test_every_nan_is_found_and_named(cpu, dtype, monkeypatch):
    """Quiet and signalling, of both signs, at every place of a vector; among infinities too."""
    monkeypatch.setenv(VARIABLE, cpu)
    bits, patterns = NANS[dtype]
    rng = np.random.default_rng(39)
    for columns in (1, 16, 33, 129, 300):
        for place in {0, 1, 7, 8, 15, 16, 31, 32, 127, 128, columns // 2, columns - 1}:
            if place >= columns:
                continue
            scores = make(rng, "special", 3, columns, dtype)
            scores.view(bits)[1, place] = rng.choice(np.array(patterns, dtype=bits))
            scores[2, 0] = np.nan
            golds = [[], [columns - 1], []] if rng.random() < 0.5 else [[0]] * 3
            for k in (0, 1, columns):
                with pytest.raises(NotANumber, match=rf"scores\[1, {place}\] is NaN"):
                    hf.topk(scores, k, threads=1)
            with pytest.raises(NotANumber, match=rf"scores\[1, {place}\] is NaN"):
                hf.ranks(scores, golds, threads=1)


def test_a_bfloat16_nan_is_found(monkeypatch):
    torch = pytest.importorskip("torch")
    scores = torch.zeros(2, 90, dtype=torch.bfloat16)
    scores.view(torch.int16)[1, 77] = 0x7F81
    for cpu in SETS:
        monkeypatch.setenv(VARIABLE, cpu)
        with pytest.raises(NotANumber, match=r"scores\[1, 77\] is NaN"):
            hf.topk(scores, 5)


def test_the_first_nan_is_named_for_any_thread_count(monkeypatch):
    rng = np.random.default_rng(40)
    scores = make(rng, "continuous", 40, 70_000, np.float32)
    for row, column in ((39, 0), (7, 69_999), (7, 65_536), (12, 3)):
        scores[row, column] = np.nan
    for cpu in SETS:
        monkeypatch.setenv(VARIABLE, cpu)
        for threads in (1, 2, 3):
            with pytest.raises(NotANumber, match=r"scores\[7, 65536\] is NaN"):
                hf.topk(scores, 3, threads=threads)
            with pytest.raises(NotANumber, match=r"scores\[7, 65536\] is NaN"):
                hf.ranks(scores, [[1]] * 40, threads=threads)


def test_brute_force_is_the_written_order():
    """The judge of this file against the one that a reader can check by eye."""
    rng = np.random.default_rng(41)
    for name in KINDS:
        scores = make(rng, name, 3, 40, np.float32)
        golds = brute_force.draw_golds(rng, 3, 40, 6)
        assert brute_force.order(scores)[:, :9].tolist() == reference.topk(scores, 9)[1]
        for ties in TIES:
            assert brute_force.ranks(scores, golds, ties).tolist() == reference.ranks(scores, golds, ties)
