"""XQuAD-R and MLQA-R: golds, pools, articles, identities and every way a file can be wrong."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybrid_fast as hf
from corpus_files import lareqa, real_data, write, write_lareqa
from hybrid_fast.corpus import Corpus, fingerprint, overlap
from hybrid_fast.errors import CorpusError

XQUAD = {
    "ar": 1222,
    "de": 1276,
    "el": 1234,
    "en": 1180,
    "es": 1215,
    "hi": 1244,
    "ru": 1219,
    "th": 852,
    "tr": 1167,
    "vi": 1209,
    "zh": 1196,
}
MLQA = {
    "ar": (517, 2545),
    "de": (512, 2362),
    "en": (1148, 6264),
    "es": (500, 1787),
    "hi": (507, 2426),
    "vi": (511, 2828),
    "zh": (504, 2322),
}


def golds(corpus: Corpus) -> dict[str, set[str]]:
    """Return the gold texts of each query id."""
    qrels = corpus.qrels
    return {
        id: {corpus.passages.texts[row] for row in qrels.passages[qrels.indptr[n] : qrels.indptr[n + 1]]}
        for n, id in enumerate(corpus.queries.ids)
    }


def test_all_sentences_are_candidates_and_golds_are_in_every_language(tmp_path: Path) -> None:
    corpus = hf.load_corpus("xquad-r", path=write_lareqa(tmp_path))
    assert corpus.languages == ("de", "en")
    assert len(corpus.passages) == 14
    assert corpus.group_ids == ["q1", "q2", "q3", "q4", "q5"]
    assert golds(corpus)["en/q3"] == {"en beta two.", "de beta two."}
    assert set(corpus.passages.documents) == {"First", "Second", "Third"}
    assert corpus.qrels.grades.tolist() == [1] * 20


def test_groups_that_share_a_sentence_have_one_identity_in_all_languages(tmp_path: Path) -> None:
    cells = hf.load_corpus("xquad-r", path=write_lareqa(tmp_path)).cells
    identity: dict[int, set[int]] = {}
    for group, value in zip(cells.group.tolist(), cells.passage_identity.tolist(), strict=True):
        identity.setdefault(group, set()).add(value)
    assert all(len(values) == 1 for values in identity.values())
    assert identity[0] == identity[1]
    assert len({*map(frozenset, identity.values())}) == 4


def test_the_gold_rule_is_half_open(tmp_path: Path) -> None:
    data = {"data": [{"title": "T", "paragraphs": [{
        "context": "一。二。", "sentences": ["一。", "二。"], "sentence_breaks": [[0, 2], [2, 4]],
        "qas": [{"id": "q", "question": "?", "answers": [{"answer_start": 2, "text": "二"}]}],
    }]}]}  # fmt: skip
    write(tmp_path / "zh.json", json.dumps(data))
    assert golds(hf.load_corpus("xquad-r", path=tmp_path)) == {"zh/q": {"二。"}}


@pytest.mark.parametrize(("articles", "groups"), [("even", ["q1", "q2", "q3", "q5"]), ("odd", ["q4"])])
def test_articles_are_cut_by_position_and_take_their_passages_along(
    tmp_path: Path, articles: Any, groups: list[str]
) -> None:
    corpus = hf.load_corpus("xquad-r", path=write_lareqa(tmp_path), articles=articles)
    assert corpus.group_ids == groups
    assert set(corpus.passages.documents) == ({"First", "Third"} if articles == "even" else {"Second"})


def test_articles_of_other_languages_follow_the_english_ones(tmp_path: Path) -> None:
    english, german = lareqa("en"), lareqa("de")
    german["data"] = [{**german["data"][1], "title": "Zwei"}, {**german["data"][0], "title": "Eins"}]
    write(tmp_path / "en.json", json.dumps(english))
    write(tmp_path / "de.json", json.dumps(german))
    odd = hf.load_corpus("mlqa-r", path=tmp_path, articles="odd")
    assert odd.group_ids == ["q4"]
    assert set(odd.passages.documents) == {"Second"}
    alone = hf.load_corpus("mlqa-r", path=tmp_path, articles="odd", languages=["deu"])
    assert alone.queries.ids == ["de/q4"]


def test_path_is_the_folder_or_its_parent_and_languages_go_by_any_code(tmp_path: Path) -> None:
    write_lareqa(tmp_path / "xquad-r", "en de zh")
    direct = hf.load_corpus("xquad-r", path=tmp_path / "xquad-r", languages=["deu", "cmn"])
    parent = hf.load_corpus("xquad-r", path=str(tmp_path), languages=("zho-CN", "de"))
    assert direct.languages == ("de", "zh")
    assert fingerprint(direct) == fingerprint(parent)


def break_file(folder: Path, change: Any) -> Path:
    data = lareqa("en")
    change(data["data"])
    return write(folder / "en.json", json.dumps(data))


def last_answer(articles: Any) -> Any:
    return articles[2]["paragraphs"][0]["qas"][0]["answers"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[0]["paragraphs"][0].pop("context"), r"paragraphs\[0\]: field 'context' is missing"),
        (lambda d: d[0].pop("paragraphs"), r"data\[0\]: field 'paragraphs' is missing"),
        (lambda d: d[1].update(paragraphs="no"), r"field 'paragraphs' is text, expected a list"),
        (lambda d: d.append(7), r"data\[3\]: expected an object, found a whole number"),
        (lambda d: d[0]["paragraphs"][0]["sentences"].pop(), "1 sentences but 2 sentence_breaks"),
        (lambda d: d[0]["paragraphs"][0]["sentence_breaks"].insert(1, [12, 99]), "but 3 sentence_breaks"),
        (lambda d: d[0]["paragraphs"][0]["sentence_breaks"][1].reverse(), r"sentence_breaks\[1\]"),
        (lambda d: d[2]["paragraphs"][0]["qas"][0].update(id="q1"), "question id 'q1' occurs twice"),
        (lambda d: d[2]["paragraphs"][0]["qas"][0]["answers"].clear(), "question q5: no answer"),
        (lambda d: last_answer(d).update(answer_start=4), "answer_start 4 is wrong"),
        (lambda d: last_answer(d).update(answer_start=-1), "answer_start -1"),
        (lambda d: last_answer(d).update(answer_start="0"), "'answer_start' is text"),
        (
            lambda d: d[0]["paragraphs"][0]["qas"][0]["answers"][0].update(answer_start=13, text=" "),
            "lies in 0 sentences",
        ),
    ],
)  # fmt: skip
def test_a_malformed_file_is_named_with_the_place(tmp_path: Path, change: Any, message: str) -> None:
    path = break_file(tmp_path, change)
    with pytest.raises(CorpusError, match=message) as error:
        hf.load_corpus("xquad-r", path=tmp_path)
    assert str(path) in str(error.value)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    text = json.dumps(lareqa("en"), indent=1)
    cases = {
        "not gzip": (b"{}", "not a gzip file"),
        "truncated gzip": (gzip.compress(text.encode())[:-30], "truncated"),
        "truncated json": (gzip.compress(text[: len(text) // 2].encode()), r"line \d+, column \d+"),
        "not text": (gzip.compress(b'{"data": "\xff"}'), "not UTF-8"),
        "a list": (gzip.compress(b"[]"), "expected a JSON object, found a list"),
    }
    for name, (data, message) in cases.items():
        path = tmp_path / name / "en.json.gz"
        path.parent.mkdir()
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=message) as error:
            hf.load_corpus("xquad-r", path=path.parent)
        assert str(path) in str(error.value)


def test_missing_and_empty_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        hf.load_corpus("xquad-r", path=tmp_path / "nowhere")
    with pytest.raises(CorpusError, match="holds no data file"):
        hf.load_corpus("xquad-r", path=tmp_path)
    with pytest.raises(NotADirectoryError, match="is a file"):
        hf.load_corpus("xquad-r", path=write(tmp_path / "a.json", "{}"))
    monkeypatch.delenv("HYBRID_FAST_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="set HYBRID_FAST_DATA"):
        hf.load_corpus("xquad-r")
    monkeypatch.setenv("HYBRID_FAST_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no folder xquad-r"):
        hf.load_corpus("xquad-r")


def test_wrong_requests(tmp_path: Path) -> None:
    write_lareqa(tmp_path)
    with pytest.raises(CorpusError, match="has no fr; its languages are de, en"):
        hf.load_corpus("xquad-r", path=tmp_path, languages=["fr"])
    with pytest.raises(CorpusError, match="unknown language code 'klingonish'"):
        hf.load_corpus("xquad-r", path=tmp_path, languages=["klingonish"])
    with pytest.raises(TypeError, match="give a list"):
        hf.load_corpus("xquad-r", path=tmp_path, languages="en")
    with pytest.raises(CorpusError, match="takes no split"):
        hf.load_corpus("xquad-r", path=tmp_path, split="test")
    with pytest.raises(CorpusError, match="expected all, even or odd"):
        hf.load_corpus("xquad-r", path=tmp_path, articles="third")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(CorpusError, match="unknown corpus 'squid'; the readers are demo, xquad-r"):
        hf.load_corpus("squid", path=tmp_path)
    one = lareqa("en")
    one["data"] = one["data"][:1]
    write(tmp_path / "one" / "en.json", json.dumps(one))
    with pytest.raises(CorpusError, match="no queries left after articles = odd"):
        hf.load_corpus("xquad-r", path=tmp_path / "one", articles="odd")


@real_data
def test_xquad_r_has_the_published_counts() -> None:
    start = time.perf_counter()
    corpus = hf.load_corpus("xquad-r")
    assert time.perf_counter() - start < 20  # about half a second alone; machines may be busy
    assert len(corpus.passages) == 13_014
    assert len(corpus.queries) == 13_090
    assert len(corpus.group_ids) == 1190
    for number, language in enumerate(corpus.languages):
        assert (corpus.passages.languages == number).sum() == XQUAD[language]
        assert (corpus.queries.languages == number).sum() == 1190
    assert set(np.diff(corpus.qrels.indptr)) == {11}
    assert len(set(corpus.passages.documents)) == 48


@real_data
def test_xquad_r_golds_equal_a_plain_reading() -> None:
    corpus = hf.load_corpus("xquad-r", languages=["th", "zh"])
    found = golds(corpus)
    for language in ("th", "zh"):
        path = Path(os.environ["HYBRID_FAST_DATA"]) / "xquad-r" / f"{language}.json.gz"
        inclusive = 0
        for article in json.loads(gzip.decompress(path.read_bytes()))["data"]:
            for part in article["paragraphs"]:
                for question in part["qas"]:
                    start = question["answers"][0]["answer_start"]
                    inside = [n for n, (a, b) in enumerate(part["sentence_breaks"]) if a <= start < b]
                    inclusive += sum(a <= start <= b for a, b in part["sentence_breaks"]) > 1
                    assert part["sentences"][inside[0]] in found[f"{language}/{question['id']}"]
        assert inclusive == (29 if language == "zh" else inclusive)


@real_data
@pytest.mark.parametrize(("language", "sharing"), [("en", 656), ("de", 614), ("th", 896)])
def test_xquad_r_questions_that_share_their_sentence(language: str, sharing: int) -> None:
    cells = hf.load_corpus("xquad-r", languages=[language]).cells
    assert (np.bincount(cells.passage)[cells.passage] > 1).sum() == sharing


@real_data
def test_mlqa_r_has_the_published_counts() -> None:
    corpus = hf.load_corpus("mlqa-r")
    assert len(corpus.passages) == 20_534
    assert len(corpus.queries) == 4199
    assert len(corpus.group_ids) == 1148
    for number, language in enumerate(corpus.languages):
        counts = (corpus.queries.languages == number).sum(), (corpus.passages.languages == number).sum()
        assert counts == MLQA[language]
    present = np.bincount(corpus.cells.group)
    assert [(present == n).sum() for n in (4, 3, 2)] == [820, 263, 65]
    assert set(np.diff(corpus.qrels.indptr)) == {2, 3, 4}


@real_data
def test_the_halves_of_xquad_r_have_nothing_drawable_in_common() -> None:
    even, odd = (hf.load_corpus("xquad-r", articles=part) for part in ("even", "odd"))  # type: ignore[arg-type]  # literals
    assert (len(even.group_ids), len(odd.group_ids)) == (612, 578)
    assert len(even.passages) + len(odd.passages) == 13_014
    counts = overlap(even, odd, query_rows=even.cells.query, passage_rows=even.cells.passage)
    assert counts == {"documents": 0, "queries": 0, "passages": 0}
