"""Measures against the oracle, pytrec_eval and ir_measures."""

from __future__ import annotations

import itertools
import math
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
import reference
from hybrid_fast.errors import CorpusError, InvalidArgument, InvalidShape, NotANumber

NAMES = ["AP", "AP@3", "RR", "RR@2", "nDCG", "nDCG@4", "R@1", "R@5", "P@3", "P@200", "Success@1", "Success@9"]
LANGUAGE_BIAS = ["rank_distance", "Max@R"]


def flat(rows: list[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(rows))


@st.composite
def judged(draw: st.DrawFn):
    """Ranks and grades of a few queries, in any order."""
    rows = draw(st.lists(st.lists(st.integers(1, 40), unique=True, max_size=12), max_size=6))
    grades = [[draw(st.integers(-1, 3)) for _ in row] for row in rows]
    return rows, grades


def as_ranks(rows: list[list[int]]) -> hf.Ranks:
    return hf.Ranks(np.cumsum([0, *map(len, rows)]), np.array(flat(rows), dtype=np.int64))


@settings(deadline=None)
@given(judged(), st.booleans())
def test_measures_equal_the_oracle(case, graded):
    rows, grades = case
    given = np.array(flat(grades), dtype=np.int64) if graded else None
    found = hf.measure(as_ranks(rows), NAMES + LANGUAGE_BIAS, grades=given)
    for name in NAMES + LANGUAGE_BIAS:
        expected = [
            reference.measure(name, row, of_row if graded else None)
            for row, of_row in zip(rows, grades, strict=True)
        ]
        assert found.per_query[name] == pytest.approx(expected, abs=1e-12)
        assert found.per_query[name].dtype == np.float64
        if rows:
            assert found.mean[name] == pytest.approx(sum(expected) / len(rows), abs=1e-12)
        else:
            assert math.isnan(found.mean[name])


PYTREC = {
    "AP": "map",
    "AP@3": "map_cut_3",
    "RR": "recip_rank",
    "nDCG": "ndcg",
    "nDCG@4": "ndcg_cut_4",
    "R@1": "recall_1",
    "R@5": "recall_5",
    "P@3": "P_3",
    "P@200": "P_200",
    "Success@1": "success_1",
    "Success@9": "success_9",
}
PYTREC_ASKED = {
    "map", "map_cut.3", "recip_rank", "ndcg", "ndcg_cut.4", "recall.1,5", "P.3,200", "success.1,9",
}  # fmt: skip


def test_ten_thousand_random_queries_equal_pytrec_eval():
    """Ties by zero-padded names, so that text order is id order; grades 0 to 3; queries without golds."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    rng = np.random.default_rng(20)
    checked = 0
    while checked < 10_000:
        queries, passages = int(rng.integers(1, 60)), int(rng.integers(1, 40))
        scores = rng.integers(0, rng.integers(2, 60), (queries, passages)).astype(np.float32) / 4
        names = [f"d{i:05}" for i in range(passages)]
        golds = [rng.permutation(passages)[: rng.integers(0, 8)].tolist() for _ in range(queries)]
        golds = [row or [0] for row in golds]  # pytrec_eval leaves out a query without judgements
        grades = [[int(g) for g in rng.integers(0, 4, len(row))] for row in golds]
        found = hf.measure(hf.ranks(scores, golds, ties="trec_eval"), list(PYTREC), grades=flat(grades))
        qrels = {
            f"q{i:04}": {names[gold]: grade for gold, grade in zip(row, grades[i], strict=True)}
            for i, row in enumerate(golds)
        }
        run = {f"q{i:04}": dict(zip(names, map(float, row), strict=True)) for i, row in enumerate(scores)}
        theirs = pytrec_eval.RelevanceEvaluator(qrels, PYTREC_ASKED).evaluate(run)
        through_run = hf.measure_run(run, qrels, list(PYTREC))
        for ours, name in PYTREC.items():
            expected = np.array([theirs[f"q{i:04}"][name] for i in range(queries)])
            np.testing.assert_allclose(found.per_query[ours], expected, atol=1e-12, err_msg=ours)
            np.testing.assert_allclose(through_run.per_query[ours], expected, atol=1e-12, err_msg=ours)
        brute = reference.ranks(scores[:2], golds[:2], "trec_eval")
        for query, row in enumerate(brute):
            for name in NAMES:
                expected = reference.measure(name, row, grades[query])
                value = hf.measure_run(run, qrels, [name]).per_query[name][query] if checked < 100 else None
                assert value is None or value == pytest.approx(expected, abs=1e-12)
        checked += queries


def test_ranks_of_ten_thousand_random_queries_equal_brute_force():
    """Every tie rule by a sort: the place of each gold among passages ordered under the rule."""
    rng = np.random.default_rng(21)
    checked = 0
    while checked < 10_000:
        queries, passages = int(rng.integers(1, 300)), int(rng.integers(1, 80))
        scores = rng.integers(0, rng.integers(2, 90), (queries, passages)).astype(np.float32)
        golds = [rng.permutation(passages)[: rng.integers(0, 12)] for _ in range(queries)]
        ids = np.broadcast_to(np.arange(passages), scores.shape)
        place = {}
        for ties, key in (("id", ids), ("trec_eval", -ids)):
            order = np.lexsort((key, -scores), axis=1)
            place[ties] = np.empty_like(order)
            np.put_along_axis(place[ties], order, ids + 1, axis=1)
        first = 1 + (scores[:, None, :] > scores[:, :, None]).sum(axis=2)
        place["worst"] = (scores[:, None, :] >= scores[:, :, None]).sum(axis=2)
        place["mean"] = (first + place["worst"]) / 2
        for ties, places in place.items():
            expected = np.concatenate([places[query][row] for query, row in enumerate(golds)])
            assert (hf.ranks(scores, golds, ties=ties).values == expected).all()
        checked += queries


def test_runs_equal_ir_measures():
    ir_measures = pytest.importorskip("ir_measures")
    rng = np.random.default_rng(22)
    qrels, run = {}, {}
    for query in range(200):
        documents = [f"d{i}" for i in rng.permutation(50)]
        qrels[f"q{query}"] = {document: int(rng.integers(0, 3)) for document in documents[:10]}
        if query % 7:  # some queries are missing from the run, some documents not retrieved
            scores = rng.permutation(2000)[:40]  # without ties: ir_measures' tools break them differently
            run[f"q{query}"] = dict(
                zip(rng.permutation(documents)[:40].tolist(), map(float, scores), strict=True)
            )
    run["never judged"] = {"d1": 1.0}
    names = [name for name in NAMES if name != "P@200"]
    measures = {name: ir_measures.parse_measure(name) for name in names}
    found = hf.measure_run(run, qrels, names)
    assert found.query_ids == tuple(qrels)
    theirs = {
        (row.query_id, str(row.measure)): row.value
        for row in ir_measures.iter_calc(measures.values(), qrels, run)
    }
    total = ir_measures.calc_aggregate(measures.values(), qrels, run)
    for name, measure in measures.items():
        expected = [theirs[query, str(measure)] for query in qrels]
        np.testing.assert_allclose(found.per_query[name], expected, atol=1e-12, err_msg=name)
        assert found.mean[name] == pytest.approx(total[measure], abs=1e-12)


def test_scores_equal_as_float32_tie_as_in_trec_eval():
    pytrec_eval = pytest.importorskip("pytrec_eval")
    run, qrels = {"q": {"a": 1.0 + 1e-12, "b": 1.0, "c": -0.0, "d": 0.0}}, {"q": {"a": 1, "c": 1}}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"map"}).evaluate(run)["q"]["map"]
    assert hf.measure_run(run, qrels, ["AP"]).mean["AP"] == theirs == 0.5


def test_a_query_without_positives_scores_0_and_counts():
    found = hf.measure(hf.Ranks([0, 1, 1], [1]), ["AP", "RR@10", "rank_distance", "Max@R"])
    assert found.per_query["AP"].tolist() == [1.0, 0.0]
    assert found.mean == {"AP": 0.5, "RR@10": 0.5, "rank_distance": 0.0, "Max@R": 0.5}


def test_ranks_of_every_tie_rule_can_be_measured():
    scores, golds = np.zeros((1, 4)), [[1, 2]]
    assert hf.measure(hf.ranks(scores, golds, ties="mean"), ["RR"]).mean["RR"] == 1 / 2.5
    assert hf.measure(hf.ranks(scores, golds, ties="worst"), "RR").mean["RR"] == 1 / 4


@pytest.mark.parametrize("name", ["Compat", "nDCG@0", "P", "R@", "AP@1.5", "success@1", ""])
def test_an_unknown_measure_lists_the_known_ones(name):
    with pytest.raises(
        InvalidArgument, match=r"unknown measure .*known are AP, AP@k, RR.*Success@k, rank_distance"
    ):
        hf.measure(hf.Ranks([0, 1], [1]), [name])
    with pytest.raises(InvalidArgument, match="unknown measure"):
        hf.measure_run({}, {}, [name])


def test_wrong_ranks_and_grades_are_refused():
    with pytest.raises(InvalidArgument, match="query 0 has the rank 0; ranks count from 1"):
        hf.measure(hf.Ranks([0, 1], [0]), ["AP"])
    with pytest.raises(InvalidShape, match="there are 2 grades for 1 ranks"):
        hf.measure(hf.Ranks([0, 1], [1]), ["AP"], grades=[1, 2])
    with pytest.raises(TypeError, match="grades are float64, expected whole numbers"):
        hf.measure(hf.Ranks([0, 1], [1]), ["AP"], grades=[0.5])
    with pytest.raises(TypeError, match="ranks is list"):
        hf.measure([1, 2], ["AP"])


def test_trec_files_records_and_frames(tmp_path):
    run, qrels = {"1": {"a": 2.5, "b": 3.0}, "2": {"b": 1.0}}, {"1": {"a": 1, "c": 0}, "2": {"b": 2}}
    expected = hf.measure_run(run, qrels, ["AP", "nDCG@10"]).mean
    lines = [f"{q} Q0 {d} 1 {s} tag\n" for q, row in run.items() for d, s in row.items()]
    (tmp_path / "run.txt").write_text("".join(lines))
    lines = [f"{q}\t0\t{d}\t{g}\n" for q, row in qrels.items() for d, g in row.items()]
    (tmp_path / "qrels.txt").write_text("".join([*lines, "\n"]))
    assert (
        hf.measure_run(tmp_path / "run.txt", str(tmp_path / "qrels.txt"), ["AP", "nDCG@10"]).mean == expected
    )
    scored = namedtuple("Scored", "query_id doc_id score")
    records = [scored(q, d, s) for q, row in run.items() for d, s in row.items()]
    assert hf.measure_run(iter(records), qrels, ["AP", "nDCG@10"]).mean == expected
    pandas = pytest.importorskip("pandas")
    assert hf.measure_run(pandas.DataFrame(records), qrels, ["AP", "nDCG@10"]).mean == expected
    with pytest.raises(InvalidArgument, match="document 'a' twice for query '1'"):
        hf.measure_run([records[0], records[0]], qrels, ["AP"])
    with pytest.raises(InvalidArgument, match="record 0 of the run lacks"):
        hf.measure_run([("1", "a", 1.0)], qrels, ["AP"])


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("run", "1 Q0 a 1 2.0 t\n1 Q0 b 2\n", "line 2: 4 fields, expected 6"),
        ("run", "1 Q0 a 1 high t\n", "line 1: 'high' is not a score"),
        ("run", "1 Q0 a 1 nan t\n", "line 1: the score is NaN"),
        ("run", "1 Q0 a 1 2 t\n\n1 Q0 a 2 1 t\n", "line 3: document a comes twice for query 1"),
        ("qrels", "1 0 a 1 extra\n", "line 1: 5 fields, expected 4"),
        ("qrels", "1 0 a 0.5\n", "line 1: '0.5' is not a whole number"),
        ("qrels", b"1 0 \xff 1\n", "not UTF-8"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path, kind, text, message):
    path = tmp_path / "broken.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CorpusError, match=message) as raised:
        hf.measure_run(path, {}, ["AP"]) if kind == "run" else hf.measure_run({}, path, ["AP"])
    assert "broken.txt" in str(raised.value)


def test_a_missing_file_and_a_nan_score(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        hf.measure_run(tmp_path / "absent", {}, ["AP"])
    with pytest.raises(NotANumber, match="document 'a' for query 'q' is NaN"):
        hf.measure_run({"q": {"a": math.nan}}, {"q": {"a": 1}}, ["AP"])


def test_language_bias_of_a_run_needs_every_relevant_document():
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    assert hf.measure_run(run, {"q": {"a": 1, "c": 1}}, ["rank_distance"]).mean["rank_distance"] == 2.0
    with pytest.raises(InvalidArgument, match="rank_distance needs the rank of every relevant document"):
        hf.measure_run(run, {"q": {"a": 1, "z": 1}}, ["rank_distance"])
