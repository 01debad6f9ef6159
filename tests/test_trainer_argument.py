"""The sampler as the batch_sampler argument of sentence-transformers' training arguments."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict

import hybrid_fast as hf
import small_trainer
import tiny_models
from hybrid_fast.errors import ConfigError, InvalidArgument, NotSupported
from hybrid_fast.training import batch_sampler_for, pair_dataset
from small_trainer import GROUPS, own_rows, train

torch.set_num_threads(1)
SHOWN = ["query", "positive"]
EXAMPLE = Path(__file__).parent.parent / "examples" / "sentence_transformers_trainer.py"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    rows = own_rows()
    folder = tmp_path_factory.mktemp("encoder") / "bert"
    return tiny_models.save_bert(folder, [*rows["query"][:], *rows["positive"][:]], pooler=False)


def planned(dataset: Dataset, epochs: int, **settings) -> list[list[int]]:
    batches = batch_sampler_for(group="group", **{"mono_ratio": 0.5, **settings})(dataset, 8, seed=11)
    steps = []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        steps += list(batches)
    return steps


def texts_of(dataset: Dataset, steps: list[list[int]]) -> list[list[str]]:
    rows = dataset.with_format(columns=SHOWN)
    return [[row["query"] + " / " + row["positive"] for row in rows.__getitems__(step)] for step in steps]


@pytest.mark.parametrize("mono_ratio", [0.0, 0.3, 1.0])
def test_batches_of_rows_keep_every_promise(mono_ratio):
    dataset = own_rows()
    asked, answered, group, query = (
        np.array(dataset[name][:]) for name in ("query_language", "passage_language", "group", "query")
    )
    steps = planned(dataset.with_format(columns=SHOWN), 1, mono_ratio=mono_ratio)
    assert len(steps) == GROUPS * 8 // 8  # as many batches as the rows fill
    mono = 0
    for number, step in enumerate(steps, 1):
        rows = np.array(step)
        same = asked[rows] == answered[rows]
        assert same.all() or not same.any()
        if same.all():
            assert len(set(asked[rows])) == 1
        mono += int(same.all())
        assert abs(mono - mono_ratio * number) <= 0.5
        assert len(set(group[rows])) == len(set(query[rows])) == 8
    drawn = np.bincount(np.concatenate(steps), minlength=len(dataset))
    for stratum in {*zip(asked, answered, strict=True)}:
        of_stratum = drawn[(asked == stratum[0]) & (answered == stratum[1])]
        assert of_stratum.max() - of_stratum.min() <= 1  # passes: no row twice before all came once


def test_only_rows_of_the_data_set_are_drawn_after_a_selection():
    kept = own_rows().filter(lambda row: row["group"] != "group 3").shuffle(seed=1)
    steps = planned(kept.with_format(columns=SHOWN), 2)
    drawn = {row for step in steps for row in step}
    assert drawn <= set(range(len(kept)))
    assert len(drawn) > len(kept) / 2
    asked, answered = np.array(kept["query_language"][:]), np.array(kept["passage_language"][:])
    for step in steps:
        assert len(set(asked[step] == answered[step])) == 1


def test_one_language_column_and_rows_that_share_a_text():
    rows = [
        {"question": f"q{n // 2}", "answer": f"a{n % 20}", "language": "en" if n < 40 else "de"}
        for n in range(80)
    ]
    dataset = Dataset.from_list(rows).with_format(columns=["question", "answer"])
    chooses = batch_sampler_for(query_language="language", passage_language=None, mono_ratio=1.0)
    for step in chooses(dataset, 8):
        chosen = [rows[row] for row in step]
        assert len({row["question"] for row in chosen}) == len({row["answer"] for row in chosen}) == 8
        assert len({row["language"] for row in chosen}) == 1


def test_mistakes_are_named():
    dataset = own_rows()
    with pytest.raises(ConfigError, match=r"embed the column 'query_language'.*with_format\(columns="):
        batch_sampler_for(group="group")(dataset, 8)
    hidden = dataset.with_format(columns=SHOWN)
    with pytest.raises(ConfigError, match="no column 'cluster', only query, positive"):
        batch_sampler_for(group="cluster")(hidden, 8)
    with pytest.raises(ConfigError, match="name its columns of query"):
        batch_sampler_for(group="group")(dataset.with_format(columns=["query"]), 8)
    empty = Dataset.from_list([{**own_rows()[0], "group": None}, own_rows()[1]]).with_format(columns=SHOWN)
    with pytest.raises(ConfigError, match="'group' has no value in row 0"):
        batch_sampler_for(group="group")(empty, 8)
    with pytest.raises(TypeError, match="index is Dataset"):
        batch_sampler_for(dataset)
    with pytest.raises(TypeError, match="takes no 'monoratio'"):
        batch_sampler_for(monoratio=0.5)
    with pytest.raises(TypeError, match="takes no 'rank'"):
        batch_sampler_for(rank=0, world_size=2)
    corpus = hf.load_corpus("demo", languages=("en", "de"))
    index = hf.PairIndex.from_corpus(corpus)
    with pytest.raises(ConfigError, match="not one of pair_dataset"):
        batch_sampler_for(index)(hidden, 8)
    with pytest.raises(NotSupported, match="cannot be sent to another process"):
        pickle.loads(pickle.dumps(pair_dataset(corpus, index)))


def test_the_trainer_embeds_the_planned_rows_and_goes_on_from_a_checkpoint(bert, tmp_path):
    dataset = own_rows()
    shown = dataset.with_format(columns=SHOWN)
    expected = texts_of(dataset, planned(shown, 2))
    length = len(expected) // 2
    whole, trained = train(
        bert, tmp_path, shown, num_train_epochs=2, save_strategy="steps", save_steps=length + 5
    )
    assert whole == expected
    checkpoint = tmp_path / f"checkpoint-{length + 5}"
    rest, again = train(bert, tmp_path / "again", shown, num_train_epochs=2, resume=str(checkpoint))
    assert rest == expected[length + 5 :]
    for name, value in trained.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_gradient_accumulation_changes_no_batch(bert, tmp_path):
    shown = own_rows().with_format(columns=SHOWN)
    expected = texts_of(own_rows(), planned(shown, 1))
    found, _ = train(bert, tmp_path, shown, max_steps=6, gradient_accumulation_steps=2)
    assert found == expected[:12]


def test_a_corpus_and_its_index(bert, tmp_path):
    corpus = hf.load_corpus("demo", languages=("en", "de", "sw"))
    index = hf.PairIndex.from_corpus(corpus)
    dataset = pair_dataset(corpus, index)
    assert len(dataset) == int(index.strata.sum())
    found, _ = train(bert, tmp_path, dataset, max_steps=5, sampler=batch_sampler_for(index, mono_ratio=0.5))
    sampler = hf.HybridBatchSampler(index, 8, 0.5, seed=11)
    for number, texts in enumerate(found):
        batch = sampler.batch(number)
        assert texts == [
            f"{corpus.queries.texts[query]} / {corpus.passages.texts[passage]}"
            for query, passage in zip(batch.query, batch.passage, strict=True)
        ]


def test_several_data_sets_have_batches_of_their_own(bert, tmp_path):
    rows = own_rows()
    parts = DatasetDict(
        {
            "even": rows.filter(lambda row: int(row["group"].split()[1]) % 2 == 0).with_format(columns=SHOWN),
            "odd": rows.filter(lambda row: int(row["group"].split()[1]) % 2 == 1).with_format(columns=SHOWN),
        }
    )
    found, _ = train(bert, tmp_path, parts, num_train_epochs=1, dataloader_drop_last=True)
    assert len(found) == 2 * (4 + 4 + 3)  # each has 36, 36 and 24 queries in a language
    for step in found:
        assert len({int(text.split()[3]) % 2 for text in step}) == 1
        assert len({text.split()[3] for text in step}) == 8


def test_the_trainer_gets_the_short_batches_that_it_does_not_drop(bert, tmp_path):
    shown = own_rows().filter(lambda row: int(row["group"].split()[1]) % 2 == 0).with_format(columns=SHOWN)
    found, _ = train(bert, tmp_path, shown, num_train_epochs=1)
    assert [len(step) for step in found] == [8] * 11 + [4, 4]


def test_two_processes_train_on_slices_of_each_global_batch(bert, tmp_path):
    script = Path(small_trainer.__file__)
    result = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            *(script, bert, tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(script.parent)},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    expected = texts_of(own_rows(), planned(own_rows().with_format(columns=SHOWN), 2))
    ranks = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    for part, steps in (("whole", expected), ("rest", expected[29:])):
        together = [one + other for one, other in zip(ranks[0][part], ranks[1][part], strict=True)]
        assert together == steps, part


def test_the_example_runs_and_goes_on(tmp_path):
    def run(*arguments):
        result = subprocess.run(
            [sys.executable, str(EXAMPLE), "--out", str(tmp_path), "--save-every", "3", *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
        )
        assert result.returncode == 0, result.stderr[-4000:]

    run("--steps", "3")
    run("--steps", "6")
    found = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert found == {"checkpoint-3", "checkpoint-6"}
    assert (tmp_path / "model" / "model.safetensors").is_file()
    state = json.loads((tmp_path / "checkpoints" / "checkpoint-6" / "trainer_state.json").read_text())
    assert state["global_step"] == 6


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"mono_ratio": 2}, "mono_ratio is 2.0, expected a number from 0 to 1"),
        ({"mono_ratio": "linear:0.2..7"}, "7"),
        ({"mono_ratio": None}, "mono_ratio is None"),
        ({"mono_ratio": lambda batch: 3.0}, "3"),
        ({"mixing": "exactly"}, "mixing is 'exactly', expected one of exact"),
        ({"unit": "rows"}, "unit is 'rows'"),
        ({"cross": 3}, "cross is 3"),
        ({"mono": "mixed"}, "mono is 'mixed'"),
        ({"guard": ("group", "text")}, "guard names 'text'"),
        ({"guard": "group"}, "guard is 'group', expected a list"),
        ({"seed": -1}, "seed is -1"),
        ({"batches_per_epoch": 0}, "batches_per_epoch is 0"),
        ({"language_weights": "uniforme"}, "language_weights is 'uniforme'"),
        ({"language_weights": {"en": -1, "de": 1}}, "weight of en is -1"),
        ({"language_weights": {"swa": 1, "sw": 1}}, "another code of"),
        ({"language_weights": [1, float("nan")]}, "weight of 1 is nan"),
    ],
)
def test_a_wrong_setting_is_told_at_once(setting, message):
    with pytest.raises((InvalidArgument, TypeError), match=message) as told:
        batch_sampler_for(**setting)
    assert "\n" not in str(told.value)


def test_a_weight_for_a_language_that_the_index_lacks_is_told_at_once():
    index = hf.PairIndex.from_corpus(hf.load_corpus("demo", languages=("en", "de")))
    batch_sampler_for(index, language_weights={"eng": 1, "de": 2})
    with pytest.raises(InvalidArgument, match="names 'sw', expected languages of the index"):
        batch_sampler_for(index, language_weights={"en": 1, "de": 1, "sw": 1})


def test_settings_that_only_the_data_can_judge_are_left_to_it():
    for setting in (
        {"language_weights": {"en": 1, "de": 0}},
        {"language_weights": {"swa": 0.5, "EN": 1}},
        {"language_weights": [1, 2, 3]},
        {"language_weights": "capped:4"},
        {"language_weights": "exposure-matched:0.5"},
        {"mono_ratio": "linear:0.2..0.8"},
        {"mono_ratio": lambda batch: 0.25},
        {"batches_per_epoch": 10**9},
        {"mono_ratio": 1, "unit": "row", "guard": ()},
    ):
        batch_sampler_for(**setting)
