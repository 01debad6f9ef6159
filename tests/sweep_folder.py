"""Writes a sweep folder with made-up numbers of realistic shape, for tests of the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybrid_fast import config as configuration
from hybrid_fast.config import (
    EvaluationConfig,
    SamplerConfig,
    SourceConfig,
    SweepConfig,
    Tier,
    TrainConfig,
)

TRAINED = ("ar", "de", "en", "es", "hi", "ru", "th", "tr", "zh")
UNSEEN = ("el", "vi")
LOW_RESOURCE = ("bem", "hau", "ibo", "kin", "swa", "twi", "yor", "zul")
PARALLEL = "XQuAD-R test half"
AFRICAN = "AfriQA"
STEPS = (0, 5, 10, 20, 40, 80)
MEASURES = ("AP", "RR", "RR@10", "nDCG@10", "R@1", "R@10", "R@100")
PER_QUERY_MEASURES = ("AP", "RR@10", "rank_distance")

Row = dict[str, Any]


def write_sweep(
    folder: Path,
    *,
    ratios: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0),
    seeds: tuple[int, ...] = (1, 2, 3),
    learning_rates: tuple[float, ...] = (1e-5, 3e-5),
    steps: tuple[int, ...] = STEPS,
    trained: tuple[str, ...] = TRAINED,
    unseen: tuple[str, ...] = UNSEEN,
    low_resource: tuple[str, ...] = LOW_RESOURCE,
    queries: int = 30,
    full: bool = True,
    per_query: bool = True,
    leave_out: frozenset[tuple[float, int, float]] = frozenset(),
    unfinished: frozenset[tuple[float, int, float]] = frozenset(),
    note: str = "Made-up numbers, written by a test.",
) -> Path:
    """Write a sweep folder and return it; ``leave_out`` runs are absent, ``unfinished`` ones lack "
    "done.json."""
    config = _config(ratios, seeds, learning_rates, steps, trained, unseen, low_resource, note)
    parallel = trained + unseen
    evaluations = {
        PARALLEL: {
            "languages": list(parallel),
            "queries": queries * len(parallel),
            "passages": 40 * len(parallel),
            "fingerprint": "5f2c9a0b1d3e4f56",
            "sample_queries": queries * len(parallel),
            "sample_passages": 20 * len(parallel),
        }
    }
    if low_resource:
        evaluations[AFRICAN] = {
            "languages": [*low_resource, "en"],
            "queries": queries * len(low_resource),
            "passages": 1017,
            "fingerprint": "90ab34cd56ef7812",
            "sample_queries": queries * len(low_resource),
            "sample_passages": 1017,
        }
    _json(
        folder / "sweep.json",
        {
            "schema": 1,
            "version": "0.1.0",
            "config": configuration.to_mapping(config),
            "command": "hybrid-fast sweep --config study.toml --out study",
            "languages": list(parallel),
            "trained": list(trained),
            "tiers": {tier.name: list(tier.languages) for tier in config.tiers},
            "evaluations": evaluations,
            "corpora": {
                "xquad-r": {
                    "groups": 598,
                    "languages": dict.fromkeys(parallel, 598),
                    "fingerprint": "0123456789abcdef",
                }
            },
        },
    )
    for learning_rate in learning_rates:
        for ratio in ratios:
            for seed in seeds:
                key = (ratio, seed, learning_rate)
                if key in leave_out:
                    continue
                run = _run_config(config.train, ratio, seed, learning_rate)
                place = folder / "runs" / configuration.digest(run)
                _write_run(place, run, trained, unseen, low_resource, queries, full, per_query)
                if key not in unfinished:
                    _json(place / "done.json", {"seconds": 212.5, "steps": run.steps})
    return folder


