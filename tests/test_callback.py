"""Evaluation during training, with a mock encoder that hashes texts."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from hybrid_fast.config import EvaluationConfig, SourceConfig, TrainConfig
from hybrid_fast.corpus import sample_groups
from hybrid_fast.errors import RunError
from hybrid_fast.evaluation import evaluate, make_callback
from hybrid_fast.evaluation.callback import SAMPLE_SEED, load_evaluations
from hybrid_fast.evaluation.initial import remembered

SOURCE = SourceConfig(name="demo", languages=("en", "sw"), groups=30)


class Hashing:
    """A text's vector is drawn from a hash of the text and of the model's number."""

    def __init__(self, number=0):
        self.number = number
        self.encoded = 0

    def state_dict(self):
        torch = pytest.importorskip("torch")
        return {"number": torch.tensor([self.number])}

    def encode_query(self, texts):
        self.encoded += len(texts)
        seeds = [
            int.from_bytes(hashlib.sha256(f"{self.number} {text}".encode()).digest()[:8]) for text in texts
        ]
        return np.stack([np.random.default_rng(seed).standard_normal(8, dtype=np.float32) for seed in seeds])

    encode_document = encode_query


@pytest.fixture
def config():
    small = EvaluationConfig(name="small", source=SOURCE, sample=10, measures=("AP",))
    whole = EvaluationConfig(name="whole", source=SOURCE, settings=("monolingual",), measures=("RR",))
    return TrainConfig(steps=4, evaluations=(small, whole))


def without(rows, *names):
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


def test_scopes_and_rows(config, tmp_path):
    callback = make_callback(config, folder=tmp_path)
    middle = callback(Hashing(), 2)
    assert {row["scope"] for row in middle} == {"sample"}
    assert {row["step"] for row in middle} == {2}
    assert {row["pairs"] for row in middle} == {64}
    assert not (tmp_path / "per_query.parquet").exists()
    json.dumps(middle)
    last = callback(Hashing(), 4)
    assert {(row["evaluation"], row["scope"]) for row in last} == {
        (name, scope) for name in ("small", "whole") for scope in ("sample", "full")
    }
    # The sample's embeddings are taken out of the whole set's: the same numbers as by themselves.
    samples = [row for row in last if row["scope"] == "sample"]
    assert without(samples, "step", "pairs") == without(middle, "step", "pairs")
    full = load_evaluations(config)["small"].full
    part = sample_groups(full, 10, seed=SAMPLE_SEED)
    for corpus, scope in ((full, "full"), (part, "sample")):
        alone = evaluate(Hashing(), corpus, measures=("AP",), name="small").rows()
        rows = [row for row in last if (row["evaluation"], row["scope"]) == ("small", scope)]
        assert without(rows, "step", "pairs", "scope") == alone
    per_query = pd.read_parquet(tmp_path / "per_query.parquet")
    assert set(per_query.evaluation) == {"small", "whole"}
    expected = sum(row["queries"] for row in last if row["scope"] == "full")
    assert len(per_query) == expected


def test_equal_initial_weights_are_measured_once_and_others_refused(config, tmp_path):
    first, second = Hashing(), Hashing()
    one = make_callback(config, cache=tmp_path / "initial")(first, 0)
    two = make_callback(config, cache=tmp_path / "initial")(second, 0)
    assert one == two
    assert first.encoded > 0
    assert second.encoded == 0
    assert {row["scope"] for row in one} == {"sample", "full"}
    other = dataclasses.replace(config, evaluations=config.evaluations[:1])
    third = Hashing()
    make_callback(other, cache=tmp_path / "initial")(third, 0)
    assert third.encoded > 0
    with pytest.raises(RunError, match="initial weights differ"):
        make_callback(config, cache=tmp_path / "initial")(Hashing(1), 0)
    plain = make_callback(config)(Hashing(), 0)
    assert plain == [row for row in one if row["scope"] == "sample"]


def test_what_is_remembered(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return [{"value": 0.1}]

    assert remembered(tmp_path, {"key": 1}, compute) == [{"value": 0.1}]
    assert remembered(tmp_path, {"key": 1}, compute) == [{"value": 0.1}]
    assert len(calls) == 1

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remembered(tmp_path, {"key": 2}, interrupted)
    assert remembered(tmp_path, {"key": 2}, compute) == [{"value": 0.1}]
    for path in tmp_path.glob("*.json"):
        path.write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        remembered(tmp_path, {"key": 1}, compute)
