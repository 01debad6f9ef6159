"""One process's part of a sweep: evaluation sets read once, then one run after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from pathlib import Path

from ..atomic import remove_leftovers
from ..config import TrainConfig, digest
from ..evaluation.callback import EvaluationSet, load_evaluations, make_callback
from .runs import INITIAL, RUNS, is_finished


class Session:
    """Makes runs of one sweep in this process."""

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        *,
        threads: int,
        keep_models: bool,
        evaluations: Mapping[str, EvaluationSet] | None = None,
    ) -> None:
        """Read the evaluation sets.

        Args:
            folder: of the sweep.
            config: what all its runs share.
            threads: of training, encoding and search.
            keep_models: keep each run's trained encoder.
            evaluations: the sets, if they are already read.
        """
        self.folder = folder
        self.threads = threads
        self.keep_models = keep_models
        self.evaluations = load_evaluations(config) if evaluations is None else evaluations

    def run(self, config: TrainConfig, steps_done: Callable[[int], object]) -> None:
        """Make one run, or go on with it where it was interrupted.

        Args:
            config: of the run; its digest names the folder.
            steps_done: called after each step.
        """
        import torch

        from ..training import train

        place = self.folder / RUNS / digest(config)
        if is_finished(place):
            return
        remove_leftovers(place)
        callback = make_callback(
            config,
            folder=place,
            cache=self.folder / INITIAL,
            evaluations=self.evaluations,
            threads=self.threads,
        )
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            train(
                config,
                place,
                evaluate=callback,
                progress=lambda done, total: steps_done(done),
                save_model=self.keep_models,
            )
        finally:
            torch.set_num_threads(before)
            gc.collect()  # the trainer and its model refer to each other
