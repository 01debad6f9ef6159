"""Identities by rule, against all texts compared with all others."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.cli import main
from hybrid_fast.config import SamplerConfig
from hybrid_fast.corpus import corpus_identities, identities, load_corpus, row_identities, write_negatives
from hybrid_fast.corpus.folding import folded
from hybrid_fast.corpus.near_duplicates import jaccard
from hybrid_fast.errors import InvalidArgument, InvalidShape
from hybrid_fast.sampler.configured import index_and_negatives

RULES = ("text", "normalised", "near-duplicate")
SENTENCE = "The old bridge over the river was built by the people of the northern town in the year"


def equal(rule, one, other, similarity=0.8):
    if rule == "text":
        return one == other
    if rule == "normalised":
        return folded(one) == folded(other)
    return jaccard(folded(one), folded(other)) >= similarity


def components(nodes, linked):
    """The smallest node of each node's component, spread until nothing changes."""
    root = list(range(len(nodes)))
    while True:
        before = list(root)
        for i, one in enumerate(nodes):
            for j, other in enumerate(nodes):
                if i == j or linked(one, other):
                    root[i] = min(root[i], root[j])
        if before == root:
            return root


texts_alike = st.one_of(
    st.sampled_from(
        ["A b.", "a  B", "a-b", "ａ ｂ", "ab", "", "?!", "?", "यह", "यहि", "soft\u00adly", "softly"]
    ),
    st.builds(
        lambda number, cut: f"{SENTENCE[: len(SENTENCE) - cut]} {number}",
        st.integers(0, 12),
        st.integers(0, 30),
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(texts_alike, st.none()), max_size=12),
    st.lists(st.sampled_from(RULES), min_size=1, max_size=3),
    st.sampled_from([0.5, 0.8, 1.0]),
    st.data(),
)
def test_equal_all_texts_compared(texts, rules, similarity, data):
    groups = data.draw(st.none() | st.lists(st.integers(3, 9), min_size=len(texts), max_size=len(texts)))
    cells = list(zip(texts, groups or range(len(texts)), strict=True))

    def linked(one, other):
        if groups is not None and one[1] == other[1]:
            return True
        if one[0] is None or other[0] is None:
            return False
        return any(equal(rule, one[0], other[0], similarity) for rule in rules)

    found = identities(texts, rules, groups=groups, similarity=similarity)
    assert found.dtype == np.int64
    assert found.tolist() == components(cells, linked)


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(text):
    assert folded(folded(text)) == folded(text)


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_folding_knows_one_rule_for_all_characters(text):
    # An accented letter takes the other way through the function.
    assert folded(text + " é")[:-1] == folded(text + " e")[:-1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who built  it?", "who built it"),
        ("ＡＢＣ１２", "abc12"),
        ("STRASSE", "straße"),
        ("ﬁne—print", "fine print"),
        ("می\u200cخواهم", "میخواهم"),
        ("co\u00adoperate", "cooperate"),
        ("¿Quién?", "quién"),
        ("これ。", "これ"),
    ],
)
def test_folding_sets_form_aside(one, other):
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C", "C++"), ("की", "का"), ("ที่", "ทา"), ("e", "é"), ("?", "!"), ("1.5", "15")]
)
def test_folding_keeps_what_differs(one, other):
    assert folded(one) != folded(other)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Six groups in two languages: 0 and 1 share a German passage, 2 and 3 nearly an English one."""
    town = "The town lies on the northern bank of the long river, and its old market is known far and wide"
    english = [
        f"{SENTENCE} 1",
        f"{SENTENCE}, say 25 others",
        town,
        f"{town}!!",
        f"{town} today.",
        "A bee flies.",
    ]
    german = ["Ein Satz.", "EIN  SATZ.", "Zwei", "Drei", "Vier", "Fünf"]
    rows = []
    for number in range(6):
        for language, texts in (("en", english), ("de", german)):
            rows.append(
                {
                    "group": f"g{number}",
                    "language": language,
                    "query": f"{language} question {number if number != 5 else 4}" + "?" * (number == 5),
                    "passage": texts[number],
                }
            )
    path = tmp_path_factory.mktemp("identities") / "table.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_corpus("table", path=path)


def classes(corpus, values):
    """Groups that have one identity, each class sorted."""
    found = {}
    for group, value in zip(corpus.cells.group.tolist(), values.tolist(), strict=True):
        found.setdefault(value, set()).add(int(corpus.group_ids[group][1:]))
    return sorted(sorted(members) for members in found.values())


@pytest.mark.parametrize(
    ("rules", "passages", "questions"),
    [
        ("given", [[0, 1], [2], [3], [4], [5]], [[0], [1], [2], [3], [4], [5]]),
        ("text", [[0], [1], [2], [3], [4], [5]], [[0], [1], [2], [3], [4], [5]]),
        ("normalised", [[0, 1], [2, 3], [4], [5]], [[0], [1], [2], [3], [4, 5]]),
        ("near-duplicate", [[0, 1], [2, 3, 4], [5]], [[0], [1], [2], [3], [4, 5]]),
        (("text", "given"), [[0, 1], [2], [3], [4], [5]], [[0], [1], [2], [3], [4], [5]]),
    ],
)
def test_rules_join_the_groups_of_a_corpus(corpus, rules, passages, questions):
    found = corpus_identities(corpus, rules)
    assert classes(corpus, found.passage) == passages
    assert classes(corpus, found.query) == questions
    sizes = [len(members) for members in passages]
    assert found.passage_sizes == {size: sizes.count(size) for size in set(sizes)}
    assert f"passages: {len(passages)} identities of 6 groups, at most {max(sizes)} joined" in str(found)


def test_given_identities_stay_as_they_are(corpus):
    found = corpus_identities(corpus)
    assert found.passage is corpus.cells.passage_identity
    assert found.query is corpus.cells.query_identity
    assert hf.PairIndex.from_corpus(corpus).fingerprint == hf.PairIndex.from_corpus(corpus, found).fingerprint
    assert corpus_identities(corpus, found) is found


@pytest.mark.parametrize("rule", ["given", *RULES])
def test_every_passage_row_has_the_identity_of_its_cell(corpus, rule):
    found = corpus_identities(corpus, rule)
    cells = corpus.cells
    assert np.array_equal(row_identities(corpus, cells.passage, found), found.passage)


def test_passages_outside_all_cells_are_told_by_the_same_rules(tmp_path):
    passages = [
        ("p0", f"{SENTENCE} 1"),
        ("p1", "Bees fly."),
        ("same", "bees  FLY."),
        ("folds", "Bees, fly!"),
        ("near", f"{SENTENCE} 2"),
        ("other", "Nothing of the kind."),
        ("twin", "Nothing of the kind."),
    ]
    rows = [{"id": id, "text": text, "language": "en"} for id, text in passages]
    (tmp_path / "passages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = [{"id": f"q{n}", "text": f"Question {n}?", "language": "en"} for n in range(2)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    pairs = [{"group": f"g{n}", "language": "en", "query": f"q{n}", "passage": f"p{n}"} for n in range(2)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    corpus = load_corpus("table", path=tmp_path)

    def names(rule):
        found = row_identities(corpus, np.arange(7), corpus_identities(corpus, rule))
        return {
            id: {other for (other, _), value in zip(passages, found, strict=True) if value == mine}
            for (id, _), mine in zip(passages, found, strict=True)
        }

    assert names("text")["p1"] == {"p1"}
    assert names("text")["other"] == {"other", "twin"}
    assert names("given")["p1"] == {"p1", "same"}
    assert names("normalised")["p1"] == {"p1", "same", "folds"}
    assert names("normalised")["p0"] == {"p0"}
    assert names("near-duplicate")["p0"] == {"p0", "near"}
    assert names("near-duplicate")["other"] == {"other", "twin"}


def near_table(folder, groups, clusters):
    """Groups in two languages; the English passages of a cluster differ in one letter."""
    rows = []
    for number in range(groups):
        cluster = clusters.get(number)
        english = (
            f"Passage {number * 7919} has words of its own, {number * 104729} of them, numbered {number * 31}"
        )
        if cluster is not None:
            english = f"{SENTENCE} by {cluster * 'many '}hands {'abcdefghijklmnopqrstuvwxyz'[number % 26]}"
        for language, text in (("en", english), ("de", f"Absatz {number * 6700417}, Wort {number * 65537}")):
            rows.append(
                {
                    "group": f"g{number}",
                    "language": language,
                    "query": f"{language} {number * 7919}?",
                    "passage": text,
                }
            )
    path = folder / "table.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_corpus("table", path=path)


@pytest.mark.filterwarnings("ignore:passage identity")
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_no_batch_holds_two_near_duplicates(tmp_path, ratio):
    corpus = near_table(tmp_path, 60, {number: number // 20 for number in range(0, 60, 4)})
    config = SamplerConfig(batch_size=6, mono_ratio=ratio, identities=("given", "near-duplicate"))
    index, negatives = index_and_negatives(corpus, config)
    assert negatives is None
    sampler = hf.HybridBatchSampler.from_config(index, config, seed=3)
    texts = corpus.passages.texts
    plain = hf.HybridBatchSampler(hf.PairIndex.from_corpus(corpus), 6, ratio, seed=3)

    def alike(drawn):
        meetings = 0
        for i in range(len(drawn)):
            # A German row stands for its English sibling: they are translations of one passage.
            found = [texts[2 * g] if texts[2 * g].startswith(SENTENCE) else "" for g in drawn.batch(i).group]
            found = [text for text in found if text]
            meetings += sum(
                jaccard(folded(one), folded(other)) >= 0.8
                for place, one in enumerate(found)
                for other in found[:place]
            )
        return meetings

    assert alike(plain) > 0
    assert alike(sampler) == 0


def test_a_cluster_too_frequent_is_named_before_training(tmp_path):
    corpus = near_table(tmp_path, 40, dict.fromkeys(range(12), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hf.HybridBatchSampler(hf.PairIndex.from_corpus(corpus), 5, 1.0)
    index = hf.PairIndex.from_corpus(corpus, "near-duplicate")
    with pytest.warns(
        UserWarning, match=r"passage identity \d+ has 12 rows in .*, of which a pass can place"
    ):
        hf.HybridBatchSampler(index, 5, 1.0)


def test_refusals(corpus):
    with pytest.raises(InvalidArgument, match="'same', expected one or more of given, text"):
        corpus_identities(corpus, "same")
    with pytest.raises(InvalidArgument, match="no rule"):
        corpus_identities(corpus, ())
    with pytest.raises(InvalidArgument, match="'given' is of no use"):
        hf.identities(["a"], "given")
    with pytest.raises(InvalidArgument, match="similarity is 0"):
        hf.identities(["a"], "near-duplicate", similarity=0)
    with pytest.raises(InvalidShape, match="one for each of 2 texts"):
        hf.identities(["a", "b"], groups=[1])
    with pytest.raises(InvalidShape, match="the corpus has"):
        hf.PairIndex.from_corpus(corpus, corpus_identities(hf.load_corpus("demo")))
    with pytest.raises(ValueError, match="at least one rule"):
        SamplerConfig(identities=())


def test_the_page_on_identities_runs():
    page = (Path(__file__).parents[1] / "docs" / "identities.md").read_text(encoding="utf-8")
    namespace = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, "identities.md", "exec"), namespace)
    assert len(namespace["mined"].passages) > 0
    assert namespace["sampler"].batch(0).negatives.shape == (16, 1)


def test_the_plan_says_what_was_joined(tmp_path, capsys, monkeypatch):
    corpus = load_corpus("demo", languages=["de", "en"])
    path = write_negatives(tmp_path / "n.jsonl", corpus, hf.HardNegatives.of({3: [50, 60], 9: [70]}))
    source = '[{"name": "demo", "languages": ["de", "en"]}]'
    options = ["--sampler.batch-size", "8", "--sampler.identities", "near-duplicate"]
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--sources", source, *options, "--sampler.hard-negatives", str(path)])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"passages \(near-duplicate\).*? identities of 358 groups, at most \d+ joined", said)
    assert "3 passages for 2 queries" in said


def test_raw_columns_take_identities_from_texts():
    passages = ["One.", "one", "Two.", None]
    index = hf.PairIndex.from_columns(
        [0, 1, 2, 2],
        [0, 0, 0, 1],
        [0, 1, 2, 3],
        [0, 1, 2, -1],
        languages=["en", "de"],
        passage_identity=hf.identities(passages, "normalised"),
    )
    # Pair ids are the query's cell times two languages, plus the passage's language.
    _, passage = index.identities([0, 2, 4])
    assert passage[0] == passage[1] != passage[2]
