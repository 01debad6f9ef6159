"""Every field of every configuration against hostile values: one sentence that names the field."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest

from hybrid_fast import config as configurations
from hybrid_fast.config import (
    ControllerConfig,
    EncoderConfig,
    EvaluationConfig,
    LossConfig,
    SamplerConfig,
    SourceConfig,
    SweepConfig,
    Tier,
    TrainConfig,
    digest,
    from_mapping,
    to_mapping,
)
from hybrid_fast.errors import ConfigError
from hybrid_fast.fields import FieldError, conform, field_hints, nearest
from hybrid_fast.quoting import quoted

KINDS = [
    item
    for item in vars(configurations).values()
    if isinstance(item, type)
    and dataclasses.is_dataclass(item)
    and item.__module__ == configurations.__name__
]
NEEDED: dict[type, dict[str, Any]] = {
    SourceConfig: {"name": "demo"},
    EvaluationConfig: {"name": "e", "source": {"name": "demo"}},
    Tier: {"name": "t", "languages": ["en"]},
}
FIELDS = [(kind, item.name) for kind in KINDS for item in dataclasses.fields(kind)]


def deep(levels: int = 3000) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def deep_table(levels: int = 3000) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


HOSTILE = {
    "deep list": deep(),
    "deep table": deep_table(),
    "5000 digits": 10**5000,
    "minus 5000 digits": -(10**5000),
    "long text": "x" * 10_000,
    "object": object(),
    "bytes": b"abc",
    "nan": math.nan,
    "infinity": math.inf,
    "complex": 1j,
    "table": {"no such key": 1},
    "list of tables": [{"no such key": 1}],
    "set": {1},
    "surrogate": "\ud800",
    "type": int,
    "array": np.zeros((2, 2)),
}


def of(hint: Any) -> tuple[Any, ...]:
    """The members of a union, without None."""
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(one for one in get_args(hint) if one is not type(None))
    return (hint,)


def wrong(hint: Any) -> list[Any]:
    """Values that a field of a type can never take."""
    kinds = of(hint)
    found: list[Any] = [object(), b"abc", 1j, {1}]
    plain = {get_origin(one) or one for one in kinds}
    if tuple in plain:
        found += ["text", 3, True, {"a": 1}, [deep()]]
    elif dict in plain or any(dataclasses.is_dataclass(one) for one in kinds):
        found += [True, [1], {"a": "b"}, {"a": deep()}]
    elif plain <= {int, float}:
        found += [
            True,
            False,
            "3",
            [3],
            {"a": 3},
            math.nan,
            math.inf,
            -math.inf,
            "x" * 10_000,
            np.bool_(True),
        ]
        found += [1.5, 3.0, 10**5000, -(10**5000), np.float32(2)] if plain == {int} else []
    elif plain == {str} or plain == {Path} or Literal in plain:
        found += [3, 1.5, True, ["a"], {"a": 1}] + ([""] if plain != {str} else [])
    elif plain == {bool}:
        found += [0, 1, "true", "yes", [True]]
    return found if type(None) in get_args(hint) else [*found, None]


def refused(kind: type, mapping: dict[str, Any], name: str) -> str:
    with pytest.raises(ConfigError) as found:
        from_mapping(kind, mapping)
    message = str(found.value)
    assert message.startswith(name), message
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_values_of_another_type_are_named(kind, name):
    for value in wrong(field_hints(kind)[name]):
        mapping = {**NEEDED.get(kind, {}), name: value}
        refused(kind, mapping, name)
        with pytest.raises(ConfigError, match=f"^{name}"):
            kind(**{**from_needed(kind), name: value})


def from_needed(kind: type) -> dict[str, Any]:
    made = from_mapping(kind, NEEDED[kind]) if kind in NEEDED else kind()
    return {item.name: getattr(made, item.name) for item in dataclasses.fields(kind)}


def made_or_refused(make) -> Any:
    """A configuration, or the sentence that refuses it; any other error goes through."""
    try:
        return make()
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_value_gets_past_with_anything_but_a_sentence(name):
    for kind, field in FIELDS:
        given = {field: HOSTILE[name]}
        for found in (
            made_or_refused(
                lambda kind=kind, given=given: from_mapping(kind, {**NEEDED.get(kind, {}), **given})
            ),
            made_or_refused(lambda kind=kind, given=given: kind(**{**from_needed(kind), **given})),
        ):
            if isinstance(found, str):
                assert "\n" not in found
                assert len(found) < 400
                assert found.startswith(field)
            else:
                json.dumps(to_mapping(found))
                assert digest(found)


RANGES = [
    (TrainConfig, "threads", [0, -3, 10**9]),
    (TrainConfig, "steps", [-1, 2**40]),
    (TrainConfig, "learning_rate", [0, 0.0, -1e-5]),
    (TrainConfig, "warmup_steps", [-5]),
    (TrainConfig, "weight_decay", [-1, -1e-9]),
    (TrainConfig, "seed", [-1, 2**64]),
    (TrainConfig, "checkpoint_every", [-2]),
    (TrainConfig, "workers", [-1, 10**6]),
    (TrainConfig, "evaluate_at", [[-1], [0, 1001]]),
    (TrainConfig, "hold_out", [[""], ["en", " "]]),
    (TrainConfig, "schedule", ["cosine", "Linear"]),
    (SamplerConfig, "batch_size", [0, -1, 2**31]),
    (SamplerConfig, "mono_ratio", [-0.1, 1.01, 2, ""]),
    (SamplerConfig, "language_weights", ["", {}, {"en": -1}, {"en": math.nan}]),
    (SamplerConfig, "guard", [["groups"], "group"]),
    (SamplerConfig, "identities", [[], ["texts"]]),
    (SamplerConfig, "negatives_per_query", [0, -1]),
    (LossConfig, "temperature", [0, -0.03]),
    (EncoderConfig, "max_query_length", [0, -64]),
    (EncoderConfig, "max_passage_length", [0, 2**31]),
    (EncoderConfig, "freeze_layers", [-1]),
    (EncoderConfig, "model", ["", "  "]),
    (ControllerConfig, "floor", [-0.1, 0.5, 1]),
    (ControllerConfig, "rate", [0, -1]),
    (ControllerConfig, "window", [0]),
    (SourceConfig, "name", [""]),
    (SourceConfig, "groups", [0, -1]),
    (EvaluationConfig, "settings", [[], ["mono"]]),
    (EvaluationConfig, "measures", [[], [""]]),
    (EvaluationConfig, "sample", [0]),
    (Tier, "languages", [[]]),
    (SweepConfig, "ratios", [[], [0.5, 2], [-1]]),
    (SweepConfig, "seeds", [[], [-1], [2**64]]),
    (SweepConfig, "learning_rates", [[0], [1e-5, -1]]),
    (SweepConfig, "jobs", [0, -1]),
]


@pytest.mark.parametrize(("kind", "name", "values"), RANGES, ids=[f"{k.__name__}.{n}" for k, n, _ in RANGES])
def test_values_out_of_range_are_named(kind, name, values):
    for value in values:
        message = refused(kind, {**NEEDED.get(kind, {}), name: value}, name)
        assert "expected" in message


def test_the_place_is_the_whole_way_to_the_field():
    nested = {"train": {"sampler": {"batch_size": 0}}}
    assert refused(SweepConfig, nested, "train.") == "train.sampler.batch_size is 0, expected 1 or more"
    sets = {"train": {"evaluations": [NEEDED[EvaluationConfig], {"name": "b", "source": {"name": ""}}]}}
    assert refused(SweepConfig, sets, "train.").startswith("train.evaluations[1].source.name is ''")
    assert refused(TrainConfig, {"sources": [{}]}, "s") == "sources[0].name is missing"
    assert refused(SweepConfig, {"train": {"stepz": 1}}, "t").endswith("did you mean steps?")


def test_dashes_are_underscores_once():
    assert from_mapping(TrainConfig, {"hold-out": ["sw"]}).hold_out == ("sw",)
    refused(TrainConfig, {"hold-out": ["sw"], "hold_out": ["yo"]}, "hold_out is given twice")


def test_what_python_gives_becomes_what_the_annotation_says():
    made = TrainConfig(
        sources=[SourceConfig(name="table", path="data", languages=["en"])],
        steps=np.int64(7),
        learning_rate=np.float32(0.5),
        seed=np.uint64(2**63),
    )
    assert made.sources[0].path == Path("data")
    assert made.sources[0].languages == ("en",)
    assert (type(made.steps), type(made.learning_rate), made.seed) == (int, float, 2**63)
    assert from_mapping(TrainConfig, json.loads(json.dumps(to_mapping(made)))) == made


def test_a_digest_stays_what_it_was():
    # Whole numbers in a configuration made in Python name the same run folders as ever.
    assert to_mapping(TrainConfig(learning_rate=1))["learning_rate"] == 1
    assert isinstance(TrainConfig(learning_rate=1).learning_rate, int)
    assert digest(TrainConfig(encoder=EncoderConfig(model="m"), weight_decay=0)) == digest(
        dataclasses.replace(TrainConfig(encoder=EncoderConfig(model="m")), weight_decay=0)
    )
    assert from_mapping(TrainConfig, {"learning_rate": 1}).learning_rate == 1.0
    assert isinstance(from_mapping(TrainConfig, {"learning_rate": 1}).learning_rate, float)
    assert from_mapping(SamplerConfig, {"language_weights": {"en": 1}}).language_weights == {"en": 1}


def test_errors_survive_another_process():
    import pickle

    error = pickle.loads(pickle.dumps(FieldError("a", "is 1").below("b")))
    assert (str(error), error.place) == ("b.a is 1", "b.a")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("short", "'short'"),
        ("y" * 61, f"'{'y' * 60}'… (61 characters)"),
        (10**19, "1" + "0" * 19),
        (-9 * 10**4999, "a number of about 5,000 digits"),
        (deep(), "a list of lists or tables"),
        ({f"k{n}": 1 for n in range(9)}, "a table with k0, k1, k2, k3, k4 and 4 more"),
        (Path("a/b"), "a/b"),
        ([1] * 1000, f"[{'1, ' * 19}1,… (3,000 characters)"),
    ],
    ids=range(8),
)
def test_values_are_quoted_in_part(value, shown):
    found = quoted(value)
    assert found == shown or (len(found) < 100 and shown[:20] == found[:20])


def test_the_nearest_name():
    assert nearest("stepz", ["steps", "seed"]) == "; did you mean steps?"
    assert nearest("rr@10", ["RR@10"]) == "; did you mean RR@10?"
    assert nearest("xyz", ["steps"]) == ""
    assert nearest("s" * 10**6, ["steps"]) == ""


def test_unions_take_what_fits():
    assert conform(float | str, 1, "x") == 1.0
    assert conform(float | str, "a", "x") == "a"
    assert conform(int | None, None, "x") is None
    with pytest.raises(FieldError, match=r"^x is \[1\], expected a number or a text$"):
        conform(float | str, [1], "x")
