"""The command as newcomers and careless users meet it: help, mistakes, files, pipes, terminals, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Literal, Union, get_args, get_origin

import pytest

from hybrid_fast.cli import app as module
from hybrid_fast.cli import console as consoles
from hybrid_fast.cli import main
from hybrid_fast.cli.app import COMMANDS, app
from hybrid_fast.cli.help import GUIDES
from hybrid_fast.cli.options import options_of, read_tokens
from hybrid_fast.config import SourceConfig, TrainConfig

OPTIONS = {command: options_of(app, command) for command in COMMANDS}


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return int(ended.value.code or 0), *capfd.readouterr()


def refused(capfd, *arguments: object) -> str:
    """The one sentence of a refusal."""
    code, out, error = run(capfd, *arguments)
    assert code == 2, (out, error)
    assert out == ""
    assert error.startswith("Error: ")
    assert error.count("\n") == 1, error
    assert "Traceback" not in error
    return error[len("Error: ") : -1]


def members(hint: object) -> list[object]:
    if get_origin(hint) in (Union, types.UnionType):
        return [one for one in get_args(hint) if one is not type(None)]
    return [hint]


def leaves(hint: object) -> list[object]:
    """The types of one value of an option."""
    return [get_args(one)[0] if get_origin(one) is tuple else one for one in members(hint)]


class TestHelp:
    @pytest.mark.parametrize("width", [40, 80, 200])
    @pytest.mark.parametrize("command", ["", *COMMANDS])
    def test_fits_and_begins_with_an_example(self, capfd, monkeypatch, command, width):
        monkeypatch.setenv("COLUMNS", str(width))
        code, out, error = run(capfd, *([command] if command else []), "--help")
        assert (code, error) == (0, "")
        lines = out.splitlines()
        assert max(map(len, lines)) <= width
        assert lines[0].startswith(f"hybrid-fast {command}".rstrip())
        assert "For example:" in lines
        if width == 80:
            assert len(lines) <= 70
            assert lines.index("For example:") < 8
            assert "with every command" in out.lower() or not command

    @pytest.mark.parametrize("command", COMMANDS)
    def test_names_every_option(self, capfd, command):
        _, brief, _ = run(capfd, command, "--help")
        _, whole, _ = run(capfd, command, "--help-all")
        for option in OPTIONS[command]:
            if option.is_group or option.position is not None:
                continue
            last = option.names[0].rpartition(".")[2].lstrip("-")
            assert option.names[0] in brief or f".{last}" in brief, option.names
            assert option.names[0] in whole
        assert len(whole.splitlines()) >= len(brief.splitlines())

    @pytest.mark.parametrize("command", COMMANDS)
    def test_what_it_names_exists(self, command):
        names = {name for option in OPTIONS[command] for name in option.names}
        assert set(GUIDES[command].often) <= names
        for example in GUIDES[command].examples:
            given = [word for word in example.split() if word.startswith("--")]
            assert set(given) <= names | {"--config"}

    def test_without_a_command_shows_the_commands(self, capfd):
        code, out, _ = run(capfd)
        assert code == 0
        assert all(f"  {command} " in out for command in COMMANDS)

    def test_the_version(self, capfd):
        import hybrid_fast

        assert run(capfd, "--version")[1] == f"{hybrid_fast.__version__}\n"


class TestMistakes:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_a_misspelt_option_is_named_before_what_is_missing(self, capfd, command):
        assert refused(capfd, command, "--confg", "x") == "no option --confg; did you mean --config?"
        for name in [one.names[0] for one in OPTIONS[command] if re.match("--.{4}", one.names[0])][-2:]:
            for wrong in (name[:-2] + name[-1], f"{name}x", f"{name[:4]}{name[3:]}"):
                message = refused(capfd, command, wrong, "1")
                assert message.startswith(f"no option {wrong}; did you mean --"), message

    def test_an_option_of_an_inner_table_is_found(self, capfd):
        assert refused(capfd, "sweep", "--steps", 3).endswith("did you mean --train.steps?")
        assert refused(capfd, "train", "--batch-size", 3).endswith("did you mean --sampler.batch-size?")

    def test_long_nonsense_is_quoted_in_part(self, capfd):
        assert len(refused(capfd, "sweep", "--" + "x" * 5000)) < 200
        assert len(refused(capfd, "x" * 5000)) < 250

    def test_commands(self, capfd):
        assert refused(capfd, "swep") == "no command 'swep'; did you mean sweep?"
        assert "the commands are corpus, plan" in refused(capfd, "nonsense")
        assert "hybrid-fast --help shows help" in refused(capfd, "help", "measure")
        assert refused(capfd, "--confg", "x") == "no option --confg; did you mean --config?"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["sweep"], "hybrid-fast sweep needs --out PATH"),
            (["corpus"], "hybrid-fast corpus needs NAME"),
            (["report"], "hybrid-fast report needs FOLDER"),
            (["evaluate"], "hybrid-fast evaluate needs --source NAME[:FOLDER]"),
            (["search", "--queries", "q"], "hybrid-fast search needs --passages PATH... and --out PATH"),
            (["sweep", "--out"], "--out needs a value, a path"),
            (["sweep", "--config"], "--config needs a value, the path of a TOML file"),
            (["corpus", "demo", "x"], "'x' is one word too many: hybrid-fast corpus takes NAME and options"),
            (["plan", "x"], "'x' is one word too many: hybrid-fast plan takes options only"),
            (["sweep", "--no-keep-models=1"], "--no-keep-models takes no value, but '1' was given"),
            (["sweep", "--out", "o", "--keep-models=perhaps"], "keep_models is 'perhaps', expected true"),
            (["train", "--sampler.mixing", "exakt"], "did you mean exact?"),
            (["train", "--sources", "{"], "sources is '{', expected JSON such as"),
            (["train", "--sources", '{"name": 3}'], "sources[0].name is 3, expected a text"),
            (["train", "--sources", '{"nme": "demo"}'], "no option [sources[0]][nme]; did you mean name?"),
            (["train", "--evaluations", "[" * 9000], "evaluations is nested too deeply"),
            (["train", "--sources", '{"name": "demo", "groups": 1.5}'], "sources[0].groups is 1.5"),
            (["train", "--evaluate-at", "0", "-1"], "evaluate_at[1] is -1, expected from 0 to steps (1000)"),
            (["train", "--sampler.language-weights.en", "-1"], "sampler.language_weights.en is -1.0"),
            (["train", "--threads", "0"], "threads is 0, expected 1 or more"),
            (["train", "--threads", "-3"], "threads is -3, expected 1 or more"),
            (["train", "--weight-decay", "-1"], "weight_decay is -1.0, expected 0 or more"),
            (["train", "--learning-rate", "nan"], "learning_rate is nan, expected a finite number"),
            (["train", "--learning-rate", "-inf"], "learning_rate is -inf, expected a finite number"),
            (["train", "--checkpoint-every", "-2"], "checkpoint_every is -2, expected 0 or more"),
            (["train", "--warmup-steps", "-5"], "warmup_steps is -5, expected 0 or more"),
            (["train", "--sampler.mono-ratio", "steep:1..0", "--sources", "demo"], "mono_ratio is 'steep"),
            (["evaluate", "--source", "demo", "--measures"], "measures is empty, expected at least one"),
            (["evaluate", "--source", "demo", "--settings"], "settings is empty, expected at least one"),
            (["evaluate", "--source", "demo", "--measures", "MAPP"], "measures: unknown measure"),
            (["evaluate", "--source", "demo", "--settings", "mono"], "settings[0] is 'mono', expected"),
            (["evaluate", "--source", "demo", "--threads", "0"], "threads is 0, expected 1 or more"),
            (["evaluate", "--source", "demo", "--batch-size", "0"], "batch_size is 0, expected 1 or more"),
            (["evaluate", "--source", "demo", "--top-k", "0"], "top_k is 0, expected 1 or more"),
            (["evaluate", "--source", "demo", "--run"], "--run needs --out"),
            (["corpus", "demo", "--groups", "0"], "groups is 0, expected 1 or more"),
            (["plan", "--source", "demo", "--batches", "0"], "batches is 0, expected 1 or more"),
            (["demo", "--warm-up", "-1"], "warm_up is -1, expected 0 or more"),
            (["demo", "--ratios"], "ratios is empty, expected at least one"),
            (["demo", "--steps", "-1"], "steps is -1, expected 0 or more"),
        ],
    )  # fmt: skip
    def test_one_sentence(self, capfd, monkeypatch, tmp_path, arguments, sentence):
        def no_work(*_: object, **__: object) -> None:
            raise AssertionError("work was begun")

        monkeypatch.chdir(tmp_path)
        for place in ("load_source", "load_sources", "load_corpus"):
            monkeypatch.setattr(f"hybrid_fast.corpus.{place}", no_work)
        assert sentence in refused(capfd, *arguments)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_number_is_taken_as_it_is_written(self, capfd, command):
        wrong = {
            int: ["1.5", "2.0", "1e3", "x", "", "0x10", "9" * 5000, "true"],
            float: ["x", "", "nan", "1,5"],
        }
        for option in OPTIONS[command]:
            kinds = leaves(option.hint)
            if len(kinds) != 1 or kinds[0] not in wrong or option.position is not None:
                continue
            for text in wrong[kinds[0]]:
                message = refused(capfd, command, f"{option.names[0]}={text}", *needed(command, option))
                assert message.startswith(option.place), message
                assert "number" in message
                assert len(message) < 200

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_choice_is_listed_when_another_is_given(self, capfd, command):
        for option in OPTIONS[command]:
            kinds = leaves(option.hint)
            if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
                message = refused(capfd, command, option.names[0], "nothing", *needed(command, option))
                assert all(str(known) in message for known in get_args(kinds[0]))


def needed(command: str, beside: object) -> list[str]:
    """Arguments that a command asks for, apart from one."""
    given = {
        "corpus": ["demo"],
        "report": ["folder"],
        "measure": ["run", "qrels"],
        "sweep": ["--out", "o"],
        "search": ["--queries", "q", "--passages", "p", "--out", "o"],
        "evaluate": ["--source.name", "demo"],
    }
    return given.get(command, [])


class TestConfigurationFiles:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("[train.sampler]\nbatch_size = 0\n", "f.toml: train.sampler.batch_size is 0, expected"),
            ("[train]\nsampler = 3\n", "f.toml: train.sampler is 3, expected a table"),
            ('[train]\nhold_out = "en"\n', "f.toml: train.hold_out is 'en', expected a list"),
            ("[train]\nsteps = 1.5\n", "f.toml: train.steps is 1.5, expected a whole number"),
            ("[train]\nsteps = true\n", "f.toml: train.steps is True, expected a whole number"),
            ("[train]\nsteps = {a = 1}\n", "f.toml: train.steps is a table with a, expected a whole number"),
            ("keep_models = 1\n", "f.toml: keep_models is 1, expected true or false"),
            ("title = 3\n", "f.toml: title is 3, expected a text"),
            ('ratios = [0.5, "1"]\n', "f.toml: ratios[1] is '1', expected a number"),
            ("ratios = [nan]\n", "f.toml: ratios[0] is nan, expected a finite number"),
            (f"jobs = {'9' * 5000}\n", "f.toml is not valid TOML: a number has too many digits"),
            (f"jobs = {'9' * 4000}\n", "f.toml: jobs is a number of about 4,000 digits"),
            (f"jobs = {'[' * 5000}{']' * 5000}\n", "f.toml is not valid TOML: its values are nested"),
            (f"[{'.'.join('a' * 5000)}]\nx = 1\n", "no option [a] of hybrid-fast sweep"),
            (f"[train.{'.'.join('a' * 5000)}]\nx = 1\n", "no option [train][a]"),
            (f'[train]\nsteps = "{"x" * 10_000}"\n', "(10,000 characters), expected a whole number"),
            ("[[train.evaluations]]\nname = 'a'\n", "f.toml: train.evaluations[0].source is missing"),
            ("[train]\nhold-out = ['a']\nhold_out = ['b']\n", "is given twice"),
        ],
        ids=range(18),
    )  # fmt: skip
    def test_the_file_and_the_field_are_named(self, capfd, text, sentence):
        Path("f.toml").write_text(text)
        assert sentence in refused(capfd, "sweep", "--config", "f.toml", "--out", "o")
        assert not Path("o").exists()

    def test_what_is_wrong_on_the_command_line_is_not_the_files_fault(self, capfd):
        Path("f.toml").write_text("jobs = 2\n")
        message = refused(capfd, "sweep", "--config", "f.toml", "--jobs", 0, "--out", "o")
        assert message == "jobs is 0, expected 1 or more"

    def test_a_wrong_measure_is_refused_before_anything_is_read(self, capfd, monkeypatch):
        monkeypatch.setattr("hybrid_fast.corpus.load_source", None)
        Path("f.toml").write_text(
            '[[sources]]\nname = "demo"\n[[evaluations]]\nname = "a"\nmeasures = ["AP", "MAPP"]\n'
            'source = {name = "demo"}\n'
        )
        pytest.importorskip("torch")
        message = refused(capfd, "train", "--config", "f.toml", "--out", "o")
        assert message.startswith("evaluations[0].measures: unknown measure 'MAPP'; did you mean 'MAP'?")
        assert not Path("o").exists()

    def test_folders_and_other_files(self, capfd):
        assert refused(capfd, "sweep", "--config", ".", "--out", "o") == ". is a folder, expected a TOML file"
        Path("latin.toml").write_bytes(b'title = "\xe9"\n')
        assert "latin.toml, line 1: not UTF-8" in refused(
            capfd, "sweep", "--config", "latin.toml", "--out", "o"
        )

    def test_required_options_may_stand_in_the_file(self):
        Path("f.toml").write_text('out = "there"\njobs = 3\n')
        given = read_tokens(OPTIONS["sweep"], "sweep", [])
        from hybrid_fast.cli import configuration
        from hybrid_fast.cli.sweep import sweep

        path = Path("f.toml")
        values = configuration.read(path)
        _, named = configuration.arguments(sweep, OPTIONS["sweep"], "sweep", given, values, path)
        assert (named["out"], named["config"].jobs) == (Path("there"), 3)


class TestReading:
    """What a command line means."""

    @pytest.mark.parametrize(
        ("words", "values"),
        [
            ("--steps 3", {"steps": 3}),
            ("--steps=3", {"steps": 3}),
            ("--hold-out a b --hold_out c", {"hold_out": ["a", "b", "c"]}),
            ("--empty-hold-out", {"hold_out": []}),
            ("--weight-decay -1e-3", {"weight_decay": -0.001}),
            ("--evaluate-at 0 -1 --seed 2", {"evaluate_at": [0, -1], "seed": 2}),
            ("--loss.symmetric", {"loss": {"symmetric": True}}),
            ("--loss.no-symmetric", {"loss": {"symmetric": False}}),
            ("--loss.symmetric=false", {"loss": {"symmetric": False}}),
            ("--sampler.mono-ratio 0.3", {"sampler": {"mono_ratio": 0.3}}),
            ("--sampler.mono-ratio linear:0..1", {"sampler": {"mono_ratio": "linear:0..1"}}),
            ("--sampler.language-weights.en 2", {"sampler": {"language_weights": {"en": 2.0}}}),
            ("--threads none", {"threads": None}),
            ("--sources a b:c/d", {"sources": [{"name": "a"}, {"name": "b", "path": "c/d"}]}),
            ('--sources {"name":"demo"}', {"sources": [{"name": "demo"}]}),
            ('--sources [{"name":"a"},{"name":"b"}]', {"sources": [{"name": "a"}, {"name": "b"}]}),
        ],
    )  # fmt: skip
    def test_words(self, words, values):
        assert read_tokens(OPTIONS["train"], "train", words.split()).values == values

    def test_a_dash_begins_a_value_only_after_the_sign(self, capfd):
        message = refused(capfd, "sweep", "--note", "-- no", "--out", "o")
        assert "--note needs a value" in message
        assert read_tokens(OPTIONS["sweep"], "sweep", ["--note=-x"]).values == {"note": "-x"}

    def test_the_command_line_stands_over_the_file(self, tmp_path):
        from hybrid_fast.cli import configuration
        from hybrid_fast.cli.train import train

        words = ["--sampler.language-weights.en", "3", "--sources", "demo", "--seed", "5"]
        given = read_tokens(OPTIONS["train"], "train", words)
        values = {
            "seed": 1,
            "steps": 9,
            "sampler": {"language-weights": {"en": 1, "de": 2}, "batch_size": 4},
            "sources": [{"name": "table"}],
        }
        _, named = configuration.arguments(train, OPTIONS["train"], "train", given, values, tmp_path)
        config = named["config"]
        assert (config.seed, config.steps, config.sampler.batch_size) == (5, 9, 4)
        assert config.sampler.language_weights == {"en": 3.0, "de": 2}
        assert config.sources == (SourceConfig(name="demo"),)
        assert isinstance(config, TrainConfig)


class TestPlacesToWrite:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["train", "--sources", "demo"],
            ["sweep", "--train.sources", "demo"],
            ["demo"],
            ["evaluate", "--source", "demo"],
        ],
    )
    def test_a_file_in_the_way_is_told_before_any_work(self, capfd, tmp_path, arguments):
        file = tmp_path / "file"
        file.write_text("kept")
        assert "which is a file" in refused(capfd, *arguments, "--out", file)
        assert f"lies below {file}" in refused(capfd, *arguments, "--out", file / "a" / "b")
        assert file.read_text() == "kept"

    @pytest.mark.parametrize("arguments", [["plan", "--source", "demo"], ["corpus", "demo"]])
    def test_a_folder_is_no_file(self, capfd, tmp_path, arguments):
        assert "which is a folder" in refused(capfd, *arguments, "--json", tmp_path)
        file = tmp_path / "file"
        file.write_text("kept")
        assert "which is a file" in refused(capfd, *arguments, "--json", file / "x.json")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_without_rights(self, capfd, tmp_path):
        tmp_path.chmod(0o500)
        assert "may not write" in refused(capfd, "sweep", "--train.sources", "demo", "--out", tmp_path / "o")


class TestJson:
    def test_standard_output_holds_nothing_else(self, capfd, tmp_path):
        plan = ["plan", "--source", "demo", "--sampler.batch-size", 16, "--batches", 20]
        code, out, _ = run(capfd, *plan, "--json", "-")
        assert code == 0
        assert json.loads(out)["batches"] == 20
        assert run(capfd, *plan, "--quiet", "--json")[1] == out
        run(capfd, *plan, "--json", tmp_path / "plan.json")
        assert (tmp_path / "plan.json").read_text(encoding="utf-8") == out

    def test_of_a_corpus_with_and_without_a_file(self, capfd, tmp_path):
        corpus = ["corpus", "demo", "--languages", "en", "sw"]
        _, out, _ = run(capfd, *corpus, "--json")
        assert json.loads(out)["groups"] > 100
        assert run(capfd, *corpus, "--json", "-")[1] == out
        assert run(capfd, "corpus", "--json", "demo", "--languages", "en", "sw")[1] == out
        assert run(capfd, *corpus, "--json", tmp_path / "c.json")[1] == ""
        assert (tmp_path / "c.json").read_text(encoding="utf-8") == out


class TestQuiet:
    def test_nothing_is_printed_but_errors(self, capfd):
        assert run(capfd, "corpus", "demo", "--quiet") == (0, "", "")
        assert run(capfd, "-q", "plan", "--source", "demo", "--batches", 5) == (0, "", "")
        assert "unknown corpus" in refused(capfd, "corpus", "nothing", "--quiet")
        assert run(capfd, "corpus", "demo", "--languages", "en")[1] != ""


class TestDryRun:
    def test_of_a_run_writes_nothing(self, capfd, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        evaluations = '{"name": "test", "source": {"name": "demo"}}'
        arguments = ["train", "--sources", "demo", "--steps", 30, "--evaluations", evaluations, "--dry-run"]
        code, out, _ = run(capfd, *arguments)
        assert code == 0
        assert "test, at steps 0, 1, 2, 5, 10, 20, 30" in " ".join(out.split())
        assert "Nothing was written." in out
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "letter.txt").write_text("x")
        assert "holds no run" in refused(capfd, *arguments, "--out", "mine")
        assert "sources is empty" in refused(capfd, "train", "--dry-run")
        assert "sampler.mono_ratio" in refused(capfd, *arguments, "--sampler.mono-ratio", "up")

    def test_of_a_sweep_says_what_is_done(self, capfd, tmp_path, monkeypatch):
        from hybrid_fast.config import SweepConfig
        from hybrid_fast.sweeping.runs import runs_of

        monkeypatch.setenv("COLUMNS", "100")
        out = tmp_path / "sweep"
        arguments = [
            "sweep",
            "--train.sources",
            "demo",
            "--ratios",
            0,
            1,
            "--seeds",
            7,
            "--out",
            out,
            "--dry-run",
        ]
        _, shown, _ = run(capfd, *arguments)
        assert "2, 0 finished, 2 to make" in shown
        assert not out.exists()
        config = SweepConfig(
            train=TrainConfig(sources=(SourceConfig(name="demo"),)), ratios=(0.0, 1.0), seeds=(7,)
        )
        first, second = runs_of(config)
        (out / "runs" / first.name).mkdir(parents=True)
        (out / "runs" / first.name / "config.json").write_text("{}")
        (out / "runs" / first.name / "done.json").write_text("{}")
        checkpoint = out / "runs" / second.name / "checkpoints" / "checkpoint-6"
        checkpoint.mkdir(parents=True)
        (checkpoint / "position.json").write_text("{}")
        (checkpoint.parent / "checkpoint-9").mkdir()
        assert "holds no sweep.json" in refused(capfd, *arguments)
        (out / "sweep.json").write_text('{"schema": 1}')
        before = sorted(out.rglob("*"))
        _, shown, _ = run(capfd, *arguments)
        assert "2, 1 finished, 1 to make" in shown
        assert re.search(rf"runs/{first.name} +finished", shown)
        assert re.search(rf"runs/{second.name} +goes on from step 6", shown)
        assert sorted(out.rglob("*")) == before


class TestCompletion:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)

    @pytest.mark.parametrize(
        ("shell", "place"),
        [
            ("bash", ".local/share/bash-completion/completions/hybrid-fast"),
            ("zsh", ".zsh/completions/_hybrid-fast"),
            ("fish", ".config/fish/completions/hybrid-fast.fish"),
        ],
    )
    def test_one_file_at_the_standard_place(self, capfd, tmp_path, shell, place):
        (tmp_path / ".zshrc").write_text("mine")
        code, out, _ = run(capfd, "--install-completion", shell)
        assert code == 0
        assert str(tmp_path / place) in out
        files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
        assert files == sorted([".zshrc", place])
        assert (tmp_path / ".zshrc").read_text() == "mine"
        script = (tmp_path / place).read_text()
        assert "keep-models" in script
        assert all(command in script for command in COMMANDS)

    def test_the_shell_in_use_and_a_file_of_ones_own(self, capfd, tmp_path, monkeypatch):
        monkeypatch.setenv("SHELL", "/usr/bin/bash")
        file = tmp_path / "here" / "c.bash"
        code, out, _ = run(capfd, "--install-completion", "--out", file)
        assert code == 0
        assert str(file) in out
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
        done = subprocess.run(
            ["bash", "-c", f"source {file} && complete -p hybrid-fast"], capture_output=True, text=True
        )
        assert "hybrid-fast" in done.stdout

    def test_what_cannot_be(self, capfd, tmp_path, monkeypatch):
        assert "no completion for the shell 'tcsh'" in refused(capfd, "--install-completion", "tcsh")
        monkeypatch.setenv("SHELL", "")
        assert "the shell in use is not known" in refused(capfd, "--install-completion")
        assert "takes a shell" in refused(capfd, "--install-completion", "bash", "--where", "x")
        assert list(tmp_path.iterdir()) == []


class TestEnds:
    """Ctrl-C, closed pipes, missing libraries and what nobody expected."""

    @pytest.mark.parametrize(
        ("command", "words"),
        [
            (["train", "--sources", "demo"], "last checkpoint"),
            (["sweep", "--train.sources", "demo", "--out", "a b"], "What is finished is kept"),
            (["corpus", "demo"], "Nothing was left half-written"),
        ],
    )
    def test_ctrl_c(self, capfd, monkeypatch, tmp_path, command, words):
        def stopped(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(module, "launch", stopped)
        code, out, error = run(capfd, *command)
        assert (code, out) == (130, "")
        assert error.startswith("Stopped. ")
        assert words in error
        quoted = " ".join(f"'{one}'" if " " in one else one for one in command)
        assert error.endswith(f": hybrid-fast {quoted}\n")

    @pytest.mark.parametrize(
        ("error", "code", "sentence"),
        [
            (ModuleNotFoundError("x", name="torch"), 2, "pip install 'hybrid_fast[train]'"),
            (ModuleNotFoundError("x", name="altair.vegalite"), 2, "pip install 'hybrid_fast[report]'"),
            (FileNotFoundError(2, "No such file", "a.npy"), 2, "No such file: a.npy"),
            (IsADirectoryError(21, "Is a directory", "a"), 2, "a is a folder, expected a file"),
            (PermissionError(13, "Permission denied", "a"), 2, "no permission to read or write a"),
            (NotADirectoryError(20, "Not a directory", "a"), 2, "a is a file, where a folder is needed"),
            (RuntimeError("first\nsecond"), 1, "RuntimeError: first second (unexpected; HYBRID"),
            (KeyError("x"), 1, "KeyError: 'x' (unexpected"),
            (RecursionError(), 1, "RecursionError"),
            (MemoryError(), 1, "not enough memory"),
            (ValueError("[bold]brackets[/] stay"), 2, "[bold]brackets[/] stay"),
            (ValueError(), 2, "ValueError"),
        ],
    )  # fmt: skip
    def test_every_error_is_one_line(self, capfd, monkeypatch, error, code, sentence):
        def failing(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(module, "launch", failing)
        found, out, told = run(capfd, "corpus", "demo")
        assert (found, out) == (code, "")
        assert told.count("\n") == 1
        assert sentence in told
        monkeypatch.setenv("HYBRID_FAST_TRACEBACK", "1")
        with pytest.raises(type(error)):
            main(["corpus", "demo"])

    def test_warnings_are_lines(self, capfd, monkeypatch):
        import warnings

        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        monkeypatch.setattr(module, "launch", lambda *_, **__: warnings.warn("mind the gap", stacklevel=2))
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            consoles.show_warnings()
            monkeypatch.setattr(module, "show_warnings", lambda: None)
            _, _, error = run(capfd, "corpus", "demo")
        assert error == "Warning: mind the gap\n"


def command(*arguments: object, **environment: str) -> list[str]:
    return [sys.executable, "-m", "hybrid_fast", *map(str, arguments)]


class TestProcesses:
    """The command in a shell's surroundings."""

    def test_a_closed_pipe_is_silent(self):
        child = subprocess.Popen(command("corpus", "demo"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) != 0

    @pytest.mark.parametrize("columns", [None, "40", "60"])
    def test_in_a_pipe_there_are_no_codes_and_no_cuts(self, columns):
        environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
        if columns is not None:
            environment["COLUMNS"] = columns
        done = subprocess.run(command("corpus", "demo"), capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout
        assert "…" not in done.stdout
        assert "35,800" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= int(columns or 80)

    def test_without_unicode(self):
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command("corpus", "demo"), capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "3,580" in done.stdout

    @pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
    @pytest.mark.parametrize(("columns", "colour"), [(40, True), (80, True), (80, False)])
    def test_on_a_terminal(self, columns, colour):
        import fcntl
        import struct
        import termios

        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
        environment |= {"TERM": "xterm-256color"} | ({} if colour else {"NO_COLOR": "1"})
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        plan = command("plan", "--source", "demo", "--sampler.batch-size", 16)
        child = subprocess.Popen(plan, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        chunks = []
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            chunks.append(chunk)
        os.close(ours)
        assert child.wait(60) == 0
        text = b"".join(chunks).decode()
        assert "█" in text  # the plot of the mix
        assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", text)) == colour
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        lines = [line.rstrip() for part in plain.split("\r") for line in part.split("\n")]
        assert max(map(len, lines)) <= columns
        assert "3,520 of 35,800" in plain
        assert "…" not in plain
        tables = plain[plain.index("Exposure") :]
        assert len(re.findall(r"\d\.\d\d(?!\d)", tables)) >= 110

    def test_a_log_gets_no_bars(self):
        arguments = ("plan", "--source", "demo", "--sampler.batch-size", 16, "--batches", 50)
        done = subprocess.run(command(*arguments), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


class TestProgress:
    def test_a_log_gets_a_line_now_and_then(self, capfd, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(consoles.time, "monotonic", lambda: now[0])
        with consoles.progress_bars() as bars:
            task = bars.add_task("Encoding", total=None)
            for done in range(1, 101):
                now[0] += 1.0
                bars.update(task, completed=done, total=2000)
        assert capfd.readouterr().err.splitlines() == [
            "Encoding: 30 of 2,000",
            "Encoding: 60 of 2,000",
            "Encoding: 90 of 2,000",
        ]

    def test_quiet_is_quiet(self, capfd, monkeypatch):
        monkeypatch.setattr(consoles.time, "monotonic", lambda: 1e9)
        consoles.be_quiet()
        try:
            with consoles.progress_bars() as bars:
                bars.update(bars.add_task("Encoding", total=5), completed=3)
            consoles.notice("run 1 of 2")
        finally:
            consoles.be_quiet(False)
        assert capfd.readouterr() == ("", "")


class TestPage:
    """docs/command-line.md says what is so."""

    PAGE = (Path(__file__).parents[1] / "docs" / "command-line.md").read_text(encoding="utf-8")

    def test_its_file_is_taken_as_it_stands(self, tmp_path):
        from hybrid_fast.config import load

        (text,) = re.findall(r"```toml\n(.*?)```", self.PAGE, flags=re.DOTALL)
        (tmp_path / "run.toml").write_text(text, encoding="utf-8")
        config = load(TrainConfig, tmp_path / "run.toml")
        assert (config.steps, config.sampler.mono_ratio, config.sources[0].name) == (200, 0.25, "demo")

    def test_its_errors_are_those_of_the_command(self, capfd, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("sweep.toml").write_text("[train.sampler]\nbatch_size = 0\n")
        shown = re.findall(r"\$ hybrid-fast (.*)\n(Error: .*)\n", self.PAGE)
        assert len(shown) == 2
        for words, error in shown:
            assert f"Error: {refused(capfd, *words.split())}" == error
