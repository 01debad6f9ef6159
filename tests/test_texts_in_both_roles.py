"""Questions that are passages of other groups: kept apart in every batch of a corpus's index."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.corpus.folding import folded
from hybrid_fast.corpus.joining import normalise_text
from hybrid_fast.corpus.table import corpus_of_records
from hybrid_fast.errors import InfeasiblePlan, InvalidArgument, InvalidShape, StateMismatch

QUICK = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
COMPARED = {"given": normalise_text, "text": str, "normalised": folded, "near-duplicate": folded}


def corpus_of(cells):
    """Cells as (group, language, query or None, passage or None)."""
    records = [
        (f"row {number}", {"group": group, "language": language, "query": query, "passage": passage})
        for number, (group, language, query, passage) in enumerate(cells)
    ]
    return corpus_of_records("made", records)


@st.composite
def corpora(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    groups, few = draw(st.integers(4, 40)), draw(st.sampled_from([15, 60, 400]))
    forms = ["word {}", "Word {}", "word  {}", "word {}?"]

    def text():
        if rng.random() < 0.1:
            return None
        return rng.choice(forms).format(rng.integers(few))

    cells = []
    for group in range(groups):
        for language in ("en", "de", "sw")[: rng.integers(1, 4)]:
            query, passage = text(), text()
            cells.append((str(group), language, query, passage if query or passage else "alone"))
    return corpus_of(cells)


def drawn_of(index, options, epochs=2):
    """Windows of guarded rows, each a list of pair ids; None where the request is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sampler = hf.HybridBatchSampler(index, **options)
        except (InfeasiblePlan, InvalidArgument):
            return None
    window = sampler.guard_window
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        columns = sampler._columns(0, len(sampler), None)
        found += columns["pair"].reshape(-1, sampler.batch_size * window).tolist()
    report = hf.simulate(sampler)
    assert report.duplicates == 0
    return found


@QUICK
@given(
    corpus=corpora(),
    rule=st.sampled_from(list(COMPARED)),
    size=st.integers(2, 6),
    mono_ratio=st.sampled_from([0.0, 0.4, 1.0]),
    cross=st.sampled_from(["mixed", "homogeneous"]),
    scope=st.sampled_from([{}, {"unit": "row"}, {"scope": "rank", "guard_window": 2}]),
)
def test_no_question_meets_a_passage_that_it_is(corpus, rule, size, mono_ratio, cross, scope):
    index = hf.PairIndex.from_corpus(corpus, rule)
    compared = COMPARED[rule]
    groups = corpus.cells.group
    asks, answers = ({}, {})
    for held, side, texts in (
        (asks, corpus.cells.query, corpus.queries.texts),
        (answers, corpus.cells.passage, corpus.passages.texts),
    ):
        for group, row in zip(groups.tolist(), side.tolist(), strict=True):
            if row >= 0:
                held.setdefault(group, set()).add(compared(texts[row]))
    options = {"batch_size": size, "mono_ratio": mono_ratio, "cross": cross, **scope}
    for rows in drawn_of(index, options) or []:
        drawn = index.pairs(rows)[0].tolist()
        for one in drawn:
            for other in drawn:
                if one != other:
                    # In any language: the groups that meet share no text over the two roles.
                    assert not asks.get(one, set()) & answers.get(other, set())


@QUICK
@given(corpus=corpora(), rule=st.sampled_from(["given", "text", "normalised"]))
def test_only_texts_of_both_roles_in_several_groups_are_listed(corpus, rule):
    index = hf.PairIndex.from_corpus(corpus, rule)
    compared = COMPARED[rule]
    cells = list(
        zip(
            corpus.cells.group.tolist(),
            corpus.cells.query.tolist(),
            corpus.cells.passage.tolist(),
            strict=True,
        )
    )
    met = [
        one != other
        for one, query, _ in cells
        for other, _, passage in cells
        if query >= 0
        and passage >= 0
        and compared(corpus.queries.texts[query]) == compared(corpus.passages.texts[passage])
    ]
    if any(met):
        assert index.has_texts
    # A group that answers itself in the same words is listed only where it shares an identity.
    elif not met:
        assert not index.has_texts


def chain(count):
    """The question of every group is the passage of the next."""
    return corpus_of(
        [
            (str(n), language, f"{n} {language}", f"{n - 1} {language}")
            for n in range(count)
            for language in ("en", "de")
        ]
    )


