"""Search on hostile embeddings: each precision, instruction set and thread count gives the plain answer.

The plain answer is made here from the scores of all pairs (``precision="f32"``, one thread, the portable
instructions): a full sort, and counting. Those scores are checked against float64 in turn.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

import hybrid_fast as hf
from hybrid_fast.errors import HybridFastError, NotANumber
from instruction_sets import SETS, VARIABLE
from search_adversaries import ADVERSARIES, NAN, Case, of_dimension, overflows_of_both_signs


def settings() -> Iterator[tuple[str, str, int]]:
    """(precision, instruction set, threads) of every run that must agree."""
    for name in SETS:
        yield "f32", name, 1
        yield "auto", name, 1
        yield "coarse", name, 1
    for threads in (2, 3):
        yield "auto", SETS[-1], threads


@pytest.fixture(autouse=True)
def _every_precision(monkeypatch):
    """Let the low-precision filter of ``"auto"`` be asked for on any machine and at any size."""
    monkeypatch.setattr("hybrid_fast.scorers.PRECISIONS", ("auto", "f32", "coarse"))


@dataclass(frozen=True)
class Plain:
    """The answer, from the scores of all pairs."""

    scores: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, case: Case, monkeypatch: pytest.MonkeyPatch) -> Plain:
        monkeypatch.setenv(VARIABLE, "portable")
        count = len(case.passages)
        every = hf.search(case.queries, case.passages, count, precision="f32", threads=1)
        scores = np.full((len(case.queries), count), np.nan, dtype=np.float32)
        np.put_along_axis(scores, every.ids, every.scores, axis=1)
        assert not np.isnan(scores).any()
        return cls(scores, np.argsort(-scores, axis=1, kind="stable"))

    def ranks(self, query: int, golds: np.ndarray, among: np.ndarray) -> list[int]:
        """Ranks among the passages of a mask: one more than those that stand before."""
        row = self.scores[query]
        own = row[golds][:, None]
        before = np.arange(len(row)) < np.asarray(golds)[:, None]
        ahead = (row > own) | ((row == own) & before)
        return (1 + (ahead & among).sum(axis=1)).tolist()


def check_scores(case: Case, plain: Plain) -> None:
    """Compare with float64: equal where that is exact, else within the error of float32 sums."""
    q, p = case.queries.astype(np.float64), case.passages.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        wide = q @ p.T
        size = np.abs(q) @ np.abs(p).T
        if case.exact:
            assert (wide.astype(np.float32) == plain.scores).all()
            return
        dimension = q.shape[1]
        bound = (dimension + 1) * (2.0**-24 * size * 1.01 + 2.0**-149)
        finite = size < 3e38
        assert (np.abs(wide - plain.scores)[finite] <= bound[finite]).all()


def golds_and_pools(
    case: Case, plain: Plain, rng: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """Positives at the top, around place k, at the bottom and anywhere; pools of one passage and of many."""
    count = len(case.passages)
    rows = []
    for query in range(len(case.queries)):
        some = [plain.order[query, :2], plain.order[query, 90:110:7], plain.order[query, -1:]]
        golds = np.unique(np.concatenate([*some, rng.integers(0, count, 5)]))
        rows.append(rng.permutation(golds)[: rng.integers(0, 12)])
    pools = rng.integers(0, 11, count)
    lonely = rng.permutation(count)[: count // 25 + 1]
    pools[lonely] = 100 + np.arange(len(lonely))
    return rows, pools


def equal(found: hf.SearchResult, plain: Plain, k: int) -> None:
    ids = plain.order[:, :k]
    np.testing.assert_array_equal(found.ids, ids)
    expected = np.take_along_axis(plain.scores, ids, axis=1)
    # The very same bits: −0 and +0 are two scores.
    np.testing.assert_array_equal(found.scores.view(np.int32), expected.view(np.int32))


@pytest.mark.parametrize("name", ADVERSARIES)
def test_every_way_of_searching_gives_the_plain_answer(name, monkeypatch):
    rng = np.random.default_rng(sorted(ADVERSARIES).index(name))
    case = ADVERSARIES[name](rng)
    plain = Plain.of(case, monkeypatch)
    check_scores(case, plain)
    golds, pools = golds_and_pools(case, plain, rng)
    everywhere = np.ones(len(case.passages), dtype=bool)
    over_all = [plain.ranks(query, row, everywhere) for query, row in enumerate(golds)]
    in_pool = [
        plain.ranks(query, row, pools == pools[row][:, None]) if len(row) else []
        for query, row in enumerate(golds)
    ]
    for precision, cpu, threads in settings():
        monkeypatch.setenv(VARIABLE, cpu)
        found = hf.search(
            case.queries, case.passages, case.k, positives=golds, pools=pools, precision=precision,
            threads=threads,
        )  # fmt: skip
        equal(found, plain, case.k)
        assert [found.ranks[query].tolist() for query in range(len(golds))] == over_all
        ours = found.pool_ranks
        assert ours.values.tolist() == [rank for row in in_pool for rank in row]
        for label in (pools.min(), pools.max()):
            chosen = ours.select(label)
            for query, row in enumerate(golds):
                assert chosen[query].tolist() == [
                    rank for rank, gold in zip(in_pool[query], row, strict=True) if pools[gold] == label
                ]


@pytest.mark.parametrize("name", ADVERSARIES)
def test_every_k_alone(name, monkeypatch):
    """Without positives; k of none, one, a few, nearly all, all and more."""
    rng = np.random.default_rng(1000 + sorted(ADVERSARIES).index(name))
    case = ADVERSARIES[name](rng)
    plain = Plain.of(case, monkeypatch)
    count = len(case.passages)
    monkeypatch.delenv(VARIABLE)
    for k in {0, 1, 10, case.k, count // 3, count - 1, count, count + 7}:
        equal(hf.search(case.queries, case.passages, k, threads=1), plain, k)


@pytest.mark.parametrize("name", ["cosine_07", "scores_one_ulp_apart", "huge_and_tiny_norms"])
def test_positives_alone(name, monkeypatch):
    """With k = 0 nothing but the ranks sets a threshold."""
    rng = np.random.default_rng(7)
    case = ADVERSARIES[name](rng)
    plain = Plain.of(case, monkeypatch)
    everywhere = np.ones(len(case.passages), dtype=bool)
    for size in (1, 11, 200):
        golds = [rng.permutation(len(case.passages))[:size] for _ in case.queries]
        expected = [plain.ranks(query, row, everywhere) for query, row in enumerate(golds)]
        for precision, cpu, threads in settings():
            monkeypatch.setenv(VARIABLE, cpu)
            found = hf.search(
                case.queries, case.passages, 0, positives=golds, precision=precision, threads=threads
            )
            assert found.ids.shape == (len(golds), 0)
            assert found.ranks.values.reshape(len(golds), size).tolist() == expected


@pytest.mark.parametrize("name", NAN)
def test_a_nan_is_never_filtered_away(name, monkeypatch):
    case = NAN[name](np.random.default_rng(3))
    messages = set()
    for precision, cpu, threads in settings():
        monkeypatch.setenv(VARIABLE, cpu)
        for k, golds in ((0, None), (1, None), (100, None), (5, [[3]] * len(case.queries))):
            with pytest.raises(NotANumber, match=r"the score of query \d+ and passage \d+ is NaN") as raised:
                hf.search(
                    case.queries, case.passages, k, positives=golds, precision=precision, threads=threads
                )
            messages.add(str(raised.value))
    assert len(messages) == 1


def test_an_overflow_of_both_signs_has_one_outcome(monkeypatch):
    """Infinity or an error: the written order of sums decides, for every way of searching alike."""
    case = overflows_of_both_signs(np.random.default_rng(5))
    outcomes = set()
    for precision, cpu, threads in settings():
        monkeypatch.setenv(VARIABLE, cpu)
        try:
            found = hf.search(case.queries, case.passages, 100, precision=precision, threads=threads)
        except NotANumber as error:
            outcomes.add(str(error))
        else:
            outcomes.add((found.ids.tobytes(), found.scores.tobytes()))
    assert len(outcomes) == 1


LAYOUTS = {
    "rows_apart": lambda a: spread(a, 3)[::3],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "inside_wider_rows": lambda a: np.hstack([a[:, :5], a, a[:, :3]])[:, 5 : 5 + a.shape[1]],
    "off_any_vector_boundary": lambda a: np.concatenate([a.ravel()[:1], a.ravel()])[1:].reshape(a.shape),
}


def spread(rows: np.ndarray, step: int) -> np.ndarray:
    wide = np.full((len(rows) * step, rows.shape[1]), np.nan, dtype=rows.dtype)
    wide[::step] = rows
    return wide


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_layouts_and_types(layout, kind, monkeypatch):
    rng = np.random.default_rng(9)
    case = ADVERSARIES["cosine_07"](rng)
    case = Case(case.queries.astype(kind), case.passages.astype(kind))
    plain = Plain.of(case, monkeypatch)
    q, p = LAYOUTS[layout](case.queries), LAYOUTS[layout](case.passages)
    assert (q == case.queries).all()
    for precision, cpu, threads in settings():
        monkeypatch.setenv(VARIABLE, cpu)
        equal(hf.search(q, p, 50, precision=precision, threads=threads), plain, 50)


def test_one_row_broadcast_over_all(monkeypatch):
    """A stride of 0."""
    row = np.random.default_rng(2).standard_normal((1, 384)).astype(np.float32)
    p = np.broadcast_to(row, (1000, 384))
    for precision, cpu, threads in settings():
        monkeypatch.setenv(VARIABLE, cpu)
        found = hf.search(
            np.broadcast_to(row, (70, 384)), p, 9, positives=[[999, 0]] * 70, precision=precision,
            threads=threads,
        )  # fmt: skip
        assert (found.ids == np.arange(9)).all()
        assert len(set(found.scores.ravel().tolist())) == 1
        assert (found.ranks.values.reshape(70, 2) == [1000, 1]).all()


def test_bfloat16_equals_its_widened_values(monkeypatch):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    case = ADVERSARIES["cosine_07"](np.random.default_rng(4))
    q, p = torch.from_numpy(case.queries).bfloat16(), torch.from_numpy(case.passages).bfloat16()
    plain = Plain.of(Case(q.float().numpy(), p.float().numpy()), monkeypatch)
    for precision, cpu, threads in settings():
        monkeypatch.setenv(VARIABLE, cpu)
        equal(hf.search(q, p, 40, precision=precision, threads=threads), plain, 40)


@pytest.mark.parametrize("name", ["scores_one_ulp_apart", "huge_and_tiny_norms", "cosine_099", "integers"])
def test_a_score_does_not_depend_on_its_neighbours(name, monkeypatch):
    """Shards of one, two and many passages merge into the whole; a query alone scores as among others."""
    case = ADVERSARIES[name](np.random.default_rng(12))
    plain = Plain.of(case, monkeypatch)
    monkeypatch.delenv(VARIABLE)
    for cuts in (
        (0, 1, 3, 700, len(case.passages)),
        (0, 37, 600, len(case.passages) - 1, len(case.passages)),
    ):
        shards = [
            hf.search(case.queries, case.passages[start:stop], 100, threads=1)
            for start, stop in itertools.pairwise(cuts)
        ]
        equal(hf.merge(shards), plain, 100)
    for query in (0, len(case.queries) - 1):
        alone = hf.search(case.queries[query : query + 1], case.passages, 100, threads=1)
        equal(alone, Plain(plain.scores[query : query + 1], plain.order[query : query + 1]), 100)


def test_the_variable_is_read_at_each_call(monkeypatch):
    case = of_dimension(16)(np.random.default_rng(0))
    for name in (*SETS, ""):
        monkeypatch.setenv(VARIABLE, name)
        assert hf.search(case.queries, case.passages, 1).ids.shape == (67, 1)
    monkeypatch.setenv(VARIABLE, "abacus")
    with pytest.raises(
        HybridFastError, match=r'HYBRID_FAST_CPU is "abacus"; this machine has portable'
    ) as raised:
        hf.search(case.queries, case.passages, 1)
    assert "\n" not in str(raised.value)
    assert os.environ[VARIABLE] == "abacus"
