"""The embedded corpus: every sentence complete, every cell full, the halves disjoint."""

import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from hybrid_fast.config import SourceConfig
from hybrid_fast.corpus import fingerprint, load_source
from hybrid_fast.corpus.embedded import LANGUAGES, LOW_RESOURCE, load_embedded
from hybrid_fast.corpus.embedded.sentences import fill, read_facts, read_frames
from hybrid_fast.errors import CorpusError


@pytest.fixture(scope="module")
def corpus():
    return load_embedded()


def test_has_the_promised_size(corpus):
    assert corpus.languages == LANGUAGES == tuple(sorted(LANGUAGES))
    assert len(LANGUAGES) >= 8
    assert len(LOW_RESOURCE) >= 3
    assert set(LOW_RESOURCE) < set(LANGUAGES)
    assert (len(corpus.group_ids), len(corpus.queries), len(corpus.passages)) == (358, 3580, 2400)


def test_every_cell_is_full(corpus):
    cells = corpus.cells
    assert len(cells) == len(corpus.group_ids) * len(LANGUAGES)
    assert len({*zip(cells.group.tolist(), cells.language.tolist(), strict=True)}) == len(cells)
    assert (cells.query >= 0).all()
    assert (cells.passage >= 0).all()
    np.testing.assert_array_equal(corpus.queries.languages[cells.query], cells.language)
    np.testing.assert_array_equal(corpus.passages.languages[cells.passage], cells.language)
    assert sorted(cells.query.tolist()) == list(range(len(corpus.queries)))
    assert {*cells.passage.tolist()} == {*range(len(corpus.passages))}


def test_sentences_are_finished(corpus):
    for text in (*corpus.queries.texts, *corpus.passages.texts):
        assert not re.search(r"[{}\[\]|_]|  ", text), text
        assert text == text.strip()
    assert all(text.endswith("?") for text in corpus.queries.texts)
    assert all(text.endswith(".") for text in corpus.passages.texts)


def test_no_two_rows_of_one_side_are_equal(corpus):
    assert len(set(corpus.queries.texts)) == len(corpus.queries)
    assert len(set(corpus.passages.texts)) == len(corpus.passages)
    assert len(set(corpus.queries.ids)) == len(corpus.queries)
    assert len(set(corpus.passages.ids)) == len(corpus.passages)


def test_each_language_fills_the_same_frames():
    facts, english = read_facts(), read_frames("en")
    for code in LANGUAGES:
        frames = read_frames(code)
        for ours, theirs in (
            (frames.passages, english.passages),
            (frames.questions, english.questions),
        ):
            assert {kind: list(names) for kind, names in ours.items()} == {
                kind: list(names) for kind, names in theirs.items()
            }
            for kind, names in ours.items():
                for name, frame in names.items():
                    slots = Counter(re.findall(r"\{(\w+)\}", frame))
                    assert slots == Counter(re.findall(r"\{(\w+)\}", theirs[kind][name])), (code, frame)
        assert {table: list(words) for table, words in frames.words.items()} == {
            table: list(words) for table, words in english.words.items()
        }
        for table, words in frames.words.items():
            assert len(set(words.values())) == len(words), (code, table)
        for kind, answers in facts.answers.items():
            assert set(answers) == set(frames.questions[kind])
            assert set(answers.values()) == set(frames.passages[kind])


def test_names_and_numbers_stand_in_every_language(corpus):
    facts = read_facts()
    entities = {
        f"{kind}-{number:02d}": entity
        for kind, rows in facts.entities.items()
        for number, entity in enumerate(rows, start=1)
    }
    frames = read_frames("en")
    for key, text, document in zip(
        corpus.passages.ids, corpus.passages.texts, corpus.passages.documents, strict=True
    ):
        kind, name = document.split("-")[0], key.split(".")[1]
        for slot in re.findall(r"\{(\w+)\}", frames.passages[kind][name]):
            if slot not in facts.word_slots:
                assert str(entities[document][slot]) in text, (key, text)


def test_translations_share_an_identity_and_are_each_other_s_golds(corpus):
    cells, qrels = corpus.cells, corpus.qrels
    passages = defaultdict(set)
    for identity, passage in zip(cells.passage_identity.tolist(), cells.passage.tolist(), strict=True):
        passages[identity].add(passage)
    for rows in passages.values():
        assert len({corpus.passages.ids[row].rsplit(".", 1)[0] for row in rows}) == 1
        assert len(rows) == len(LANGUAGES)
    identity_of = dict(zip(cells.query.tolist(), cells.passage_identity.tolist(), strict=True))
    for query in range(len(corpus.queries)):
        golds = qrels.passages[qrels.indptr[query] : qrels.indptr[query + 1]].tolist()
        assert golds == sorted(passages[identity_of[query]])
    assert (qrels.grades == 1).all()


def test_some_passages_answer_two_questions(corpus):
    questions = Counter(corpus.cells.passage.tolist())
    assert {*questions.values()} == {1, 2}


def test_halves_share_no_document_and_no_text():
    even = load_source(SourceConfig(name="demo", articles="even"))
    odd = load_source(SourceConfig(name="demo", articles="odd"))
    assert len(even.group_ids) == len(odd.group_ids) == 179
    for side in ("queries", "passages"):
        for column in ("documents", "texts"):
            assert not set(getattr(getattr(even, side), column)) & set(getattr(getattr(odd, side), column))
    kinds = Counter(document.split("-")[0] for document in set(even.passages.documents))
    assert kinds == Counter(document.split("-")[0] for document in set(odd.passages.documents))


def test_languages_are_kept_by_any_code():
    corpus = load_source(SourceConfig(name="demo", languages=("swa", "en")))
    assert corpus.languages == ("en", "sw")
    assert len(corpus.queries) == 2 * 358
    assert np.diff(corpus.qrels.indptr).tolist() == [2] * len(corpus.queries)
    assert fingerprint(corpus) == fingerprint(load_embedded(languages=["sw", "en"]))


def test_is_the_same_each_time(corpus):
    assert fingerprint(corpus) == fingerprint(load_embedded())


@pytest.mark.parametrize(
    ("arguments", "part"), [({"languages": ["fi"]}, "fi"), ({"articles": "third"}, "'third'")]
)
def test_refuses_what_it_does_not_have(arguments, part):
    with pytest.raises(CorpusError, match=part):
        load_embedded(**arguments)


def test_fill_chooses_the_form_and_translates():
    words = {"profession": {"cook": "[cuoco|cuoca]"}}
    frame = "{name} è [nato|nata] e lavora come {job}."
    slots = {"job": "profession"}
    clara = {"name": "Clara", "gender": "f", "job": "cook"}
    assert fill(frame, clara, words, slots) == "Clara è nata e lavora come cuoca."
    assert fill(frame, clara | {"gender": "m"}, words, slots) == "Clara è nato e lavora come cuoco."


@pytest.mark.parametrize(
    ("entity", "part"),
    [
        ({"gender": "f"}, "'name'"),
        ({"name": "Clara"}, "gender"),
        ({"name": "Clara", "gender": "f", "job": "king"}, "'king'"),
    ],
)
def test_fill_refuses_an_unfinished_sentence(entity, part):
    frame = "{name} è [nato|nata]." if "job" not in entity else "{name} è {job}."
    with pytest.raises(CorpusError, match=part):
        fill(frame, entity, {"profession": {}}, {"job": "profession"})