def test_it_goes_through_files_pickles_and_states(tmp_path):
    index = hf.PairIndex.from_corpus(chain(40))
    assert index.has_texts
    index.save(tmp_path / "index")
    opened = hf.PairIndex.open(tmp_path / "index", verify=True)
    copied = pickle.loads(pickle.dumps(index))
    digests = {hf.simulate(hf.HybridBatchSampler(one, 8, 0.5)).digest for one in (index, opened, copied)}
    assert len(digests) == 1
    assert {one.fingerprint for one in (opened, copied)} == {index.fingerprint}
    bare = without_texts(chain(40))
    assert bare.fingerprint != index.fingerprint
    state = hf.HybridBatchSampler(bare, 8, 0.5).state_dict()
    with pytest.raises(StateMismatch, match="another index"):
        hf.HybridBatchSampler(index, 8, 0.5).load_state_dict(state)
    content = (tmp_path / "index").read_bytes()
    (tmp_path / "cut").write_bytes(content[:-64])
    with pytest.raises(InvalidArgument, match="its header says"):
        hf.PairIndex.open(tmp_path / "cut")


def without_texts(corpus):
    cells = corpus.cells
    return hf.PairIndex.from_columns(
        cells.group,
        cells.language,
        cells.query,
        cells.passage,
        languages=corpus.languages,
        query_identity=cells.query_identity,
        passage_identity=cells.passage_identity,
    )


def test_the_passage_guard_switches_it():
    index = hf.PairIndex.from_corpus(chain(24))
    guarded = hf.simulate(hf.HybridBatchSampler(index, 8, 0.5, batches_per_epoch=40))
    assert (guarded.duplicates, guarded.unguarded) == (0, {})
    free = hf.simulate(hf.HybridBatchSampler(index, 8, 0.5, batches_per_epoch=40, guard=("group", "query")))
    assert free.duplicates == 0
    assert free.unguarded["text"] > 0
    # Where they are off, the plan is that of the same index without texts.
    bare = hf.HybridBatchSampler(
        without_texts(chain(24)), 8, 0.5, batches_per_epoch=40, guard=("group", "query")
    )
    assert free.digest == hf.simulate(bare).digest


def test_an_index_without_texts_is_as_it_was(tmp_path):
    plain = corpus_of([(str(n), "en", f"question {n}", f"passage {n}") for n in range(20)])
    index = hf.PairIndex.from_corpus(plain)
    assert not index.has_texts
    bare = without_texts(plain)
    assert index.fingerprint == bare.fingerprint
    for one, name in ((index, "one"), (bare, "other")):
        one.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert (tmp_path / "one").read_bytes()[8] == 2  # the version of files that list no texts
    empty = hf.PairIndex.from_columns([0, 1], [0, 0], [0, 1], [0, 1], languages=["en"], texts=([0, 0, 0], []))
    assert not empty.has_texts


def columns(count=4):
    cells = np.arange(count)
    return cells, np.zeros(count, np.int64), cells, cells


def test_lists_of_ones_own():
    index = hf.PairIndex.from_columns(*columns(), languages=["en"], texts=([0, 2, 2, 3, 4], [9, 4, 9, 5]))
    indptr, ids = index.texts([0, 1, 2, 3])
    assert (indptr.tolist(), ids.tolist()) == ([0, 2, 2, 3, 4], [4, 9, 9, 5])
    sampler = hf.HybridBatchSampler(index, 3, 1.0, batches_per_epoch=50)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        for batch in sampler:
            assert not {0, 2} <= set(batch)


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (([0, 1], [1]), InvalidShape, "2 bounds and the index 4 cells"),
        (([0, 1, 1, 1, 2], [1]), InvalidArgument, "the list of cell 3 goes from 1 to 2"),
        (([0, 1, 0, 1, 1], [1]), InvalidArgument, "the list of cell 1 goes from 1 to 0"),
        (([1, 1, 1, 1, 1], [1]), InvalidArgument, "the first bound is 1"),
        (([0, 0, 0, 0, 0], [1]), InvalidArgument, "the last bound is 0"),
        (([0, 1, 1, 1, 1], [-1]), InvalidArgument, "id 0 is -1"),
        (([0, 1, 1, 1, 1], [2**32]), InvalidArgument, "id 0 is 4294967296"),
        (([0, 1, 1, 1, 1], [0.5]), TypeError, "the ids of texts holds float64"),
        ([[1], [2], [], []], TypeError, "expected a tuple of two arrays"),
    ],
)
def test_wrong_lists_are_named(texts, error, message):
    with pytest.raises(error, match=message):
        hf.PairIndex.from_columns(*columns(), languages=["en"], texts=texts)


def test_two_codes_of_one_language_are_told():
    with pytest.warns(UserWarning, match="'sw' and 'swa', two codes of one language"):
        hf.PairIndex.from_columns(*columns(), languages=["sw", "en", "swa"])
