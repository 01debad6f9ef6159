"""Mined negatives answer nobody who asks the same, and survive their files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.corpus import (
    corpus_identities,
    load_corpus,
    mix,
    read_negatives,
    row_identities,
    without_languages,
    write_negatives,
)
from hybrid_fast.errors import CorpusError, InvalidArgument, InvalidShape


def table(path, groups=12):
    """Groups in two languages; groups 0 and 1 ask the same question, 2 and 3 have the same passage."""
    rows = [
        {
            "group": f"g{number}",
            "language": language,
            "query": f"{language} question {max(number, 1)}?",
            "passage": f"{language} passage {3 if number == 2 else number}.",
        }
        for number in range(groups)
        for language in ("en", "de")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_corpus("table", path=path)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return table(tmp_path_factory.mktemp("mining") / "table.jsonl")


def searched(corpus, seed, k):
    random = np.random.default_rng(seed)
    queries = random.normal(size=(len(corpus.queries), 4)).astype(np.float32)
    passages = random.normal(size=(len(corpus.passages), 4)).astype(np.float32)
    return hf.search(queries, passages, k, threads=1)


def plain(corpus, result, rules, most, skip_top, margin, same_language):
    """The rules of mine_negatives one passage at a time."""
    found = corpus_identities(corpus, rules)
    identity = row_identities(corpus, np.arange(len(corpus.passages)), found)
    cells = corpus.cells
    lists = []
    for query in range(len(corpus.queries)):
        asked = {found.query[c] for c in range(len(cells)) if cells.query[c] == query}
        groups = {
            cells.group[c] for c in range(len(cells)) if cells.query[c] >= 0 and found.query[c] in asked
        }
        answers = {found.passage[c] for c in range(len(cells)) if cells.group[c] in groups}
        start, stop = corpus.qrels.indptr[query : query + 2]
        judged = zip(corpus.qrels.passages[start:stop], corpus.qrels.grades[start:stop], strict=True)
        answers |= {identity[row] for row, grade in judged if grade > 0}
        ranked = list(zip(result.ids[query].tolist(), result.scores[query].tolist(), strict=True))
        best = max((score for row, score in ranked if identity[row] in answers), default=-np.inf)
        seen, passed = [], []
        for row, score in ranked:
            if same_language and corpus.passages.languages[row] != corpus.queries.languages[query]:
                continue
            if identity[row] in answers or identity[row] in seen:
                continue
            seen.append(identity[row])
            passed.append((row, score))
        kept = [
            row
            for row, score in passed[skip_top:]
            if margin is None or np.float32(score) <= np.float32(best) - np.float32(margin)
        ]
        lists.append(kept[:most])
    return lists


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    k=st.integers(1, 24),
    rules=st.sampled_from(["given", "text", "normalised"]),
    most=st.integers(1, 6),
    skip_top=st.integers(0, 3),
    margin=st.sampled_from([None, 0.0, 0.5]),
    same_language=st.booleans(),
)
def test_equals_the_rules_one_at_a_time(corpus, seed, k, rules, most, skip_top, margin, same_language):
    result = searched(corpus, seed, k)
    options = {"most": most, "skip_top": skip_top, "margin": margin, "same_language": same_language}
    mined = hf.mine_negatives(result, corpus, identities=rules, **options)
    assert len(mined) == len(corpus.queries)
    expected = plain(corpus, result, rules, **options)
    assert [mined[query].tolist() for query in range(len(mined))] == expected
    assert np.array_equal(mined.languages, corpus.passages.languages[mined.passages])


def test_what_is_mined_is_drawn(corpus):
    mined = hf.mine_negatives(searched(corpus, 1, 24), corpus, most=8)
    index = hf.PairIndex.from_corpus(corpus)
    sampler = hf.HybridBatchSampler(index, 4, hard_negatives=mined, negatives_per_query=2)
    assert sampler.negatives.known_positives == sampler.negatives.ambiguous == 0
    texts = corpus.passages.texts
    for i in range(len(sampler)):
        batch = sampler.batch(i)
        positives = {texts[row] for row in batch.passage}
        taken = [texts[row] for row in batch.negatives.ravel() if row >= 0]
        assert taken
        assert len(set(taken)) == len(taken)
        assert not positives & set(taken)


@pytest.mark.parametrize("name", ["n.jsonl", "n.jsonl.gz", "n.tsv", "n.tsv.gz", "n.npz"])
def test_files_give_back_what_was_written(corpus, tmp_path, name):
    mined = hf.mine_negatives(searched(corpus, 2, 24), corpus, most=5)
    again = read_negatives(write_negatives(tmp_path / name, corpus, mined), corpus)
    assert np.array_equal(again.indptr[: len(mined) + 1], mined.indptr)
    for column in ("passages", "identities", "languages"):
        assert np.array_equal(getattr(again, column), getattr(mined, column))


def test_a_part_of_the_corpus_takes_its_part_of_the_file(corpus, tmp_path):
    mined = hf.mine_negatives(searched(corpus, 3, 24), corpus)
    path = write_negatives(tmp_path / "n.jsonl", corpus, mined)
    english = without_languages(corpus, ["de"])
    part = read_negatives(path, english)
    assert 0 < len(part.passages) < len(mined.passages)
    for query, id in enumerate(english.queries.ids):
        whole = mined[corpus.queries.ids.index(id)]
        expected = [
            corpus.passages.ids[row] for row in whole if corpus.passages.ids[row] in english.passages.ids
        ]
        assert [english.passages.ids[row] for row in part[query]] == expected


def test_several_sources_name_theirs(corpus, tmp_path):
    both = mix([corpus, load_corpus("demo")])
    path = tmp_path / "n.tsv"
    query, passage = both.queries.ids[0], both.passages.ids[-1]
    path.write_text(f"{query}\t{passage}\t0.5\n\n")
    assert both.passages.ids[read_negatives(path, both)[0][0]] == passage


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("n.jsonl", '{"query": "nobody", "negatives": ["x"]}\n', "names no query of table"),
        ("n.jsonl", '{"query": "en/g0", "negatives": ["x"]}\n', "names no passage of table"),
        ("n.jsonl", "", "names no queries"),
        ("n.jsonl", '{"query": "en/g1"}\n', "line 1"),
        ("n.jsonl", '{"query": "en/g1", "negatives": [3]}\n', "line 1: negatives holds 3"),
        ("n.jsonl", '{"query": "a", "negatives": []}\n' * 2, "line 2: query 'a' occurs twice"),
        ("n.tsv", "en/g1\n", "line 1: expected a query id, a tab and a passage id"),
        ("n.csv", "en/g1,x\n", "are read from .jsonl"),
        ("n.npz", "no archive", "holds no hard negatives"),
    ],
)
def test_bad_files_are_named(corpus, tmp_path, name, content, says):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(CorpusError, match=says):
        read_negatives(path, corpus)


def test_refusals(corpus, tmp_path):
    result = searched(corpus, 0, 5)
    mined = hf.mine_negatives(result, corpus)
    other = load_corpus("demo")
    with pytest.raises(InvalidShape, match="search all of them"):
        hf.mine_negatives(result, other)
    for options in ({"most": 0}, {"skip_top": -1}, {"margin": float("nan")}):
        with pytest.raises(InvalidArgument, match="expected 1 or more, 0 or more, 0 or more"):
            hf.mine_negatives(result, corpus, **options)
    with pytest.raises(CorpusError, match="written as"):
        write_negatives(tmp_path / "n.csv", corpus, mined)
    with pytest.raises(CorpusError, match="does not have"):
        write_negatives(tmp_path / "n.tsv", without_languages(corpus, ["de"]), mined)
    with pytest.raises(CorpusError, match="another corpus"):
        read_negatives(write_negatives(tmp_path / "n.npz", corpus, mined), other)
    with pytest.raises(FileNotFoundError):
        read_negatives(tmp_path / "none.jsonl", corpus)
