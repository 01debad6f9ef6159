from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

import hybrid_fast as hf
import tiny_models
from hybrid_fast.config import (
    EncoderConfig,
    EvaluationConfig,
    LossConfig,
    SamplerConfig,
    SourceConfig,
    TrainConfig,
    digest,
    to_mapping,
)
from hybrid_fast.corpus import load_source, load_sources
from hybrid_fast.encoder import encode_passages, encode_queries, load_encoder
from hybrid_fast.errors import ConfigError, RunError, StateMismatch
from hybrid_fast.training import environment, evaluation_steps, train
from hybrid_fast.training.batches import PairTexts, TrainingBatches
from hybrid_fast.training.certificate import certify, draw
from hybrid_fast.training.checkpoint import latest, seal
from hybrid_fast.training.clock import Clock
from hybrid_fast.training.records import append_rows, keep_until, read_rows

torch.set_num_threads(1)


def sampler_of(index: hf.PairIndex, config: TrainConfig) -> hf.HybridBatchSampler:
    return hf.HybridBatchSampler.from_config(index, config.sampler, seed=config.seed)


THINGS = {
    "en": ["mill", "bridge", "tower", "harbour", "garden", "market", "school", "castle", "forest", "island"],
    "de": ["Mühle", "Brücke", "Turm", "Hafen", "Garten", "Markt", "Schule", "Burg", "Wald", "Insel"],
    "es": [
        "molino",
        "puente",
        "torre",
        "puerto",
        "jardín",
        "mercado",
        "escuela",
        "castillo",
        "bosque",
        "isla",
    ],
    "sw": ["kinu", "daraja", "mnara", "bandari", "bustani", "soko", "shule", "ngome", "msitu", "kisiwa"],
}
ASKS = {"en": "Who built the {} of {}?", "de": "Wer baute {} von {}?", "es": "¿Quién construyó {} de {}?"}
TELLS = {"en": "The {} of {} is old.", "de": "{} von {} ist alt.", "es": "{} de {} es viejo."}
PLACES = ["Lima", "Oslo", "Kano"]