def _config(
    ratios: tuple[float, ...],
    seeds: tuple[int, ...],
    learning_rates: tuple[float, ...],
    steps: tuple[int, ...],
    trained: tuple[str, ...],
    unseen: tuple[str, ...],
    low_resource: tuple[str, ...],
    note: str,
) -> SweepConfig:
    evaluations = [
        EvaluationConfig(name=PARALLEL, source=SourceConfig(name="xquad-r", articles="odd"), sample=150)
    ]
    if low_resource:
        evaluations.append(
            EvaluationConfig(
                name=AFRICAN, source=SourceConfig(name="afriqa", split="test"), settings=("cross-lingual",)
            )
        )
    tiers = [Tier(name="trained", languages=trained)]
    if unseen:
        tiers.append(Tier(name="unseen", languages=unseen))
    if low_resource:
        tiers.append(Tier(name="low-resource", languages=low_resource))
    return SweepConfig(
        train=TrainConfig(
            sources=(SourceConfig(name="xquad-r", articles="even"),),
            hold_out=unseen,
            steps=steps[-1],
            warmup_steps=5,
            sampler=SamplerConfig(mixing="coupled"),
            evaluations=tuple(evaluations),
            evaluate_at=steps,
        ),
        ratios=ratios,
        seeds=seeds,
        learning_rates=learning_rates,
        tiers=tuple(tiers),
        title="Ratio of monolingual batches on XQuAD-R",
        note=note,
    )


def _run_config(base: TrainConfig, ratio: float, seed: int, learning_rate: float) -> TrainConfig:
    mapping = configuration.to_mapping(base)
    mapping["sampler"]["mono_ratio"] = ratio
    mapping["seed"] = seed
    mapping["learning_rate"] = learning_rate
    return configuration.from_mapping(TrainConfig, mapping)


def _write_run(
    place: Path,
    run: TrainConfig,
    trained: tuple[str, ...],
    unseen: tuple[str, ...],
    low_resource: tuple[str, ...],
    queries: int,
    full: bool,
    per_query: bool,
) -> None:
    _json(place / "config.json", configuration.to_mapping(run))
    _json(
        place / "environment.json",
        {
            "versions": {"hybrid_fast": "0.1.0", "torch": "2.15.0", "python": "3.11.9"},
            "platform": "Linux-6.1-x86_64",
            "cpu": {"model": "x86-64", "features": ["avx2", "fma", "avx512f"]},
            "threads": 2,
            "commit": "0123abc",
        },
    )
    ratio = run.sampler.mono_ratio
    batches = run.steps
    mono = round(ratio * batches)
    rows = batches * run.sampler.batch_size
    share = rows // len(trained)
    _json(
        place / "plan.json",
        {
            "languages": list(trained),
            "held_out": list(unseen),
            "batches": {"monolingual": mono, "cross-lingual": batches - mono},
            "query_rows": {code: share + 3 * i for i, code in enumerate(trained)},
            "passage_rows": {code: share - 2 * i for i, code in enumerate(trained)},
            "digest": f"{int(ratio * 100):03d}{run.seed:05d}",
            "overlap": {item.name: {"documents": 0, "queries": 0, "passages": 0} for item in run.evaluations},
        },
    )
    rng = np.random.default_rng([int(ratio * 1000), run.seed, int(run.learning_rate * 1e7)])
    losses = 0.4 + 2.4 * np.exp(-np.arange(1, run.steps + 1) / 12) + 0.06 * rng.standard_normal(run.steps)
    _lines(
        place / "train.jsonl",
        (
            {
                "step": step,
                "loss": float(loss),
                "learning_rate": run.learning_rate * (1 - step / (run.steps + 1)),
                "seconds": 1.9 * step,
            }
            for step, loss in enumerate(losses, start=1)
        ),
    )
    shift = rng.normal(0, 0.006)
    metrics: list[Row] = []
    answers: list[pd.DataFrame] = []
    for evaluation, setting, query_language, passage_language in _cells(trained, unseen, low_resource):
        wobble = 0.04 * np.sin(hash_of(query_language) + 0.7 * hash_of(passage_language))
        base = {
            "evaluation": evaluation,
            "setting": setting,
            "query_language": query_language,
            "passage_language": passage_language,
            "queries": queries,
        }
        for step in run.evaluate_at:
            moved = 0.0 if step == 0 else shift
            quality = _quality(evaluation, setting, ratio, run.learning_rate, step) + wobble + moved
            for measure in (*MEASURES, *(("rank_distance",) if setting == "multilingual" else ())):
                row = {"step": step, "pairs": step * run.sampler.batch_size, "seconds": 1.9 * step, **base}
                row |= {"scope": "sample", "measure": measure, "value": _value(measure, quality)}
                metrics.append(row)
        if full:
            last = _quality(evaluation, setting, ratio, run.learning_rate, run.steps) + wobble + shift
            for step, quality in (
                (0, _quality(evaluation, setting, ratio, 1.0, 0) + wobble),
                (run.steps, last),
            ):
                for measure in (*MEASURES, *(("rank_distance",) if setting == "multilingual" else ())):
                    spread = np.zeros(queries) if step == 0 else rng.normal(0, 0.1, queries)
                    values = _value(measure, quality) * (1 + spread)
                    if measure != "rank_distance":
                        values = np.clip(values, 0, 1)
                    values = values.astype(np.float32)
                    row = {
                        "step": step,
                        "pairs": step * run.sampler.batch_size,
                        "seconds": 1.9 * step,
                        **base,
                    }
                    row |= {
                        "scope": "full",
                        "measure": measure,
                        "value": float(values.mean(dtype=np.float64)),
                    }
                    metrics.append(row)
                    if per_query and step and measure in PER_QUERY_MEASURES:
                        answers.append(
                            pd.DataFrame(
                                {
                                    "evaluation": evaluation,
                                    "setting": setting,
                                    "query_language": query_language,
                                    "passage_language": passage_language,
                                    "query_id": _query_ids(evaluation, query_language, queries),
                                    "measure": measure,
                                    "value": values,
                                }
                            )
                        )
    _lines(place / "metrics.jsonl", iter(metrics))
    if answers:
        pd.concat(answers, ignore_index=True).to_parquet(place / "per_query.parquet", index=False)


