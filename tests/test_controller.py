"""Controllers of the share of monolingual batches, on made-up learning curves and in a short training."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hybrid_fast as hf
import tiny_models
from hybrid_fast.config import (
    ControllerConfig,
    EncoderConfig,
    EvaluationConfig,
    SamplerConfig,
    SourceConfig,
    TrainConfig,
    from_mapping,
    to_mapping,
)
from hybrid_fast.errors import ConfigError, InvalidArgument, StateMismatch
from hybrid_fast.sampler.controller import Controller, GainController
from hybrid_fast.training import train
from hybrid_fast.training.records import read_rows
from hybrid_fast.training.steering import Steering

torch.set_num_threads(1)


class Learner:
    """Held-out quality that saturates with the batches of its own kind, and a little with the other's."""

    def __init__(self, fast: float, slow: float, transfer: float = 0.2) -> None:
        self.scales = (fast, slow)
        self.transfer = transfer
        self.seen = [0.0, 0.0]

    def train(self, batches: int, mono_ratio: float) -> None:
        self.seen[0] += batches * mono_ratio
        self.seen[1] += batches * (1 - mono_ratio)

    def quality(self) -> tuple[float, float]:
        mono, cross = self.seen
        used = (mono + self.transfer * cross, cross + self.transfer * mono)
        return tuple(1 - math.exp(-seen / scale) for seen, scale in zip(used, self.scales, strict=True))


def run(controller: Controller, learner: Learner, observations: int, every: int = 20) -> list[float]:
    """Train and observe by turns; return the shares proposed."""
    shares = []
    for number in range(observations):
        shares.append(controller.observe(number * every, *learner.quality()))
        learner.train(every, shares[-1])
    return shares


def test_the_kind_that_gains_more_gets_more_until_it_is_learned():
    shares = run(GainController(0.5), Learner(fast=100, slow=2000), 60)
    assert shares[0] == 0.5  # nothing gained yet
    assert shares[1] > shares[0]
    assert max(shares) > 0.8  # monolingual is learned first
    assert shares[-1] < 0.3  # then cross-lingual has more to gain
    mirrored = run(GainController(0.5), Learner(fast=2000, slow=100), 60)
    assert mirrored == pytest.approx([1 - share for share in shares])


def test_both_kinds_are_learned_no_later_than_with_a_poor_fixed_share():
    steered, fixed = Learner(fast=100, slow=600), Learner(fast=100, slow=600)
    run(GainController(0.9), steered, 40)
    fixed.train(40 * 20, 0.9)
    assert min(steered.quality()) > min(fixed.quality()) + 0.05


@given(
    floor=st.floats(0, 0.49),
    rate=st.floats(0.01, 20),
    window=st.integers(1, 5),
    start=st.floats(0, 1),
    qualities=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=12),
    stop=st.integers(0, 12),
)
def test_floors_hold_and_a_state_goes_on(floor, rate, window, start, qualities, stop):
    def make():
        return GainController(start, floor=floor, rate=rate, window=window)

    whole, first, second = make(), make(), make()
    shares = [whole.observe(3 * step, *quality) for step, quality in enumerate(qualities)]
    assert all(floor <= share <= 1 - floor for share in shares)
    before = [first.observe(3 * step, *quality) for step, quality in enumerate(qualities[:stop])]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.mono_ratio == first.mono_ratio
    after = [second.observe(3 * (len(before) + n), *quality) for n, quality in enumerate(qualities[stop:])]
    assert before + after == shares


def test_the_gain_is_that_of_a_step_and_of_no_scale():
    one, other = GainController(), GainController()
    for step, quality in ((0, (0.1, 0.1)), (10, (0.3, 0.2)), (40, (0.4, 0.5))):
        one.observe(step, *quality)
        other.observe(step * 7, *(1000 * value for value in quality))
        assert one.mono_ratio == pytest.approx(other.mono_ratio)
    still = GainController(0.3)
    still.observe(0, 0.5, 0.5)
    assert still.observe(9, 0.5, 0.5) == pytest.approx(0.3)


def test_refusals_of_the_controller():
    with pytest.raises(InvalidArgument, match="expected below"):
        GainController(floor=0.5)
    with pytest.raises(InvalidArgument, match="rate is 0"):
        GainController(rate=0)
    with pytest.raises(InvalidArgument, match="mono_ratio is 2"):
        GainController(2)
    controller = GainController()
    controller.observe(4, 0, 0)
    with pytest.raises(InvalidArgument, match="step 4 was observed after step 4"):
        controller.observe(4, 0, 0)
    with pytest.raises(InvalidArgument, match="expected finite"):
        controller.observe(5, math.nan, 0)
    with pytest.raises(StateMismatch):
        controller.load_state_dict({"weight": 1})


