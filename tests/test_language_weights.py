"""Language weights: UniMax and matched exposure against brute force, and what a run then draws."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument
from hybrid_fast.sampler.capped_epochs import capped_rows
from hybrid_fast.sampler.exposure_matching import matched_weights
from hybrid_fast.sampler.weights import parse_weights


def index_of(present, groups=60):
    """An index in which language l has queries in ``present[l][0]`` and passages in ``present[l][1]``."""
    cells = [(g, n) for g in range(groups) for n in range(len(present))]
    rows = {side: [at if g in present[n][side] else -1 for at, (g, n) in enumerate(cells)] for side in (0, 1)}
    return hf.PairIndex.from_columns(
        [g for g, _ in cells],
        [n for _, n in cells],
        rows[0],
        rows[1],
        languages=[f"l{n}" for n in range(len(present))],
    )


def sized(*sizes):
    return index_of([(range(size), range(size)) for size in sizes], max(sizes))


def unimax(sizes, budget, epochs):
    """Raise the level of all languages together until the budget is spent: the definition."""
    caps = {n: Fraction(epochs) * size for n, size in enumerate(sizes) if size}
    spent, level, open_ = Fraction(0), Fraction(0), set(caps)
    while open_ and spent < budget:
        step = min(min(caps[n] for n in open_) - level, (budget - spent) / len(open_))
        level += step
        spent += step * len(open_)
        open_ = {n for n in open_ if caps[n] > level}
    return [float(min(level, caps[n])) if n in caps else 0.0 for n in range(len(sizes))]


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=8),
    st.integers(1, 5000),
    st.integers(1, 12).map(lambda n: n / 2),
)
def test_capped_rows_are_the_water_level(sizes, budget, epochs):
    np.testing.assert_allclose(capped_rows(sizes, budget, epochs), unimax(sizes, budget, epochs), rtol=1e-9)


def test_unimax_by_hand():
    # 100 rows over sizes 5, 20, 100, at most 2 epochs: 10, then min(90 / 2, 40) = 40, then 50.
    assert capped_rows([100, 5, 20], 100, 2).tolist() == [50, 10, 40]


def test_capped_epochs_hold_in_monolingual_batches():
    index = sized(20, 60, 400)
    sampler = hf.HybridBatchSampler(
        index, 4, 1.0, language_weights=hf.CappedEpochs(epochs=3, rows=480), batches_per_epoch=120
    )
    found = hf.simulate(sampler)
    assert found.query_rows == {"l0": 60, "l1": 180, "l2": 240}
    as_text = hf.HybridBatchSampler(index, 4, 1.0, language_weights="capped:3:480", batches_per_epoch=120)
    assert hf.simulate(as_text).digest == found.digest
    by_epoch = hf.HybridBatchSampler(index, 4, 1.0, language_weights="capped:3", batches_per_epoch=120)
    assert hf.simulate(by_epoch).digest == found.digest
    # The default epoch is all 480 rows; one epoch each is then proportional to size.
    whole = hf.simulate(hf.HybridBatchSampler(index, 4, 1.0, language_weights="capped:1"))
    assert whole.query_rows == {"l0": 20, "l1": 60, "l2": 400}


def test_a_language_without_monolingual_pairs_counts_by_its_queries():
    present = [(range(60), range(60)), (range(30), range(0)), (range(10), range(10))]
    index = index_of(present)
    capped = hf.HybridBatchSampler(index, 2, 0.0, language_weights="capped:1:1000", batches_per_epoch=300)
    explicit = hf.HybridBatchSampler(index, 2, 0.0, language_weights=[60, 30, 10], batches_per_epoch=300)
    power = hf.HybridBatchSampler(index, 2, 0.0, language_weights=1.0, batches_per_epoch=300)
    assert hf.simulate(capped).digest == hf.simulate(explicit).digest == hf.simulate(power).digest


def exposure(there, ratio, mono):
    """Rows per language over both sides, as a share of all sides; strata one after the other."""
    count = len(there)
    cross = [(a, b) for a in range(count) for b in range(count) if a != b and there[a][b]]
    sides = [0.0] * count
    for a, b in cross:
        sides[a] += (1 - ratio) / len(cross)
        sides[b] += (1 - ratio) / len(cross)
    return [side + 2 * ratio * share for side, share in zip(sides, mono, strict=True)]


@settings(max_examples=300)
@given(st.data())
def test_matched_exposure_is_that_of_the_reference(data):
    count = data.draw(st.integers(2, 6))
    there = data.draw(
        st.lists(st.lists(st.booleans(), min_size=count, max_size=count), min_size=count, max_size=count)
    )
    ratio = data.draw(st.sampled_from([0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.9, 1.0]))
    reference = data.draw(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]))
    alone = [there[n][n] for n in range(count)]
    if not any(alone) or not any(there[a][b] for a in range(count) for b in range(count) if a != b):
        return
    names = [f"l{n}" for n in range(count)]
    uniform = [one / sum(alone) for one in alone]
    asked = exposure(there, reference, uniform)
    fixed = exposure(there, ratio, [0.0] * count)
    needed = [target - have for target, have in zip(asked, fixed, strict=True)]
    possible = all(need > -1e-9 and (there[n][n] or need < 1e-9) for n, need in enumerate(needed))
    strata = np.array(there, dtype=np.int64) * 7
    if not possible:
        with pytest.raises(InvalidArgument, match=r"l\d") as raised:
            matched_weights(strata, names, ratio, reference)
        named = [n for n in range(count) if f" {names[n]}" in str(raised.value)]
        assert any(needed[n] < 0 or not there[n][n] for n in named)
        return
    found = matched_weights(strata, names, ratio, reference)
    np.testing.assert_allclose(exposure(there, ratio, found or uniform), asked, atol=1e-9)
    assert all(weight == 0 for weight, one in zip(found or uniform, alone, strict=True) if not one)


def uneven():
    """Four languages; l3 asks and answers only with l0, so it has few cross-lingual strata."""
    half = range(30)
    return index_of([(range(60), range(60)), (half, half), (half, half), (range(50, 60), range(50, 60))])


@pytest.mark.parametrize("unit", ["batch", "row"])
@pytest.mark.parametrize("ratio", [0.35, 0.5, 0.75, 1.0])
def test_a_matched_run_draws_what_the_reference_draws(ratio, unit):
    index = uneven()
    size, batches = 2, 6000

    def both_sides(sampler):
        found = hf.simulate(sampler)
        return np.array([found.query_rows[name] + found.passage_rows[name] for name in index.languages])

    def sampler(mono_ratio, weights):
        return hf.HybridBatchSampler(
            index, size, mono_ratio, unit=unit, language_weights=weights, batches_per_epoch=batches
        )

    reference = both_sides(sampler(0.5, "uniform"))
    matched = both_sides(sampler(ratio, "exposure-matched"))
    # Each lane is within one turn of its share, and the ratio within one more.
    assert np.abs(matched - reference).max() <= 8 * size
    if ratio != 0.5:
        assert np.abs(both_sides(sampler(ratio, "uniform")) - reference).max() > 50 * size
    assert (both_sides(sampler(ratio, hf.ExposureMatched(0.5))) == matched).all()


def test_the_smallest_ratio_that_is_named_works():
    index = uneven()
    with pytest.raises(
        InvalidArgument, match=r"negative weight for l0.*take mono_ratio ([\d.]+) or more"
    ) as raised:
        hf.HybridBatchSampler(index, 2, 0.0, language_weights="exposure-matched")
    least = float(str(raised.value).split("take mono_ratio ")[1].split()[0])
    hf.HybridBatchSampler(index, 2, least, language_weights="exposure-matched")
    with pytest.raises(InvalidArgument, match="negative weight"):
        hf.HybridBatchSampler(index, 2, least - 0.002, language_weights="exposure-matched")


def test_monolingual_rows_that_do_not_exist_are_named():
    index = index_of([(range(60), range(60)), (range(60), range(60)), (range(60), range(0))])
    with pytest.raises(InvalidArgument, match="l2, which has no monolingual pair"):
        hf.HybridBatchSampler(index, 2, 0.75, language_weights="exposure-matched")


def test_weights_that_differ_for_monolingual_batches_reach_the_plan():
    sampler = hf.HybridBatchSampler(uneven(), 2, 0.75, language_weights="exposure-matched:0.25")
    strata = {(query, passage): share for query, passage, _, share, _ in sampler._plan.shares()}
    alone = [strata[n, n] for n in range(4)]
    assert sum(alone) == pytest.approx(1)
    assert max(alone) - min(alone) > 0.1
    cross = {share for (query, passage), share in strata.items() if query != passage}
    assert max(cross) - min(cross) < 1e-12


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("uniform", None),
        ("0.3", 0.3),
        ("-1", -1.0),
        ("capped:4", hf.CappedEpochs(4)),
        ("capped:0.5:2000", hf.CappedEpochs(0.5, 2000)),
        ("exposure-matched", hf.ExposureMatched(0.5)),
        ("exposure-matched:0.25", hf.ExposureMatched(0.25)),
    ],
)
def test_text_forms(text, meaning):
    assert parse_weights(text) == meaning
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = hf.SamplerConfig(batch_size=2, language_weights=text)
        hf.HybridBatchSampler.from_config(sized(30, 30, 30), config, seed=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "even",
        "capped",
        "capped:x",
        "capped:1:2.5",
        "capped:1:2:3",
        "uniform:2",
        "0.3:1",
        "exposure-matched:",
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(InvalidArgument, match=r"language_weights is .* expected"):
        hf.HybridBatchSampler(sized(30, 30), 2, language_weights=text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("capped:0", "0.0 epochs, expected a number above 0"),
        ("capped:nan", "nan epochs"),
        ("capped:1:0", "0 rows, expected 1 or more"),
        ("exposure-matched:1.5", "reference mono_ratio is 1.5, expected a number from 0 to 1"),
    ],
)
def test_values_out_of_range_are_named(text, sentence):
    with pytest.raises(InvalidArgument, match=sentence):
        hf.HybridBatchSampler(sized(30, 30), 2, language_weights=text)


def test_something_else_is_a_type_error():
    with pytest.raises(TypeError, match="language_weights"):
        hf.HybridBatchSampler(sized(30, 30), 2, language_weights=object())
