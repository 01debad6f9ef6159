"""A run on two processes of torchrun (gloo) is the run of one: the same batches, losses and weights."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hybrid_fast.config import EncoderConfig, LossConfig, SamplerConfig, SourceConfig, TrainConfig, to_mapping
from hybrid_fast.corpus import load_source
from hybrid_fast.errors import RunError
from hybrid_fast.training import train
from hybrid_fast.training.processes import Processes
from hybrid_fast.training.records import read_rows
from tiny_models import save_bert

torch.set_num_threads(1)
SOURCE = SourceConfig(name="demo", languages=("en", "de", "sw"))

SCRIPT = """
import json, os, signal, sys
import torch
torch.set_num_threads(1)
from hybrid_fast.training import train

config, out, kill = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def progress(done, total):
    if done == kill:
        os.kill(os.getpid(), signal.SIGKILL)

def evaluate(model, step):
    assert os.environ["RANK"] == "0"
    return [{"evaluation": "none", "setting": "monolingual", "measure": "AP", "value": float(step)}]

train(config, out, evaluate=evaluate, progress=progress)
"""


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A tiny encoder without dropout, whose draws would differ between processes."""
    corpus = load_source(SOURCE)
    folder = tmp_path_factory.mktemp("encoder") / "bert"
    save_bert(folder, [*corpus.queries.texts, *corpus.passages.texts], pooler=False)
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def configuration(bert: Path, **changes) -> TrainConfig:
    parts = {
        "sources": (SOURCE,),
        "encoder": EncoderConfig(model=str(bert), max_query_length=24, max_passage_length=32),
        "sampler": SamplerConfig(batch_size=8),
        "loss": LossConfig(symmetric=True),
        "steps": 8,
        "learning_rate": 1e-3,
        "evaluate_at": (0, 4),
        "threads": 1,
    }
    return TrainConfig(**parts | changes)


def on_two_processes(
    config: TrainConfig, out: Path, script: Path, kill: int = 0
) -> subprocess.CompletedProcess:
    script.write_text(SCRIPT)
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            *(script, json.dumps(to_mapping(config)), out, str(kill)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_processes_train_like_one(bert, tmp_path, precision):
    config = configuration(bert, precision=precision, checkpoint_every=3)
    one = train(config, tmp_path / "one", evaluate=lambda model, step: [])
    two = tmp_path / "two"
    if precision == "float32":
        killed = on_two_processes(config, two, tmp_path / "script.py", kill=5)
        assert killed.returncode != 0
        assert not (two / "done.json").exists()
        assert [path.name for path in (two / "checkpoints").iterdir()] == ["checkpoint-3"]
    result = on_two_processes(config, two, tmp_path / "script.py")
    assert result.returncode == 0, result.stderr[-4000:]
    assert json.loads((one / "plan.json").read_text()) == json.loads((two / "plan.json").read_text())
    losses = [[row["loss"] for row in read_rows(folder / "train.jsonl")] for folder in (one, two)]
    assert [row["step"] for row in read_rows(two / "train.jsonl")] == list(range(1, 9))
    assert [row["step"] for row in read_rows(two / "metrics.jsonl")] == [0, 4, 8]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4 if precision == "float32" else 0.02)
    first, second = (load_file(folder / "model" / "model.safetensors") for folder in (one, two))
    assert first.keys() == second.keys()
    for name, value in first.items():
        tolerance = 2e-4 if precision == "float32" else 5e-3
        torch.testing.assert_close(value, second[name], atol=tolerance, rtol=tolerance, msg=name)


def test_the_command_says_what_is_wrong_on_several_processes(bert, tmp_path):
    config = configuration(bert, sampler=SamplerConfig(batch_size=9))
    result = on_two_processes(config, tmp_path / "run", tmp_path / "script.py")
    assert result.returncode != 0
    assert "which 2 ranks cannot share equally" in result.stderr


def test_one_process_needs_no_connection():
    alone = Processes.of_this_run()
    assert (alone.rank, alone.count, alone.first) == (0, 1, True)
    assert alone.from_first(lambda: 3) == 3
    with pytest.raises(RunError, match="own"):
        alone.from_first(lambda: (_ for _ in ()).throw(RunError("its own error")))
    alone.wait()
    assert dataclasses.replace(alone, rank=1, count=2).first is False


GATHER = """
import torch
from torch import distributed
from hybrid_fast.losses import infonce
from hybrid_fast.losses.gathering import gathered

distributed.init_process_group("gloo")
rank = distributed.get_rank()
random = torch.Generator().manual_seed(4)
queries, passages, negatives = (
    torch.randn(rows, 6, generator=random, requires_grad=True) for rows in (8, 8, 3)
)
for shares in ([(0, 3), (3, 3)], [(0, 1), (1, 3)], [(0, 0), (0, 3)]):  # one process has no negatives
    for leaf in (queries, passages, negatives):
        leaf.grad = None
    own = slice(4 * rank, 4 * rank + 4)
    whole = [gathered(queries[own]), gathered(passages[own]), gathered(negatives[slice(*shares[rank])])]
    for found, expected in zip(whole, (queries, passages, negatives), strict=True):
        assert torch.equal(found, expected)
    loss = infonce(whole[0], whole[1], temperature=0.5, negatives=whole[2], symmetric=True)
    loss.backward()
    plain = infonce(queries, passages, temperature=0.5, negatives=negatives, symmetric=True)
    expected = torch.autograd.grad(plain, (queries, passages, negatives))
    for leaf, gradient in zip((queries, passages, negatives), expected, strict=True):
        mine = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad.clone()
        distributed.all_reduce(mine)
        torch.testing.assert_close(mine / 2, gradient)  # data-parallel training averages
none = gathered(torch.empty(0, 6))
assert none.shape == (0, 6)
distributed.destroy_process_group()
"""


def test_gradients_through_gathered_rows_are_those_of_one_process(tmp_path):
    (tmp_path / "gather.py").write_text(GATHER)
    result = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            tmp_path / "gather.py",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