def records() -> list[dict]:
    rows = []
    for language, things in THINGS.items():
        asks, tells = (
            ASKS.get(language, "Nani alijenga {} ya {}?"),
            TELLS.get(language, "{} ya {} ni ya zamani."),
        )
        for place in PLACES:
            for number, thing in enumerate(things):
                rows.append(
                    {
                        "group": f"{place}-{number}",
                        "language": language,
                        "query": asks.format(thing, place),
                        "passage": tells.format(thing, place),
                        "document": place,
                    }
                )
    return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A corpus in our layout and tiny encoders that know its words."""
    root = tmp_path_factory.mktemp("world")
    rows = records()
    (root / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    texts = [row[side] for row in rows for side in ("query", "passage")]
    tiny_models.save_xlmr(root / "xlm-r", texts)
    tiny_models.save_bert(root / "labse", texts, pooler=True)
    tiny_models.save_bert(root / "bert", texts, pooler=False)
    return root


def configuration(world: Path, architecture: str = "bert", **changes) -> TrainConfig:
    parts = {
        "sources": (SourceConfig(name="table", path=world / "table.jsonl"),),
        "encoder": EncoderConfig(
            model=str(world / architecture), max_query_length=24, max_passage_length=32, query_prefix="q: "
        ),
        "sampler": SamplerConfig(batch_size=8, mono_ratio=0.5, mixing="coupled"),
        "loss": LossConfig(temperature=0.05),
        "steps": 10,
        "learning_rate": 1e-3,
        "seed": 7,
        "threads": 1,
    }
    return TrainConfig(**parts | changes)


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_rows(folder / "train.jsonl")]


def without_seconds(path: Path) -> list[dict]:
    timed = ("seconds", "waiting", "sampling")
    return [{key: value for key, value in row.items() if key not in timed} for row in read_rows(path)]


def probe(model, step):
    """A stand-in for an evaluation, which also draws random numbers."""
    value = float(encode_queries(model, ["Who built the mill of Lima?"])[0, 0]) + 0 * float(torch.rand(1))
    return [
        {"evaluation": "probe", "scope": "sample", "measure": "first", "value": value},
        {"evaluation": "probe", "scope": "sample", "measure": "step", "value": np.float32(step)},
    ]


@pytest.mark.parametrize("architecture", ["xlm-r", "labse", "bert"])
def test_a_run_learns_and_its_folder_is_complete(world, tmp_path, architecture):
    config = configuration(world, architecture, steps=40, learning_rate=3e-3, warmup_steps=4)
    calls = []
    out = train(
        config,
        tmp_path / "run",
        evaluate=probe,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert {path.name for path in out.iterdir()} == {
        "config.json",
        "environment.json",
        "plan.json",
        "train.jsonl",
        "metrics.jsonl",
        "model",
        "done.json",
    }
    assert calls == [(step, 40) for step in range(1, 41)]
    assert np.mean(losses(out)[-5:]) < 0.7 * np.mean(losses(out)[:5])
    rates = [row["learning_rate"] for row in read_rows(out / "train.jsonl")]
    expected = [3e-3 * (min(step / 4, 1) if step < 4 else (40 - step) / 36) for step in range(40)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    seconds = [row["seconds"] for row in read_rows(out / "train.jsonl")]
    assert seconds == sorted(seconds)
    done = json.loads((out / "done.json").read_text())
    assert 0 < done["sampling"] < done["waiting"] < done["seconds"]
    assert all(0 <= row["sampling"] < row["waiting"] for row in read_rows(out / "train.jsonl"))
    metrics = read_rows(out / "metrics.jsonl")
    assert sorted({row["step"] for row in metrics}) == [0, 1, 2, 5, 10, 20, 40]
    assert all(row["pairs"] == 8 * row["step"] for row in metrics)
    assert json.loads((out / "config.json").read_text()) == json.loads(json.dumps(to_mapping(config)))
    assert json.loads((out / "done.json").read_text())["steps"] == 40
    plain = SentenceTransformer(str(out / "model"), device="cpu")
    trained = load_encoder(dataclasses.replace(config.encoder, model=str(out / "model")))
    texts = ["Who built the mill of Lima?", "Wer baute Turm von Oslo?"]
    np.testing.assert_allclose(plain.encode_query(texts), encode_queries(trained, texts), atol=2e-6)
    np.testing.assert_allclose(plain.encode_document(texts), encode_passages(trained, texts), atol=2e-6)
    last = [row["value"] for row in metrics if row["step"] == 40 and row["measure"] == "first"]
    assert last == [pytest.approx(float(plain.encode_query(texts[:1])[0, 0]), abs=2e-6)]
    assert "Digest of the plan" in (out / "model" / "README.md").read_text()


def test_the_plan_is_what_is_trained_on(world, tmp_path, monkeypatch):
    config = configuration(world, steps=20, hold_out=("swa",))  # one epoch has 9 batches
    drawn = []
    original = PairTexts.__getitems__

    def watched(self, pair_ids):
        drawn.append(self.index.pairs(np.asarray(pair_ids)))
        return original(self, pair_ids)

    monkeypatch.setattr(PairTexts, "__getitems__", watched)
    plan = json.loads((train(config, tmp_path / "run", save_model=False) / "plan.json").read_text())
    corpus = load_sources(config.sources, hold_out=config.hold_out)
    assert plan["held_out"] == ["sw"]
    assert plan["languages"] == ["de", "en", "es"]
    assert "sw" not in corpus.languages
    assert len(drawn) == 20
    monolingual = sum(int((pairs[3] == pairs[4]).all()) for pairs in drawn)
    assert 9 <= monolingual <= 11
    assert plan["batches"] == {"monolingual": monolingual, "cross-lingual": 20 - monolingual}
    for side, column, rows in (("query_rows", 3, 1), ("passage_rows", 4, 2)):
        languages = np.concatenate([pairs[column] for pairs in drawn])
        counts = {code: int((languages == n).sum()) for n, code in enumerate(corpus.languages)}
        assert plan[side] == {code: count for code, count in counts.items() if count}
        distinct = {"query_rows": "distinct_queries", "passage_rows": "distinct_passages"}[side]
        assert plan[distinct] == len(np.unique(np.concatenate([pairs[rows] for pairs in drawn])))
    assert not (tmp_path / "run" / "model").exists()


def test_plans_over_several_epochs(world):
    config = configuration(world, steps=31)
    corpus = load_sources(config.sources, hold_out=config.hold_out)
    index = hf.PairIndex.from_corpus(corpus)
    batches = TrainingBatches(sampler_of(index, config), 31)
    ids = [list(pair_ids) for pair_ids in batches]
    assert len(sampler_of(index, config)) < 31
    assert len(ids) == len(batches) == 31
    sampler = sampler_of(index, config)
    expected, epoch = [], 0
    while len(expected) < 31:
        sampler.set_epoch(epoch)
        expected += [sampler.batch(i).query for i in range(len(sampler))]
        epoch += 1
    for pair_ids, query in zip(ids, expected, strict=False):
        np.testing.assert_array_equal(index.pairs(np.asarray(pair_ids))[1], query)
    one, two = (draw(sampler_of(index, config), corpus, steps).digest for steps in (31, 30))
    assert one != two
    assert one == draw(sampler_of(index, config), corpus, 31).digest


@pytest.mark.parametrize("taken", [0, 3, 12, 30])
def test_batches_go_on_from_a_state(world, taken):
    config = configuration(world, steps=31)
    index = hf.PairIndex.from_corpus(load_sources(config.sources, hold_out=config.hold_out))
    whole = list(TrainingBatches(sampler_of(index, config), 31))
    first = TrainingBatches(sampler_of(index, config), 31)
    part = [next_batch for next_batch, _ in zip(first, range(taken), strict=False)] if taken else []
    state = json.loads(json.dumps(first.state_dict()))
    rest = TrainingBatches(sampler_of(index, config), 31)
    rest.load_state_dict(state)
    assert part + list(rest) == whole[: len(part)] + whole[state["taken"] :]
    other = dataclasses.replace(config, seed=8)
    with pytest.raises(StateMismatch):
        TrainingBatches(sampler_of(index, other), 31).load_state_dict(state)


def test_a_leak_of_a_held_out_language_is_an_error(world):
    config = configuration(world)
    corpus = load_sources(config.sources, hold_out=config.hold_out)
    sampler = sampler_of(hf.PairIndex.from_corpus(corpus), config)
    with pytest.raises(RunError, match="held-out languages: es, sw"):
        certify(sampler, corpus, 10, hold_out=("es", "swa"), evaluations={})


def test_the_plan_counts_what_evaluation_shares(world, tmp_path):
    source = SourceConfig(name="table", path=world / "table.jsonl")
    evaluation = EvaluationConfig(name="same", source=source)
    config = configuration(world, steps=4, evaluations=(evaluation,))
    out = train(config, tmp_path / "run", evaluate=lambda model, step: [], save_model=False)
    plan = json.loads((out / "plan.json").read_text())
    assert plan["overlap"]["same"] == {
        "documents": len(PLACES),
        "queries": plan["distinct_queries"],
        "passages": plan["distinct_passages"],
    }


class InterruptionError(Exception):
    """Raised in a callback."""


def interrupt_at(step):
    def progress(done, total):
        if done == step:
            raise InterruptionError

    return progress


def test_workers_change_neither_training_nor_resuming(world, tmp_path, capfd):
    config = configuration(world, steps=14)
    straight = train(config, tmp_path / "straight", evaluate=probe)
    ahead = configuration(world, steps=14, workers=2, checkpoint_every=4)
    with pytest.raises(InterruptionError):
        train(ahead, tmp_path / "ahead", evaluate=probe, progress=interrupt_at(10))
    position = json.loads((tmp_path / "ahead" / "checkpoints" / "checkpoint-8" / "position.json").read_text())
    assert position["taken"] == position["sampler"]["batch"] == 8
    assert_equal_runs(straight, train(ahead, tmp_path / "ahead", evaluate=probe))
    assert "forked" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("every", "stops"),
    [(4, (6, 11)), (1, (1, 2, 13)), (5, (3, 14)), (0, (7,))],
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(world, tmp_path, every, stops):
    config = configuration(world, steps=14, checkpoint_every=every, evaluate_at=(0, 4, 7, 14))
    straight = train(config, tmp_path / "straight", evaluate=probe)
    for stop in stops:
        with pytest.raises(InterruptionError):
            train(config, tmp_path / "stopped", evaluate=probe, progress=interrupt_at(stop))
        assert not (tmp_path / "stopped" / "done.json").exists()
    stopped = train(config, tmp_path / "stopped", evaluate=probe)
    assert_equal_runs(straight, stopped)


def assert_equal_runs(one: Path, two: Path) -> None:
    for name in ("train.jsonl", "metrics.jsonl"):
        assert without_seconds(one / name) == without_seconds(two / name)
    steps = [row["step"] for row in read_rows(two / "train.jsonl")]
    assert steps == list(range(1, len(steps) + 1))
    assert (one / "plan.json").read_text() == (two / "plan.json").read_text()
    first, second = (load_file(folder / "model" / "model.safetensors") for folder in (one, two))
    assert first.keys() == second.keys()
    for key in first:
        assert torch.equal(first[key], second[key]), key
    assert not (two / "checkpoints").exists()
    seconds = [row["seconds"] for row in read_rows(two / "train.jsonl")]
    assert seconds == sorted(seconds)


KILLED = """
    import os, signal, sys
    import torch
    torch.set_num_threads(1)
    sys.path.insert(0, {tests!r})
    import test_training
    from hybrid_fast.training import checkpoint, trainer, train

    def die(*arguments):
        os.kill(os.getpid(), signal.SIGKILL)

    where, step = {where!r}, {step}
    if where == "evaluation":
        def evaluate(model, at):
            rows = test_training.probe(model, at)
            return die() if at == step else rows
    else:
        evaluate = test_training.probe
        seal = trainer.seal
        def torn(path, state):
            if path.name != f"checkpoint-{{step}}":
                return seal(path, state)
            if where == "mark":
                die()
            checkpoint.discard = die
            return seal(path, state)
        trainer.seal = torn
    train({config!r}, {out!r}, evaluate=evaluate)
