"""Agreement with pytrec_eval to the last digit: the same float64 values, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import hybrid_fast as hf

pytrec_eval = pytest.importorskip("pytrec_eval")

NAMES = {
    "AP": "map",
    "AP@10": "map_cut_10",
    "RR": "recip_rank",
    "nDCG": "ndcg",
    "nDCG@10": "ndcg_cut_10",
    "nDCG@100": "ndcg_cut_100",
    "R@5": "recall_5",
    "R@100": "recall_100",
    "P@10": "P_10",
    "P@200": "P_200",
    "Success@1": "success_1",
    "Success@10": "success_10",
}
ASKED = {
    "map",
    "map_cut.10",
    "recip_rank",
    "ndcg",
    "ndcg_cut.10,100",
    "recall.5,100",
    "P.10,200",
    "success.1,10",
}


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("passages", [30, 999, 2500])
def test_equal_float64_values_without_ties(passages, graded):
    rng = np.random.default_rng(passages)
    queries = 200_000 // passages
    # A permutation in each row: no ties, also after trec_eval's rounding to float32.
    scores = rng.permuted(np.tile(np.arange(passages, dtype=np.float32), (queries, 1)), axis=1) / 8
    documents = [f"d{i:05}" for i in range(passages)]
    golds = [rng.permutation(passages)[: rng.integers(1, 30)].tolist() for _ in range(queries)]
    grades = [rng.integers(0 if graded else 1, 5 if graded else 2, len(row)).tolist() for row in golds]
    flat = [grade for row in grades for grade in row]
    found = hf.measure(hf.ranks(scores, golds, threads=1), list(NAMES), grades=flat)
    qrels = {
        f"q{i:05}": {documents[gold]: grade for gold, grade in zip(row, grades[i], strict=True)}
        for i, row in enumerate(golds)
    }
    run = {
        f"q{i:05}": dict(zip(documents, map(float, row), strict=True))
        for i, row in enumerate(scores.tolist())
    }
    through_run = hf.measure_run(run, qrels, list(NAMES))
    theirs = pytrec_eval.RelevanceEvaluator(qrels, ASKED).evaluate(run)
    for ours, name in NAMES.items():
        expected = np.array([theirs[f"q{i:05}"][name] for i in range(queries)])
        np.testing.assert_array_equal(found.per_query[ours], expected, err_msg=ours)
        np.testing.assert_array_equal(through_run.per_query[ours], expected, err_msg=ours)
