"""Reads the files of a sweep folder; nothing is measured again."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import RunError
from ..sweeping import results, tier_labels
from ..sweeping.description import read_description
from ..sweeping.results import WORDS

Cell = tuple[float, int, float]
"""What makes a run: (mono_ratio, seed, learning_rate)."""


@dataclass(frozen=True)
class Run:
    """One run of the sweep that is finished."""

    name: str
    """Digest of its configuration: the name of its folder."""
    folder: Path
    mono_ratio: float
    seed: int
    learning_rate: float
    config: dict[str, Any]
    environment: dict[str, Any]
    plan: dict[str, Any]
    """Certificate of the batches drawn."""
    seconds: float
    """Training time."""


@dataclass(frozen=True)
class SweepFolder:
    """The files of a sweep folder."""

    folder: Path
    sweep: dict[str, Any]
    """sweep.json."""
    runs: tuple[Run, ...]
    """Finished runs, by learning rate (as configured), ratio and seed."""
    missing: tuple[Cell, ...]
    """Runs of the sweep that are not finished."""

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the sweep."""
        config: dict[str, Any] = self.sweep["config"]
        return config

    @property
    def tiers(self) -> dict[str, list[str]]:
        """Query languages of each tier, by the label that marks what its name does not say."""
        labels = tier_labels(self.sweep)
        return {labels[name]: list(codes) for name, codes in self.sweep.get("tiers", {}).items()}

    @property
    def ratios(self) -> list[float]:
        """Ratios that have a finished run, ascending."""
        return sorted({run.mono_ratio for run in self.runs})

    @property
    def seeds(self) -> list[int]:
        """Seeds that have a finished run, ascending."""
        return sorted({run.seed for run in self.runs})

    @property
    def learning_rates(self) -> list[float]:
        """Learning rates that have a finished run, in the order of the configuration."""
        return list(dict.fromkeys(run.learning_rate for run in self.runs))


def read_folder(folder: Path | str) -> SweepFolder:
    """Read what a sweep is and which of its runs are finished.

    Raises:
        RunError: ``folder`` is not a sweep folder, a file in it is malformed, or no run is finished.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"no folder {folder}; give the folder that hybrid-fast sweep wrote")
    sweep = read_description(folder)
    config = sweep.get("config")
    if not isinstance(config, dict) or not config.get("ratios") or not config.get("seeds"):
        raise RunError(f"{folder / 'sweep.json'} does not state the ratios and seeds of a sweep")
    rates = config.get("learning_rates") or [config.get("train", {}).get("learning_rate", 0.0)]
    wanted = [
        (float(ratio), int(seed), float(rate))
        for rate, ratio, seed in itertools.product(rates, sorted(config["ratios"]), sorted(config["seeds"]))
    ]
    found = {}
    for place in sorted((folder / "runs").glob("*")):
        if (place / "done.json").is_file() and (place / "config.json").is_file():
            run = _read_run(place)
            found[(run.mono_ratio, run.seed, run.learning_rate)] = run
    runs = tuple(found[cell] for cell in wanted if cell in found)
    if not runs:
        raise RunError(
            f"{folder} has no finished run yet; run hybrid-fast sweep again, it goes on where it stopped"
        )
    return SweepFolder(folder, sweep, runs, tuple(cell for cell in wanted if cell not in found))


def _read_run(place: Path) -> Run:
    config = read_json(place / "config.json")
    try:
        ratio = float(config["sampler"]["mono_ratio"])
        seed = int(config["seed"])
        rate = float(config["learning_rate"])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{place / 'config.json'} does not state mono_ratio, seed and learning_rate") from None
    return Run(
        name=place.name,
        folder=place,
        mono_ratio=ratio,
        seed=seed,
        learning_rate=rate,
        config=config,
        environment=read_json(place / "environment.json", default={}),
        plan=read_json(place / "plan.json", default={}),
        seconds=float(read_json(place / "done.json").get("seconds", 0.0)),
    )


def read_metrics(sweep: SweepFolder) -> pd.DataFrame:
    """Return the rows of the finished runs of the sweep, with run, mono_ratio, seed, learning_rate and tier.

    Tiers go by their labels, as in :attr:`SweepFolder.tiers`.

    Raises:
        RunError: a file is missing, damaged (named with its line) or empty.
    """
    table = results(sweep.folder, finished_only=True)
    table["tier"] = table["tier"].replace(tier_labels(sweep.sweep))
    # A code for each word: a million rows of a large sweep stay small, and group fast.
    table = table.astype(dict.fromkeys(WORDS, "category"))
    table = table[table["run"].isin([run.name for run in sweep.runs]) & (table["query_language"] != "*")]
    present = set(table["run"].unique())
    lacking = [run.folder for run in sweep.runs if run.name not in present]
    if lacking:
        raise RunError(f"{lacking[0] / 'metrics.jsonl'} is empty")
    return table.reset_index(drop=True)


def read_losses(sweep: SweepFolder) -> pd.DataFrame:
    """Return train.jsonl of every finished run that has one: mono_ratio, seed, learning_rate, step, loss."""
    tables = [
        read_lines(run.folder / "train.jsonl").assign(
            mono_ratio=run.mono_ratio, seed=run.seed, learning_rate=run.learning_rate
        )
        for run in sweep.runs
        if (run.folder / "train.jsonl").is_file()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def read_json(path: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read one JSON object; ``default`` stands for a missing file where it is given."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if default is not None:
            return default
        raise
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is damaged: {error}") from None
    if not isinstance(value, dict):
        raise RunError(f"{path} does not hold a JSON object")
    return value


def read_lines(path: Path) -> pd.DataFrame:
    """Read a file of one JSON object a line.

    Raises:
        RunError: missing, empty, or malformed; the message names the line.
    """
    if not path.is_file():
        raise RunError(f"{path} is missing")
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except json.JSONDecodeError as error:
                    raise RunError(f"{path}, line {number}, is damaged: {error}") from None
    if not rows:
        raise RunError(f"{path} is empty")
    return pd.DataFrame(rows)
