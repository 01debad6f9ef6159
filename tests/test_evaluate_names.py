"""Measures and ids are checked before anything is loaded or encoded."""

from __future__ import annotations

import numpy as np
import pytest

import hybrid_fast as hf
from hybrid_fast.cli import main
from hybrid_fast.errors import InvalidArgument
from small_corpora import corpus_of


class Unused:
    """An encoder that must not be asked."""

    def encode_query(self, texts):
        raise AssertionError("encoded")

    encode_document = encode_query


class ByText:
    """The vector of a text is its number's unit vector."""

    def encode_query(self, texts):
        return np.eye(3, dtype="f4")[[int(text) for text in texts]]

    encode_document = encode_query


def corpus():
    return corpus_of(
        languages=("en",),
        queries=[("q0", "0", "en"), ("q1", "1", "en")],
        passages=[("p0", "0", "en"), ("p1", "1", "en"), ("p 2", "2", "en")],
        golds={"q0": ["p0"], "q1": ["p0"]},
    )


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        (["AP", "nDGC@10"], "did you mean 'nDCG@10'"),
        (["SetP"], "SetP needs the length of each ranked list"),
        (["Bpref"], "Bpref needs documents judged irrelevant, and only relevant ones are ranked here"),
        (["AP(judged_only=True)"], "needs documents judged irrelevant"),
        (["AP(rel=1,rel=2)"], r"measure 'AP\(rel=1,rel=2\)' gives its rel twice"),
        (["AP", "nDCG(dcg='log2', dcg='exp-log2')@10"], "gives its dcg twice"),
    ],
)
def test_a_wrong_measure_is_refused_before_encoding(measures, message):
    with pytest.raises(InvalidArgument, match=message):
        hf.evaluate(Unused(), corpus(), measures=measures)


def test_every_form_of_a_name_is_evaluated():
    ir_measures = pytest.importorskip("ir_measures")
    found = hf.evaluate(
        ByText(), corpus(), measures=[ir_measures.RR @ 10, "MRR@10", "success.1,2", "P(rel=2)@1"]
    )
    values = {row["measure"]: row["value"] for row in found.rows() if row["setting"] == "multilingual"}
    assert values == {
        "RR@10": 0.75, "MRR@10": 0.75, "success_1": 0.5, "success_2": 1.0, "P(rel=2)@1": 0.0,
    }  # fmt: skip


def test_the_command_checks_measures_and_ids_first(capsys, monkeypatch, tmp_path):
    def loaded(*_, **__):
        raise AssertionError("loaded")

    monkeypatch.setattr("hybrid_fast.corpus.load_source", loaded)
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "--source.name", "demo", "--measures", "nDGC@10"])
    assert stopped.value.code == 2
    assert "did you mean 'nDCG@10'?" in " ".join(capsys.readouterr().err.replace("│", " ").split())

    monkeypatch.setattr("hybrid_fast.corpus.load_source", lambda source: corpus())
    monkeypatch.setattr("hybrid_fast.evaluation.evaluate", Unused().encode_query)
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "--source.name", "demo", "--run", "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "the id 'p 2' is empty or holds a space" in " ".join(
        capsys.readouterr().err.replace("│", " ").split()
    )
    assert not (tmp_path / "out").exists()
