"""sentence-transformers' own trainer on a small data set, with a note of the rows each step embeds.

Run by torchrun in test_trainer_argument.py as well: each rank writes its rows to a file of its own.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from hybrid_fast.training import EpochCallback, batch_sampler_for

LANGUAGES = ("de", "en", "sw")
GROUPS = 24
HIDDEN = ("query_language", "passage_language", "group")


def own_rows() -> Dataset:
    """A data set of one's own: every group in every pair of languages but sw→de."""
    rows = [
        {
            "query": f"who built number {group} in {asked}",
            "positive": f"number {group} was built in {answered}",
            "query_language": asked,
            "passage_language": answered,
            "group": f"group {group}",
        }
        for group in range(GROUPS)
        for asked in LANGUAGES
        for answered in LANGUAGES
        if (asked, answered) != ("sw", "de")
    ]
    return Dataset.from_list(rows)


def encoder(folder: Path) -> SentenceTransformer:
    transformer = Transformer(str(folder))
    return SentenceTransformer(
        modules=[transformer, Pooling(transformer.get_embedding_dimension())], device="cpu"
    )


class Noting:
    """The trainer's collator, with a note of the texts it is given."""

    def __init__(self, collator) -> None:
        self.collator = collator
        self.drawn: list[list[str]] = []

    def __getattr__(self, name):
        return getattr(self.collator, name)

    def __call__(self, features):
        self.drawn.append([row["query"] + " / " + row["positive"] for row in features])
        return self.collator(features)


def train(
    bert: Path, out: Path, dataset, *, batch_size=8, resume=None, sampler=None, callbacks=(), **changes
):
    """Train with the sampler as the argument; return the texts of each step and the trained model."""
    torch.set_num_threads(1)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    model = encoder(bert)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(out),
        **{
            "per_device_train_batch_size": batch_size // processes,
            "batch_sampler": sampler or batch_sampler_for(group="group", mono_ratio=0.5),
            "learning_rate": 1e-3,
            "use_cpu": True,
            "logging_strategy": "no",
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "seed": 11,
            **changes,
        },
    )
    loss = MultipleNegativesRankingLoss(model, gather_across_devices=processes > 1)
    trainer = SentenceTransformerTrainer(
        model, args=arguments, train_dataset=dataset, loss=loss, callbacks=list(callbacks)
    )
    steps: list[list[str]] = []
    noting = Noting(trainer.data_collator)
    plain = trainer.training_step

    def step(*args, **kwargs):
        # accelerate holds a batch back: the oldest one not yet trained on is this step's.
        steps.append(noting.drawn.pop(0))
        return plain(*args, **kwargs)

    trainer.data_collator = noting
    trainer.training_step = step
    trainer.train(resume_from_checkpoint=resume)
    return steps, trainer.model


def main(bert: Path, out: Path) -> None:
    """Two epochs, then the last part of them again from a checkpoint in the second."""
    from accelerate import PartialState

    dataset = own_rows().with_format(columns=["query", "positive"])
    whole, _ = train(bert, out / "run", dataset, num_train_epochs=2, save_strategy="steps", save_steps=29)
    rest, _ = train(
        bert,
        out / "run",
        dataset,
        num_train_epochs=2,
        resume=str(out / "run" / "checkpoint-29"),
        callbacks=[EpochCallback()],
    )
    rank = PartialState().process_index
    (out / f"rank-{rank}.json").write_text(json.dumps({"whole": whole, "rest": rest}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
