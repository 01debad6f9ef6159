"""Every measure and parameter against ir_measures, on runs with ties, gaps, unjudged and negative grades."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf

ir_measures = pytest.importorskip("ir_measures")
pytest.importorskip("pytrec_eval")

# Its parser reads no negative numbers, its measures take them.
NEGATIVE_GAINS = "nDCG(gains={-1:3,0:2,1:7,2:-1})@6"

# Those that ir_measures computes by trec_eval, so under its rule of ties.
BY_TREC_EVAL = [
    "AP", "AP@3", "AP(rel=2)", "AP(judged_only=True)@4", "MAP", "RR", "MRR", "RR(rel=2)",
    "RR(judged_only=True)", "nDCG", "nDCG@4", "NDCG@2", "nDCG(judged_only=True)@5",
    "nDCG(gains={1:7,0:2})@6", NEGATIVE_GAINS, "nDCG(gains={0:1,3:0},judged_only=True)", "R@3",
    "Recall@7", "R(rel=2)@4", "R(judged_only=True)@2", "P@2", "Precision@20", "P(rel=3)@5",
    "P(rel=2,judged_only=True)@3", "Success@1", "Success(rel=2)@6", "Success(judged_only=True)@1",
    "Rprec", "RPrec", "Rprec(rel=2)", "Rprec(judged_only=True)", "Bpref", "BPref(rel=2)", "infAP",
    "infAP(rel=2)", "IPrec@0.0", "IPrec@0.1", "IPrec@0.5", "IPrec@1.0", "IPrec(rel=2)@0.3",
    "IPrec(judged_only=True)@0.2", "SetP", "SetP(rel=2)", "SetP(judged_only=True)", "SetRelP",
    "SetP(relative=True,rel=2)", "SetR", "SetR(rel=3)", "SetF", "SetF(beta=2.0)",
    "SetF(beta=0.5,rel=2)", "SetF(judged_only=True)", "SetAP", "SetAP(rel=2,judged_only=True)",
    "NumRet", "NumRet(rel=2)", "NumRelRet", "NumRel", "NumQ",
]  # fmt: skip


@st.composite
def collections(draw: st.DrawFn, *, tied: bool = True, grades: tuple[int, int] = (-2, 4)):
    """A run and qrels of a few queries, some of them on one side only."""
    documents = [f"d{number}" for number in range(draw(st.integers(1, 14)))]
    run, qrels = {}, {}
    for query in ("1", "2", "30"):
        if draw(st.integers(0, 4)) or query == "1":
            names = draw(st.lists(st.sampled_from(documents), unique=True, min_size=1))
            top = st.integers(0, 3) if tied else st.integers(0, 10**6)
            row = draw(st.lists(top, min_size=len(names), max_size=len(names), unique=not tied))
            run[query] = {name: value / 4 for name, value in zip(names, row, strict=True)}
        if draw(st.integers(0, 4)) or query == "1":
            names = draw(st.lists(st.sampled_from(documents), unique=True, min_size=1))
            qrels[query] = {name: draw(st.integers(*grades)) for name in names}
    return run, qrels


def theirs(measure: object, qrels: dict, run: dict) -> tuple[list[float], float]:
    """Values by query in the order of the qrels, and the aggregate; asked alone, as some disturb others."""
    # pytrec_eval reads beyond its counts, and crashes, where no grade reaches the level below rel.
    least = measure.params.get("rel", 1) - 1
    gains = measure.params.get("gains", {})
    assume(all(max(gains.get(grade, grade) for grade in row.values()) >= least for row in qrels.values()))
    found = {row.query_id: row.value for row in ir_measures.iter_calc([measure], qrels, run)}
    if any(map(math.isnan, found.values())):  # its IPrec of a list without a judged document is 0 / 0
        found = {query: 0.0 if math.isnan(value) else value for query, value in found.items()}
        return [found[query] for query in qrels], sum(found[query] for query in qrels) / len(qrels)
    return [found[query] for query in qrels], ir_measures.calc_aggregate([measure], qrels, run)[measure]


@pytest.mark.parametrize("name", BY_TREC_EVAL)
@settings(deadline=None, max_examples=30)
@given(case=collections())
def test_measures_of_trec_eval(name, case):
    run, qrels = case
    gains = {-1: 3, 0: 2, 1: 7, 2: -1}
    measure = ir_measures.nDCG(gains=gains) @ 6 if name is NEGATIVE_GAINS else ir_measures.parse_measure(name)
    values, aggregate = theirs(measure, qrels, run)
    found = hf.measure_run(run, qrels, [name])
    assert found.per_query[name].tolist() == pytest.approx(values, abs=1e-12)
    assert found.mean[name] == pytest.approx(aggregate, abs=1e-12)
    by_object = hf.measure_run(run, qrels, [measure])
    assert by_object.mean[measure] == by_object.mean[str(measure)] == found.mean[name]
    assert by_object.per_query[measure].tolist() == found.per_query[name].tolist()


@pytest.mark.parametrize("name", ["RR@1", "RR@3", "MRR@10", "RR(rel=2)@4", "Judged", "Judged@2", "Judged@50"])
@settings(deadline=None, max_examples=30)
@given(case=collections(tied=False))
def test_measures_of_its_python_tools_without_ties(name, case):
    """Its RR@k and Judged order ties by ascending id and compare float64, so only without ties they agree."""
    run, qrels = case
    values, aggregate = theirs(ir_measures.parse_measure(name), qrels, run)
    found = hf.measure_run(run, qrels, name)
    assert found.per_query[name].tolist() == pytest.approx(values, abs=1e-12)
    assert found.mean[name] == pytest.approx(aggregate, abs=1e-12)


@pytest.mark.parametrize("name", ["RR@1", "RR@3", "Judged@3"])
@settings(deadline=None, max_examples=30)
@given(case=collections())
def test_their_rule_of_ties_is_ours_by_id_where_ids_have_one_length(name, case):
    run, qrels = (
        {q: {f"d{int(d[1:]):04}": v for d, v in row.items()} for q, row in side.items()} for side in case
    )
    values, _ = theirs(ir_measures.parse_measure(name), qrels, run)
    assert hf.measure_run(run, qrels, name, ties="id").per_query[name].tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    "name", ["ERR@1", "ERR@3", "ERR@20", "nDCG(dcg='exp-log2')@3", "nDCG(dcg='exp-log2')@10"]
)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(case=collections())
def test_measures_of_gdeval_to_its_five_digits(name, case):
    """gdeval, a Perl script, prints five digits; it breaks ties as trec_eval does."""
    if not ir_measures.gdeval.is_available():
        pytest.skip("no Perl")
    run, qrels = case
    values, aggregate = theirs(ir_measures.parse_measure(name), qrels, run)
    found = hf.measure_run(run, qrels, [name])
    assert found.per_query[name].tolist() == pytest.approx(values, abs=6e-6)
    assert found.mean[name] == pytest.approx(aggregate, abs=6e-6)


@settings(deadline=None, max_examples=100)
@given(case=collections(), p=st.sampled_from([0.5, 0.8, 0.95]), rel=st.integers(1, 3))
def test_rank_biased_precision_by_a_walk_down_the_list(case, p, rel):
    run, qrels = case
    name = f"RBP(rel={rel},p={p})"
    found = hf.measure_run(run, qrels, [name, f"{name}@3"])
    for place, (query, grades) in enumerate(qrels.items()):
        ranked = sorted(run.get(query, {}).items(), key=lambda item: (item[1], item[0]), reverse=True)
        terms = [
            (1 - p) * p**depth for depth, (document, _) in enumerate(ranked) if grades.get(document, 0) >= rel
        ]
        within = [
            (1 - p) * p**depth
            for depth, (document, _) in enumerate(ranked[:3])
            if grades.get(document, 0) >= rel
        ]
        assert found.per_query[name][place] == pytest.approx(math.fsum(terms), abs=1e-12)
        assert found.per_query[f"{name}@3"][place] == pytest.approx(math.fsum(within), abs=1e-12)


TREC_EVAL_NAMES = [
    "map", "map_cut_5", "map_cut.10", "recip_rank", "ndcg", "ndcg_cut_10", "ndcg_cut.5,20", "P_10",
    "P.5", "P.1,3", "recall_100", "recall.2,4", "success_1", "success.5,10", "Rprec", "bpref", "infAP",
    "iprec_at_recall_0.10", "iprec_at_recall.0.3,0.7", "set_P", "set_recall", "set_F", "set_map",
    "set_relative_P", "num_ret", "num_rel", "num_rel_ret", "num_q", "map_cut", "ndcg_cut", "recall",
    "success", "iprec_at_recall",
]  # fmt: skip


@pytest.mark.parametrize("name", TREC_EVAL_NAMES)
@settings(deadline=None, max_examples=15)
@given(case=collections())
def test_names_of_trec_eval(name, case):
    import pytrec_eval

    run, qrels = case
    assume(all(max(row.values()) >= 0 for row in qrels.values()))
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {name}).evaluate(run)
    ours = hf.measure_run(run, qrels, [name])
    for place, query in enumerate(qrels):
        if query not in run:
            continue
        values = sorted(theirs[query].values())
        assert sorted(column[place] for column in ours.per_query.values()) == pytest.approx(values, abs=1e-12)
        if len(values) > 1:
            assert {key: column[place] for key, column in ours.per_query.items()} == pytest.approx(
                theirs[query], abs=1e-12
            )


def test_large_runs_give_the_same_bits_as_trec_eval():
    import pytrec_eval

    rng = np.random.default_rng(9)
    documents = [f"d{number:04}" for number in range(1500)]
    run, qrels = {}, {}
    for query in range(40):
        row = rng.choice(1500, 1000, replace=False)
        run[f"q{query}"] = {
            documents[i]: float(s) for i, s in zip(row, rng.integers(0, 400, 1000), strict=True)
        }
        judged = rng.choice(1500, 300, replace=False)
        qrels[f"q{query}"] = {
            documents[i]: int(g) for i, g in zip(judged, rng.integers(-1, 4, 300), strict=True)
        }
    names = {
        "Bpref": "bpref", "infAP": "infAP", "IPrec@0.2": "iprec_at_recall_0.20", "Rprec": "Rprec",
        "SetP": "set_P", "SetR": "set_recall", "AP": "map", "nDCG@10": "ndcg_cut_10",
    }  # fmt: skip
    asked = {"bpref", "infAP", "iprec_at_recall.0.20", "Rprec", "set_P", "set_recall", "map", "ndcg_cut.10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run)
    ours = hf.measure_run(run, qrels, list(names))
    for name, key in names.items():
        expected = [theirs[query][key] for query in qrels]
        np.testing.assert_array_equal(ours.per_query[name], expected, err_msg=name)
