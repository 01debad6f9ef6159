"""Sweeps with a tiny random encoder on a part of the embedded corpus."""

import dataclasses
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybrid_fast.config import (
    EncoderConfig,
    EvaluationConfig,
    SamplerConfig,
    SourceConfig,
    SweepConfig,
    Tier,
    TrainConfig,
    digest,
    to_mapping,
)
from hybrid_fast.corpus import load_source, load_sources
from hybrid_fast.errors import ConfigError, ModelError, RunError
from hybrid_fast.sweeping import results, runs_of, summary, sweep, tier_labels
from hybrid_fast.sweeping.tiers import contradictions, resolve_tiers

tiny_models = pytest.importorskip("tiny_models", reason="the tiny encoders need torch and transformers")

SOURCE = SourceConfig(name="demo", languages=("de", "en", "sw"), groups=40)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    corpus = load_source(SOURCE)
    return tiny_models.save_bert(folder, [*corpus.queries.texts, *corpus.passages.texts], pooler=False)


@pytest.fixture
def config(encoder):
    return SweepConfig(
        train=TrainConfig(
            sources=(SOURCE,),
            hold_out=("sw",),
            encoder=EncoderConfig(model=str(encoder), max_query_length=24, max_passage_length=48),
            sampler=SamplerConfig(batch_size=4),
            steps=4,
            learning_rate=1e-3,
            evaluations=(EvaluationConfig(name="small", source=SOURCE, sample=8, measures=("AP", "RR@10")),),
            evaluate_at=(0, 2, 4),
            threads=1,
        ),
        ratios=(0.0, 1.0),
        seeds=(1, 2),
    )


def metrics_of(folder):
    return {
        path.parent.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("runs/*/metrics.jsonl"))
    }