class Recording:
    """A sampler's ear for shares."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def set_mono_ratio(self, share: float) -> None:
        self.shares.append(share)


SOURCE = SourceConfig(name="demo", languages=("en", "de", "sw"))
WATCHED = EvaluationConfig(name="held-out", source=replace(SOURCE, articles="odd"), measures=("AP", "RR"))


def configuration(**changes) -> TrainConfig:
    parts = {
        "sources": (replace(SOURCE, articles="even"),),
        "evaluations": (WATCHED,),
        "sampler": SamplerConfig(batch_size=8, controller=ControllerConfig(rate=1.0)),
        "evaluate_at": (0, 4, 8, 12),
        "steps": 12,
        "learning_rate": 1e-3,
        "threads": 1,
    }
    return TrainConfig(**parts | changes)


def rows(monolingual: float, cross_lingual: float, **changes) -> list[dict]:
    plain = {"evaluation": "held-out", "scope": "sample", "measure": "AP"}
    return [
        {**plain, "setting": setting, "value": value + shift, **changes}
        for setting, value in (("monolingual", monolingual), ("cross-lingual", cross_lingual))
        for shift in (-0.1, 0.1)
    ]


def test_steering_sets_the_batches_to_come(tmp_path):
    config = configuration()
    sampler = Recording()
    steering = Steering(config, config.sampler.controller, sampler, tmp_path)
    noise = rows(9, 1, scope="full") + rows(9, 1, measure="RR") + rows(9, 1, evaluation="other")
    steering.after(0, noise + rows(0.2, 0.2))
    assert sampler.shares == []
    steering.after(4, noise + rows(0.3, 0.2))
    steering.after(8, rows(0.3, 0.4) + noise)
    assert len(sampler.shares) == 2
    assert sampler.shares[0] > 0.5 > sampler.shares[1] - 0.2
    again = Steering(config, config.sampler.controller, Recording(), tmp_path)
    again.load_state_dict(json.loads(json.dumps(steering.state_dict())))
    steering.after(12, rows(0.3, 0.4))
    again.after(12, rows(0.3, 0.4))
    assert len(sampler.shares) == 2  # after the last step there is nothing to come
    written = read_rows(tmp_path / "controller.jsonl")
    assert written[3] == written[4]
    assert [row["mono_ratio"] for row in written[1:3]] == sampler.shares
    assert written[1]["monolingual"] == pytest.approx(0.3)
    with pytest.raises(ConfigError, match="was not measured"):
        steering.after(16, noise)


def test_configurations_with_a_controller(tmp_path):
    config = configuration()
    assert from_mapping(TrainConfig, json.loads(json.dumps(to_mapping(config)))) == config

    def refused(match, **changes):
        with pytest.raises(ConfigError, match=match):
            train(configuration(**changes), tmp_path / "run", evaluate=lambda model, step: [])

    refused("needs workers = 0", workers=1)
    refused("but any is not configured", evaluations=())
    refused(
        "settings monolingual and cross-lingual", evaluations=(replace(WATCHED, settings=("monolingual",)),)
    )
    refused("measures RR", evaluations=(replace(WATCHED, measures=("RR",)),))
    other = SamplerConfig(controller=ControllerConfig(evaluation="another"))
    refused("'another' is not configured", sampler=other)
    with pytest.raises(ConfigError, match="no evaluate function"):
        train(config, tmp_path / "run")
    with pytest.raises(ConfigError, match="floor is"):
        ControllerConfig(floor=0.6)
    assert not (tmp_path / "run").exists()


def test_a_controlled_training_records_its_plan_and_goes_on_after_an_interruption(tmp_path):
    from hybrid_fast.evaluation.callback import make_callback

    corpus = hf.load_corpus("demo", languages=SOURCE.languages)
    bert = tiny_models.save_bert(
        tmp_path / "bert", [*corpus.queries.texts, *corpus.passages.texts], pooler=False
    )
    encoder = EncoderConfig(model=str(bert), max_query_length=24, max_passage_length=32)
    config = configuration(encoder=encoder, checkpoint_every=5)
    straight = train(config, tmp_path / "straight", evaluate=make_callback(config))
    written = read_rows(straight / "controller.jsonl")
    assert [row["step"] for row in written] == [0, 4, 8, 12]
    assert len({row["mono_ratio"] for row in written}) > 2
    plan = json.loads((straight / "plan.json").read_text())
    fixed = replace(config, sampler=replace(config.sampler, controller=None), checkpoint_every=0)
    unsteered = json.loads(
        (train(fixed, tmp_path / "fixed", evaluate=make_callback(fixed)) / "plan.json").read_text()
    )
    assert plan["digest"] != unsteered["digest"]
    assert sum(plan["batches"].values()) == 12

    class InterruptionError(Exception):
        pass

    def stop(done, total):
        if done == 11:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        train(config, tmp_path / "stopped", evaluate=make_callback(config), progress=stop)
    stopped = train(config, tmp_path / "stopped", evaluate=make_callback(config))
    for name in ("controller.jsonl", "plan.json"):
        assert (stopped / name).read_text() == (straight / name).read_text()
    losses = [[row["loss"] for row in read_rows(folder / "train.jsonl")] for folder in (straight, stopped)]
    assert losses[0] == losses[1]


def test_schedules_in_a_configuration():
    text = from_mapping(TrainConfig, {"sampler": {"mono_ratio": "linear:0.2..0.8"}})
    assert text.sampler.mono_ratio == "linear:0.2..0.8"
    assert from_mapping(TrainConfig, {"sampler": {"mono_ratio": 1}}).sampler.mono_ratio == 1.0
    with pytest.raises(ConfigError, match=r"^sampler\.mono_ratio is 1\.5, expected between 0 and 1$"):
        from_mapping(TrainConfig, {"sampler": {"mono_ratio": 1.5}})
    index = hf.PairIndex.from_corpus(hf.load_corpus("demo", languages=("en", "de", "sw")))
    sampler = hf.HybridBatchSampler.from_config(index, text.sampler, seed=1)
    mono = sampler.batches(0, len(sampler)).is_mono
    half = len(mono) // 2
    assert mono[:half].mean() == pytest.approx(0.35, abs=1 / half)
    assert mono[half:].mean() == pytest.approx(0.65, abs=1 / half)
    with pytest.raises(InvalidArgument, match="mono_ratio is 2"):
        hf.HybridBatchSampler.from_config(index, replace(text.sampler, mono_ratio="linear:2..3"), seed=1)
    with pytest.raises(ConfigError, match="starts from a number"):
        train(configuration(sampler=replace(configuration().sampler, mono_ratio="linear:0..1")), "nowhere")
