"""Changes of α on the way, for any configuration: what was handed out stays, nothing is lost or twice."""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InfeasiblePlan, InvalidArgument
from parallel_index import parallel

pytestmark = pytest.mark.filterwarnings("ignore:.*identity.*rows in")

OPTIONS = st.fixed_dictionaries(
    {
        "batch_size": st.sampled_from([1, 2, 3, 4, 8]),
        "mono_ratio": st.sampled_from(
            [0.0, 1.0, 0.5, 0.3, "linear:0..1", "linear:1..0:40", "piecewise:0=1,5=0.3", "cosine:0.9..0"]
        ),
        "guard_window": st.sampled_from([None, 1, 2, 4]),
        "mixing": st.sampled_from(["exact", "coupled", "bernoulli"]),
        "unit": st.sampled_from(["batch", "row"]),
        "cross": st.sampled_from(["mixed", "homogeneous"]),
        "mono": st.sampled_from(["homogeneous", "xx-mixed"]),
        "batches_per_epoch": st.sampled_from([None, 20, 200]),
        "seed": st.integers(0, 2**40),
    }
)


def made(index, options):
    scope = "step" if options["guard_window"] is None else "rank"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hf.HybridBatchSampler(index, scope=scope, **options)


@st.composite
def corpora(draw):
    languages = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([8, 12, 16, 40, 120]))
    shared = draw(st.sampled_from([1, 1, 2, 3]))
    hub = draw(st.sampled_from([0, 0, 0, groups // 4]))
    if hub:
        group = np.arange(groups * languages) // languages
        return parallel(languages, groups, passage_identity=np.where(group < hub, 0, group))
    return parallel(languages, groups, shared=shared)


def check_passes(sampler, drawn):
    """No pair comes twice within a pass, where all rows of it could be placed."""
    if sampler._plan.frequent() or hf.simulate(sampler).not_placed:
        return
    strata = defaultdict(list)
    for pair in itertools.chain.from_iterable(drawn):
        columns = sampler.index.pairs(np.array([pair]))
        strata[int(columns[3][0]), int(columns[4][0])].append(pair)
    for (query, passage), pairs in strata.items():
        length = int(sampler.index.strata[query, passage])
        holds = sampler.mono if query == passage else sampler.cross
        if sampler.guard_window == 1 and sampler.unit == "batch" and holds == "homogeneous":
            length = length // sampler.batch_size * sampler.batch_size
        for start in range(0, len(pairs), length):
            part = pairs[start : start + length]
            assert len(set(part)) == len(part), (query, passage)


@settings(max_examples=250, deadline=None)
@given(
    corpora(),
    OPTIONS,
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])), min_size=1, max_size=3),
    st.integers(0, 2),
)
def test_what_was_handed_out_stays(index, options, steps, epoch):
    try:
        sampler = made(index, options)
    except InfeasiblePlan:
        assume(False)
    sampler.set_epoch(epoch)
    plain = list(sampler)
    walk, out = iter(sampler), []
    for share, ratio in steps:
        out.extend(itertools.islice(walk, int(share * (len(sampler) - len(out)))))
        if len(out) == len(sampler):
            break
        try:
            at = sampler.set_mono_ratio(ratio)
        except (InfeasiblePlan, InvalidArgument):
            continue
        assert at >= epoch * len(sampler) + len(out)
        assert sampler.batches(0, len(out)).passage.tolist() == [
            index.pairs(np.array(batch))[2].tolist() for batch in out
        ]
    first = min((at for at, _ in sampler.changes), default=10**9) - epoch * len(sampler)
    out.extend(walk)
    assert len(out) == len(sampler)
    assert out[:first] == plain[:first]
    check_passes(sampler, out)
    again = made(index, options)
    again.load_state_dict(sampler.state_dict() | {"batch": 0})
    assert list(again) == out


@pytest.mark.parametrize("start", [0.0, 1.0])
@pytest.mark.parametrize("unit", ["batch", "row"])
@pytest.mark.parametrize("window", [2, 3, 6])
def test_the_kind_that_joins_leaves_the_other_alone(start, unit, window):
    """Both kinds at once would be too much for the groups, which must not thin the kind that was there."""
    index = parallel(2, 24)
    options = {"guard_window": window, "scope": "rank", "unit": unit, "batches_per_epoch": 24}
    sampler = hf.HybridBatchSampler(index, 4, start, **options)
    head = list(itertools.islice(iter(sampler), 5))
    before = list(sampler)
    sampler.set_mono_ratio(1 - start)
    assert list(sampler) == before
    assert before[:5] == head
    sampler.set_epoch(1)
    columns = sampler.batches(0, len(sampler))
    assert (columns.query_language != columns.passage_language).all() == (start == 1.0)


