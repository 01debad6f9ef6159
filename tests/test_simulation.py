"""What ``simulate`` and ``exposure`` count, against counts made the plain way."""

from __future__ import annotations

import json
import re
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InfeasiblePlan, InvalidArgument
from simulation_reference import count, digest, walk
from test_sampler import GUARD, full, full_table, index_of, tables


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_simulation_is_what_plain_counting_finds(data):
    table = data.draw(tables())
    epoch = data.draw(st.integers(0, 3))
    total = data.draw(st.integers(1, 45))
    guard = data.draw(st.sampled_from([GUARD, ("query", "passage"), ("group",), ()]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sampler = hf.HybridBatchSampler(
                index_of(table),
                data.draw(st.integers(1, 4)),
                data.draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
                mixing=data.draw(st.sampled_from(["exact", "coupled", "bernoulli"])),
                unit=data.draw(st.sampled_from(["batch", "row"])),
                cross=data.draw(st.sampled_from(["mixed", "homogeneous"])),
                language_weights=data.draw(st.sampled_from(["uniform", 0.5, "capped:2"])),
                guard=guard,
                batches_per_epoch=20,
            )
        except InfeasiblePlan:
            return
    sampler.set_epoch(epoch)
    try:
        expected = count(sampler, table, epoch, total)
    except InfeasiblePlan as error:
        with pytest.raises(InfeasiblePlan, match=re.escape(str(error))):
            hf.simulate(sampler, batches=total)
        return
    found = hf.simulate(sampler, batches=total)
    assert found.by_kind == expected["by_kind"]
    assert found.drift == pytest.approx(expected["drift"], abs=1e-9)
    assert found.language_drift == pytest.approx(expected["language_drift"], abs=1e-9)
    assert found.stratum_drift == pytest.approx(expected["stratum_drift"], abs=1e-9)
    assert found.strata.tolist() == expected["strata"]
    assert found.exposure.pairs.tolist() == expected["distinct"]
    assert found.pairs == sum(map(sum, expected["distinct"]))
    assert found.exposure.query_groups.tolist() == expected["query_groups"]
    assert found.exposure.passage_groups.tolist() == expected["passage_groups"]
    assert found.duplicates == sum(expected["twice"][name] for name in guard)
    assert found.unguarded == {name: expected["twice"][name] for name in GUARD if name not in guard}
    assert found.duplicates == 0


def test_a_schedule_is_followed_and_shown():
    index = full(3, 60)
    sampler = hf.HybridBatchSampler(index, 4, "linear:1..0:300", batches_per_epoch=200)
    found = hf.simulate(sampler, batches=400)
    kinds = np.concatenate([batches.is_mono for batches in walk(sampler, 0, 400)])
    # ∫α of 1 − n / 300, then 0; batch by batch.
    alpha = np.array([Fraction(max(0, 599 - 2 * n), 600) for n in range(400)])
    drift = 0
    for epoch in (slice(0, 200), slice(200, 400)):
        counts = np.cumsum(kinds[epoch].astype(int)) - np.cumsum(alpha[epoch])
        drift = max(drift, np.abs(counts).max())
    assert found.drift == pytest.approx(float(drift), abs=1e-9)
    assert found.drift <= 1
    assert found.mono_ratio == pytest.approx(150 / 400)
    np.testing.assert_allclose(found.mix.asked, [float(alpha[:n].sum()) for n in found.mix.at], atol=1e-9)
    assert found.by_kind["monolingual"] == kinds.sum()


def test_a_changed_ratio_is_what_is_asked_from_there_on():
    sampler = hf.HybridBatchSampler(full(3, 60), 4, 0.25, batches_per_epoch=100)
    for _ in zip(range(40), sampler, strict=False):
        pass
    at = sampler.set_mono_ratio(1.0)
    found = hf.simulate(sampler)
    assert found.mix.asked[-1] == pytest.approx(0.25 * at + (100 - at))
    assert found.by_kind["monolingual"] in (round(0.25 * at) + 100 - at, round(0.25 * at) + 99 - at)
    assert hf.exposure(sampler).batches == 40


def test_batches_guarded_together_are_counted_together():
    index = full(2, 40)
    guarded = hf.HybridBatchSampler(
        index, 4, scope="rank", guard_window=4, world_size=2, batches_per_epoch=40
    )
    found = hf.simulate(guarded)
    assert found.batches == guarded.global_batches == 2 * len(guarded)
    assert found.duplicates == 0
    loose = hf.HybridBatchSampler(index, 4, scope="rank", guard_window=4, guard=(), batches_per_epoch=40)
    repeated = hf.simulate(loose).unguarded["group"]
    groups = np.concatenate([loose.batches(0, 40).group]).reshape(10, 16)
    assert repeated == sum(16 - len(set(window)) for window in groups.tolist()) > 0
    next(iter(guarded))
    assert hf.exposure(guarded).batches == 2


def test_the_digest_is_the_documented_one():
    xxhash = pytest.importorskip("xxhash")
    table = full_table(3, 30, shared=2, step=4)
    for unit in ("batch", "row"):
        sampler = hf.HybridBatchSampler(index_of(table), 5, 0.4, unit=unit, seed=3)
        sampler.set_epoch(2)
        total = len(sampler) + 4
        expected = digest(sampler, 2, total, xxhash.xxh3_128_digest)
        assert hf.simulate(sampler, batches=total).digest == expected


def test_threads_change_nothing():
    # Enough work that more than one thread is started.
    sampler = hf.HybridBatchSampler(full(4, 300), 64, 0.4, batches_per_epoch=5000)
    one, three = (hf.simulate(sampler, threads=threads) for threads in (1, 3))
    assert json.dumps(one.to_mapping()) == json.dumps(three.to_mapping())
    assert one.language_drift < 1
    assert one.stratum_drift < 1


def test_the_mix_over_time():
    sampler = hf.HybridBatchSampler(full(3, 50), 5, 0.25, mixing="bernoulli", batches_per_epoch=2000)
    found = hf.simulate(sampler, batches=5000)
    kinds = np.concatenate([batches.is_mono for batches in walk(sampler, 0, 5000)])
    mix = found.mix
    assert mix.at.tolist() == list(range(0, 5001, 5))
    assert mix.monolingual.tolist() == [0, *np.add.reduceat(kinds, mix.at[:-1]).cumsum().tolist()]
    np.testing.assert_allclose(mix.asked, 0.25 * mix.at)
    share, asked = mix.shares(40)
    np.testing.assert_allclose(share, kinds.reshape(40, 125).mean(axis=1))
    np.testing.assert_allclose(asked, 0.25)
    share, _ = mix.shares(7)
    assert len(share) == 7
    few = hf.simulate(sampler, batches=3).mix
    assert few.at.tolist() == [0, 1, 2, 3]
    assert few.shares(100)[0].tolist() == kinds[:3].tolist()


def test_the_ledger_of_a_run():
    table = full_table(3, 40)
    sampler = hf.HybridBatchSampler(index_of(table), 4, 0.5)
    assert hf.exposure(sampler).rows == 0
    handed = [pair for _, pair in zip(range(7), sampler, strict=False)]
    ledger = hf.exposure(sampler)
    assert ledger.batches == 7
    strata = np.zeros((3, 3), int)
    _, _, _, asked, answered = sampler.index.pairs(np.concatenate(handed))
    np.add.at(strata, (asked, answered), 1)
    assert (ledger.strata == strata).all()
    assert (ledger.monolingual_rows == strata.diagonal()).all()
    # The next epoch's ledger holds the first one too.
    sampler.set_epoch(1)
    for _ in zip(range(2), sampler, strict=False):
        pass
    total = len(sampler) + 2
    ledger = hf.exposure(sampler)
    assert ledger.batches == total
    assert sampler.epoch == 1
    assert sampler.state_dict()["batch"] == 2
    expected = count(sampler, table, 0, total)
    assert ledger.strata.tolist() == expected["strata"]
    assert ledger.query_groups.tolist() == expected["query_groups"]
    np.testing.assert_allclose(ledger.passes, np.array(expected["strata"]) / 40)


def test_the_ledger_as_json_and_as_text():
    index = hf.PairIndex.from_columns(
        [0, 0, 1, 1, 2, 2], [0, 1] * 3, [0, 1, 2, 3, 4, 5], [0, -1, 2, -1, 4, -1], languages=["de", "en"]
    )
    sampler = hf.HybridBatchSampler(index, 1, 0.5, batches_per_epoch=12)
    ledger = hf.exposure(sampler, 12)
    plain = json.loads(json.dumps(ledger.to_mapping()))
    assert plain == {
        "batches": 12,
        "rows": {"monolingual": 6, "cross-lingual": 6},
        "languages": {
            "de": {
                "query_rows": 6,
                "passage_rows": 12,
                "monolingual_rows": 6,
                "query_groups": 3,
                "passage_groups": 3,
                "all_query_groups": 3,
                "all_passage_groups": 3,
            },
            "en": {
                "query_rows": 6,
                "passage_rows": 0,
                "monolingual_rows": 0,
                "query_groups": 3,
                "passage_groups": 0,
                "all_query_groups": 3,
                "all_passage_groups": 0,
            },
        },
        "strata": {
            "de→de": {"rows": 6, "pairs": 3, "available": 3, "passes": 2.0},
            "en→de": {"rows": 6, "pairs": 3, "available": 3, "passes": 2.0},
        },
    }
    text = str(ledger).splitlines()
    assert text[1].split() == ["de", "6", "12", "6", "3", "3", "2.00"]
    assert text[2].split() == ["en", "6", "0", "0", "3", "0", "-"]


def test_coverage_counts_every_query_of_a_language():
    # Group 2 has a query in l1 that no passage answers: it can never come.
    index = hf.PairIndex.from_columns(
        [0, 0, 1, 1, 2], [0, 1, 0, 1, 1], [0, 1, 2, 3, 4], [0, 1, 2, 3, -1], languages=["l0", "l1"]
    )
    found = hf.simulate(hf.HybridBatchSampler(index, 1, 0.5, batches_per_epoch=40))
    assert found.coverage == {"l0": 1.0, "l1": pytest.approx(2 / 3)}


def test_progress_and_its_exceptions():
    sampler = hf.HybridBatchSampler(full(3, 50), 5, batches_per_epoch=100)
    seen = []
    hf.simulate(sampler, batches=40_000, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40_000, 40_000)
    assert seen == sorted(seen)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hf.simulate(sampler, progress=stop)


def test_bad_arguments_are_named():
    sampler = hf.HybridBatchSampler(full(2, 20), 2)
    for arguments in ({"batches": 0}, {"threads": 0}):
        with pytest.raises(InvalidArgument, match=f"{next(iter(arguments))} is 0"):
            hf.simulate(sampler, **arguments)
    with pytest.raises(InvalidArgument, match="batches is -1"):
        hf.exposure(sampler, -1)
    with pytest.raises(TypeError, match="batches"):
        hf.exposure(sampler, 1.5)