"""


def test_a_killed_run_ends_like_an_uninterrupted_one(world, tmp_path):
    config = configuration(world, "xlm-r", steps=12, checkpoint_every=3, evaluate_at=(0, 5, 12))
    straight = train(config, tmp_path / "straight", evaluate=probe)
    toml = tmp_path / "config.json"
    toml.write_text(json.dumps(to_mapping(config)))
    for where, step in (("evaluation", 5), ("mark", 6), ("removal", 9)):
        script = textwrap.dedent(KILLED).format(
            tests=str(Path(__file__).parent),
            where=where,
            step=step,
            config=json.loads(toml.read_text()),
            out=str(tmp_path / "killed"),
        )
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
        assert result.returncode == -signal.SIGKILL, result.stderr
    found = sorted(path.name for path in (tmp_path / "killed" / "checkpoints").iterdir())
    assert "checkpoint-9" in found
    assert_equal_runs(straight, train(config, tmp_path / "killed", evaluate=probe))


def test_evaluating_does_not_change_the_training(world, tmp_path):
    config = configuration(world)
    with_it = train(config, tmp_path / "with", evaluate=probe, save_model=False)
    without = train(config, tmp_path / "without", save_model=False)
    assert losses(with_it) == losses(without)
    assert read_rows(without / "metrics.jsonl") == []


def test_the_seed_decides(world, tmp_path):
    def run(name, seed):
        return losses(train(configuration(world, seed=seed), tmp_path / name, save_model=False))

    torch.manual_seed(99)
    first = run("one", 1)
    np.random.seed(5)  # noqa: NPY002  the state outside must not matter
    assert first == run("again", 1)
    assert first != run("other", 2)


def test_frozen_parts_stay(world, tmp_path):
    encoder = dataclasses.replace(configuration(world).encoder, freeze_word_embeddings=True, freeze_layers=2)
    out = train(configuration(world, encoder=encoder), tmp_path / "run")
    before, after = (
        load_encoder(encoder),
        load_encoder(dataclasses.replace(encoder, model=str(out / "model"))),
    )
    for (key, old), (_, new) in zip(before.named_parameters(), after.named_parameters(), strict=True):
        assert torch.equal(old, new) != old.requires_grad, key


def test_bfloat16_trains_nearly_alike(world, tmp_path):
    exact = losses(train(configuration(world), tmp_path / "float32", save_model=False))
    near = losses(train(configuration(world, precision="bfloat16"), tmp_path / "bfloat16", save_model=False))
    assert exact != near
    np.testing.assert_allclose(exact, near, rtol=0.1)


def test_no_steps_measure_the_untouched_encoder(world, tmp_path):
    config = configuration(world, steps=0)
    out = train(config, tmp_path / "run", evaluate=probe)
    assert {row["step"] for row in read_rows(out / "metrics.jsonl")} == {0}
    first, second = (
        load_encoder(dataclasses.replace(config.encoder, model=str(place)))
        for place in (world / "bert", out / "model")
    )
    texts = ["Who built the mill of Lima?"]
    np.testing.assert_array_equal(encode_queries(first, texts), encode_queries(second, texts))


def test_a_finished_run_is_left_alone(world, tmp_path):
    config = configuration(world, steps=2)
    out = train(config, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert train(config, out, evaluate=lambda model, step: pytest.fail("evaluated again")) == out
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(RunError, match="another configuration"):
        train(configuration(world, steps=3), out)
    with pytest.raises(RunError, match="holds no run"):
        train(config, world)


def test_configurations_come_in_three_forms(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration(world, steps=1)
    out = hf.train(to_mapping(config))
    assert out == Path("runs") / digest(config)
    (tmp_path / "run.toml").write_text(
        textwrap.dedent(f"""
            steps = 1
            learning_rate = 1e-3
            seed = 7
            threads = 1
            [[sources]]
            name = "table"
            path = "{world / "table.jsonl"}"
            [encoder]
            model = "{world / "bert"}"
            max_query_length = 24
            max_passage_length = 32
            query_prefix = "q: "
            [sampler]
            batch_size = 8
            mixing = "coupled"
            [loss]
            temperature = 0.05
        """)
    )
    assert hf.train(tmp_path / "run.toml") == hf.train(str(tmp_path / "run.toml")) == out
    with pytest.raises(TypeError, match="config is int"):
        hf.train(3)


def test_refusals(world, tmp_path):
    with pytest.raises(ConfigError, match="sources is empty"):
        train(configuration(world, sources=()), tmp_path / "a")
    with pytest.raises(ConfigError, match="needs hard negatives"):
        train(configuration(world, loss=LossConfig(denominator="own")), tmp_path / "b")
    with pytest.raises(RunError, match=r"loss is (nan|inf).*lower the learning rate"):
        train(configuration(world, learning_rate=1e30), tmp_path / "c")
    evaluation = EvaluationConfig(name="x", source=SourceConfig(name="table", path=world / "table.jsonl"))
    with pytest.warns(UserWarning, match="nothing is measured"):
        train(configuration(world, steps=1, evaluations=(evaluation,)), tmp_path / "d", save_model=False)


def test_a_full_disk_is_an_os_error_and_the_run_goes_on_later(world, tmp_path, monkeypatch):
    config = configuration(world, steps=8, checkpoint_every=3)
    straight = train(config, tmp_path / "straight")

    def full(model, path):
        Path(path).write_bytes(b"torn")
        raise SafetensorError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hybrid_fast.training.trainer.save_model", full)
        with pytest.raises(OSError, match="No space left"):
            train(config, tmp_path / "full")
    assert_equal_runs(straight, train(config, tmp_path / "full"))


def test_steps_of_evaluation():
    def steps(**changes):
        return evaluation_steps(TrainConfig(**changes))

    assert steps(steps=80) == (0, 1, 2, 5, 10, 20, 50, 80)
    assert steps(steps=100) == (0, 1, 2, 5, 10, 20, 50, 100)
    assert steps(steps=0) == (0,)
    assert steps(steps=80, evaluate_at=(40, 5)) == (5, 40, 80)


def test_records_survive_a_torn_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_rows(path, [{"step": 1, "value": np.float64(0.5)}, {"step": 2, "value": float("nan")}])
    with path.open("a") as file:
        file.write('{"step": 3, "val')
    assert read_rows(path) == [{"step": 1, "value": 0.5}, {"step": 2, "value": None}]
    assert keep_until(path, 1) == [{"step": 1, "value": 0.5}]
    assert path.read_text() == '{"step": 1, "value": 0.5}\n'
    assert read_rows(tmp_path / "none.jsonl") == []


def test_only_sealed_checkpoints_count(tmp_path):
    assert latest(tmp_path) is None
    for step in (2, 10, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
    seal(tmp_path / "checkpoint-9", {"taken": 9})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-9"]
    (tmp_path / "checkpoint-10").mkdir()
    assert latest(tmp_path) == (tmp_path / "checkpoint-9", {"taken": 9})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-9"]


def test_the_clock_pauses(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = Clock()
    with clock.paused():
        now[0] = 5.0
    assert clock.seconds == 0
    clock.start(2.0)
    now[0] = 6.0
    with clock.paused():
        now[0] = 100.0
        assert clock.seconds == 3.0
    now[0] = 101.0
    assert clock.seconds == 4.0


def test_the_environment_names_what_matters():
    found = environment(3)
    assert found["threads"] == 3
    assert {"hybrid_fast", "python", "torch", "sentence-transformers"} <= found["versions"].keys()
    json.dumps(found)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hybrid_fast", "train", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
    )


def test_the_command_trains_evaluates_and_says_what_is_wrong(world, tmp_path):
    settings = textwrap.dedent(f"""
        steps = 2
        learning_rate = 1e-3
        hold_out = ["sw"]
        threads = 1
        [[sources]]
        name = "table"
        path = "{world / "table.jsonl"}"
        [[evaluations]]
        name = "small"
        source = {{ name = "table", path = "{world / "table.jsonl"}" }}
        sample = 10
        [encoder]
        model = "{world / "bert"}"
        max_query_length = 24
        max_passage_length = 32
        [sampler]
        batch_size = 8
    """)
    (tmp_path / "run.toml").write_text(settings)
    good = command("--config", str(tmp_path / "run.toml"), "--out", str(tmp_path / "run"))
    assert good.returncode == 0, good.stderr
    assert "Run folder" in good.stdout
    assert "multilingual" in good.stdout
    assert "Traceback" not in good.stderr
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert {row["step"] for row in rows} == {0, 1, 2}
    assert {row["scope"] for row in rows if row["step"] == 2} == {"sample", "full"}
    assert (tmp_path / "run" / "per_query.parquet").exists()
    (tmp_path / "bad.toml").write_text(settings.replace(str(world / "bert"), str(tmp_path / "nowhere")))
    bad = command("--config", str(tmp_path / "bad.toml"), "--out", str(tmp_path / "bad"))
    assert bad.returncode == 2
    assert "there is no model folder" in bad.stderr
    assert "Traceback" not in bad.stderr


@pytest.mark.skipif("HYBRID_FAST_DATA" not in os.environ, reason="HYBRID_FAST_DATA is not set")
def test_a_real_encoder_takes_a_few_steps(tmp_path):
    data = Path(os.environ["HYBRID_FAST_DATA"])
    folder = data.parent / "models" / "multilingual-e5-small-trimmed"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    config = TrainConfig(
        sources=(
            SourceConfig(
                name="xquad-r", path=data / "xquad-r", languages=("en", "ar", "de"), articles="even"
            ),
        ),
        evaluations=(
            EvaluationConfig(
                name="odd", source=SourceConfig(name="xquad-r", path=data / "xquad-r", articles="odd")
            ),
        ),
        encoder=EncoderConfig(
            model=str(folder), freeze_word_embeddings=True, max_query_length=32, max_passage_length=64
        ),
        sampler=SamplerConfig(batch_size=8),
        steps=2,
        precision="bfloat16",
        threads=1,
    )
    out = train(config, tmp_path / "run", evaluate=lambda model, step: [])
    plan = json.loads((out / "plan.json").read_text())
    assert plan["languages"] == ["ar", "de", "en"]
    assert plan["overlap"]["odd"] == {"documents": 0, "queries": 0, "passages": 0}
    assert all(0 < loss < 10 for loss in losses(out))
    plain = SentenceTransformer(str(out / "model"), device="cpu")
    assert plain.encode_query(["a"]).shape == (1, 384)
    assert len(load_source(config.evaluations[0].source).languages) == 11
