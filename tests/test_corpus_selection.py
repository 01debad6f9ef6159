"""Parts of a corpus, mixtures, identities and fingerprints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybrid_fast as hf
from corpus_files import real_data, write, write_afriqa, write_lareqa
from hybrid_fast.config import SourceConfig
from hybrid_fast.corpus import (
    Corpus,
    fingerprint,
    keep_articles,
    keep_languages,
    load_source,
    mix,
    overlap,
    sample_groups,
    without_languages,
)
from hybrid_fast.corpus.joining import joined_groups, normalise_text
from hybrid_fast.errors import CorpusError


def consistent(corpus: Corpus) -> None:
    """Check that every number points where it says."""
    cells, qrels = corpus.cells, corpus.qrels
    for rows in (corpus.queries, corpus.passages):
        assert len(rows.ids) == len(rows.texts) == len(rows.documents) == len(rows.languages)
        assert len(set(rows.ids)) == len(rows)
        assert rows.languages.dtype == np.int16
    assert len({(g, c) for g, c in zip(cells.group.tolist(), cells.language.tolist(), strict=True)}) == len(
        cells
    )
    assert set(cells.group.tolist()) == set(range(len(corpus.group_ids)))
    for row, rows in ((cells.query, corpus.queries), (cells.passage, corpus.passages)):
        assert row.dtype == np.int64
        held = row >= 0
        assert (rows.languages[row[held]] == cells.language[held]).all()
    assert ((cells.query >= 0) | (cells.passage >= 0)).all()
    assert len(qrels.indptr) == len(corpus.queries) + 1
    assert qrels.indptr[-1] == len(qrels.passages) == len(qrels.grades)
    for start, end in zip(qrels.indptr[:-1], qrels.indptr[1:], strict=True):
        assert (np.diff(qrels.passages[start:end]) > 0).all()
    used = set(corpus.queries.languages.tolist()) | set(corpus.passages.languages.tolist())
    assert used == set(range(len(corpus.languages)))
    assert list(corpus.languages) == sorted(corpus.languages)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return hf.load_corpus("xquad-r", path=write_lareqa(tmp_path / "x", "en de sw"))


def test_languages_are_kept_or_left_out_on_both_sides(corpus: Corpus) -> None:
    consistent(corpus)
    kept = keep_languages(corpus, ["swh", "eng"])
    left = without_languages(corpus, ["deu", "fr"])
    consistent(kept)
    assert kept.languages == left.languages == ("en", "sw")
    assert fingerprint(kept) == fingerprint(left)
    assert not any(text.startswith("de ") for text in (*kept.queries.texts, *kept.passages.texts))
    assert set(np.diff(kept.qrels.indptr)) == {2}


def test_loading_some_languages_equals_keeping_them(corpus: Corpus, tmp_path: Path) -> None:
    loaded = hf.load_corpus("xquad-r", path=tmp_path / "x", languages=["en", "sw"])
    assert fingerprint(loaded) == fingerprint(keep_languages(corpus, ["en", "sw"]))


def test_nothing_left_names_the_filter(corpus: Corpus) -> None:
    with pytest.raises(CorpusError, match="no queries left after leaving out en, de, sw"):
        without_languages(corpus, ["en", "de", "sw"])
    with pytest.raises(CorpusError, match="has no fr; its languages are de, en, sw"):
        keep_languages(corpus, ["fr"])
    with pytest.raises(CorpusError, match="unknown language"):
        without_languages(corpus, ["xx"])


def test_a_left_out_pivot_leaves_no_pair(tmp_path: Path) -> None:
    corpus = hf.load_corpus("afriqa", path=write_afriqa(tmp_path))
    reduced = without_languages(corpus, ["fr"])
    consistent(reduced)
    assert set(reduced.languages) == {"en", "fon", "ha"}
    assert reduced.cells.passage[reduced.cells.language == reduced.languages.index("fon")].tolist() == [-1]


def test_a_sample_holds_whole_groups_and_is_nested(corpus: Corpus) -> None:
    samples = [sample_groups(corpus, n, seed=7) for n in range(1, 6)]
    for number, sample in enumerate(samples, start=1):
        consistent(sample)
        assert len(sample.group_ids) == number
        if number < 5:
            assert set(sample.group_ids) < set(samples[number].group_ids)
            assert set(sample.passages.texts) == {
                sample.passages.texts[row] for row in sample.cells.passage.tolist()
            }
    assert fingerprint(samples[4]) == fingerprint(corpus)
    assert {tuple(sample_groups(corpus, 2, seed=seed).group_ids) for seed in range(20)} != {
        tuple(samples[1].group_ids)
    }
    with pytest.raises(CorpusError, match="expected 1 or more"):
        sample_groups(corpus, 0)


def test_the_sample_of_a_configuration_does_not_depend_on_other_groups(
    corpus: Corpus, tmp_path: Path
) -> None:
    source = SourceConfig(name="xquad-r", path=tmp_path / "x", languages=("de", "en"), groups=2)
    sample = load_source(source)
    assert len(sample.group_ids) == 2
    assert sample.group_ids == sample_groups(corpus, 2).group_ids


def test_articles_are_cut_in_the_order_of_the_passages(corpus: Corpus) -> None:
    assert set(keep_articles(corpus, "odd").passages.documents) == {"Second"}
    consistent(keep_articles(corpus, "even"))


def test_the_fingerprint_sees_a_letter_and_an_order(tmp_path: Path) -> None:
    first = hf.load_corpus("xquad-r", path=write_lareqa(tmp_path / "a"))
    again = hf.load_corpus("mlqa-r", path=tmp_path / "a")
    assert fingerprint(first) == fingerprint(again)
    assert len(fingerprint(first)) == 64
    path = tmp_path / "a" / "en.json"
    path.write_text(path.read_text().replace("gamma one", "gamma 0ne"))
    assert fingerprint(hf.load_corpus("xquad-r", path=tmp_path / "a")) != fingerprint(first)


def test_a_mixture_keeps_groups_apart_and_joins_equal_passages(corpus: Corpus, tmp_path: Path) -> None:
    write(tmp_path / "s" / "pairs.tsv", "new question ?\tEN  gamma one.\nother ?\tsomething else .\n")
    squad = hf.load_corpus("squad-sentences", path=tmp_path / "s")
    mixed = mix([corpus, squad, squad])
    consistent(mixed)
    assert mixed.name == "xquad-r + squad-sentences + squad-sentences-2"
    assert mixed.group_ids[3:7] == ["xquad-r:q4", "xquad-r:q5", "squad-sentences:1", "squad-sentences:2"]
    identity = dict(zip(mixed.cells.group.tolist(), mixed.cells.passage_identity.tolist(), strict=True))
    assert identity[3] == identity[5] == identity[7] != identity[6] == identity[8] != identity[4]
    question = dict(zip(mixed.cells.group.tolist(), mixed.cells.query_identity.tolist(), strict=True))
    assert question[5] == question[7] != question[3]
    languages = mixed.cells.language[mixed.cells.group >= 5]
    assert set(languages.tolist()) == {mixed.languages.index("en")}
    alone = keep_languages(mix([corpus]), ["en"])
    assert fingerprint(alone) == fingerprint(keep_languages(corpus, ["en"]))
    with pytest.raises(CorpusError, match="nothing to mix"):
        mix([])


def test_overlap_counts_equal_texts(corpus: Corpus, tmp_path: Path) -> None:
    write(tmp_path / "s" / "pairs.tsv", "EN question  q1?\ten Gamma one.\nother ?\tsomething else .\n")
    squad = hf.load_corpus("squad-sentences", path=tmp_path / "s")
    assert overlap(squad, corpus) == {"documents": 0, "queries": 1, "passages": 1}
    assert overlap(squad, corpus, query_rows=[1], passage_rows=[0, 0, -1]) == {
        "documents": 0,
        "queries": 0,
        "passages": 1,
    }
    english = keep_languages(corpus, ["en"])
    assert overlap(english, corpus) == {"documents": 3, "queries": 5, "passages": 7}
    with pytest.raises(IndexError, match="row 9 of a corpus with 2 rows"):
        overlap(squad, corpus, query_rows=np.array([9]))


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_joined_groups_are_the_connected_components(occurrences: list[tuple[int, int]]) -> None:
    groups = np.array([group for group, _ in occurrences], np.int64)
    keys = np.array([key for _, key in occurrences], np.int64)
    found = joined_groups(groups, keys, 8)
    reach = {group: {group} for group in range(8)}
    for _ in range(8):
        for one, key in occurrences:
            for other, same in occurrences:
                if key == same:
                    reach[one] |= reach[other]
    assert found.tolist() == [min(reach[group]) for group in range(8)]


def test_texts_are_compared_without_case_width_and_blanks() -> None:
    assert normalise_text(" Ｆｕｌｌ\u00a0 WIDTH\n") == normalise_text("full width")
    assert normalise_text("Straße") == normalise_text("STRASSE")
    assert normalise_text("a b") != normalise_text("ab")


@real_data
def test_real_sources_mix_and_stay_consistent() -> None:
    ntrex = hf.load_corpus("ntrex-128", languages=["en", "sw", "zho-CN", "ar"], groups=300)
    tico = hf.load_corpus("tico-19", languages=["en", "sw", "zh", "ar"], groups=300)
    squad = hf.load_corpus("squad-sentences", groups=500)
    mixed = mix([ntrex, tico, squad])
    consistent(mixed)
    assert mixed.languages == ("ar", "en", "sw", "zh")
    consistent(sample_groups(hf.load_corpus("afriqa", split="test"), 50))
