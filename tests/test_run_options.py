"""Ties, whose mean is taken, identical ids, names and objects of measures, in measure_run and measure."""

from __future__ import annotations

import itertools
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
import reference
from hybrid_fast.errors import InvalidArgument
from hybrid_fast.measure_names import KINDS, check_measures, measure_names
from hybrid_fast.measures.ids import by_number

NAMES = ["AP", "AP@3", "RR", "RR@2", "nDCG@4", "R@3", "P@2", "Success@1", "Rprec"]
STYLES = {
    "padded": "d{:04}".format,
    "short": "d{}".format,
    "numbers": str,
    "whole numbers": int,
    "between": "doc-{}#7".format,
}


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(sorted(STYLES)), st.sampled_from(["id", "trec_eval", "worst", "mean"]))
def test_every_rule_of_ties_is_that_of_ranks(data, style, ties):
    """Rows numbered by their ids, in any order of the dictionary, rank as the rows of a matrix do."""
    if ties == "trec_eval" and style != "padded":
        style = "padded"  # its order is that of text
    passages = data.draw(st.integers(1, 25))
    scores = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=passages, max_size=passages)), dtype="f4"
    )
    golds = data.draw(st.lists(st.integers(0, passages - 1), unique=True, min_size=1))
    order = data.draw(st.permutations(range(passages)))
    name = STYLES[style]
    run = {"q": {name(row): float(scores[row]) for row in order}}
    found = hf.measure_run(run, {"q": {name(gold): 1 for gold in golds}}, NAMES, ties=ties)
    ranks = hf.ranks(scores[None], [golds], ties=ties)
    assert ranks.values.tolist() == reference.ranks(scores[None], [golds], ties)[0]
    expected = hf.measure(ranks, NAMES)
    assert found.mean == pytest.approx(expected.mean, abs=1e-15)


@pytest.mark.parametrize("style", ["padded", "short", "numbers"])
def test_ties_by_id_are_those_of_search(style):
    rng = np.random.default_rng(4)
    q = rng.integers(-1, 2, (30, 3)).astype("f4")
    p = rng.integers(-1, 2, (120, 3)).astype("f4")
    golds = [rng.permutation(120)[:4].tolist() for _ in range(30)]
    found = hf.search(q, p, 120, positives=golds)
    name = STYLES[style]
    rows = range(len(q))
    run = {
        f"q{row}": {name(i): float(s) for i, s in zip(found.ids[row], found.scores[row], strict=True)}
        for row in rows
    }
    qrels = {f"q{row}": {name(gold) for gold in golds[row]} for row in rows}
    ours = hf.measure(found.ranks, NAMES)
    through = hf.measure_run(run, qrels, NAMES, ties="id")
    for measure in NAMES:
        assert through.per_query[measure].tolist() == ours.per_query[measure].tolist()
    assert hf.measure_run(run, qrels, NAMES).mean != through.mean


def test_the_order_of_ids():
    ids = [
        "",
        "1",
        "01",
        "2",
        "10",
        "a",
        "a1",
        "a1b",
        "a2",
        "a10",
        "a010b",
        "b",
        "d0",
        "d00",
        "d1",
        "é",
        "9" * 5000,
    ]
    assert sorted(["d10", "d9", "d09", "d1"], key=by_number) == ["d1", "d09", "d9", "d10"]
    for one, other in itertools.permutations(ids, 2):
        assert (by_number(one) < by_number(other)) != (by_number(other) < by_number(one))


def test_scores_equal_as_float32_are_equal_under_every_rule():
    run = {"q": {"b": 1.0 + 1e-12, "a": 1.0}}
    expected = {"id": 0.5, "trec_eval": 1.0, "worst": 0.5, "mean": 1 / 1.5}
    assert {
        ties: hf.measure_run(run, {"q": {"b": 1}}, "RR", ties=ties).mean["RR"] for ties in expected
    } == expected
    for ties in ("smallest", None, 1, ["id"]):
        with pytest.raises(
            InvalidArgument, match=r"ties is .*, expected 'id', 'trec_eval', 'worst' or 'mean'"
        ):
            hf.measure_run(run, {"q": {"b": 1}}, ["RR"], ties=ties)


