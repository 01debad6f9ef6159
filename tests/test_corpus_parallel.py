"""NTREX-128 and TICO-19 as inverse cloze groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hybrid_fast as hf
from corpus_files import NTREX_DOCUMENTS, real_data, write, write_ntrex, write_tico
from hybrid_fast.corpus.parallel import BLOCK
from hybrid_fast.errors import CorpusError


def test_a_sentence_asks_for_its_neighbours_and_never_for_itself(tmp_path: Path) -> None:
    corpus = hf.load_corpus("ntrex-128", path=write_ntrex(tmp_path))
    assert corpus.languages == ("en", "sw", "zh")
    assert len(corpus.group_ids) == 9  # the document of one sentence gives no group
    cells = corpus.cells
    for cell in range(len(cells)):
        query = corpus.queries.texts[cells.query[cell]]
        passage = corpus.passages.texts[cells.passage[cell]]
        assert query not in passage
        assert corpus.queries.documents[cells.query[cell]] == corpus.passages.documents[cells.passage[cell]]
        assert query.split()[0] in passage
    english = dict(zip(corpus.queries.texts, corpus.passages.texts, strict=True))
    assert english["eng 1."] == "eng 0. eng 2."
    assert english["eng 3."] == "eng 4. eng 5. eng 6."
    assert english["zho-CN 7."] == "zho-CN 8."
    assert "zho-CN 4.zho-CN 5.zho-CN 6." in english.values()  # Chinese needs no space between sentences


def test_passages_that_share_a_sentence_have_one_identity(tmp_path: Path) -> None:
    corpus = hf.load_corpus("ntrex-128", path=write_ntrex(tmp_path))
    cells = corpus.cells
    by_group = dict(zip(cells.group.tolist(), cells.passage_identity.tolist(), strict=True))
    identities = [by_group[group] for group in range(9)]
    assert len({*identities[:3]}) == len({*identities[3:7]}) == len({*identities[7:]}) == 1
    assert len({*identities}) == 3


def test_every_language_of_a_group_is_relevant(tmp_path: Path) -> None:
    corpus = hf.load_corpus("ntrex-128", path=write_ntrex(tmp_path), languages=["en", "sw"])
    assert set(np.diff(corpus.qrels.indptr)) == {2}
    assert corpus.languages == ("en", "sw")


def test_documents_are_cut_by_position(tmp_path: Path) -> None:
    odd = hf.load_corpus("ntrex-128", path=write_ntrex(tmp_path), articles="odd")
    assert set(odd.passages.documents) == {"b"}


def test_tico_is_parallel_by_id(tmp_path: Path) -> None:
    corpus = hf.load_corpus("tico-19", path=write_tico(tmp_path), languages=["spa", "swh"])
    assert corpus.languages == ("es", "sw")
    assert corpus.group_ids == [f"D_{n // 3}:{n}" for n in range(6)]
    assert corpus.passages.texts[0] == "es-LA 1 es-LA 2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("D_0:0\tx\nD_0:9\ty\n", r"sw.tsv.gz, line 2: id 'D_0:9', but .*en.tsv.gz has 'D_0:1'"),
        ("D_0:0\tx\n", "has 1 lines, but .* has 6"),
        ("D_0:0 x\n", "line 1: expected 'document:number TAB text'"),
        ("D_0:0\tx\nD_0:0\ty\n", "line 2: id 'D_0:0' occurs twice"),
    ],
)
def test_files_that_are_not_parallel_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        hf.load_corpus("tico-19", path=write_tico(tmp_path, sw=text))


def test_ntrex_files_of_another_length_are_named(tmp_path: Path) -> None:
    write_ntrex(tmp_path)
    write(tmp_path / "deu.txt", "one line\n")
    with pytest.raises(CorpusError, match=r"deu.txt has 1 lines, but .*document_ids.txt.gz has 10"):
        hf.load_corpus("ntrex-128", path=tmp_path)
    (tmp_path / "document_ids.txt.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"document_ids\.txt"):
        hf.load_corpus("ntrex-128", path=tmp_path)


@real_data
def test_published_counts() -> None:
    ntrex = hf.load_corpus("ntrex-128", languages=["eng", "arb", "zho-TW", "hau"])
    assert len(ntrex.group_ids) == 1997
    assert ntrex.languages == ("ar", "en", "ha", "zh-Hant")
    assert len(set(ntrex.queries.documents)) == 123
    assert np.bincount(ntrex.cells.passage_identity).max() <= BLOCK * 4
    tico = hf.load_corpus("tico-19", languages=["en", "pt-BR", "ti"])
    assert len(tico.group_ids) == 3071
    assert len(set(tico.queries.documents)) == 31


def ntrex_checkout(folder: Path, *names: str, lines: int = len(NTREX_DOCUMENTS)) -> Path:
    """Write NTREX as its repository has it; each text says the name of its file."""
    write(folder / "DOCUMENT_IDS.tsv", "".join(f"{item}\n" for item in NTREX_DOCUMENTS))
    write(folder / "LANGUAGES.tsv", "afr Afrikaans\n")
    for name in ("src.eng", "ref.fra", "ref.zho-CN", "ref.zho-TW", *names):
        text = "".join(f"{name} {n}.\n" for n in range(lines))
        write(folder / "NTREX-128" / f"newstest2019-{name}.txt", text)
    return folder


def test_a_checkout_of_ntrex_is_read(tmp_path: Path) -> None:
    checkout = ntrex_checkout(tmp_path / "NTREX")
    for path in (checkout, checkout / "NTREX-128"):
        corpus = hf.load_corpus("ntrex-128", path=path)
        assert corpus.languages == ("en", "fr", "zh", "zh-Hant")
        assert len(corpus.group_ids) == 9
        assert corpus.queries.texts[0] == "src.eng 0."
    assert hf.load_corpus("ntrex-128", path=checkout, languages=["zho-TW"]).languages == ("zh-Hant",)


def test_of_several_translations_the_one_without_a_country_is_read(tmp_path: Path) -> None:
    names = ("ref.eng-GB", "ref.eng-US", "ref.fra-CA", "ref-2.spa", "ref.spa", "ref.spa-MX", "ref.por-BR")
    corpus = hf.load_corpus("ntrex-128", path=ntrex_checkout(tmp_path, *names))
    assert corpus.languages == ("en", "es", "fr", "pt", "zh", "zh-Hant")
    starts = {text.rpartition(" ")[0] for text in corpus.queries.texts}
    assert starts == {"src.eng", "ref.fra", "ref.spa", "ref.por-BR", "ref.zho-CN", "ref.zho-TW"}


def test_two_files_of_one_language_are_refused(tmp_path: Path) -> None:
    ntrex_checkout(tmp_path / "a", "ref.gsw-BE", "ref.gsw-ZH")
    with pytest.raises(CorpusError, match=r"gsw-BE.txt and .*gsw-ZH.txt are both in gsw; keep one"):
        hf.load_corpus("ntrex-128", path=tmp_path / "a")
    write_ntrex(tmp_path / "b")
    write(tmp_path / "b" / "sw.txt", "x\n" * len(NTREX_DOCUMENTS))
    with pytest.raises(CorpusError, match=r"sw.txt and .*swa.txt.gz are both in sw; keep one"):
        hf.load_corpus("ntrex-128", path=tmp_path / "b")
    write_tico(tmp_path / "c")
    write(tmp_path / "c" / "spa.tsv", "D_0:0\tx\n")
    with pytest.raises(CorpusError, match=r"es-LA.tsv.gz and .*spa.tsv are both in es; keep one"):
        hf.load_corpus("tico-19", path=tmp_path / "c")
    write(tmp_path / "b" / "notes.txt", "x\n")
    with pytest.raises(
        CorpusError, match=r"notes.txt: its name is no language: unknown language code 'notes'"
    ):
        hf.load_corpus("ntrex-128", path=tmp_path / "b")


def test_a_file_of_a_checkout_that_is_too_short_is_named(tmp_path: Path) -> None:
    checkout = ntrex_checkout(tmp_path, lines=9)
    with pytest.raises(
        CorpusError, match=r"newstest2019-src.eng.txt has 9 lines, but .*DOCUMENT_IDS.tsv has 10"
    ):
        hf.load_corpus("ntrex-128", path=checkout)
