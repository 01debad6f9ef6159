"""No command removes or replaces what it did not make, and what is refused leaves nothing behind."""

import dataclasses
import hashlib
import json
import re
import shutil

import pytest

from hybrid_fast import cli
from hybrid_fast.config import (
    EncoderConfig,
    EvaluationConfig,
    LossConfig,
    SamplerConfig,
    SourceConfig,
    SweepConfig,
    Tier,
    TrainConfig,
    to_mapping,
)
from hybrid_fast.corpus import load_source, training_corpus
from hybrid_fast.errors import ConfigError, HybridFastError, RunError
from hybrid_fast.evaluation.evaluation import FILES, check_place
from hybrid_fast.sweeping import results, runs_of, sweep
from hybrid_fast.training.checkpoint import MARK, clear, latest, latest_step, seal

tiny_models = pytest.importorskip("tiny_models", reason="the tiny encoders need torch and transformers")

SOURCE = SourceConfig(name="demo", languages=("de", "en", "sw"), groups=20)
EVALUATION = EvaluationConfig(name="small", source=SOURCE, measures=("AP",))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    corpus = load_source(SOURCE)
    return tiny_models.save_bert(folder, [*corpus.queries.texts, *corpus.passages.texts], pooler=False)


@pytest.fixture
def config(encoder):
    train = TrainConfig(
        sources=(SOURCE,),
        encoder=EncoderConfig(model=str(encoder), max_query_length=24, max_passage_length=48),
        sampler=SamplerConfig(batch_size=4),
        steps=3,
        checkpoint_every=1,
        learning_rate=1e-3,
        threads=1,
    )
    return SweepConfig(train=train, ratios=(0.0, 1.0), seeds=(1,), keep_models=True)


def changed(config, **fields):
    """Return the sweep with other fields of its training."""
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **fields))