def test_whose_mean_is_taken():
    run, qrels = (
        {"1": {"a": 1.0}, "3": {"b": 1.0}, "x": {"a": 1.0}},
        {"3": {"b": 1}, "2": {"a": 1}, "1": {"c": 1}},
    )
    over_qrels = hf.measure_run(run, qrels, ["RR"])
    assert over_qrels.query_ids == ("3", "2", "1")
    assert over_qrels.mean["RR"] == pytest.approx(1 / 3)
    over_run = hf.measure_run(run, qrels, ["RR"], queries="run")
    assert over_run.query_ids == ("3", "1")
    assert over_run.mean["RR"] == 0.5
    pytrec_eval = pytest.importorskip("pytrec_eval")
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(run)  # trec_eval without -c
    assert np.mean([row["recip_rank"] for row in theirs.values()]) == 0.5
    with pytest.raises(InvalidArgument, match="queries is 'all', expected 'qrels' or 'run'"):
        hf.measure_run(run, qrels, ["RR"], queries="all")


def test_identical_ids_may_be_left_out():
    run = {"a": {"a": 9.0, "b": 8.0, "c": 7.0}, 5: {5: 2.0, 6: 1.0}}
    qrels = {"a": {"c": 1}, "5": {"6": 1, "5": 1}}
    assert hf.measure_run(run, qrels, ["RR"]).per_query["RR"].tolist() == [1 / 3, 1.0]
    found = hf.measure_run(run, qrels, ["RR", "R@9", "NumRet"], ignore_identical_ids=True)
    assert found.per_query["RR"].tolist() == [0.5, 1.0]
    assert found.per_query["R@9"].tolist() == [1.0, 0.5]  # judged all the same, as in BEIR
    assert found.mean["NumRet"] == 3
    assert run["a"]["a"] == 9.0


def test_every_measure_of_ranks_is_that_of_the_run_they_come_from():
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 40, (50, 60)).astype("f4")
    judged = [rng.permutation(60)[: rng.integers(1, 20)].tolist() for _ in range(50)]
    grades = [rng.integers(-1, 4, len(row)).tolist() for row in judged]
    names = [
        *NAMES, "Rprec(rel=2)", "IPrec@0.4", "Bpref", "Bpref(rel=2)", "infAP", "ERR", "ERR@5", "RBP(rel=1)",
        "RBP(p=0.5,rel=2)@7", "NumRel", "NumRel(rel=3)", "NumRelRet", "NumQ", "AP(judged_only=True)", "SetR",
        "nDCG(judged_only=True)@3", "nDCG(dcg='exp-log2')@5", "nDCG(gains={1:5,2:0})", "rank_distance",
        "Max@R", "P(rel=2)@5",
    ]  # fmt: skip
    run = {f"q{row:02}": {f"d{i:02}": float(s) for i, s in enumerate(scores[row])} for row in range(50)}
    qrels = {
        f"q{row:02}": {f"d{i:02}": g for i, g in zip(judged[row], grades[row], strict=True)}
        for row in range(50)
    }
    for ties in ("id", "trec_eval", "worst", "mean"):
        flat = list(itertools.chain(*grades))
        ours = hf.measure(hf.ranks(scores, judged, ties=ties), names, grades=flat)
        through = hf.measure_run(run, qrels, names, ties=ties)
        for name in names:
            np.testing.assert_array_equal(
                ours.per_query[name], through.per_query[name], err_msg=f"{name} {ties}"
            )
        assert ours.mean["NumQ"] == 50
        assert ours.mean["NumRel"] == sum(grade > 0 for grade in flat)


@pytest.mark.parametrize(
    "name", ["Judged@3", "Judged", "SetP", "SetRelP", "SetF", "SetAP", "NumRet", "num_ret", "set_F"]
)
def test_what_needs_lists_is_refused_for_ranks(name):
    with pytest.raises(InvalidArgument, match=rf"{name} needs the length of each ranked list"):
        hf.measure(hf.Ranks([0, 1], [1]), ["AP", name])
    with pytest.raises(InvalidArgument, match="needs the length of each ranked list"):
        check_measures([name])


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("Bpref", "documents judged irrelevant"),
        ("infAP", "documents judged irrelevant"),
        ("AP(judged_only=True)", "documents judged irrelevant"),
        ("P(rel=2)@3", "grades"),
    ],
)
def test_what_needs_grades_is_refused_without(name, needed):
    with pytest.raises(InvalidArgument, match=rf"{re.escape(name)} needs {needed}: pass grades="):
        hf.measure(hf.Ranks([0, 1], [1]), [name])
    assert hf.measure(hf.Ranks([0, 2], [1, 2]), [name], grades=[2, 0]).per_query[name].shape == (1,)


