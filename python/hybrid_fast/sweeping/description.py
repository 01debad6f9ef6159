"""``sweep.json``: what a sweep is, written before its first run; and what may not change afterwards."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._core import __version__
from ..atomic import write_text
from ..config import SourceConfig, SweepConfig, from_mapping, to_mapping
from ..corpus import Corpus, fingerprint, load_source, normalise_language
from ..errors import HybridFastError, RunError
from ..evaluation.callback import EvaluationSet
from .runs import INITIAL, RUNS, learning_rates_of
from .tiers import resolve_tiers

SCHEMA = 1

_OWN_OF_RUNS = ("train.seed", "train.learning_rate", "train.sampler.mono_ratio", "train.sampler.mixing")
_FREE = ("title", "note", "jobs", "keep_models", "train.threads")
_EXTENDABLE = ("ratios", "seeds", "learning_rates")


def describe_sweep(
    config: SweepConfig, evaluations: Mapping[str, EvaluationSet], command: str
) -> dict[str, Any]:
    """Return the content of ``sweep.json``; reads the training sources once to describe them.

    Raises:
        CorpusError: a training source cannot be read.
        ConfigError: a tier names a language twice or one that is nowhere.
    """
    held_out = {normalise_language(code) for code in config.train.hold_out}
    corpora: dict[str, Any] = {}
    drawn: set[str] = set()
    for source in config.train.sources:
        corpus = load_source(source)
        corpora[_free_name(source, corpora)] = _described_source(corpus)
        drawn |= _drawable(corpus) - held_out
    evaluated = {code for item in evaluations.values() for code in _query_languages(item.full)}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "config": to_mapping(_normalised(config)),
        "command": command,
        "languages": sorted(evaluated | drawn),
        "trained": sorted(drawn),
        "tiers": resolve_tiers(config.tiers, sorted(drawn), sorted(evaluated)),
        "evaluations": {name: _described_evaluation(item) for name, item in evaluations.items()},
        "corpora": corpora,
    }


def settle(folder: Path, description: dict[str, Any]) -> None:
    """Write ``sweep.json``, or extend the one that is there if it describes the same experiment.

    More ratios, seeds and learning rates extend a sweep; title, note, jobs, threads and
    keep_models may change. As long as nothing was measured, everything may.

    Raises:
        RunError: the folder holds another sweep, or something that is no sweep.
    """
    path = folder / "sweep.json"
    if path.exists() and not _has_measured(folder):
        # Begun with a mistake, such as a wrong model folder: nothing to protect yet.
        for name in (RUNS, INITIAL):
            shutil.rmtree(folder / name, ignore_errors=True)
    elif path.exists():
        before = read_description(folder)
        differences = _differences(before, description)
        if differences:
            raise RunError(
                f"{folder} holds a sweep with another configuration: {'; '.join(differences)}; "
                "use another folder, or the configuration that it was begun with"
            )
        description = _extended(before, description)
    elif folder.exists() and any(not item.name.startswith(".") for item in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no sweep.json; use a new folder")
    write_text(path, json.dumps(description, ensure_ascii=False, indent=1) + "\n")


def read_description(folder: Path) -> dict[str, Any]:
    """Read the ``sweep.json`` of a sweep folder.

    Raises:
        RunError: the folder is not one of a sweep, or the file is damaged or of another schema.
    """
    path = Path(folder) / "sweep.json"
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder} is not a sweep folder: it has no sweep.json") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from None
    if not isinstance(description, dict) or description.get("schema") != SCHEMA:
        raise RunError(f"{path} is not of schema {SCHEMA}, which this version reads and writes")
    return description


def _has_measured(folder: Path) -> bool:
    """Say whether any run of the folder has got as far as a measure."""
    return any(path.stat().st_size for path in (folder / RUNS).glob("*/metrics.jsonl"))


def _normalised(config: SweepConfig) -> SweepConfig:
    """Write learning rates and ratios out, each once, and the mixing rule, as :func:`runs_of` takes them."""
    sampler = dataclasses.replace(config.train.sampler, mixing="coupled")
    return dataclasses.replace(
        config,
        train=dataclasses.replace(config.train, sampler=sampler),
        ratios=tuple(dict.fromkeys(float(ratio) for ratio in config.ratios)),
        seeds=tuple(dict.fromkeys(config.seeds)),
        learning_rates=learning_rates_of(config),
    )


def _described_source(corpus: Corpus) -> dict[str, Any]:
    rows = np.bincount(corpus.cells.language, minlength=len(corpus.languages))
    return {
        "groups": len(corpus.group_ids),
        "languages": {code: int(count) for code, count in zip(corpus.languages, rows, strict=True)},
        "fingerprint": fingerprint(corpus),
    }


def _described_evaluation(item: EvaluationSet) -> dict[str, Any]:
    return {
        "languages": _query_languages(item.full),
        "queries": len(item.full.queries),
        "passages": len(item.full.passages),
        "fingerprint": item.fingerprints["full"],
        "sample_queries": len(item.sample.queries),
        "sample_passages": len(item.sample.passages),
    }


def _query_languages(corpus: Corpus) -> list[str]:
    return sorted(corpus.languages[code] for code in np.unique(corpus.queries.languages))


def _drawable(corpus: Corpus) -> set[str]:
    return {corpus.languages[code] for code in np.unique(corpus.cells.language)}


def _free_name(source: SourceConfig, taken: Mapping[str, Any]) -> str:
    name, number = source.name, 2
    while name in taken:
        name, number = f"{source.name} ({number})", number + 1
    return name


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what differs between two sweeps, apart from what may."""
    ignored = {*_OWN_OF_RUNS, *_FREE, *_EXTENDABLE}
    old, new = _flat(_completed(before["config"])), _flat(now["config"])
    found = [
        f"{name} is {_shown(old.get(name))} there and {_shown(new.get(name))} here"
        for name in dict.fromkeys([*old, *new])
        if name not in ignored and old.get(name) != new.get(name)
    ]
    if found:
        return found
    for kind in ("evaluations", "corpora"):
        old_data, new_data = before.get(kind, {}), now[kind]
        found += [
            f"the data of {name} changed since (fingerprint)"
            for name in new_data
            if old_data.get(name, {}).get("fingerprint") != new_data[name]["fingerprint"]
        ]
    return found


def _completed(mapping: dict[str, Any]) -> dict[str, Any]:
    """Fill in fields that an older version of the package did not write."""
    try:
        return to_mapping(from_mapping(SweepConfig, mapping))
    except HybridFastError:
        return mapping


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return dotted names → plain values; lists of plain values stay whole."""
    if isinstance(value, dict) and value:
        items: Any = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = enumerate(value)
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, item in items:
        found |= _flat(item, f"{name}.{key}" if name else str(key))
    return found


def _shown(value: Any) -> str:
    return "not given" if value is None else json.dumps(value, ensure_ascii=False)


def _extended(before: Mapping[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Keep the ratios, seeds and learning rates that the folder already has."""
    config = dict(now["config"])
    for name in _EXTENDABLE:
        config[name] = list(dict.fromkeys([*before["config"][name], *config[name]]))
    config["ratios"].sort()
    return {**now, "config": config}
