"""Training with hard negatives: what is drawn is embedded, masked places count for nothing."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import hybrid_fast as hf
import tiny_models
from hybrid_fast.config import (
    EncoderConfig,
    LossConfig,
    SamplerConfig,
    SourceConfig,
    TrainConfig,
    from_mapping,
    to_mapping,
)
from hybrid_fast.corpus import load_sources, write_negatives
from hybrid_fast.encoder import encode_passages, encode_queries, load_encoder
from hybrid_fast.errors import ConfigError, RunError
from hybrid_fast.losses import InfoNCELoss
from hybrid_fast.sampler import PairWithNegatives
from hybrid_fast.sampler.configured import index_and_negatives
from hybrid_fast.training import train
from hybrid_fast.training.batches import PairTexts
from hybrid_fast.training.certificate import draw
from hybrid_fast.training.records import read_rows
from hybrid_fast.training.trainer import PairCollator
from test_training_processes import on_two_processes

torch.set_num_threads(1)

THINGS = ("mill", "bridge", "tower", "harbour", "garden", "market", "school", "castle", "forest", "island")
PLACES = ("Lima", "Oslo", "Kano")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A corpus, an encoder that knows its words, and negatives mined with it."""
    root = tmp_path_factory.mktemp("world")
    rows = [
        {
            "group": f"{place}-{thing}",
            "language": language,
            "query": f"{asks} {thing} {place}?",
            "passage": f"{tells} {thing} {place}.",
        }
        for language, asks, tells in (("en", "Who built the", "Old is the"), ("de", "Wer baute", "Alt ist"))
        for place in PLACES
        for thing in THINGS
    ]
    (root / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tiny_models.save_bert(
        root / "bert", [row[side] for row in rows for side in ("query", "passage")], pooler=False
    )
    # No dropout: the loss of a step in training is that of the encoder at rest.
    settings = json.loads((root / "bert" / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (root / "bert" / "config.json").write_text(json.dumps(settings))
    config = configuration(root, hard_negatives=None)
    corpus = load_sources(config.sources)
    model = load_encoder(config.encoder)
    result = hf.search(
        encode_queries(model, corpus.queries.texts),
        encode_passages(model, corpus.passages.texts),
        30,
        threads=1,
    )
    mined = hf.mine_negatives(result, corpus, most=12)
    write_negatives(root / "negatives.jsonl", corpus, mined)
    write_negatives(root / "few.jsonl", corpus, mined.keep(np.arange(len(mined.passages)) < 24))
    return root


def configuration(world, *, denominator="in-batch", steps=4, hard_negatives="negatives.jsonl", **sampler):
    return TrainConfig(
        sources=(SourceConfig(name="table", path=world / "table.jsonl"),),
        encoder=EncoderConfig(model=str(world / "bert"), max_query_length=24, max_passage_length=32),
        sampler=SamplerConfig(
            batch_size=6,
            mixing="coupled",
            hard_negatives=None if hard_negatives is None else world / hard_negatives,
            **sampler,
        ),
        loss=LossConfig(temperature=0.05, denominator=denominator),
        steps=steps,
        learning_rate=1e-3,
        seed=7,
        threads=1,
    )


def parts(config):
    corpus = load_sources(config.sources)
    index, negatives = index_and_negatives(corpus, config.sampler)
    sampler = hf.HybridBatchSampler.from_config(
        index, config.sampler, seed=config.seed, hard_negatives=negatives
    )
    return corpus, index, sampler


def plain_loss(model, corpus, batch, denominator, temperature):
    """The formula in float64 over the rows of a batch; masked places are left out of every sum."""
    asked = encode_queries(model, [corpus.queries.texts[row] for row in batch.query]).astype(float)
    held = encode_passages(model, [corpus.passages.texts[row] for row in batch.passage]).astype(float)
    wrong = [row for row in batch.negatives.ravel().tolist() if row >= 0]
    hard = (
        encode_passages(model, [corpus.passages.texts[row] for row in wrong]).astype(float) if wrong else []
    )
    total = 0.0
    for i, query in enumerate(asked):
        top = math.exp(query @ held[i] / temperature)
        below = top + sum(math.exp(query @ other / temperature) for other in hard)
        if denominator == "in-batch":
            below += sum(math.exp(query @ other / temperature) for j, other in enumerate(held) if j != i)
        total -= math.log(top / below)
    return total / len(asked)


@pytest.mark.parametrize("denominator", ["in-batch", "own"])
@pytest.mark.parametrize(
    ("file", "count"), [("negatives.jsonl", 1), ("negatives.jsonl", 3), ("few.jsonl", 2)]
)
def test_the_loss_of_a_batch_is_the_formula_over_what_is_not_masked(world, denominator, file, count):
    config = configuration(world, hard_negatives=file, negatives_per_query=count)
    corpus, index, sampler = parts(config)
    model = load_encoder(config.encoder).eval()
    texts, collate = PairTexts(index, corpus), PairCollator(model)
    loss = InfoNCELoss(model, temperature=0.05, denominator=denominator)
    checked = masked = 0
    for i, pair_ids in enumerate(sampler):
        batch = sampler.batch(i)
        if (batch.negatives < 0).all():
            continue
        columns = collate(texts.__getitems__(pair_ids))
        features = [
            {
                key.removeprefix(f"{side}_"): value
                for key, value in columns.items()
                if key.startswith(f"{side}_")
            }
            for side in ("query", "passage", "negative")
        ]
        assert len(features[2]["input_ids"]) == (batch.negatives >= 0).sum()
        with torch.no_grad():
            found = loss(features).item()
        assert found == pytest.approx(plain_loss(model, corpus, batch, denominator, 0.05), rel=1e-4)
        checked += 1
        masked += int((batch.negatives < 0).sum())
    assert checked
    assert masked or file != "few.jsonl"


@pytest.mark.parametrize("denominator", ["in-batch", "own"])
def test_a_run_trains_on_the_negatives_of_its_file(world, tmp_path, denominator):
    config = configuration(world, denominator=denominator, negatives_per_query=2)
    folder = train(config, tmp_path / "run")
    corpus, _, sampler = parts(config)
    first = read_rows(folder / "train.jsonl")[0]["loss"]
    model = load_encoder(config.encoder).eval()
    expected = plain_loss(model, corpus, sampler.batch(0), denominator, 0.05)
    assert first == pytest.approx(expected, rel=1e-4)
    plan = json.loads((folder / "plan.json").read_text())
    drawn = sampler.batches(0, 4).negatives
    languages = corpus.passages.languages[drawn[drawn >= 0]]
    counts = {code: int((languages == number).sum()) for number, code in enumerate(corpus.languages)}
    assert plan["negatives"] == {
        "rows": {code: count for code, count in counts.items() if count},
        "masked": int((drawn < 0).sum()),
        "batches_without": 0,
    }


def test_workers_and_resuming_keep_the_negatives(world, tmp_path):
    config = configuration(world, denominator="own", steps=6)
    straight = train(config, tmp_path / "straight")

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    again = dataclasses.replace(config, workers=1, checkpoint_every=2)
    with pytest.raises(KeyboardInterrupt):
        train(again, tmp_path / "again", progress=stop)
    train(again, tmp_path / "again")
    losses = [
        [row["loss"] for row in read_rows(tmp_path / name / "train.jsonl")] for name in ("straight", "again")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 6
    plans = [json.loads((folder / "plan.json").read_text()) for folder in (straight, tmp_path / "again")]
    assert plans[0] == plans[1]


def test_two_processes_share_the_negatives_of_the_global_batch(world, tmp_path):
    config = configuration(world, denominator="own", negatives_per_query=2)
    one = train(config, tmp_path / "one")
    result = on_two_processes(config, tmp_path / "two", tmp_path / "script.py")
    assert result.returncode == 0, result.stderr[-4000:]
    losses = [
        [row["loss"] for row in read_rows(folder / "train.jsonl")] for folder in (one, tmp_path / "two")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_negatives_change_the_digest_and_only_they(world):
    drawn = {}
    for file in (None, "negatives.jsonl", "few.jsonl"):
        corpus, _, sampler = parts(configuration(world, hard_negatives=file))
        drawn[file] = draw(sampler, corpus, 4)
    assert len({one.digest for one in drawn.values()}) == 3
    assert drawn[None].negative_rows is None
    for one in drawn.values():
        assert np.array_equal(one.passage_rows, drawn[None].passage_rows)


def test_the_language_of_negatives_can_be_that_of_the_passage(world):
    corpus, _, sampler = parts(configuration(world, negatives_language="passage"))
    for i in range(len(sampler)):
        batch = sampler.batch(i)
        taken = batch.negatives[:, 0] >= 0
        languages = corpus.passages.languages[batch.negatives[taken, 0]]
        assert np.array_equal(languages, batch.passage_language[taken])


def test_a_configuration_keeps_its_file(world):
    config = configuration(world, identities=("given", "near-duplicate"), negatives_language="passage")
    assert from_mapping(TrainConfig, json.loads(json.dumps(to_mapping(config)))) == config


def test_pairs_without_negatives_are_pairs_of_texts(world):
    corpus, index, _ = parts(configuration(world))
    texts = PairTexts(index, corpus)
    assert len(texts[0]) == 2
    assert texts[PairWithNegatives(0, [5, -1, 7])][2:] == (corpus.passages.texts[5], corpus.passages.texts[7])


def test_refusals(world, tmp_path):
    with pytest.raises(ConfigError, match=r"sampler\.hard_negatives, or use 'in-batch'"):
        train(configuration(world, denominator="own", hard_negatives=None), tmp_path / "a")
    with pytest.raises(RunError, match="batches have no hard negative"):
        train(configuration(world, denominator="own", hard_negatives="few.jsonl", steps=30), tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        train(configuration(world, hard_negatives="none.jsonl"), tmp_path / "c")
    config = configuration(world)
    index = hf.PairIndex.from_corpus(load_sources(config.sources))
    with pytest.raises(hf.HybridFastError, match="names hard negatives"):
        hf.HybridBatchSampler.from_config(index, config.sampler, seed=1)
    assert not any(tmp_path.iterdir())


def test_the_example_mines_and_trains(tmp_path):
    example = Path(__file__).parents[1] / "examples" / "mine_negatives.py"
    command = [sys.executable, str(example), "--out", str(tmp_path), "--steps", "2"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "HardNegatives(" in said.stdout
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert sum(plan["negatives"]["rows"].values()) == 2 * 16 * 2
    assert len(read_rows(tmp_path / "run" / "train.jsonl")) == 2
