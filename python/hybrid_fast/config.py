"""Typed, frozen configuration: what a run is, written once and saved beside its results.

Every command of ``hybrid-fast`` takes these fields as options and from ``--config file.toml``;
the docstring under a field is its help text. A configuration is checked when it is made and
raises :class:`~hybrid_fast.errors.ConfigError` naming the field.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from .errors import ConfigError
from .fields import (
    MOST_THREADS,
    FieldError,
    above,
    at_least,
    between,
    build,
    check_fields,
    each,
    filled,
    not_negative,
    seed_range,
)
from .quoting import quoted
from .text_files import read_toml

T = TypeVar("T")

Setting = Literal["monolingual", "cross-lingual", "multilingual"]
"""Which pool a query is ranked against: its own language, one other language, or all together."""

OMIT_DEFAULT = {"omit_default": True}
"""Of a field that came later: written only where it is set, so that older configurations keep their names."""
MOST_PROCESSES = 4096
"""Most processes of one run."""

DEFAULT_MEASURES = ("AP", "RR", "RR@10", "nDCG@10", "R@1", "R@10", "R@100")
"""The measures of one evaluation pass; rank distance is added in the multilingual setting."""


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One source of question-passage pairs."""

    name: str
    """Reader: demo, xquad-r, mlqa-r, afriqa, ntrex-128, tico-19, squad-sentences, jaquad, cmrc2018,
    arcd, amqa, table (our JSONL / Parquet layout), miracl, beir, or hub."""
    path: Path | None = None
    """Folder or file; default: the reader's folder below the environment variable HYBRID_FAST_DATA."""
    languages: tuple[str, ...] = ()
    """Keep only these languages (any code of a language: sw, swa, swh); empty keeps all."""
    split: str | None = None
    """Split, where the source has several (train, dev, test)."""
    articles: Literal["all", "even", "odd"] = "all"
    """Keep articles (documents) by the parity of their position in the source, counted from 0."""
    groups: int | None = None
    """Keep a fixed random sample of this many groups; default: all."""
    repository: str | None = None
    """Name of the data set on the Hugging Face hub (reader hub)."""
    columns: tuple[str, ...] = ()
    """Hub reader: names of the columns query, passage and, if present, language and group."""
    missing: Literal["refuse", "drop"] = field(default="refuse", metadata=OMIT_DEFAULT)
    """Judgements of queries or passages that the source lacks: refuse, or drop and count them."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            name=filled,
            languages=each(filled),
            split=filled,
            groups=at_least(1),
            repository=filled,
            columns=each(filled),
        )


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The encoder shared by queries and passages, and how texts enter it."""

    model: str = "intfloat/multilingual-e5-small"
    """Folder of a Hugging Face encoder, or its name on the hub."""
    pooling: Literal["mean", "cls", "max", "lasttoken"] | None = None
    """How token states become one vector; default: as the model says, else mean."""
    normalize: bool | None = None
    """Scale embeddings to length 1, so that the inner product is the cosine; default: as the model says; an
    encoder without sentence-transformers' files says nothing and is scaled."""
    query_prefix: str | None = None
    """Text put before each query; default: as the model says, else nothing (E5 models: "query: ")."""
    passage_prefix: str | None = None
    """Text put before each passage; default: as the model says, else nothing (E5 models: "passage: ")."""
    max_query_length: int | None = None
    """Longest query in tokens, prefix and special tokens included; longer ones are cut; default: as the
    model says; never more than it has positions."""
    max_passage_length: int | None = None
    """Longest passage in tokens, prefix and special tokens included; longer ones are cut; default: as the
    model says; never more than it has positions."""
    freeze_word_embeddings: bool = False
    """Leave the word embeddings as they are: saves memory and most of the optimiser's time."""
    freeze_layers: int = 0
    """Leave this many of the lowest transformer layers as they are, and the embeddings under them."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            model=filled,
            max_query_length=at_least(1),
            max_passage_length=at_least(1),
            freeze_layers=at_least(0),
        )


@dataclass(frozen=True, kw_only=True)
class ControllerConfig:
    """An experiment: the share of monolingual batches follows the held-out quality, evaluation by evaluation.

    Whichever kind's quality (monolingual or cross-lingual retrieval) gained more a step gets a
    greater share of the batches to come. The plan is then known only after the run.
    """

    evaluation: str = ""
    """Name of the evaluation that is watched; empty: the first."""
    measure: str = "AP"
    """Its measure, the macro mean over languages or language pairs."""
    floor: float = 0.1
    """Least share of either kind."""
    rate: float = 0.5
    """How fast the share moves."""
    window: int = 3
    """Evaluations back from which a gain is measured."""

    def __post_init__(self) -> None:
        below_half = between(0.0, 0.5 - 2**-54, "from 0 to below 0.5")
        check_fields(self, measure=filled, floor=below_half, rate=above(0), window=at_least(1))


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """How pairs become batches (see the sampling chapter of the design)."""

    batch_size: int = 32
    """Pairs in one global batch."""
    mono_ratio: float | str = 0.5
    """α: the share of monolingual batches, from 0 (all cross-lingual) to 1 (all monolingual); or its
    schedule: linear:0.2..0.8, cosine:0.2..0.8:500 (over 500 batches), piecewise:0=0.2,1000=0.5."""
    mixing: Literal["exact", "coupled", "bernoulli"] = "exact"
    """How the kinds alternate: exact share at every prefix, coupled over ratios, or a draw each."""
    unit: Literal["batch", "row"] = "batch"
    """What is drawn by kind: the whole batch, or each row."""
    mono: Literal["homogeneous", "xx-mixed"] = "homogeneous"
    """A monolingual batch holds one language, or, as an ablation, rows of several."""
    cross: Literal["mixed", "homogeneous"] = "mixed"
    """A cross-lingual batch mixes language pairs, or holds one."""
    language_weights: str | float | dict[str, float] = "uniform"
    """uniform, the exponent t of size^t, an explicit weight for each language, capped:4 (UniMax: as even
    as at most 4 epochs of a language allow; capped:4:1000000 for a budget of that many rows), or
    exposure-matched:0.5 (rows per language as at that mono_ratio)."""
    guard: tuple[Literal["group", "query", "passage"], ...] = ("group", "query", "passage")
    """What must not come twice in one batch."""
    identities: tuple[Literal["given", "text", "normalised", "near-duplicate"], ...] = ("given",)
    """What makes passages or questions equal to the guard: as the corpus gives them, equal text, equal
    text but for case, blanks and punctuation, near-duplicate passages; several join what any joins."""
    hard_negatives: Path | None = None
    """File of hard negatives (JSON Lines, TSV or npz: a query id, passage ids); default: none."""
    negatives_per_query: int = 1
    """Hard negatives of each pair."""
    negatives_language: Literal["any", "passage"] = "any"
    """Languages of hard negatives: any, or that of the pair's passage."""
    controller: ControllerConfig | None = None
    """Move mono_ratio while training by held-out quality (an experiment); default: off."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            batch_size=at_least(1),
            mono_ratio=_share_or_text,
            language_weights=_weights_or_text,
            identities=_rules,
            negatives_per_query=at_least(1, 2**16),
        )


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """InfoNCE over the cosine of query and passage (method of arXiv 2408.10536, section 3)."""

    temperature: float = 0.03
    """Scores are divided by this before the softmax."""
    denominator: Literal["in-batch", "own"] = "in-batch"
    """in-batch: all passages of the batch; own: the own positive and the batch's hard negatives."""
    symmetric: bool = False
    """Also classify the query among the batch's queries for each passage, and average."""

    def __post_init__(self) -> None:
        check_fields(self, temperature=above(0))


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """One evaluation set, measured during training on a sample and in full at the end."""

    name: str
    """Label in the tables and the report."""
    source: SourceConfig
    """What is read."""
    settings: tuple[Setting, ...] = ("monolingual", "cross-lingual", "multilingual")
    """Pools to rank against."""
    measures: tuple[str, ...] = DEFAULT_MEASURES
    """Names as in ir_measures."""
    sample: int | None = None
    """Groups in the fixed random sample measured during training (their passages are the pool);
    default: the whole set."""
    full_at_end: bool = True
    """Measure the whole set after the last step."""

    def __post_init__(self) -> None:
        check_fields(self, name=filled, settings=filled, measures=(filled, each(filled)), sample=at_least(1))


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run: everything that decides its result."""

    sources: tuple[SourceConfig, ...] = ()
    """Training sources, mixed in one index."""
    hold_out: tuple[str, ...] = ()
    """Languages never trained on; the saved plan proves it."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The encoder."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    """The batches."""
    loss: LossConfig = field(default_factory=LossConfig)
    """The loss."""
    steps: int = 1000
    """Optimiser steps, one batch each."""
    learning_rate: float = 3e-5
    """Peak learning rate of AdamW."""
    warmup_steps: int = 0
    """Steps of linear warm-up; a linear decay to 0 follows unless schedule is constant."""
    schedule: Literal["linear", "constant"] = "linear"
    """Learning rate after the warm-up."""
    weight_decay: float = 0.01
    """Decoupled weight decay of AdamW."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: autocast in training and encoding (fast where the CPU or GPU has such instructions)."""
    seed: int = 13
    """Seeds the batches and everything random in training."""
    evaluations: tuple[EvaluationConfig, ...] = ()
    """Evaluation sets."""
    evaluate_at: tuple[int, ...] = ()
    """Steps to evaluate at (0 = before training); empty: 0, then log-spaced, and the last."""
    checkpoint_every: int = 0
    """Steps between checkpoints from which an interrupted run goes on; 0: none."""
    threads: int | None = None
    """CPU threads; default: all."""
    workers: int = 0
    """Processes that look up and tokenise batches ahead of the training (for a GPU: 1 or 2); 0: none."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            hold_out=each(filled),
            steps=at_least(0),
            learning_rate=above(0),
            warmup_steps=at_least(0),
            weight_decay=not_negative,
            seed=seed_range,
            checkpoint_every=at_least(0),
            threads=at_least(1, MOST_THREADS),
            workers=at_least(0, MOST_PROCESSES),
        )
        for position, step in enumerate(self.evaluate_at):
            if not 0 <= step <= self.steps:
                raise FieldError(
                    f"evaluate_at[{position}]", f"is {quoted(step)}, expected from 0 to steps ({self.steps})"
                )


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A named set of languages reported together, declared before results."""

    name: str
    """Label, for instance trained, unseen or low-resource."""
    languages: tuple[str, ...]
    """Query languages of the tier."""

    def __post_init__(self) -> None:
        check_fields(self, name=filled, languages=(filled, each(filled)))


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Ratios × seeds × learning rates under equal budgets, coupled plans and equal initial weights."""

    train: TrainConfig = field(default_factory=TrainConfig)
    """What all runs share; mono_ratio, seed and learning_rate are overridden."""
    ratios: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Values of mono_ratio."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Seeds; each ratio is run with each."""
    learning_rates: tuple[float, ...] = ()
    """Peak learning rates; empty: the one of train."""
    tiers: tuple[Tier, ...] = ()
    """Language tiers of the report; empty: trained and unseen."""
    title: str = "Ratio sweep"
    """Title of the report."""
    note: str = ""
    """A sentence shown at the top of the report."""
    jobs: int = 1
    """Runs trained at the same time, each with its share of the threads."""
    keep_models: bool = False
    """Keep the trained encoder of each run in its folder."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            ratios=(filled, each(between(0, 1))),
            seeds=(filled, each(seed_range)),
            learning_rates=each(above(0)),
            jobs=at_least(1, MOST_PROCESSES),
        )


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a configuration as plain dicts, lists, strings and numbers, ready for JSON."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                item.name: plain(getattr(value, item.name))
                for item in dataclasses.fields(value)
                if not (item.metadata.get("omit_default") and getattr(value, item.name) == item.default)
            }
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, tuple | list):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return plain(config)  # type: ignore[no-any-return]  # a dataclass becomes a dict


def from_mapping(kind: type[T], mapping: dict[str, Any]) -> T:
    """Build a configuration of type ``kind`` from plain values; the inverse of :func:`to_mapping`.

    Raises:
        ConfigError: an unknown key, a missing one, or a value of the wrong type, named by its path.
    """
    return build(kind, mapping)


def load(kind: type[T], path: Path | str) -> T:
    """Read a configuration of type ``kind`` from a TOML file.

    Raises:
        ConfigError: the file is missing or malformed, or a value in it is wrong.
    """
    path = Path(path)
    try:
        mapping = read_toml(path, ConfigError)
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {path}") from None
    return from_mapping(kind, mapping)


def digest(config: Any) -> str:
    """Return 12 hexadecimal digits that name a resolved configuration."""
    text = json.dumps(to_mapping(config), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _share_or_text(value: float | str, place: str) -> None:
    """Hold α to its range; a schedule is text, which the sampler reads."""
    (filled if isinstance(value, str) else between(0, 1))(value, place)


def _weights_or_text(value: str | float | dict[str, float], place: str) -> None:
    if isinstance(value, dict):
        filled(value, place)
        for name, weight in value.items():
            not_negative(weight, f"{place}.{name}")
    elif isinstance(value, str):
        filled(value, place)


def _rules(value: tuple[str, ...], place: str) -> None:
    if not value:
        raise FieldError(place, "is empty, expected at least one rule")
