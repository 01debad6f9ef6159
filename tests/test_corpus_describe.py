"""The numbers of a corpus, near-duplicates, and the command that prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hybrid_fast as hf
from corpus_files import real_data, write_afriqa, write_lareqa
from hybrid_fast.cli import main
from hybrid_fast.corpus import describe
from hybrid_fast.corpus.joining import normalise_text
from hybrid_fast.corpus.near_duplicates import jaccard, near_duplicates


def test_the_numbers_of_a_small_corpus(tmp_path: Path) -> None:
    corpus = hf.load_corpus("xquad-r", path=write_lareqa(tmp_path / "x", "en de sw"))
    numbers = describe(corpus, corpus)
    assert (numbers.groups, numbers.queries, numbers.passages, numbers.documents) == (5, 15, 21, 3)
    assert numbers.strata.tolist() == [[5] * 3] * 3
    assert numbers.joined_sizes == {1: 3, 2: 1}
    assert (numbers.passage_identities, numbers.query_identities) == (4, 5)
    assert [item.sharing for item in numbers.languages] == [2, 2, 2]
    assert [item.name for item in numbers.languages] == ["German", "English", "Swahili"]
    assert numbers.overlap == {"xquad-r": {"documents": 3, "queries": 15, "passages": 21}}
    assert json.loads(json.dumps(numbers.to_mapping()))["strata"]["sw"]["de"] == 5


def test_a_missing_side_is_an_empty_stratum(tmp_path: Path) -> None:
    numbers = describe(hf.load_corpus("afriqa", path=write_afriqa(tmp_path), languages=["ha"]))
    assert [item.code for item in numbers.languages] == ["en", "ha"]
    assert numbers.strata.tolist() == [[0, 0], [3, 0]]
    assert [item.monolingual for item in numbers.languages] == [0, 0]


@given(st.lists(st.text("ab ", max_size=14), max_size=12), st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_near_duplicates_equal_all_pairs_compared(texts: list[str], threshold: float) -> None:
    firsts: dict[str, int] = {}
    for number, text in enumerate(texts):
        firsts.setdefault(normalise_text(text), number)
    expected = {
        tuple(sorted((one, other)))
        for (a, one), (b, other) in combinations([(a, n) for a, n in firsts.items() if a], 2)
        if jaccard(a, b) >= threshold
    }
    assert {(pair.first, pair.second) for pair in near_duplicates(texts, threshold=threshold)} == expected


def test_a_changed_word_is_a_near_duplicate() -> None:
    sentence = "The quick brown fox jumps over the lazy dog while the sun goes down behind the old stone mill"
    texts = [sentence, "Something else altogether.", sentence.replace("old", "odd"), sentence.upper()]
    assert [(pair.first, pair.second) for pair in near_duplicates(texts)] == [(0, 2)]
    with pytest.raises(ValueError, match="threshold is 0"):
        near_duplicates(texts, threshold=0)


def run(*arguments: str) -> int:
    try:
        main(["corpus", *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_command_prints_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lareqa(tmp_path / "xquad-r")
    write_lareqa(tmp_path / "mlqa-r")
    path = str(tmp_path / "xquad-r")
    assert run("xquad-r", "--path", path, "--languages", "en", "de", "--against", "mlqa-r") == 0
    out = capsys.readouterr().out
    for word in ("groups", "German", "English", "cross-lingual", "mlqa-r", "fingerprint"):
        assert word in out


def test_the_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_lareqa(tmp_path))
    assert run("xquad-r", "--path", path, "--json", "--articles", "odd", "--against", f"mlqa-r:{path}") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["groups"] == 1
    assert found["overlap"][f"mlqa-r:{path}"]["queries"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("xquad-r", "--path", "nowhere"), "no such file or folder"),
        (("squid",), "unknown corpus 'squid'"),
        (("xquad-r", "--path", ".", "--languages", "xx"), "unknown language code 'xx'"),
        (("xquad-r", "--articles", "third"), "third"),
    ],
)
def test_bad_input_is_one_box_and_exit_code_2(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in error


def test_corpora_work_without_torch_and_pandas(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'pandas', 'pyarrow', 'datasets', 'transformers'): sys.modules[name] = None\n"
        "from hybrid_fast.cli import main\nmain(['corpus', 'xquad-r', '--path', sys.argv[1]])"
    )
    path = str(write_lareqa(tmp_path))
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@real_data
def test_the_numbers_of_xquad_r() -> None:
    numbers = describe(hf.load_corpus("xquad-r", languages=["en", "zh"]), hf.load_corpus("mlqa-r"))
    english = numbers.languages[0]
    assert (english.sharing, english.passages, english.queries) == (656, 1180, 1190)
    assert numbers.strata.tolist() == [[1190, 1190]] * 2
    assert sum(size * count for size, count in numbers.joined_sizes.items()) == 1190
    assert numbers.overlap["mlqa-r"]["queries"] == 0


def test_a_corpus_shows_itself_in_one_line():
    corpus = hf.load_corpus("demo")
    assert len(repr(corpus)) < 200
    assert str(len(corpus.passages)) in repr(corpus)
    assert repr(corpus.queries) == f"Rows({len(corpus.queries)})"