def snapshot(folder):
    """Return every path below a folder with its content and the time it was written."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def names_in(folder):
    return sorted(item.name for item in folder.iterdir())


@pytest.fixture(scope="module")
def finished(encoder, tmp_path_factory):
    """A finished sweep that never measured anything, made once and copied."""
    train = TrainConfig(
        sources=(SOURCE,),
        encoder=EncoderConfig(model=str(encoder), max_query_length=24, max_passage_length=48),
        sampler=SamplerConfig(batch_size=4),
        steps=3,
        checkpoint_every=1,
        learning_rate=1e-3,
        threads=1,
    )
    config = SweepConfig(train=train, ratios=(0.0, 1.0), seeds=(1,), keep_models=True)
    return sweep(config, tmp_path_factory.mktemp("finished") / "sweep")


def test_finished_runs_that_measured_nothing_are_skipped(config, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "sweep")
    before = snapshot(out)
    assert len([name for name in before if name.endswith("model.safetensors")]) == 2
    seen, lines = [], []
    sweep(config, out, progress=lambda done, total: seen.append((done, total)), notice=lines.append)
    assert seen == [(6, 6)]
    assert lines == ["2 of 2 runs are finished already"]
    after = snapshot(out)
    assert {name: stamp for name, stamp in after.items() if name.startswith("runs")} == {
        name: stamp for name, stamp in before.items() if name.startswith("runs")
    }
    assert after.keys() == before.keys()


OTHERS = {
    "model path": lambda config, place: changed(config, encoder=EncoderConfig(model=str(place / "nothing"))),
    "steps": lambda config, _: changed(config, steps=4),
    "batch size": lambda config, _: changed(config, sampler=SamplerConfig(batch_size=8)),
    "evaluations": lambda config, _: changed(config, evaluations=(EVALUATION,)),
    "source": lambda config, _: changed(config, sources=(dataclasses.replace(SOURCE, groups=10),)),
    "held out": lambda config, _: changed(config, hold_out=("sw",)),
    "tiers": lambda config, _: dataclasses.replace(config, tiers=(Tier(name="a", languages=("sw",)),)),
    "ratio without pairs": lambda config, _: changed(
        dataclasses.replace(config, ratios=(0.0, 0.5)),
        sources=(dataclasses.replace(SOURCE, languages=("de",)),),
    ),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_another_configuration_in_a_sweep_folder_touches_nothing(other, config, finished, tmp_path):
    before = snapshot(finished)
    with pytest.raises(HybridFastError):
        sweep(other(config, tmp_path), finished)
    assert snapshot(finished) == before


class StopError(Exception):
    pass


@pytest.mark.parametrize("evaluate_at", [(), (3,)], ids=["no evaluations", "at the end"])
def test_a_stopped_run_goes_on_from_its_checkpoint(evaluate_at, config, tmp_path):
    config = changed(config, evaluate_at=evaluate_at, evaluations=(EVALUATION,) if evaluate_at else ())
    config = dataclasses.replace(config, ratios=(0.5,))

    def stop(done, total):
        if done == 2:
            raise StopError

    with pytest.raises(StopError):
        sweep(config, tmp_path / "sweep", progress=stop)
    # The second checkpoint is due after step 2 was reported.
    (run,) = (tmp_path / "sweep" / "runs").iterdir()
    assert latest_step(run / "checkpoints") == 1
    first = (run / "train.jsonl").read_text().splitlines()[0]
    seen = []
    sweep(config, tmp_path / "sweep", progress=lambda done, total: seen.append(done))
    assert seen == [2, 3, 3]
    lines = (run / "train.jsonl").read_text().splitlines()
    assert lines[0] == first
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    assert not (run / "checkpoints").exists()
    assert len(results(tmp_path / "sweep")) == (len(results(tmp_path / "sweep").drop_duplicates()))


@pytest.mark.parametrize(
    "kept", ["done.json", "checkpoints/checkpoint-2/position.json", "model/modules.json"]
)
def test_a_run_folder_without_its_configuration_is_refused_not_removed(kept, config, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "sweep")
    place = out / "runs" / runs_of(config)[0].name
    shutil.rmtree(place)
    (place / kept).parent.mkdir(parents=True)
    (place / kept).write_text('{"seconds": 1}')
    before = snapshot(out)
    with pytest.raises(RunError, match=r"holds no run \(no config\.json\)"):
        sweep(config, out)
    assert snapshot(out) == before


def test_what_a_kill_leaves_of_a_run_is_made_again(config, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "sweep")
    place = out / "runs" / runs_of(config)[0].name
    shutil.rmtree(place)
    place.mkdir()
    (place / ".config.json.123.tmp").write_text("{")
    sweep(config, out)
    assert (place / "done.json").is_file()
    assert not list(place.glob(".*"))


def test_a_damaged_mark_of_a_finished_run_is_named(config, finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "sweep")
    path = out / "runs" / runs_of(config)[0].name / "done.json"
    path.write_text("{")
    before = snapshot(out)
    with pytest.raises(RunError, match=r"done\.json is not JSON; delete it to make the run again"):
        sweep(config, out)
    assert snapshot(out) == before


def test_changed_weights_are_refused_before_a_run_though_nothing_was_measured(
    config, encoder, finished, tmp_path
):
    out = shutil.copytree(finished, tmp_path / "sweep")
    path = out / "initial" / "weights.txt"
    path.write_text("0" * 32 + "\n")
    before = snapshot(out)
    with pytest.raises(RunError, match="initial weights differ"):
        sweep(dataclasses.replace(config, seeds=(2,)), out)
    assert snapshot(out) == before


MISTAKES = {
    "no model": lambda config, place: changed(config, encoder=EncoderConfig(model=str(place / "nothing"))),
    "too long": lambda config, _: changed(
        config, encoder=dataclasses.replace(config.train.encoder, freeze_layers=1000)
    ),
    "no corpus": lambda config, place: changed(
        config, sources=(SourceConfig(name="table", path=place / "nothing"),)
    ),
    "no evaluation corpus": lambda config, place: changed(
        config,
        evaluations=(EvaluationConfig(name="x", source=SourceConfig(name="table", path=place / "nothing")),),
    ),
    "unknown language": lambda config, _: changed(
        config, sources=(dataclasses.replace(SOURCE, languages=("klingon",)),)
    ),
    "unknown reader": lambda config, _: changed(config, sources=(SourceConfig(name="nothing"),)),
    "held out nowhere": lambda config, _: changed(config, hold_out=("fi",)),
    "tier nowhere": lambda config, _: dataclasses.replace(config, tiers=(Tier(name="a", languages=("fi",)),)),
    "unknown measure": lambda config, _: changed(
        config, evaluations=(dataclasses.replace(EVALUATION, measures=("APP",)),)
    ),
    "no settings": lambda config, _: changed(
        config, evaluations=(dataclasses.replace(EVALUATION, settings=()),)
    ),
    "one name twice": lambda config, _: changed(config, evaluations=(EVALUATION, EVALUATION)),
    "infeasible": lambda config, _: changed(config, sampler=SamplerConfig(batch_size=4000)),
    "infeasible at one ratio": lambda config, _: changed(
        config, sources=(dataclasses.replace(SOURCE, languages=("de",)),)
    ),
    "no negatives": lambda config, _: changed(config, loss=LossConfig(denominator="own")),
    "no file of negatives": lambda config, place: changed(
        config, sampler=SamplerConfig(batch_size=4, hard_negatives=place / "nothing.jsonl")
    ),
}


@pytest.mark.parametrize("where", ["new", "nested", "empty", "foreign", "hidden", "below a file", "a file"])
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_refused_sweep_leaves_nothing_behind(mistake, where, config, tmp_path):
    out = tmp_path / "there" / "sweep"
    out.parent.mkdir()
    if where == "nested":
        out = out / "a" / "b"
    elif where == "empty":
        out.mkdir()
    elif where in ("foreign", "hidden"):
        out.mkdir()
        (out / ("thesis.tex" if where == "foreign" else ".git")).write_text("work")
    elif where == "below a file":
        out.write_text("work")
        out = out / "sweep"
    elif where == "a file":
        out.write_text("work")
    before = snapshot(tmp_path)
    with pytest.raises((HybridFastError, OSError)):
        sweep(mistake(config, tmp_path), out)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["thesis.tex", ".git", "runs", "sweep.toml"])
def test_a_folder_of_other_things_is_no_place_for_a_sweep(name, config, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).mkdir()
    before = snapshot(tmp_path)
    with pytest.raises(RunError, match=rf"holds no sweep .* such as {name}; give a new or an empty folder"):
        sweep(config, tmp_path / "mine")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"schema": 1}', '{"schema": 1, "config": 3}', '{"name": "x"}']
)
def test_a_foreign_sweep_json_is_left_alone(content, config, tmp_path):
    (tmp_path / "sweep.json").write_text(content)
    before = snapshot(tmp_path)
    with pytest.raises(RunError, match=r"sweep\.json"):
        sweep(config, tmp_path)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("encoder = {model = './no/model'}", "there is no model folder no/model"),
        ("hold_out = ['fi']", "Finnish (fi) is in no training source"),
        ("sampler = {batch_size = 100000}", "100000"),
    ],
)
def test_the_command_line_refuses_in_the_same_way(wrong, words, tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(f"ratios = [0.5]\n[train]\n{wrong}\n[[train.sources]]\nname = 'demo'\n")
    with pytest.raises(SystemExit) as ended:
        cli.main(["sweep", "--config", str(file), "--out", str(tmp_path / "a" / "sweep")])
    assert ended.value.code == 2
    said = re.sub(r"[\s│]+", " ", capsys.readouterr().err)
    assert words in said
    assert names_in(tmp_path) == ["sweep.toml"]


def test_only_checkpoints_under_their_own_names_are_rotated(tmp_path):
    folder = tmp_path / "checkpoints"
    for name in ("checkpoint-1", "checkpoint-2", "checkpoint-best", "checkpoint-1-copy", "notes"):
        (folder / name).mkdir(parents=True)
        (folder / name / "weights").write_text(name)
    seal(folder / "checkpoint-2", {"taken": 2})
    assert names_in(folder) == ["checkpoint-1-copy", "checkpoint-2", "checkpoint-best", "notes"]
    assert latest(folder) == (folder / "checkpoint-2", {"taken": 2})
    (folder / "checkpoint-3").mkdir()  # torn: it has no mark
    assert latest_step(folder) == 2
    (folder / "checkpoint-2" / MARK).write_text("{")
    with pytest.raises(RunError, match=r"position\.json is damaged"):
        latest(folder)
    clear(folder)
    assert names_in(folder) == ["checkpoint-1-copy", "checkpoint-best", "notes"]
    assert latest(folder) is None
    assert latest_step(tmp_path / "nowhere") == 0


def test_a_model_is_not_saved_over_something_else(encoder, tmp_path):
    from hybrid_fast.encoder import load_encoder, save_encoder

    model = load_encoder(EncoderConfig(model=str(encoder), max_query_length=24, max_passage_length=48))
    mine = tmp_path / "mine"
    mine.mkdir()
    save_encoder(model, mine)  # empty
    save_encoder(model, mine)  # a model
    assert (mine / "modules.json").is_file()
    assert names_in(tmp_path) == ["mine"]
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("work")
    before = snapshot(tmp_path)
    for place in (thesis, thesis / "chapter.tex"):
        with pytest.raises(FileExistsError, match="is no model folder"):
            save_encoder(model, place)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", FILES)
def test_an_evaluation_does_not_replace_files_of_another_origin(name, tmp_path):
    check_place(tmp_path / "new")
    (tmp_path / "notes.txt").write_text("work")
    check_place(tmp_path)
    (tmp_path / name).write_text("work,more\n1,2\n")
    with pytest.raises(FileExistsError, match="was not written by an evaluation"):
        check_place(tmp_path)
    with pytest.raises(NotADirectoryError, match="is a file"):
        check_place(tmp_path / name)


def test_evaluate_refuses_its_folder_before_it_reads_anything(tmp_path, capsys):
    (tmp_path / "table.csv").write_text("work\n")
    before = snapshot(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", "--source.name", "demo", "--model", "./no/model", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "was not written by an evaluation" in " ".join(capsys.readouterr().err.split())
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("codes", [("fi",), ("sw", "fi"), ("fin",), ("zh-Hant",)])
def test_a_held_out_language_that_is_in_no_source_is_refused(codes, config, tmp_path):
    from hybrid_fast.training import train

    with pytest.raises(ConfigError, match=r"hold_out: .*(Finnish|Chinese).* the sources have de, en, sw"):
        training_corpus([load_source(SOURCE)], hold_out=codes)
    wrong = dataclasses.replace(config.train, hold_out=codes)
    with pytest.raises(ConfigError, match="hold_out"):
        train(wrong, tmp_path / "run")
    with pytest.raises(ConfigError, match="hold_out"):
        train(to_mapping(wrong), tmp_path / "run")
    with pytest.raises(ConfigError, match="hold_out"):
        sweep(dataclasses.replace(config, train=wrong), tmp_path / "sweep")
    assert not any(tmp_path.iterdir())
    # A language of one source only, by any of its codes.
    both = [
        load_source(dataclasses.replace(SOURCE, languages=codes)) for codes in (("de", "en"), ("en", "sw"))
    ]
    assert training_corpus(both, hold_out=("swa",)).languages == ("de", "en")
