"""sentence-transformers' trainer, fed with our batches and checkpointing exactly."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from ..config import TrainConfig
from ..encoder import TASK, Role, features, is_plain, pad, tokenize
from ..errors import RunError
from ..losses import InfoNCELoss
from .batches import Pair, PairTexts, TrainingBatches
from .checkpoint import seal
from .clock import Clock
from .processes import PATIENCE, Processes
from .seeds import derived_seed

WEIGHTS = "weights.safetensors"
"""File of a checkpoint with all weights, in float32."""


class PairCollator:
    """Tokenises the queries and passages of a batch, each side with its own prompt, route and length.

    The hard negatives of all its pairs are one more column, of as many rows as there are.
    """

    valid_label_columns: tuple[str, ...] = ()

    def __init__(self, model: SentenceTransformer) -> None:
        self.model = model

    def __call__(self, pairs: Sequence[Pair]) -> dict[str, Any]:
        """Return the tensors of a batch, named by side (``query_input_ids`` …), and what goes with them."""
        columns: dict[str, tuple[list[str], Role]] = {
            "query": ([pair[0] for pair in pairs], "query"),
            "passage": ([pair[1] for pair in pairs], "passage"),
            "negative": ([text for pair in pairs for text in pair[2:]], "passage"),
        }
        batch = {}
        for name, (texts, role) in columns.items():
            if texts:
                batch.update({f"{name}_{key}": value for key, value in self._tokens(texts, role).items()})
        return batch

    def _tokens(self, texts: list[str], role: Role) -> dict[str, Any]:
        # On the CPU: a worker has no GPU, and the trainer moves what it is given.
        if is_plain(self.model):
            return pad(self.model, tokenize(self.model, texts, role), range(len(texts)), device="cpu")
        # With the task, by which a router finds the way in the forward pass.
        return {**features(self.model, texts, role), "task": TASK[role]}


class Loader(DataLoader[Pair]):
    """A data loader whose workers tokenise in one thread each, and do not complain about being forked."""

    def __iter__(self) -> Any:
        """Start the workers."""
        name = "TOKENIZERS_PARALLELISM"
        before = os.environ.get(name)
        if self.num_workers:
            os.environ[name] = "false"
        try:
            return super().__iter__()
        finally:
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before


class HybridTrainer(SentenceTransformerTrainer):
    """A trainer whose batches are a plan, and whose checkpoints say where in the plan it stands."""

    def __init__(
        self,
        model: SentenceTransformer,
        texts: PairTexts,
        batches: TrainingBatches,
        config: TrainConfig,
        checkpoints: Path,
        clock: Clock,
        callback: Callable[[HybridTrainer, int], None],
        processes: Processes,
    ) -> None:
        self.batches = batches
        self.processes = processes
        self.texts = texts
        self.checkpoints = checkpoints
        self.precision = config.precision
        self.workers = config.workers
        self.clock = clock
        self.loss_value = math.nan
        self.rate = 0.0
        self.waited = 0.0
        super().__init__(
            model=model,
            args=training_arguments(config, checkpoints, processes),
            train_dataset=texts,
            data_collator=cast(Any, PairCollator(model)),
            loss=InfoNCELoss(
                model,
                temperature=config.loss.temperature,
                denominator=config.loss.denominator,
                symmetric=config.loss.symmetric,
                precision=config.precision,
            ),
        )
        # Aligning special tokens would edit the encoder's configuration; the collator has the tokenizer.
        self.processing_class = None
        for noisy in (PrinterCallback, ProgressCallback):
            self.remove_callback(noisy)
        self.add_callback(StepCallback(self, callback, config))

    def preprocess_dataset(self, dataset: Any = None, dataset_name: str | None = None) -> Any:
        """Take the pairs as they are."""
        return dataset

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Skip the library's model card, which reads the whole data set; ours is written at the end."""

    def get_train_dataloader(self) -> DataLoader[Pair]:
        """Return the planned batches, tokenised when they are drawn."""
        # A generator of its own: starting to iterate must not draw from the stream that dropout uses.
        return Loader(
            self.texts,
            batch_sampler=self.batches,
            collate_fn=self.data_collator,
            generator=torch.Generator(),
            num_workers=self.workers,
            # Forked workers share corpus and index; sending them would take longer than the training.
            multiprocessing_context="fork" if self.workers else None,
        )

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Take the next batch, and remember how long it took: drawn, looked up and tokenised."""
        start = time.perf_counter()
        samples = super().get_batch_samples(*args, **kwargs)
        self.waited = time.perf_counter() - start
        return samples

    def autocast_smart_context_manager(self, cache_enabled: bool | None = True) -> Any:
        """Keep one bfloat16 copy of the weights for both sides of a batch."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.args.device.type, torch.bfloat16)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Do one step forward and backward, and remember its loss and learning rate."""
        loss = super().training_step(*args, **kwargs)
        self.loss_value = loss.item()
        scheduler: Any = self.lr_scheduler
        self.rate = float(scheduler.get_last_lr()[0])
        if not math.isfinite(self.loss_value):
            raise RunError(
                f"the loss is {self.loss_value} at step {self.state.global_step + 1}; lower the learning rate"
            )
        return loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Count none: the library's estimate does not hold for two towers."""
        return 0

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with self.clock.paused():
            try:
                super()._save_checkpoint(model, trial)
            except (SafetensorError, RuntimeError) as error:  # how these writers report a full disk
                raise OSError(f"cannot write a checkpoint to {self.checkpoints}: {error}") from error
            step = self.state.global_step
            self.processes.wait()  # each writes its random state
            if self.processes.first:
                seal(self.checkpoints / f"checkpoint-{step}", self.batches.state_dict(step))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = self.checkpoints if output_dir is None else Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / WEIGHTS))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_model(self.model, Path(resume_from_checkpoint) / WEIGHTS, device=str(self.model.device))


class StepCallback(TrainerCallback):
    """After each step: hands control to the run, and asks for a checkpoint when one is due."""

    def __init__(
        self, trainer: HybridTrainer, after: Callable[[HybridTrainer, int], None], config: TrainConfig
    ) -> None:
        self.trainer = trainer
        self.after = after
        self.every = config.checkpoint_every
        self.last = config.steps

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the step; the last one needs no checkpoint."""
        step = state.global_step
        self.after(self.trainer, step)
        if self.every and step % self.every == 0 and step < self.last:
            control.should_save = True


def training_arguments(
    config: TrainConfig, checkpoints: Path, processes: Processes
) -> SentenceTransformerTrainingArguments:
    """Return the library's arguments for a run: AdamW, warm-up, gradient norm clipped at 1."""
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        max_steps=config.steps,
        per_device_train_batch_size=config.sampler.batch_size // processes.count,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup_steps,
        lr_scheduler_type="linear" if config.schedule == "linear" else "constant_with_warmup",
        weight_decay=config.weight_decay,
        max_grad_norm=1.0,
        seed=derived_seed(config.seed, "training"),
        use_cpu=processes.count > 1 and not torch.cuda.is_available(),
        ddp_timeout=int(PATIENCE.total_seconds()),
        ddp_find_unused_parameters=False,
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        ignore_data_skip=True,  # the batches themselves know where to go on
        remove_unused_columns=False,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # one device: no DataParallel behind the user's back
    return arguments
