"""One training run, from configuration to run folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from ..atomic import write_text
from ..config import TrainConfig, digest, from_mapping, load, to_mapping
from ..corpus import load_source, load_sources
from ..encoder import describe, load_encoder, quiet, save_encoder
from ..progress import Progress
from ..sampler import HybridBatchSampler
from ..sampler.configured import index_and_negatives
from .batches import PairTexts, TrainingBatches
from .card import model_card
from .certificate import certify
from .checkpoint import clear, latest
from .clock import Clock
from .processes import Processes
from .records import append_rows, keep_until, read_rows
from .refusals import check_configuration, check_negatives, is_finished
from .schedule import evaluation_steps
from .seeds import random_state_kept, reproducible, seed_everything
from .steering import Steering
from .surroundings import environment
from .trainer import HybridTrainer

Evaluate = Callable[[SentenceTransformer, int], Sequence[Mapping[str, Any]]]
"""Measures the model after a step and returns metric rows, without step, pairs and seconds."""


def train(
    config: TrainConfig | Mapping[str, Any] | Path | str,
    out: Path | str | None = None,
    *,
    evaluate: Evaluate | None = None,
    progress: Progress | None = None,
    save_model: bool = True,
) -> Path:
    """Fine-tune an encoder on ratio-controlled batches and return the run folder.

    The folder holds ``config.json``, ``environment.json`` (also the prompts, lengths, pooling and
    normalisation that were used, whoever set them), ``plan.json`` (the certificate of the batches, written
    before training), ``train.jsonl`` (a row a step; ``waiting`` is the part of its
    seconds spent on its batch, ``sampling`` the sampler's own), ``metrics.jsonl`` (what ``evaluate``
    returned), ``model/`` and, written last, ``done.json``. With ``sampler.controller`` it also holds
    ``controller.jsonl``, and ``plan.json`` is written again afterwards. A finished folder is
    returned as it is. An interrupted run, killed at whatever moment, goes on from its last
    checkpoint when the same call is made again, and ends with the losses, metrics and weights of
    an uninterrupted one; without checkpoints it starts again.

    Training is AdamW with the trainer's defaults (no weight decay on biases and norms, gradient
    norm clipped at 1), a linear warm-up, and one batch a step. The batch's passages are its
    negatives, with hard ones where ``sampler.hard_negatives`` names a file; with a guard switched
    off, equal passages in a batch count against each other.

    Args:
        config: a configuration, its mapping, or the path of a TOML file.
        out: run folder; default: ``runs/`` and the digest of the configuration.
        evaluate: called as ``evaluate(model, step)`` before training (step 0) and after the steps
            of :func:`hybrid_fast.training.evaluation_steps`; its rows get step, pairs and seconds.
            ``hybrid_fast.evaluation.callback.make_callback(config)`` makes one.
        progress: called with (steps done, steps in all) after each step; an exception stops the run.
        save_model: keep the trained encoder in ``model/``; it opens with ``SentenceTransformer``.

    Raises:
        ConfigError: no sources, or a loss that the sources cannot serve.
        ModelError: the encoder cannot be opened.
        CorpusError: a source cannot be read.
        InfeasiblePlan: a stratum is too small for a batch.
        RunError: the folder holds another run, a held-out language would be drawn, a batch has no hard
            negative though the loss needs one, or the loss is not finite.
        OSError: the folder cannot be written.
    """
    config = resolve(config)
    folder = Path("runs") / digest(config) if out is None else Path(out)
    check_configuration(config, measured=evaluate is not None)
    processes = Processes.of_this_run()
    if processes.from_first(lambda: is_finished(folder, config)):
        return folder
    with reproducible(config.threads), quiet():
        corpus = load_sources(config.sources, hold_out=config.hold_out)
        index, negatives = index_and_negatives(corpus, config.sampler)
        options: dict[str, Any] = {"seed": config.seed, "hard_negatives": negatives}
        others = {item.name: load_source(item.source) for item in config.evaluations}

        def certificate(state: Mapping[str, Any] | None = None) -> dict[str, Any]:
            whole = HybridBatchSampler.from_config(index, config.sampler, **options)
            if state is not None:
                whole.load_state_dict(state)
            return certify(whole, corpus, config.steps, hold_out=config.hold_out, evaluations=others)

        plan = processes.from_first(certificate)
        check_negatives(config, plan.get("negatives", {}).get("batches_without", 0))
        model = load_encoder(config.encoder)
        if processes.first:
            # Only now, so that a mistake in the configuration leaves no folder behind.
            write_text(folder / "config.json", _json(to_mapping(config)))
            surroundings = {**environment(config.threads), "encoder": describe(model)}
            write_text(folder / "environment.json", _json(surroundings))
            write_text(folder / "plan.json", _json(plan))
        sampler = HybridBatchSampler.from_config(
            index, config.sampler, rank=processes.rank, world_size=processes.count, **options
        )
        run = _Run(config, folder, evaluate, progress, processes)
        run.train(model, PairTexts(index, corpus), sampler)
        if processes.first:
            if run.steering is not None:
                # Only now is it known what was drawn.
                plan = certificate(sampler.state_dict())
                write_text(folder / "plan.json", _json(plan))
            if save_model:
                save_encoder(model, folder / "model", card=model_card(config, plan, describe(model)))
    if processes.first:
        write_text(folder / "done.json", _json(run.summary()))
        clear(run.checkpoints)
    processes.wait()
    return folder


def resolve(config: TrainConfig | Mapping[str, Any] | Path | str) -> TrainConfig:
    """Return a configuration from itself, its mapping, or the path of a TOML file."""
    if isinstance(config, TrainConfig):
        return config
    if isinstance(config, Mapping):
        return from_mapping(TrainConfig, dict(config))
    if isinstance(config, str | Path):
        return load(TrainConfig, config)
    raise TypeError(
        f"config is {type(config).__name__}; give a TrainConfig, a mapping or the path of a TOML file"
    )


class _Run:
    """The moving part of a run: steps, rows, evaluations, checkpoints."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        evaluate: Evaluate | None,
        progress: Progress | None,
        processes: Processes,
    ) -> None:
        self.config = config
        self.processes = processes
        self.folder = folder
        self.evaluate = evaluate
        self.progress = progress
        self.points = set(evaluation_steps(config))
        self.checkpoints = folder / "checkpoints"
        self.clock = Clock()
        self._sampling = 0.0
        self.steering: Steering | None = None

    def train(self, model: SentenceTransformer, texts: PairTexts, sampler: HybridBatchSampler) -> None:
        """Train from the last checkpoint, or from the start."""
        if self.config.sampler.controller is not None:
            self.steering = Steering(self.config, self.config.sampler.controller, sampler, self.folder)
        batches = TrainingBatches(sampler, self.config.steps, self.steering)
        checkpoint = self.processes.from_first(lambda: latest(self.checkpoints))
        if checkpoint is not None:
            batches.load_state_dict(checkpoint[1])
        seconds = self.processes.from_first(lambda: self._keep_until(batches.taken if checkpoint else -1))
        if checkpoint is None:
            self._evaluate(model, 0)
        if self.config.steps == 0:
            return
        trainer = HybridTrainer(
            model,
            texts,
            batches,
            self.config,
            self.checkpoints,
            self.clock,
            self._after_step,
            self.processes,
        )
        seed_everything(self.config.seed, self.processes.rank)
        self.clock.start(seconds)
        trainer.train(resume_from_checkpoint=str(checkpoint[0]) if checkpoint else None)

    def _keep_until(self, step: int) -> float:
        """Drop the records after ``step``; return the seconds of training until then."""
        rows = keep_until(self.folder / "train.jsonl", step)
        keep_until(self.folder / "metrics.jsonl", step)
        if self.steering is not None:
            self.steering.keep_until(step)
        return float(rows[-1]["seconds"]) if rows else 0.0

    def summary(self) -> dict[str, Any]:
        """Return what ``done.json`` holds: seconds in all, and those that steps waited for their batches."""
        rows = read_rows(self.folder / "train.jsonl")
        return {
            "seconds": self.clock.seconds,
            "steps": self.config.steps,
            "waiting": round(math.fsum(row["waiting"] for row in rows), 6),
            "sampling": round(math.fsum(row["sampling"] for row in rows), 6),
        }

    def _after_step(self, trainer: HybridTrainer, step: int) -> None:
        row = {
            "step": step,
            "loss": trainer.loss_value,
            "learning_rate": trainer.rate,
            "seconds": round(self.clock.seconds, 4),
            "waiting": round(trainer.waited, 6),
            "sampling": round(trainer.batches.seconds - self._sampling, 6),
        }
        self._sampling = trainer.batches.seconds
        if self.processes.first:
            append_rows(self.folder / "train.jsonl", [row])
        self._evaluate(trainer.model, step)
        if self.progress is not None and self.processes.first:
            self.progress(step, self.config.steps)

    def _evaluate(self, model: SentenceTransformer, step: int) -> None:
        if self.evaluate is None or step not in self.points:
            return
        with self.clock.paused(), random_state_kept():
            if self.steering is not None:
                self.steering.follow(self.processes.from_first(lambda: self._measure(model, step)))
            elif self.processes.first:
                self._measure(model, step)

    def _measure(self, model: SentenceTransformer, step: int) -> float | None:
        """Evaluate and record; return the controller's share, if there is one."""
        assert self.evaluate is not None
        model.eval()
        rows = self.evaluate(model, step)
        place = {
            "step": step,
            "pairs": step * self.config.sampler.batch_size,
            "seconds": round(self.clock.seconds, 4),
        }
        append_rows(self.folder / "metrics.jsonl", [place | {**row, **place} for row in rows])
        return None if self.steering is None else self.steering.observe(step, rows)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
