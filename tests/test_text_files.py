"""Files as other programs write them: byte order marks, other encodings, damage, excess; every reader."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hybrid_fast as hf
from corpus_files import (
    write,
    write_afriqa,
    write_beir,
    write_lareqa,
    write_lines,
    write_miracl,
    write_ntrex,
    write_tico,
)
from hybrid_fast import text_files
from hybrid_fast.cli import main
from hybrid_fast.config import SamplerConfig, TrainConfig, load
from hybrid_fast.corpus import fingerprint, read_negatives, write_table
from hybrid_fast.corpus.reading import DamagedText, read_json, read_json_lines, read_lines
from hybrid_fast.errors import ConfigError, CorpusError

MARK = b"\xef\xbb\xbf"


def squad(folder: Path) -> Path:
    return write(folder / "pairs.tsv", "who ?\tit is she .\nwhat ?\tit is that .\n").parent


def paragraphs(folder: Path) -> Path:
    record = {"title": "T", "context": "a b", "qas": [{"id": "1", "question": "what?", "answers": []}]}
    return write_lines(folder / "train.jsonl", [record]).parent


def published(folder: Path) -> Path:
    record = {"title": "T", "context_text": "a b", "qas": [{"query_id": "1", "query_text": "what?"}]}
    return write(folder / "cmrc2018_dev.json", json.dumps([record])).parent


def table(folder: Path) -> Path:
    return write_table(hf.load_corpus("demo", languages=["sw"]), folder)


READERS: dict[str, Callable[[Path], Path]] = {
    "xquad-r": write_lareqa,
    "afriqa": write_afriqa,
    "ntrex-128": write_ntrex,
    "tico-19": write_tico,
    "squad-sentences": squad,
    "jaquad": paragraphs,
    "cmrc2018": published,
    "table": table,
    "miracl": write_miracl,
    "beir": write_beir,
}


def rewrite(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Change every file below a folder, gzip-compressed ones inside."""
    for path in folder.rglob("*"):
        if path.is_file():
            packed = path.suffix == ".gz"
            data = change(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
            path.write_bytes(gzip.compress(data) if packed else data)


def read(name: str, folder: Path) -> Any:
    return hf.load_corpus(name, path=folder, languages=["en"] if name == "beir" else [])


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_changes_nothing(name: str, tmp_path: Path) -> None:
    folder = READERS[name](tmp_path / name)
    plain = fingerprint(read(name, folder))
    rewrite(folder, lambda data: MARK + data)
    assert fingerprint(read(name, folder)) == plain


@pytest.mark.parametrize("name", READERS)
def test_windows_line_ends_change_nothing(name: str, tmp_path: Path) -> None:
    folder = READERS[name](tmp_path / name)
    plain = fingerprint(read(name, folder))
    rewrite(folder, lambda data: MARK + data.replace(b"\n", b"\r\n"))
    assert fingerprint(read(name, folder)) == plain


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", READERS)
def test_text_of_windows_gets_one_sentence(name: str, encoding: str, tmp_path: Path) -> None:
    folder = READERS[name](tmp_path / name)
    rewrite(folder, lambda data: data.decode().encode(encoding))
    message = r"(is UTF-(16|32) text, as Windows|holds zero bytes, as UTF-16) .*; save it as UTF-8"
    with pytest.raises(CorpusError, match=message) as error:
        read(name, folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("ending", ["tsv", "tsv.gz", "jsonl", "jsonl.gz"])
def test_negative_files_too(ending: str, tmp_path: Path) -> None:
    corpus = hf.load_corpus("demo", languages=["sw"])
    query, passages = corpus.queries.ids[0], corpus.passages.ids[:2]
    text = "".join(f"{query}\t{passage}\n" for passage in passages)
    if ending.startswith("jsonl"):
        text = json.dumps({"query": query, "negatives": passages}) + "\n"
    found = read_negatives(write(tmp_path / f"n.{ending}", "\ufeff" + text), corpus)
    assert found[0].tolist() == [0, 1]
    path = tmp_path / f"n.{ending}"
    data = text.encode("utf-16")
    path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    with pytest.raises(CorpusError, match="UTF-16"):
        read_negatives(path, corpus)


CONFIG = "steps = 7\n[[sources]]\nname = 'demo'\n"


def test_a_configuration_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    plain = load(TrainConfig, write(tmp_path / "a.toml", CONFIG))
    assert load(TrainConfig, write(tmp_path / "b.toml", "\ufeff" + CONFIG)) == plain
    crlf = "\ufeff" + CONFIG.replace("\n", "\r\n")
    assert load(TrainConfig, write(tmp_path / "c.toml", crlf)) == plain


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (CONFIG.encode("utf-16"), "is UTF-16 text"),
        (b"a = '\xff'", "line 1: not UTF-8"),
        (b"a = 1\nb = 2\nc = '\xe9'", "line 3: not UTF-8"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deep"),
        (b"a = " + b"9" * 5000, "a number has too many digits"),
        (b"a = 1979-02-30", "not valid TOML"),
        (b"steps =", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_file_is_one_sentence(
    data: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "train.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=words) as error:
        load(TrainConfig, path)
    assert str(path) in str(error.value)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--config", str(path), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    shown = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert words in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


def test_long_values_of_a_configuration_are_shown_in_part(tmp_path: Path, capsys: Any) -> None:
    for text in (f"steps = '{'x' * 10**6}'\n{CONFIG[10:]}", f"{'y' * 10**6} = 1\n{CONFIG}"):
        with pytest.raises(ConfigError) as error:
            load(TrainConfig, write(tmp_path / "t.toml", text))
        assert len(str(error.value)) < 1000
        with pytest.raises(SystemExit):
            main(["train", "--config", str(tmp_path / "t.toml"), "--out", str(tmp_path / "out")])
        assert len(capsys.readouterr().err) < 1000
    with pytest.raises(ConfigError) as error:
        SamplerConfig(batch_size=-(10**3000))
    assert len(str(error.value)) < 300


FLAT = '{"group": 1, "language": "en", "query": "a", "passage": %s}\n'


@pytest.mark.parametrize(
    ("passage", "words"),
    [
        ("[" * 10**5 + "]" * 10**5, "line 1: JSON nested too deep"),
        ("9" * 5000, "line 1: a number has thousands of digits"),
        ("[1, 2]", "line 1: field 'passage' is a list, expected text"),
        ("{}", "line 1: field 'passage' is an object, expected text"),
        ("true", "line 1: field 'passage' is true or false, expected text"),
        ('"b"} x', "line 1: not JSON"),
        ('"b', "line 1: not JSON"),
    ],
)
def test_a_hostile_record_is_named(passage: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=words) as error:
        hf.load_corpus("table", path=write(tmp_path / "t.jsonl", FLAT % passage))
    assert len(str(error.value)) < 400


def test_a_json_file_of_hostile_depth_or_numbers(tmp_path: Path) -> None:
    for text, words in (
        ("[" * 10**5, "nested too deep"),
        ('{"data": ' + "1" * 9999 + "}", "thousands of digits"),
    ):
        write(tmp_path / "en.json", text)
        with pytest.raises(CorpusError, match=words):
            hf.load_corpus("xquad-r", path=tmp_path)


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**300])
def test_numbers_beyond_a_column_are_named(number: int, tmp_path: Path) -> None:
    write_lines(tmp_path / "queries.jsonl", [{"id": "q", "language": "en", "text": "Who?"}])
    write_lines(tmp_path / "passages.jsonl", [{"id": "p", "language": "en", "text": "She."}])
    write_lines(tmp_path / "qrels.jsonl", [{"query": "q", "passage": "p", "grade": number}])
    with pytest.raises(CorpusError, match=r"qrels.jsonl, line 1: field 'grade' is .* 64 bits") as error:
        hf.load_corpus("table", path=tmp_path)
    assert len(str(error.value)) < 300


def test_a_line_without_end_is_refused_before_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "LONGEST_LINE", 2**20)
    for name in ("a.jsonl", "a.jsonl.gz"):
        path = write(tmp_path / name, FLAT % '"b"' + "x" * (2**20 + 1))
        with pytest.raises(CorpusError, match=r"line 2: the line is longer than 1 MiB"):
            hf.load_corpus("table", path=path)
    write(tmp_path / "b.jsonl", FLAT % json.dumps("b" * 2**19))  # a long one that is not too long
    assert len(hf.load_corpus("table", path=tmp_path / "b.jsonl").passages.texts[0]) == 2**19


def test_a_file_read_as_a_whole_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "LARGEST_FILE", 2**20)
    write(tmp_path / "en.json.gz", " " * (2**20 + 1))
    with pytest.raises(CorpusError, match=r"en.json.gz holds more than 1 MiB"):
        hf.load_corpus("xquad-r", path=tmp_path)


def test_half_a_surrogate_pair_becomes_a_replacement_character(tmp_path: Path) -> None:
    line = '{"group": %d, "language": "en", "query": "a %s", "passage": "x %s"}\n'
    text = line % (1, "\\ud83d", "\\uDE00\\ud83d") + line % (2, "\\ud83d\\ude00", "y")
    with pytest.warns(DamagedText, match=r"t.jsonl, line 1: half of a surrogate pair.*U\+FFFD"):
        corpus = hf.load_corpus("table", path=write(tmp_path / "t.jsonl", text))
    assert corpus.queries.texts == ["a \ufffd", "a 😀"]
    assert corpus.passages.texts == ["x \ufffd\ufffd", "x y"]
    again = hf.load_corpus("table", path=write_table(corpus, tmp_path / "out"))
    assert fingerprint(again) == fingerprint(corpus)


class Encoder:
    """Encodes what can be written as UTF-8, as tokenizers do."""

    def encode_query(self, texts: list[str]) -> Any:
        return np.array([[len(text.encode()), 1] for text in texts], np.float32)

    encode_document = encode_query


@pytest.mark.filterwarnings("ignore::hybrid_fast.corpus.reading.DamagedText")
def test_such_texts_are_evaluated_and_written_from_every_json_reader(tmp_path: Path) -> None:
    half = "cut \\ud83d"
    passage = f'{{"docid": "1#0", "_id": "d", "title": "{half}", "text": "{half}"}}\n'
    miracl = write_miracl(tmp_path / "m", "sw")
    write(miracl / "qrels.miracl-v1.0-sw-train.tsv", "1 Q0 1#0 1\n")
    write(miracl / "topics.miracl-v1.0-sw-train.tsv", "1\tNani?\n")
    write(miracl / "miracl-corpus-v1.0-sw" / "docs-0.jsonl.gz", passage)
    for name in ("docs-1.jsonl.gz", "docs-10.jsonl.gz", "docs-2.jsonl"):
        (miracl / "miracl-corpus-v1.0-sw" / name).unlink()
    beir = write_beir(tmp_path / "b", qrels={"test": "q\td\t1\n"})
    write(beir / "corpus.jsonl", passage)
    write(beir / "queries.jsonl", f'{{"_id": "q", "text": "{half}"}}\n')
    squad = {"paragraphs": [{"context": "C", "qas": [{"id": "i", "question": "Q"}]}], "title": "T"}
    arcd = json.dumps({"data": [squad]}).replace("C", half).replace('"Q"', f'"{half}"')
    write(tmp_path / "a" / "arcd-train.json", arcd)
    for name, corpus in (
        ("m", hf.load_corpus("miracl", path=miracl, split="train")),
        ("b", hf.load_corpus("beir", path=beir, languages=["en"])),
        ("a", hf.load_corpus("arcd", path=tmp_path / "a")),
    ):
        assert all("\ufffd" in text for text in corpus.passages.texts)
        hf.evaluate(Encoder(), corpus).write(tmp_path / "out" / name, run=True)
        again = hf.load_corpus("table", path=write_table(corpus, tmp_path / "table" / name))
        assert list(again.passages.texts) == list(corpus.passages.texts)


def test_a_json_file_says_the_line_of_the_half(tmp_path: Path) -> None:
    write(tmp_path / "a.json", '{\n"a": "\\ud83d\\ude00",\n"b": ["\\ud83d."],\n"\\ude00": 1}')
    with pytest.warns(DamagedText, match=r"a.json, line 3: half"):
        assert read_json(tmp_path / "a.json") == {"a": "😀", "b": ["\ufffd."], "\ufffd": 1}


@pytest.mark.parametrize("format", ["jsonl", "jsonl.gz", "parquet"])
def test_a_corpus_made_by_hand_with_a_half_is_not_written(tmp_path: Path, format: Any) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    corpus = hf.load_corpus("demo", languages=["sw"])
    corpus.passages.texts[3] = "x \ud83d"  # type: ignore[index]  # a list
    with pytest.raises(CorpusError, match="a text of its passages holds half a surrogate pair"):
        write_table(corpus, tmp_path / "t", format=format)
    assert list(tmp_path.iterdir()) == []


def test_zero_bytes_in_the_middle_of_other_letters_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes("من هو؟ نعم\n".encode("utf-16-le"))
    with pytest.raises(CorpusError, match="zero bytes"):
        list(read_lines(path))


def test_a_folder_as_configuration_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder, expected a TOML file"):
        load(TrainConfig, tmp_path)


def test_what_is_read_is_what_is_written(tmp_path: Path) -> None:
    text = "a\tb\u2028c\x85d\x0c\n\n\ufeff inside \ufeff\nlast"
    expected = [(1, "a\tb\u2028c\x85d\x0c"), (2, ""), (3, "\ufeff inside \ufeff"), (4, "last")]
    assert list(read_lines(write(tmp_path / "a.txt", text))) == expected
    assert list(read_lines(write(tmp_path / "a.txt.gz", "\ufeff" + text))) == expected
    assert list(read_lines(write(tmp_path / "empty.txt", ""))) == []
    assert list(read_lines(write(tmp_path / "mark.txt", "\ufeff"))) == [(1, "")]
    assert read_json(write(tmp_path / "a.json", '\ufeff{"a": "\\ufeff"}')) == {"a": "\ufeff"}
    assert list(read_json_lines(write(tmp_path / "a.jsonl", '\ufeff\n{"a": 1}\n'))) == [(2, {"a": 1})]
