"""What is refused before a run writes anything."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from ..atomic import is_leftover
from ..config import TrainConfig, to_mapping
from ..corpus import Corpus
from ..encoder import load_encoder
from ..errors import ConfigError, RunError
from ..sampler import HybridBatchSampler
from ..sampler.configured import check_texts, index_and_negatives
from .certificate import draw
from .steering import check_controller


def check_configuration(config: TrainConfig, *, measured: bool) -> None:
    """Refuse what a configuration cannot mean; ``measured``: there is a function that evaluates.

    Raises:
        ConfigError: a controller that nothing feeds, or a loss that has no negatives.
    """
    check_texts(config.sampler)
    check_controller(config)
    if config.sampler.controller is not None and not measured:
        raise ConfigError("sampler.controller needs evaluations, but train() was given no evaluate function")
    if config.loss.denominator == "own" and config.sampler.hard_negatives is None:
        raise ConfigError(
            "loss.denominator is 'own', which needs hard negatives; name a file of them as "
            "sampler.hard_negatives, or use 'in-batch'"
        )
    if config.evaluations and not measured:
        warnings.warn(
            "evaluations are configured, but train() was given no evaluate function, so nothing is measured; "
            "pass evaluate=hybrid_fast.evaluation.callback.make_callback(config)",
            stacklevel=3,
        )


def check_negatives(config: TrainConfig, bare: int) -> None:
    """Refuse a loss over hard negatives where ``bare`` batches have none.

    Raises:
        RunError: there are such batches.
    """
    if config.loss.denominator == "own" and bare:
        raise RunError(
            f"{bare} of {config.steps} batches have no hard negative, and loss.denominator is 'own'; mine "
            "longer lists for more queries, or use 'in-batch'"
        )


def is_finished(folder: Path, config: TrainConfig) -> bool:
    """Tell whether the run is already finished; changes nothing.

    Raises:
        RunError: the folder holds a run of another configuration, or something else, or its mark is
            damaged.
    """
    path, done = folder / "config.json", folder / "done.json"
    if path.exists():
        if _read(path, "remove the folder or choose another") != json.loads(json.dumps(to_mapping(config))):
            raise RunError(f"{folder} holds a run of another configuration; choose another folder")
    elif folder.is_file():
        raise RunError(f"{folder} is a file; choose a folder")
    elif folder.is_dir() and not all(map(is_leftover, folder.iterdir())):
        raise RunError(f"{folder} is not empty and holds no run (no config.json); choose another folder")
    return done.exists() and _read(done, "delete it to make the run again") is not None


def check_runs(configs: Sequence[TrainConfig], corpus: Corpus) -> SentenceTransformer:
    """Refuse what :func:`~hybrid_fast.training.train` would of runs that share all but ratio and seed.

    Args:
        configs: the runs, at least one; each has an ``evaluate`` function where it needs one.
        corpus: what they are trained on.

    Returns:
        The encoder they start from, on the CPU.

    Raises:
        ConfigError, ModelError, InfeasiblePlan, RunError: as ``train`` does before it writes anything.
    """
    first = configs[0]
    check_configuration(first, measured=True)
    index, negatives = index_and_negatives(corpus, first.sampler)
    by_ratio = {config.sampler.mono_ratio: config for config in configs}
    own = first.loss.denominator == "own"
    for config in configs if own else by_ratio.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the run itself says it
            sampler = HybridBatchSampler.from_config(
                index, config.sampler, seed=config.seed, hard_negatives=negatives
            )
        if own:
            check_negatives(config, draw(sampler, corpus, config.steps).bare)
    return load_encoder(first.encoder, device="cpu")


def _read(path: Path, advice: str) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RunError(f"{path} is not JSON; {advice}")
    return value