def timeless(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_runs_are_named_by_their_resolved_configuration(config):
    config = dataclasses.replace(config, learning_rates=(3e-5, 1e-5))
    runs = runs_of(config)
    places = [(run.seed, run.learning_rate, run.mono_ratio) for run in runs]
    assert places == [(s, lr, r) for s in (1, 2) for lr in (3e-5, 1e-5) for r in (0.0, 1.0)]
    assert len({run.name for run in runs}) == 8
    for run in runs:
        assert run.name == digest(run.config)
        assert run.config.sampler.mixing == "coupled"
        assert (run.config.sampler.mono_ratio, run.config.seed) == (run.mono_ratio, run.seed)
    fewer_threads = dataclasses.replace(config, train=dataclasses.replace(config.train, threads=8), jobs=2)
    assert [run.name for run in runs_of(fewer_threads)] == [run.name for run in runs]
    whole = dataclasses.replace(config, ratios=(0, 1, 1))
    assert [run.name for run in runs_of(whole)] == [run.name for run in runs]


def test_batches_of_a_kind_are_the_same_whatever_the_ratio(config):
    from hybrid_fast.pairs import PairIndex

    corpus = load_sources(config.train.sources, hold_out=config.train.hold_out)
    index = PairIndex.from_corpus(corpus)
    kinds = {}
    for run in runs_of(dataclasses.replace(config, ratios=(0.25, 0.5, 0.75), seeds=(7,))):
        plan = [
            (batch.is_mono, batch.query.tolist(), batch.passage.tolist()) for batch in _batches(index, run)
        ]
        for mono in (True, False):
            kinds.setdefault(mono, []).append([rows for kind, *rows in plan if bool(kind) is mono])
    for streams in kinds.values():
        for other in streams[1:]:
            shared = min(len(streams[0]), len(other))
            assert shared > 2
            assert streams[0][:shared] == other[:shared]


def _batches(index, run):
    from hybrid_fast.sampler import HybridBatchSampler

    sampler = HybridBatchSampler.from_config(index, run.config.sampler, seed=run.config.seed)
    return [sampler.batch(number) for number in range(min(len(sampler), 16))]


def test_a_language_is_in_one_tier():
    tiers = resolve_tiers(
        [Tier(name="low-resource", languages=("swa", "yo"))], ["de", "en"], ["de", "en", "sw", "tr", "yo"]
    )
    assert tiers == {"low-resource": ["sw", "yo"], "trained": ["de", "en"], "unseen": ["tr"]}
    assert resolve_tiers([], ["en"], ["en", "sw"]) == {"trained": ["en"], "unseen": ["sw"]}
    with pytest.raises(ConfigError, match="'swh' is in 'a' and in 'b'"):
        resolve_tiers([Tier(name="a", languages=("sw",)), Tier(name="b", languages=("swh",))], [], ["sw"])
    with pytest.raises(ConfigError, match="'yo' in 'a' is neither trained nor evaluated"):
        resolve_tiers([Tier(name="a", languages=("yo",))], ["en"], ["sw"])


def test_a_sweep_from_start_to_table(config, tmp_path):
    out = tmp_path / "sweep"
    seen, lines = [], []
    sweep(config, out, progress=lambda done, total: seen.append((done, total)), notice=lines.append)
    assert seen[0] == (0, 16)
    assert seen[-1] == (16, 16)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len([line for line in lines if line.startswith("finished")]) == 4

    description = json.loads((out / "sweep.json").read_text())
    assert description["trained"] == ["de", "en"]
    assert description["tiers"] == {"trained": ["de", "en"], "unseen": ["sw"]}
    assert description["evaluations"]["small"]["queries"] == 120
    assert description["evaluations"]["small"]["sample_queries"] == 24
    assert description["corpora"]["demo"]["groups"] == 40
    assert description["config"]["learning_rates"] == [1e-3]
    assert description["config"]["train"]["sampler"]["mixing"] == "coupled"

    runs = runs_of(config)
    assert {path.name for path in (out / "runs").iterdir()} == {run.name for run in runs}
    for run in runs:
        names = {path.name for path in (out / "runs" / run.name).iterdir()}
        assert names == {
            "config.json", "environment.json", "plan.json", "train.jsonl", "metrics.jsonl",
            "per_query.parquet", "done.json",
        }  # fmt: skip
        assert json.loads((out / "runs" / run.name / "config.json").read_text()) == to_mapping(run.config)

    # Equal initial weights, measured once: the untouched encoder's rows are equal and were kept once.
    first = [[row for row in timeless(rows) if row["step"] == 0] for rows in metrics_of(out).values()]
    assert all(rows == first[0] for rows in first)
    assert {row["scope"] for row in first[0]} == {"sample", "full"}
    assert len(list((out / "initial").glob("*.json"))) == 1

    table = results(out)
    assert len(table) == len(table.drop_duplicates([*table.columns.drop(["value", "queries", "seconds"])]))
    assert table.finished.all()
    assert set(table.tier) == {"trained", "unseen"}
    assert set(table[table.step == 2].scope) == {"sample"}
    assert set(table[table.step == 4].scope) == {"sample", "full"}
    assert set(table.pairs) == {0, 8, 16}
    per_query = pd.read_parquet(out / "runs" / runs[0].name / "per_query.parquet")
    assert list(per_query.columns) == [
        "evaluation", "setting", "query_language", "passage_language", "query_id", "measure", "value",
    ]  # fmt: skip
    last = table[(table.run == runs[0].name) & (table.step == 4) & (table.scope == "full")]
    means = (
        per_query.groupby(list(per_query.columns[[1, 2, 3, 5]]), observed=True)["value"].mean().reset_index()
    )
    joined = last.merge(means, on=["setting", "query_language", "passage_language", "measure"])
    assert len(joined) == len(last)
    np.testing.assert_allclose(joined.value_x, joined.value_y, rtol=1e-5)

    brief = summary(table)
    row = brief.query(
        "setting == 'cross-lingual' and tier == 'unseen' and measure == 'AP' and mono_ratio == 0"
    )
    of_tier = table.query(
        "setting == 'cross-lingual' and query_language == 'sw' and measure == 'AP' and mono_ratio == 0 "
        "and step == 4 and scope == 'full'"
    )
    assert row.seeds.item() == 2
    assert row.value.item() == pytest.approx(of_tier.value.mean())

    # The same call does nothing again; more ratios and seeds extend; anything else is refused.
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*")}
    sweep(config, out)
    assert stamps == {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*")}
    sweep(dataclasses.replace(config, ratios=(0.5,), seeds=(1,), title="Extended"), out)
    assert len(list((out / "runs").iterdir())) == 5
    extended = json.loads((out / "sweep.json").read_text())["config"]
    assert (extended["ratios"], extended["seeds"], extended["title"]) == ([0.0, 0.5, 1.0], [1, 2], "Extended")
    other = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=8))
    with pytest.raises(RunError, match=r"train\.steps is 4 there and 8 here"):
        sweep(other, out)
    with (out / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another sweep is running"):
            sweep(config, out)

    # A line that is damaged is named.
    path = out / "runs" / runs[0].name / "metrics.jsonl"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(RunError, match=r"metrics\.jsonl, line \d+"):
        results(out)


def test_two_processes_give_the_same_numbers_as_one(config, tmp_path):
    config = dataclasses.replace(config, seeds=(1,))
    sweep(config, tmp_path / "one")
    both = dataclasses.replace(config, train=dataclasses.replace(config.train, threads=2), jobs=2)
    seen = []
    sweep(both, tmp_path / "two", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (8, 8)
    one, two = metrics_of(tmp_path / "one"), metrics_of(tmp_path / "two")
    assert one.keys() == two.keys()
    for name in one:
        assert timeless(one[name]) == timeless(two[name])


def children(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def toml(config, tmp_path):
    """A file with two jobs and enough steps that there is something to interrupt."""
    source = f'name = "demo"\nlanguages = ["de", "en", "sw"]\ngroups = {SOURCE.groups}\n'
    path = tmp_path / "sweep.toml"
    path.write_text(
        "ratios = [0.0, 1.0]\nseeds = [1]\njobs = 2\n"
        "[train]\nsteps = 60\nevaluate_at = [0, 1, 30, 60]\nthreads = 2\nlearning_rate = 1e-3\n"
        f"[[train.sources]]\n{source}"
        f"[train.encoder]\nmodel = '{config.train.encoder.model}'\nmax_passage_length = 48\n"
        "[train.sampler]\nbatch_size = 4\n"
        f"[[train.evaluations]]\nname = 'small'\nsample = 8\nmeasures = ['AP', 'RR@10']\n"
        f"[train.evaluations.source]\n{source}"
    )
    return path


def start(toml, out):
    command = [sys.executable, "-m", "hybrid_fast", "sweep", "--config", str(toml), "--out", str(out)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def both_train(out):
    return len([path for path in out.glob("runs/*/train.jsonl") if path.stat().st_size]) == 2


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_killed_it_leaves_no_process_and_the_same_command_goes_on(toml, tmp_path):
    out = tmp_path / "sweep"
    process = start(toml, out)
    assert wait_for(lambda: both_train(out) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()
    assert wait_for(lambda: not any(map(alive, workers)), 10)
    assert not list(out.glob("runs/*/done.json"))
    again = start(toml, out)
    text = again.communicate(timeout=300)[0]
    assert again.returncode == 0, text
    assert "Final AP" in text
    table = results(out)
    assert table.finished.all()
    assert set(table.run.value_counts()) == {len(table) // 2}
    assert len(table) == len(table.drop_duplicates([*table.columns.drop(["value", "queries", "seconds"])]))
    steps = [
        json.loads(line)["step"] for line in next(out.glob("runs/*/train.jsonl")).read_text().splitlines()
    ]
    assert steps == list(range(1, 61))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_ctrl_c_stops_everything_and_says_so(toml, tmp_path):
    out = tmp_path / "sweep"
    process = start(toml, out)
    assert wait_for(lambda: both_train(out) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[0]
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=30)[0]
    assert process.returncode == 130, text
    assert "Traceback" not in text
    assert not any(map(alive, workers))


def test_a_mistake_before_the_first_measure_can_be_put_right(config, tmp_path):
    out = tmp_path / "sweep"
    wrong = dataclasses.replace(
        config,
        train=dataclasses.replace(config.train, encoder=EncoderConfig(model=str(tmp_path / "nothing"))),
    )
    with pytest.raises(ModelError, match="nothing"):
        sweep(wrong, out)
    sweep(dataclasses.replace(config, seeds=(1,), ratios=(0.5,)), out)
    assert len(results(out).run.unique()) == 1


def test_a_failed_run_of_a_worker_is_one_sentence(config, tmp_path):
    wrong = dataclasses.replace(
        config, train=dataclasses.replace(config.train, learning_rate=1e30, evaluations=()), jobs=2
    )
    with pytest.raises(RunError, match=r"the run with ratio .* failed: .*loss is nan"):
        sweep(wrong, tmp_path / "sweep")


def test_changed_weights_are_refused(config, encoder, tmp_path):
    import shutil

    copy = shutil.copytree(encoder, tmp_path / "encoder")
    train = dataclasses.replace(
        config.train, encoder=dataclasses.replace(config.train.encoder, model=str(copy))
    )
    config = dataclasses.replace(config, train=train, ratios=(0.5,))
    sweep(dataclasses.replace(config, seeds=(1,)), tmp_path / "sweep")
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    next(iter(weights.values())).add_(0.01)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match="initial weights differ"):
        sweep(dataclasses.replace(config, seeds=(2,)), tmp_path / "sweep")


def test_bad_configurations_and_folders_are_named(config, tmp_path):
    with pytest.raises(ConfigError, match="at least one training source"):
        sweep(SweepConfig(), tmp_path / "a")
    with pytest.raises(ConfigError, match="no configuration file"):
        sweep(tmp_path / "missing.toml", tmp_path / "a")
    with pytest.raises(TypeError, match="SweepConfig"):
        sweep(3, tmp_path / "a")
    twice = dataclasses.replace(config.train, evaluations=config.train.evaluations * 2)
    with pytest.raises(ConfigError, match="two sets have one name"):
        sweep(dataclasses.replace(config, train=twice), tmp_path / "a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("Dear reader")
    with pytest.raises(RunError, match="holds no sweep"):
        sweep(config, tmp_path / "full")
    with pytest.raises(RunError, match="is a file"):
        sweep(config, tmp_path / "full" / "letter.txt")
    with pytest.raises(RunError, match="not a sweep folder"):
        results(tmp_path / "full")


def test_a_tier_whose_name_does_not_hold_is_marked():
    tiers = {
        "unseen": ["de", "fi"], "Unseen low-resource": ["sw"], "zero-shot": ["de", "en"], "trained": ["de"],
        "in domain": ["en", "fi"], "low-resource": ["sw", "yo"], "European": ["de", "en"], "held out": ["yo"],
    }  # fmt: skip
    trained = ["de", "en", "sw"]
    assert contradictions(tiers, trained) == {
        "unseen": "trained on: de",
        "Unseen low-resource": "trained on: sw",
        "zero-shot": "trained on: de, en",
        "in domain": "not trained on: fi",
        "low-resource": "trained on: sw",
    }
    labels = tier_labels({"tiers": tiers, "trained": trained})
    assert list(labels) == list(tiers)
    assert labels["unseen"] == "unseen (trained on: de)"
    assert labels["held out"] == "held out"
    many = {"unseen": [f"l{number}" for number in range(11)]}
    assert contradictions(many, many["unseen"])["unseen"].endswith("l7 and 3 more")
    assert tier_labels({}) == {}


def test_an_unseen_tier_that_is_trained_on_is_marked_wherever_it_is_shown(config, tmp_path, capsys):
    from hybrid_fast.reporting import headline
    from hybrid_fast.reporting.contents import contents
    from hybrid_fast.reporting.folder import read_folder

    tiers = (Tier(name="unseen", languages=("deu", "sw")), Tier(name="trained", languages=("en",)))
    config = dataclasses.replace(config, tiers=tiers, seeds=(1,))
    with pytest.warns(UserWarning, match="tier 'unseen' holds languages trained on: de"):
        sweep(config, tmp_path / "sweep")
    lines = []
    sweep(config, tmp_path / "sweep", notice=lines.append)
    assert any("tier 'unseen' holds languages trained on: de" in line for line in lines)
    assert set(results(tmp_path / "sweep").tier) == {"unseen", "trained"}

    label = "unseen (trained on: de)"
    assert any(label in column for column in headline(tmp_path / "sweep").columns)
    made = contents(read_folder(tmp_path / "sweep"))
    shown = re.compile(r"unseen(?! \(trained on: de\))")
    for text in [*made.lead, *(part for section in made.sections[:-1] for part in section.parts)]:
        assert not shown.search(text), text
    for item in made.figures:
        for grid in item.variants.values():
            spec = json.dumps(grid.spec)
            assert not shown.search(spec), item.name
    for name, data in made.csv.items():
        if "tier" in data:
            assert set(data["tier"]) == {label, "trained"}, name

    from hybrid_fast.cli.report import show_headline
    from hybrid_fast.cli.sweep import sweep as command

    command(config=config, out=tmp_path / "sweep")
    out = capsys.readouterr().out
    assert "trained on: de" in out
    show_headline(headline(tmp_path / "sweep"))
    # The head of a narrow column is on several lines.
    assert re.search(r"\(trained\b.*\bon:.*\bde\)", capsys.readouterr().out, re.DOTALL)
