"""Without an extra, whatever needs it says so in one sentence, with the line that installs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

WITHOUT = """
    import contextlib, io, json, sys, tempfile
    from pathlib import Path

    missing = sys.argv[1]

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == missing:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Blocker())
    import numpy as np
    import hybrid_fast as hf
    from hybrid_fast.cli import app
    from hybrid_fast.config import EvaluationConfig

    corpus = hf.load_corpus("demo", languages=["en", "de"], articles="odd")
    here = Path(tempfile.mkdtemp())
    source = hf.SourceConfig(name="demo")
    train = hf.TrainConfig(
        sources=(source,),
        encoder=hf.EncoderConfig(model=str(here / "none")),
        evaluations=(EvaluationConfig(name="e", source=source),),
    )

    class Mock:
        def encode_query(self, texts):
            return np.ones((len(texts), 4), np.float32)

        encode_document = encode_query

    def found():
        return hf.evaluate(Mock(), corpus, measures=["AP"])

    def command(*arguments):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            try:
                app.main(list(arguments))
            except SystemExit as left:
                raise ImportError(f"exit code {left.code}: " + " ".join(said.getvalue().split()))

    def evaluations(config):
        from hybrid_fast.evaluation.callback import make_callback

        make_callback(config, folder=here / "run")

    def imported(line):
        exec(line, {})

    calls = {
        "train": lambda: hf.train(train, here / "train"),
        "evaluate": lambda: hf.evaluate(here / "none", corpus),
        "sweep": lambda: hf.sweep(hf.SweepConfig(train=train), here / "sweep"),
        "report": lambda: hf.report(here / "sweep"),
        "encoder": lambda: imported("from hybrid_fast.encoder import load_encoder"),
        "tiny encoder": lambda: imported("from hybrid_fast.encoder.tiny import tiny_encoder"),
        "loss": lambda: imported("from hybrid_fast.losses import InfoNCELoss"),
        "argument": lambda: imported("from hybrid_fast.training import batch_sampler_for"),
        "data set": lambda: imported("from hybrid_fast.training import pair_dataset"),
        "table": lambda: found().table,
        "per query": lambda: found().per_query,
        "macro": lambda: found().macro(),
        "skipped": lambda: found().skipped,
        "written": lambda: found().write(here / "written"),
        "bias": lambda: __import__("hybrid_fast.bias").bias.language_bias(found(), k=3),
        "callback": lambda: evaluations(train),
        "command evaluate": lambda: command("evaluate", "--source.name", "demo", "--model", "./none"),
        "command demo": lambda: command("demo", "--out", str(here / "demo")),
        "command report": lambda: command("report", str(here / "sweep")),
        "rows": lambda: found().rows(),
    }
    said = {}
    for name, call in calls.items():
        try:
            call()
            said[name] = None
        except BaseException as error:
            said[name] = [type(error).__name__, str(error)]
    print(json.dumps({"said": said, "left": sorted(path.name for path in here.iterdir())}))
"""
TABLES = ("table", "per query", "macro", "skipped", "bias")
MODELS = ("train", "evaluate", "sweep", "encoder", "argument", "command evaluate")
NEEDED = {
    "torch": (*MODELS, "tiny encoder", "loss", "data set", "command demo"),
    "sentence_transformers": MODELS,
    "pandas": (*TABLES, "written", "sweep", "callback", "report", "command evaluate", "command report"),
    "pyarrow": ("written", "callback", "sweep", "command evaluate"),
}


@pytest.mark.parametrize("package", NEEDED)
def test_a_missing_package_is_named_with_its_extra(package):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(WITHOUT), package],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"COLUMNS": "400"},
    )
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout.splitlines()[-1])
    said = told["said"]
    assert said["rows"] is None
    for name in NEEDED[package]:
        kind, words = said[name]
        extra = "report" if "report" in name else "train"
        assert kind == "ImportError", (name, words)
        assert f"needs {package}, which is not installed; pip install 'hybrid_fast[{extra}]'" in words, name
        if name.startswith("command"):
            assert words.startswith("exit code 2")
        assert "No module named" not in words
    # Nothing that failed for want of a package left anything behind.
    assert not {"train", "sweep", "demo", "run"} & set(told["left"])