def test_a_frequent_identity_does_not_forbid_the_kind_that_joins():
    group = np.arange(180) // 3
    index = parallel(3, 60, passage_identity=np.where(group < 25, 0, group))
    with pytest.warns(UserWarning, match="passage identity 0"):
        sampler = hf.HybridBatchSampler(index, 6, 1.0, unit="row", batches_per_epoch=400)
    before = list(sampler)
    list(itertools.islice(iter(sampler), 3))
    at = sampler.set_mono_ratio(0.4)
    after = list(sampler)
    assert at == 400 or after[:at] == before[:at] != before
    sampler.set_epoch(1)
    drawn = sampler.batches(0, 400)
    assert abs(drawn.is_mono.mean() - 0.4) < 0.001
    heavy = (drawn.group < 25).sum(axis=1)
    assert heavy.max() == 1


@pytest.mark.parametrize("slope", ["linear:1..0:400", "linear:0..1:100", "linear:0.25..0.75:128"])
@pytest.mark.parametrize("mixing", ["exact", "coupled"])
@pytest.mark.parametrize("unit", ["batch", "row"])
def test_a_slope_that_is_cut_has_its_ties_where_they_were(slope, mixing, unit):
    for seed in range(40):
        options = {"mixing": mixing, "unit": unit, "batches_per_epoch": 400, "seed": seed}
        sampler = hf.HybridBatchSampler(parallel(2, 30), 1, slope, **options)
        list(itertools.islice(iter(sampler), 57 + seed))
        before = sampler.batches(0, 57 + seed)
        sampler.set_mono_ratio(0.3)
        after = sampler.batches(0, 57 + seed)
        np.testing.assert_array_equal(after.is_mono, before.is_mono)
        np.testing.assert_array_equal(after.passage, before.passage)


def by_kind(index, ratio, **options):
    """Batches of each kind, one after the other."""
    columns = made(index, {"mono_ratio": ratio, "batch_size": 4, **options})
    drawn = columns.batches(0, len(columns))
    both = drawn.is_mono, ~drawn.is_mono
    languages = np.stack([drawn.query_language, drawn.passage_language], axis=-1)
    return [(drawn.query[kind], drawn.passage[kind], languages[kind]) for kind in both]


def assert_alike(first, second, columns=slice(None)):
    for one, other in zip(first, second, strict=True):
        both = min(len(one[0]), len(other[0]))
        for column, again in zip(one[columns], other[columns], strict=True):
            np.testing.assert_array_equal(column[:both], again[:both])


@pytest.mark.parametrize("mono", ["homogeneous", "xx-mixed"])
@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
@pytest.mark.parametrize("shared", [1, 3])
def test_the_jth_batch_of_a_kind_is_the_same_whatever_the_ratio(mono, cross, shared):
    index = parallel(4, 90, shared=shared)
    options = {"mono": mono, "cross": cross, "mixing": "coupled", "guard_window": None}
    plans = [by_kind(index, ratio, batches_per_epoch=2400, **options) for ratio in (0.0, 0.4, 0.9, 1.0)]
    for first, second in itertools.combinations(plans, 2):
        assert_alike(first, second)


@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
@pytest.mark.parametrize("window", [2, 4])
def test_in_windows_the_jth_batch_of_a_kind_has_the_same_languages(cross, window):
    """Kinds that are guarded together cannot keep their rows whatever the ratio, but keep their languages;
    without a guard they keep their rows too."""
    index = parallel(3, 60, shared=2)
    options = {"cross": cross, "mixing": "coupled", "guard_window": window, "batches_per_epoch": 600}
    guarded = [by_kind(index, ratio, **options) for ratio in (0.0, 0.3, 0.5, 1.0)]
    free = [by_kind(index, ratio, guard=(), **options) for ratio in (0.0, 0.3, 0.5, 1.0)]
    for first, second in itertools.combinations(guarded, 2):
        assert_alike(first, second, slice(2, None))
    for first, second in itertools.combinations(free, 2):
        assert_alike(first, second)
