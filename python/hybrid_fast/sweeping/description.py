"""``sweep.json``: what a sweep is, written before its first run; and what may not change afterwards."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._core import __version__
from ..atomic import write_text
from ..config import SourceConfig, SweepConfig, from_mapping, to_mapping
from ..corpus import Corpus, fingerprint, normalise_language
from ..errors import HybridFastError, RunError
from ..evaluation.callback import EvaluationSet
from .runs import RUNS, learning_rates_of
from .tiers import resolve_tiers

SCHEMA = 1
DESCRIPTION = "sweep.json"
LOCK = ".lock"
"""Held by the process that runs the sweep."""

_OWN_OF_RUNS = ("train.seed", "train.learning_rate", "train.sampler.mono_ratio", "train.sampler.mixing")
_FREE = ("title", "note", "jobs", "keep_models", "train.threads")
_EXTENDABLE = ("ratios", "seeds", "learning_rates")


def describe_sweep(
    config: SweepConfig,
    sources: Sequence[Corpus],
    evaluations: Mapping[str, EvaluationSet],
    command: str,
) -> dict[str, Any]:
    """Return the content of ``sweep.json``.

    Args:
        config: of the sweep.
        sources: what ``config.train.sources`` name, in that order.
        evaluations: the evaluation sets.
        command: what repeats the sweep.

    Raises:
        ConfigError: a tier names a language twice or one that is nowhere.
    """
    held_out = {normalise_language(code) for code in config.train.hold_out}
    corpora: dict[str, Any] = {}
    drawn: set[str] = set()
    for source, corpus in zip(config.train.sources, sources, strict=True):
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


def check_place(folder: Path) -> None:
    """Refuse a folder that holds something else than a sweep; changes nothing.

    Raises:
        RunError: there is a file, or a folder that is neither empty nor of a sweep.
    """
    standing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    if standing.exists() and not standing.is_dir():
        raise RunError(f"{standing} is a file; give a folder for the sweep")
    if standing != folder or (folder / DESCRIPTION).exists():
        return
    others = sorted(item.name for item in folder.iterdir() if item.name != LOCK)
    if others:
        raise RunError(
            f"{folder} holds no sweep ({DESCRIPTION}) but other things, such as {others[0]}; "
            "give a new or an empty folder"
        )


def settled(folder: Path, description: dict[str, Any]) -> dict[str, Any]:
    """Return ``description`` with what the folder's sweep already has; changes nothing.

    More ratios, seeds and learning rates extend a sweep; title, note, jobs, threads and
    keep_models may change.

    Raises:
        RunError: the folder holds another sweep, or something that is no sweep.
    """
    check_place(folder)
    if not (folder / DESCRIPTION).exists():
        return description
    before = read_description(folder)
    if not isinstance(before.get("config"), dict):
        raise RunError(f"{folder / DESCRIPTION} is damaged: it holds no configuration of a sweep")
    differences = _differences(before, description)
    if differences:
        advice = "use another folder, or the configuration that it was begun with"
        if not _has_results(folder):
            advice += "; no run in it has got anywhere yet, so you may also remove it"
        raise RunError(
            f"{folder} holds a sweep with another configuration: {'; '.join(differences)}; {advice}"
        )
    return _extended(before, description)


def write_description(folder: Path, description: dict[str, Any]) -> None:
    """Write ``sweep.json``."""
    write_text(folder / DESCRIPTION, json.dumps(description, ensure_ascii=False, indent=1) + "\n")


def read_description(folder: Path) -> dict[str, Any]:
    """Read the ``sweep.json`` of a sweep folder.

    Raises:
        RunError: the folder is not one of a sweep, or the file is damaged or of another schema.
    """
    path = Path(folder) / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder} is not a sweep folder: it has no {DESCRIPTION}") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from None
    if not isinstance(description, dict) or description.get("schema") != SCHEMA:
        raise RunError(f"{path} is not of schema {SCHEMA}, which this version reads and writes")
    return description


def _has_results(folder: Path) -> bool:
    """Say whether any run of the folder has made a step, a measure or anything after them."""
    ours = {"config.json", "environment.json", "plan.json"}
    return any(
        item.name not in ours and (item.is_dir() or item.stat().st_size > 0)
        for item in (folder / RUNS).glob("*/*")
    )


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
        config[name] = list(dict.fromkeys([*before["config"].get(name, []), *config[name]]))
    config["ratios"].sort()
    return {**now, "config": config}
