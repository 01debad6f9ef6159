"""Ratio-controlled batches in one's own sentence-transformers script.

    python examples/sentence_transformers_trainer.py --out run

It runs offline in a minute: the embedded corpus stands for a data set of one's own, one row a pair,
and a tiny encoder made on the spot for a real one. Two lines are the sampler's: ``batch_sampler=…``,
and ``with_format``, which hides the language columns from the trainer (it embeds every column it
sees). Run again after an interruption, it goes on from the last checkpoint. On two processes::

    torchrun --nproc_per_node 2 examples/sentence_transformers_trainer.py --out run

each process gets its half of every global batch, and the loss gathers the other half's embeddings.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers.trainer_utils import get_last_checkpoint

import hybrid_fast as hf
from hybrid_fast.encoder.tiny import TinyEncoderConfig, tiny_encoder
from hybrid_fast.training import EpochCallback, batch_sampler_for


def pairs_of_the_demo(languages: tuple[str, ...] = ("en", "de", "es", "sw")) -> Dataset:
    """Return a data set as one has it: a row for every question in one language and passage in another."""
    corpus = hf.load_corpus("demo", languages=languages)
    cells = corpus.cells
    passage = {}
    for group, language, row in zip(cells.group, cells.language, cells.passage, strict=True):
        passage.setdefault(int(group), {})[corpus.languages[language]] = corpus.passages.texts[row]
    rows = [
        {
            "query": corpus.queries.texts[query],
            "positive": text,
            "query_language": corpus.languages[asked],
            "passage_language": answered,
            "group": int(group),
        }
        for group, asked, query in zip(cells.group, cells.language, cells.query, strict=True)
        for answered, text in passage[int(group)].items()
    ]
    return Dataset.from_list(rows)


def small_encoder(texts: list[str], folder: Path) -> SentenceTransformer:
    """Return a tiny encoder; put ``SentenceTransformer("intfloat/multilingual-e5-small")`` here instead."""
    return SentenceTransformer(str(tiny_encoder(texts, folder, TinyEncoderConfig(steps=10))), device="cpu")


def main() -> None:
    """Train, or go on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints and the model")
    parser.add_argument("--mono-ratio", type=float, default=0.5, help="share of monolingual batches")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--save-every", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)

    train = pairs_of_the_demo()
    model = small_encoder(sorted({*train["query"], *train["positive"]}), options.out / "encoder")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(options.out / "checkpoints"),
        max_steps=options.steps,
        per_device_train_batch_size=16 // processes,
        learning_rate=1e-3,
        use_cpu=True,
        save_steps=options.save_every,
        logging_steps=10,
        report_to="none",
        disable_tqdm=True,
        batch_sampler=batch_sampler_for(group="group", mono_ratio=options.mono_ratio),
    )
    trainer = SentenceTransformerTrainer(
        model,
        args=arguments,
        train_dataset=train.with_format(columns=["query", "positive"]),
        loss=MultipleNegativesRankingLoss(model, gather_across_devices=processes > 1),
        callbacks=[EpochCallback()],
    )
    checkpoints = Path(arguments.output_dir)
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    trainer.save_model(str(options.out / "model"))


if __name__ == "__main__":
    main()