def test_grades_that_a_measure_has_no_meaning_for():
    with pytest.raises(InvalidArgument, match="ERR@5 takes grades up to 4, and there is 5"):
        hf.measure(hf.Ranks([0, 1], [1]), ["ERR@5"], grades=[5])
    name = "nDCG(dcg='exp-log2')@5"
    with pytest.raises(InvalidArgument, match=re.escape(f"{name} takes grades up to 62, and there is 63")):
        hf.measure(hf.Ranks([0, 1], [1]), [name], grades=[63])
    assert hf.measure(hf.Ranks([0, 1], [1]), [name], grades=[62]).mean[name] == 1.0
    for grades, message in (([2**63], "beyond int64"), ([2**64], "beyond int64"), ([1e300], "beyond int64")):
        with pytest.raises(InvalidArgument, match=message):
            hf.measure(hf.Ranks([0, 1], [1]), ["AP"], grades=grades)
    for grades in ([math.nan], [None], np.ma.masked_array([1], [True])):
        with pytest.raises(InvalidArgument, match="grades lack a value at place 0"):
            hf.measure(hf.Ranks([0, 1], [1]), ["AP"], grades=grades)


def test_results_are_found_by_name_and_by_object():
    ir_measures = pytest.importorskip("ir_measures")
    measures = [ir_measures.nDCG @ 10, ir_measures.P(rel=2) @ 5, "AP", ir_measures.NumRelRet]
    found = hf.measure_run({"q": {"a": 1.0}}, {"q": {"a": 2}}, measures)
    assert list(found.mean) == ["nDCG@10", "P(rel=2)@5", "AP", "NumRet(rel=1)"]
    assert found.mean[ir_measures.nDCG @ 10] == found.mean["nDCG@10"] == 1.0
    assert found.per_query[ir_measures.P(rel=2) @ 5].tolist() == [0.2]
    assert found.mean[ir_measures.AP] == 1.0
    with pytest.raises(KeyError):
        found.mean[ir_measures.RR]
    again = pickle.loads(pickle.dumps(found))
    assert again.mean[ir_measures.AP] == 1.0
    assert again.mean == dict(found.mean)
    assert hf.measure(hf.Ranks([0, 1], [3]), ir_measures.MRR @ 10).mean == {"RR@10": 1 / 3}
    for measure in (ir_measures.Compat, ir_measures.RBP, ir_measures.BPM(cutoff=3, max_rel=2), ir_measures.P):
        with pytest.raises(InvalidArgument, match="unknown measure"):
            hf.measure_run({"q": {"a": 1.0}}, {"q": {"a": 2}}, [measure])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("nDGC@10", "nDCG@10"), ("ndcg@10", "nDCG@10"), ("mrr@5", "MRR@5"), ("map", None),
        ("Map", "MAP"), ("hit_rate@3", "Success@3"), ("precision@4", "P@4"), ("recal@100", "Recall@100"),
        ("sucess_5", "Success@5"), ("ndcg_at_10", "ndcg_cut_10"), ("rank-distance", "rank_distance"),
        ("Max@r", "Max@R"), ("R_prec", "RPrec"), ("SetPrecision", "Precision@10"), ("bpreff", "Bpref"),
        ("RBP@5x", "RBP(rel=1)@5"), ("Judge@7", "Judged@7"),
    ],
)  # fmt: skip
def test_the_nearest_name_is_one_that_is_taken(name, nearest):
    if nearest is None:
        assert measure_names(name)
        return
    with pytest.raises(InvalidArgument, match=rf"did you mean '{re.escape(nearest)}'\?") as raised:
        measure_names(name)
    assert measure_names(nearest)
    assert "known are AP, AP@k, RR" in str(raised.value)


ALMOST = st.from_regex(r"[A-Za-z_]{1,8}[@(._][a-z0-9=,.'{}:)@_-]{0,12}", fullmatch=True)


def refusal(text):
    """What is said of a name; nothing where it is one."""
    try:
        assert all(name.kind in KINDS for name in measure_names(text))
    except InvalidArgument as error:
        return str(error)
    return ""


@given(st.text(max_size=30) | ALMOST)
def test_any_text_is_a_measure_or_one_sentence(text):
    said = refusal(text)
    assert len(said) < 600
    suggested = re.search(r"did you mean '([^']+)'\?", said)
    assert suggested is None or measure_names(suggested[1])


@pytest.mark.parametrize("names", [None, 3, b"AP", {"AP": 1}, [None], [3], [["AP"]], [b"AP"]])
def test_what_is_no_name_is_refused(names):
    for measured in (lambda: hf.measure(hf.Ranks([0, 1], [1]), names), lambda: hf.measure_run({}, {}, names)):
        with pytest.raises(TypeError, match="measure"):
            measured()


def test_a_wrong_name_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InvalidArgument, match="did you mean 'nDCG@10'"):
        hf.measure_run(tmp_path / "absent", tmp_path / "absent", ["nDGC@10"])
    with pytest.raises(InvalidArgument, match="no measures are named"):
        hf.measure_run(tmp_path / "absent", tmp_path / "absent", [])