def _query_ids(evaluation: str, language: str, queries: int) -> list[str]:
    # Questions of the parallel set are translations of each other, those of the African set are not.
    own = f"{language}-" if evaluation == AFRICAN else ""
    return [f"{language}/{own}{number}" for number in range(queries)]


def _cells(
    trained: tuple[str, ...], unseen: tuple[str, ...], low_resource: tuple[str, ...]
) -> Iterator[tuple[str, str, str, str]]:
    parallel = trained + unseen
    for query in parallel:
        yield PARALLEL, "monolingual", query, query
        yield PARALLEL, "multilingual", query, "*"
        for passage in parallel:
            if passage != query:
                yield PARALLEL, "cross-lingual", query, passage
    for query in low_resource:
        yield AFRICAN, "cross-lingual", query, "en"


def _quality(evaluation: str, setting: str, ratio: float, learning_rate: float, step: int) -> float:
    progress = 1 - np.exp(-step / 9)
    speed = 1.0 if learning_rate > 2e-5 else 0.7
    if evaluation == AFRICAN:
        rise = 0.05 * np.exp(-(((step - 8) / 8) ** 2)) * (step > 0)
        return float(0.663 + rise - speed * (0.11 - 0.07 * ratio) * min(1.0, step / 40))
    start, gain = {
        "monolingual": (0.886, 0.004 + 0.013 * ratio),
        "cross-lingual": (0.792, 0.044 - 0.013 * ratio),
        "multilingual": (0.459, 0.301 - 0.055 * ratio),
    }[setting]
    return float(start + speed * gain * progress)


def _value(measure: str, quality: float) -> float:
    scale = {"AP": 1.0, "RR": 1.03, "RR@10": 1.02, "nDCG@10": 1.01, "R@1": 0.8, "R@10": 1.05, "R@100": 1.1}
    if measure == "rank_distance":
        return float(250 - 600 * (quality - 0.459))
    return float(min(0.999, quality * scale[measure]))


def hash_of(text: str) -> int:
    """Return a small number that depends on ``text`` only."""
    return sum(map(ord, text)) % 17


def _json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def _lines(path: Path, rows: Iterator[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
