"""The guard over everything that a row of a data set brings to the loss."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentence_transformers.base.sampler import NoDuplicatesBatchSampler

import hybrid_fast as hf
from hybrid_fast.errors import ConfigError, InfeasiblePlan, InvalidArgument
from hybrid_fast.training import batch_sampler_for
from hybrid_fast.training.rows import RowColumns, index_of_rows

QUICK = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
HIDDEN = ("asked", "told")


def shown(rows, *, hidden=HIDDEN):
    dataset = Dataset.from_list(rows)
    return dataset.with_format(columns=[name for name in dataset.column_names if name not in hidden])


def batches_of(dataset, size, *, epochs=2, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = batch_sampler_for(query_language="asked", passage_language="told", **options)(dataset, size)
    drawn = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        drawn += list(sampler)
    return drawn


def values(row):
    """What the loss sees of a row, as NoDuplicatesBatchSampler writes values, and the elements of lists."""
    found = set()
    for name, value in row.items():
        if name not in HIDDEN:
            found.update(map(str, value) if isinstance(value, list) else [str(value)])
    return found


def check_apart(rows, batches):
    for batch in batches:
        came = set()
        for row in batch:
            own = values(rows[row])
            assert not own & came, (batch, own & came)
            came |= own


@st.composite
def data_sets(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(8, 90))
    few = draw(st.sampled_from([20, 100, 1000]))
    negatives = draw(st.integers(0, 3))
    listed = draw(st.booleans())

    def text():
        return f"t{rng.integers(few)}"

    rows = []
    for _ in range(count):
        row = {"query": text(), "positive": text()}
        row |= {f"negative_{number}": text() for number in range(negatives)}
        if listed:
            row["more"] = [text() for _ in range(rng.integers(0, 3))]
        asked = rng.choice(["sw", "en"])
        told = asked if rng.random() < 0.7 else rng.choice(["swa", "eng"])
        rows.append(row | {"asked": str(asked), "told": str(told)})
    if listed:
        rows[0]["more"] = ["a list"]
    return rows


@QUICK
@given(
    rows=data_sets(),
    size=st.integers(1, 6),
    mono_ratio=st.sampled_from([0.0, 0.5, 1.0]),
    unit=st.sampled_from(["batch", "row"]),
    cross=st.sampled_from(["mixed", "homogeneous"]),
)
def test_no_text_meets_itself_in_a_batch(rows, size, mono_ratio, unit, cross):
    try:
        batches = batches_of(shown(rows), size, mono_ratio=mono_ratio, unit=unit, cross=cross)
    except InfeasiblePlan:
        return
    assert batches
    assert all(len(batch) == size for batch in batches)
    check_apart(rows, batches)


@QUICK
@given(rows=data_sets(), size=st.integers(2, 5))
def test_what_no_duplicates_keeps_apart_is_kept_apart(rows, size):
    """Two rows that its rule lets into no common batch share a text here too; others are not kept apart."""
    dataset = shown(rows)
    rule = NoDuplicatesBatchSampler(dataset, 2, False, generator=torch.Generator(), seed=1)
    own = index_of_rows(dataset, RowColumns(query_language="asked", passage_language="told"))
    index, languages = own.index, own.index.languages
    told = {"sw": "sw", "swa": "sw", "en": "en", "eng": "en"}
    pairs = np.array(
        [number * len(languages) + languages.index(told[row["told"]]) for number, row in enumerate(rows)]
    )
    query, passage = index.identities(pairs)
    indptr, ids = index.texts(pairs)
    lists = [set(ids[a:b].tolist()) for a, b in itertools.pairwise(indptr)]
    plain = [{str(value) for value in dataset[number].values()} for number in range(len(rows))]
    assert rule.dataset is dataset
    for one in range(len(rows)):
        for other in range(one):
            apart = (
                query[one] == query[other]
                or passage[one] == passage[other]
                or bool(lists[one] & lists[other])
            )
            assert apart == bool(values(rows[one]) & values(rows[other]))
            if plain[one] & plain[other] - {"[]"}:
                assert apart


def test_a_question_that_is_another_rows_passage():
    rows = [{"query": f"t{n}", "positive": f"t{n + 1}", "asked": "en", "told": "en"} for n in range(41)]
    batches = batches_of(shown(rows), 8, mono_ratio=1.0)
    check_apart(rows, batches)
    assert len(batches) == 2 * 5
    ours = {row for batch in batches[:5] for row in batch}
    assert len(ours) == 40


@pytest.mark.parametrize("column", ["negative", "negatives"])
def test_negatives_that_are_other_rows_positives(column):
    def one(number):
        text = f"p{(number + 1) % 40}"
        return [text, f"n{number}"] if column == "negatives" else text

    rows = [
        {"query": f"q{n}", "positive": f"p{n}", column: one(n), "asked": "en", "told": "en"}
        for n in range(40)
    ]
    batches = batches_of(shown(rows), 8, mono_ratio=1.0)
    assert len(batches) == 10
    check_apart(rows, batches)
    # With the guard off they meet, as before.
    met = batches_of(shown(rows), 8, mono_ratio=1.0, guard=("group", "query"))
    with pytest.raises(AssertionError):
        check_apart(rows, met)


def test_a_negative_of_all_rows_is_named():
    rows = [
        {"query": f"q{n}", "positive": f"p{n}", "negative": "the same", "asked": "en", "told": "en"}
        for n in range(40)
    ]
    with pytest.raises(
        InfeasiblePlan, match=r"en has 40 rows, and 40 of them bring the text 'the same'.*only 1"
    ):
        batches_of(shown(rows), 4, mono_ratio=1.0)
    with pytest.raises(InfeasiblePlan, match="40 of them bring the text 'the same'"):
        batches_of(shown(rows), 4, mono_ratio=1.0, unit="row")
    assert len(batches_of(shown(rows), 1, mono_ratio=1.0)) == 80


def test_a_frequent_negative_is_deferred_and_named():
    rows = [
        {
            "query": f"q{n}",
            "positive": f"p{n}",
            "negative": "often" if n % 2 else f"n{n}",
            "asked": "en",
            "told": "en",
        }
        for n in range(80)
    ]
    own = index_of_rows(shown(rows), RowColumns(query_language="asked", passage_language="told"))
    with pytest.warns(UserWarning, match=r"text \d+ has 40 rows in en→en, of which a pass can place 13"):
        sampler = hf.HybridBatchSampler(own.index, 4, 1.0)
    assert len(own.index.texts([0])[1]) == 0
    found = hf.simulate(sampler)
    assert found.duplicates == 0
    check_apart(rows, batches_of(shown(rows), 4, mono_ratio=1.0))


def test_texts_of_one_role_need_no_list():
    """Their identities keep them apart, and the index is the one it was before there were lists."""
    rows = [
        {"query": f"q{n // 2}", "positive": f"p{n % 20}", "negative": f"n{n}", "asked": "en", "told": "en"}
        for n in range(40)
    ]
    index = index_of_rows(shown(rows), RowColumns(query_language="asked", passage_language="told")).index
    assert not index.has_texts
    without = [{name: value for name, value in row.items() if name != "negative"} for row in rows]
    plain = index_of_rows(shown(without), RowColumns(query_language="asked", passage_language="told")).index
    assert index.fingerprint == plain.fingerprint


def test_a_row_may_repeat_its_own_text():
    rows = [
        {"query": f"q{n}", "positive": f"q{n}", "negative": f"q{n}", "asked": "en", "told": "en"}
        for n in range(16)
    ]
    assert len(batches_of(shown(rows), 8, mono_ratio=1.0)) == 4


def test_values_that_are_no_texts_and_columns_that_are_no_texts():
    features = Features(
        {
            "query": Value("string"),
            "positive": Value("string"),
            "negative": List(List(Value("int64"))),
            "label": Value("float32"),
            "asked": Value("string"),
            "told": Value("string"),
        }
    )
    rows = [
        {
            "query": str(n),
            "positive": f"p{n}",
            "negative": [[(n + 1) % 16], []],
            "label": 1.0,
            "asked": "en",
            "told": "en",
        }
        for n in range(16)
    ]
    dataset = Dataset.from_list(rows, features=features)
    visible = dataset.with_format(columns=["query", "positive", "negative", "label"])
    batches = batches_of(visible, 4, mono_ratio=1.0)
    assert batches
    for batch in batches:
        assert not {rows[row]["query"] for row in batch} & {str(rows[row]["negative"][0][0]) for row in batch}


@pytest.mark.parametrize(("value", "row"), [(None, 3), (["a", None], 3)])
def test_a_missing_negative_is_named(value, row):
    full = ["a"] if isinstance(value, list) else "a"
    rows = [
        {
            "query": f"q{n}",
            "positive": f"p{n}",
            "negative": value if n == row else full,
            "asked": "en",
            "told": "en",
        }
        for n in range(8)
    ]
    with pytest.raises(ConfigError, match="the column 'negative' has no value in row 3"):
        batches_of(shown(rows), 2, mono_ratio=1.0)


def strata_of(rows, **options):
    index = index_of_rows(shown(rows), RowColumns(query_language="asked", passage_language="told")).index
    return dict(zip(index.languages, range(len(index.languages)), strict=True)), index.strata


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("sw", "swh"),
        ("zho-CN", "zh"),
        (" EN", "eng"),
        ("pt-BR", "por"),
        ("ar", "arb"),
        ("x1", " x1 "),
        ("srp-Latn", "sr-Latn"),
    ],
)
def test_codes_of_one_language_are_one(asked, told):
    rows = [{"query": f"q{n}", "positive": f"p{n}", "asked": asked, "told": told} for n in range(8)]
    names, strata = strata_of(rows)
    assert len(names) == 1
    assert strata.tolist() == [[8]]


def test_numbers_and_class_labels_are_languages_too():
    rows = [{"query": f"q{n}", "positive": f"p{n}", "asked": n % 3, "told": float(n % 3)} for n in range(9)]
    names, strata = strata_of(rows)
    assert list(names) == ["0", "1", "2"]
    assert (strata == np.eye(3) * 3).all()
    features = Features(
        {
            "query": Value("string"),
            "positive": Value("string"),
            "asked": ClassLabel(names=["swa", "en"]),
            "told": Value("string"),
        }
    )
    labelled = [
        {"query": f"q{n}", "positive": f"p{n}", "asked": n % 2, "told": ["sw", "ENG"][n % 2]}
        for n in range(8)
    ]
    dataset = Dataset.from_list(labelled, features=features).with_format(columns=["query", "positive"])
    index = index_of_rows(dataset, RowColumns(query_language="asked", passage_language="told")).index
    assert index.languages == ("en", "sw")
    assert (index.strata == np.eye(2) * 4).all()


@pytest.mark.parametrize("missing", [" ", float("nan"), None])
def test_a_row_without_a_language_is_named(missing):
    other = 1.0 if isinstance(missing, float) else "en"
    rows = [
        {"query": f"q{n}", "positive": f"p{n}", "asked": missing if n == 5 else other, "told": "en"}
        for n in range(8)
    ]
    with pytest.raises(ConfigError, match=r"the column 'asked' (has no value|names no language) in row 5"):
        strata_of(rows)


def test_weights_by_any_code_of_a_language():
    rows = [
        {"query": f"q{n}", "positive": f"p{n}", "asked": ["swa", "en"][n % 2], "told": ["sw", "eng"][n % 2]}
        for n in range(32)
    ]
    drawn = batches_of(shown(rows), 4, mono_ratio=1.0, language_weights={"swh": 0, "eng": 1})
    assert {row % 2 for batch in drawn for row in batch} == {1}
    with pytest.raises(InvalidArgument, match="'swa' is another code of 'sw'"):
        batches_of(shown(rows), 4, mono_ratio=1.0, language_weights={"sw": 1, "swa": 1, "en": 1})


@QUICK
@given(
    rows=data_sets(),
    size=st.integers(1, 6),
    mono_ratio=st.sampled_from([0.0, 0.5, 1.0]),
    cross=st.sampled_from(["mixed", "homogeneous"]),
)
def test_the_last_batches_of_an_epoch(rows, size, mono_ratio, cross):
    dataset = shown(rows)
    made = batch_sampler_for(
        query_language="asked", passage_language="told", mono_ratio=mono_ratio, cross=cross
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            full, all_of_it = made(dataset, size), made(dataset, size, drop_last=False)
        except InfeasiblePlan:
            return
    for epoch in (0, 3):
        full.set_epoch(epoch)
        all_of_it.set_epoch(epoch)
        found = list(all_of_it)
        assert found[: len(full)] == list(full)
        assert len(found) == len(all_of_it)
        assert all(0 < len(batch) < size for batch in found[len(full) :])
        check_apart(rows, found)
        for batch in found[len(full) :]:
            kinds = {
                rows[row]["asked"] == {"swa": "sw", "eng": "en"}.get(told := rows[row]["told"], told)
                for row in batch
            }
            assert len(kinds) == 1
            assert mono_ratio == 0.5 or kinds == {mono_ratio == 1.0}


@pytest.mark.parametrize("count", [10, 11, 12, 13])
def test_without_dropping_every_row_comes_once(count):
    rows = [
        {"query": f"q{language}{n}", "positive": f"p{language}{n}", "asked": language, "told": language}
        for language in ("en", "sw", "de")
        for n in range(count)
    ]
    sampler = batch_sampler_for(query_language="asked", passage_language="told", mono_ratio=1.0)(
        shown(rows), 4, drop_last=False
    )
    for epoch in range(3):
        sampler.set_epoch(epoch)
        drawn = [row for batch in sampler for row in batch]
        assert sorted(drawn) == list(range(len(rows)))
    assert sampler.drop_last is False
    given = batch_sampler_for(
        query_language="asked", passage_language="told", mono_ratio=1.0, batches_per_epoch=5
    )(shown(rows), 4, drop_last=False)
    assert len(list(given)) == len(given) == 5
