"""Numbers and names that public functions are given: refused in one sentence, before any work."""

from __future__ import annotations

import numpy as np
import pytest

import hybrid_fast as hf
from hybrid_fast.config import EvaluationConfig, SourceConfig, TrainConfig
from hybrid_fast.evaluation import evaluate
from hybrid_fast.evaluation.callback import load_evaluations
from small_corpora import corpus_of

SCORES = np.eye(3, dtype=np.float32)
CALLS = {
    "topk": lambda threads: hf.topk(SCORES, 1, threads=threads),
    "ranks": lambda threads: hf.ranks(SCORES, [[0]] * 3, threads=threads),
    "search": lambda threads: hf.search(SCORES, SCORES, 1, threads=threads),
    "merge": lambda threads: hf.merge([hf.search(SCORES, SCORES, 1, positives=[[0]] * 3)], threads=threads),
    "evaluate": lambda threads: evaluate(Never(), CORPUS, threads=threads),
}
CORPUS = corpus_of(
    languages=("en",), queries=[("q", "1", "en")], passages=[("p", "0", "en")], golds={"q": ["p"]}
)


class Never:
    """An encoder that is not reached."""

    def encode_query(self, texts):
        raise AssertionError("work was begun")

    encode_document = encode_query


@pytest.mark.parametrize("threads", [0, -3, 1.5, True, "2", 10**30, 10**5000, np.float64(2)], ids=range(8))
@pytest.mark.parametrize("name", CALLS)
def test_threads(name, threads):
    with pytest.raises((ValueError, TypeError), match=r"^threads is ") as found:
        CALLS[name](threads)
    assert len(str(found.value)) < 150


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"measures": []}, "measures is empty, expected at least one"),
        ({"measures": "AP"}, "measures is 'AP', expected a list of names"),
        ({"measures": None}, "measures is None, expected a list of names"),
        ({"measures": ["AP", "MAPP"]}, "measures: unknown measure"),
        ({"settings": []}, "settings is empty, expected at least one"),
        ({"settings": "monolingual"}, "settings is 'monolingual', expected a list of names"),
        ({"settings": ["monolingual", "crosslingual"]}, "settings[1] is 'crosslingual', expected one of"),
        ({"settings": [3]}, "settings[0] is 3, expected one of"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
        ({"batch_size": None}, "batch_size is None, expected a whole number"),
        ({"top_k": -1}, "top_k is -1, expected 1 or more"),
        ({"chunk_size": 1.5}, "chunk_size is 1.5, expected a whole number"),
        ({"max_query_length": 0}, "max_query_length is 0, expected 1 or more"),
        ({"precision": "float16"}, "precision is 'float16', expected one of float32, bfloat16"),
    ],
)
def test_evaluate(arguments, sentence):
    with pytest.raises((ValueError, TypeError)) as found:
        evaluate(Never(), CORPUS, **arguments)
    assert str(found.value).startswith(sentence)


def test_counts_are_no_truth_values():
    with pytest.raises(TypeError, match="k is True, expected a whole number"):
        hf.topk(SCORES, True)
    with pytest.raises(TypeError, match="k is"):
        hf.search(SCORES, SCORES, np.bool_(True))


def test_measures_of_a_run_are_checked_before_a_set_is_read():
    missing = SourceConfig(name="table", path="/nowhere")
    sets = tuple(
        EvaluationConfig(name=name, source=missing, measures=names)
        for name, names in (("a", ("AP",)), ("b", ("RR@0",)))
    )
    with pytest.raises(hf.HybridFastError, match=r"^evaluations\[1\]\.measures: unknown measure"):
        load_evaluations(TrainConfig(evaluations=sets))


def test_two_sets_of_one_name():
    one = EvaluationConfig(name="a", source=SourceConfig(name="demo"))
    with pytest.raises(hf.HybridFastError, match=r"^evaluations: two sets have one name among 'a', 'a'$"):
        load_evaluations(TrainConfig(evaluations=(one, one)))


def test_a_mapping_is_held_to_the_same():
    with pytest.raises(hf.HybridFastError, match=r"^train\.threads is -3, expected 1 or more$"):
        hf.sweep({"train": {"threads": -3}}, "nowhere")
    with pytest.raises(hf.HybridFastError, match=r"^train\.sources\[0\]\.name is missing$"):
        hf.sweep({"train": {"sources": [{}]}}, "nowhere")
    weights = {"sources": [{"name": "demo"}], "sampler": {"language_weights": "capped"}}
    with pytest.raises(hf.HybridFastError, match=r"^train\.sampler\.language_weights is 'capped'"):
        hf.sweep({"train": weights}, "nowhere")
