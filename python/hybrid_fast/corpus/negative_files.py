"""Files of hard negatives: a query id and the ids of its passages, best first.

JSON Lines (``.jsonl``, ``.jsonl.gz``), an object a query: ``{"query": "q1", "negatives": ["p7", "p3"]}``;
tab-separated (``.tsv``, ``.tsv.gz``), a passage a line: ``q1<TAB>p7``, further columns passed over; or
NumPy's ``.npz`` with rows instead of ids, bound to one corpus by its fingerprint.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..atomic import replacing
from ..errors import CorpusError
from ..quoting import quoted, shortened
from .corpus import Corpus
from .hard_negatives import HardNegatives
from .identities import Identities, corpus_identities, row_identities
from .reading import read_json_lines, read_lines, take
from .selection import fingerprint


def read_negatives(
    path: Path | str, corpus: Corpus, identities: str | Sequence[str] | Identities = "given"
) -> HardNegatives:
    """Read the hard negatives of a corpus.

    Ids that the corpus does not have are passed over, since it may be a part (languages held out, a
    sample); a file none of whose queries or none of whose passages it has is an error.

    Args:
        path: the file.
        corpus: whose queries and passages the file names; of several sources the ids begin with the
            source (``demo:q1``), as :func:`~hybrid_fast.corpus.mix` makes them.
        identities: the rules that the index is made with, so that a passage which is in no cell is told
            from a batch's positives by the same rules.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: a malformed line, named by its number; a query twice; nothing of this corpus; an
            ``.npz`` of another corpus.
    """
    path = Path(path)
    lists = _read_rows(path, corpus) if path.suffix == ".npz" else _read_ids(path, corpus)
    return HardNegatives(
        lists.indptr,
        lists.passages,
        row_identities(corpus, lists.passages, corpus_identities(corpus, identities)),
        corpus.passages.languages[lists.passages].astype(np.int16),
    )


def write_negatives(path: Path | str, corpus: Corpus, negatives: HardNegatives) -> Path:
    """Write hard negatives so that :func:`read_negatives` gives back the same lists.

    Args:
        path: ``.jsonl``, ``.jsonl.gz``, ``.tsv``, ``.tsv.gz`` or ``.npz``.
        corpus: whose rows they are.
        negatives: lists for the corpus's query rows.

    Raises:
        CorpusError: another ending, or rows that the corpus does not have.
    """
    path = Path(path)
    form = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    if form not in ("jsonl", "tsv", "npz") or path.name.endswith(".npz.gz"):
        raise CorpusError(f"{path}: hard negatives are written as .jsonl, .tsv (both also .gz) or .npz")
    if len(negatives) > len(corpus.queries) or negatives.passages.max(initial=-1) >= len(corpus.passages):
        raise CorpusError(f"these hard negatives have rows that {corpus.name} does not have")
    with replacing(path) as temporary:
        if form == "npz":
            with temporary.open("wb") as file:
                np.savez_compressed(
                    file,
                    indptr=negatives.indptr,
                    passages=negatives.passages,
                    corpus=np.array(fingerprint(corpus)),
                )
        else:
            lines = _json_lines(corpus, negatives) if form == "jsonl" else _tab_lines(corpus, negatives)
            with (
                gzip.GzipFile(temporary, "wb", mtime=0)
                if path.suffix == ".gz"
                else temporary.open("wb") as file
            ):
                for line in lines:
                    file.write(line.encode() + b"\n")
    return path


def _read_ids(path: Path, corpus: Corpus) -> HardNegatives:
    query_row = {id: row for row, id in enumerate(corpus.queries.ids)}
    passage_row = {id: row for row, id in enumerate(corpus.passages.ids)}
    lists: dict[int, list[int]] = {}
    queries = passages = named = 0
    for query, ids in _named(path):
        named += 1
        row = query_row.get(query)
        rows = [passage_row[id] for id in ids if id in passage_row]
        queries += row is not None
        passages += len(rows)
        if row is not None:
            lists.setdefault(row, []).extend(rows)
    if not queries or not passages:
        what = "no queries" if not named else "no query" if not queries else "no passage"
        raise CorpusError(
            f"{path} names {what} of {corpus.name}; hard negatives are ids of its queries and passages, "
            f"such as {corpus.queries.ids[0]!r} and {corpus.passages.ids[0]!r}"
        )
    return HardNegatives.of({row: list(dict.fromkeys(rows)) for row, rows in lists.items()})


def _named(path: Path) -> Iterator[tuple[str, list[str]]]:
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        seen: set[str] = set()
        for number, record in read_json_lines(path):
            where = f"{path}, line {number}"
            query, ids = take(record, "query", str, where), take(record, "negatives", list, where)
            if query in seen:
                raise CorpusError(f"{where}: query {quoted(query)} occurs twice")
            if wrong := [id for id in ids if not isinstance(id, str)]:
                raise CorpusError(f"{where}: negatives holds {quoted(wrong[0])}, expected passage ids (text)")
            seen.add(query)
            yield query, ids
    elif path.name.removesuffix(".gz").endswith(".tsv"):
        for number, line in read_lines(path):
            if not line.strip():
                continue
            query, *ids = line.split("\t")
            if not ids:
                raise CorpusError(f"{path}, line {number}: expected a query id, a tab and a passage id")
            yield query, ids[:1]
    else:
        raise CorpusError(f"{path}: hard negatives are read from .jsonl, .tsv (both also .gz) or .npz")


def _read_rows(path: Path, corpus: Corpus) -> HardNegatives:
    try:
        with np.load(path, allow_pickle=False) as file:
            indptr, passages, of = file["indptr"], file["passages"], str(file["corpus"])
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CorpusError(
            f"{path} holds no hard negatives ({shortened(str(error))}); write_negatives makes such a file"
        ) from None
    if of != fingerprint(corpus):
        raise CorpusError(
            f"{path} holds rows of another corpus than this {corpus.name}; .npz files fit one corpus, "
            "its filters included: mine again, or write the ids as .jsonl"
        )
    return HardNegatives.of((indptr, passages))


def _json_lines(corpus: Corpus, negatives: HardNegatives) -> Iterator[str]:
    for query in np.flatnonzero(np.diff(negatives.indptr)).tolist():
        ids = [corpus.passages.ids[row] for row in negatives[query].tolist()]
        yield json.dumps({"query": corpus.queries.ids[query], "negatives": ids}, ensure_ascii=False)


def _tab_lines(corpus: Corpus, negatives: HardNegatives) -> Iterator[str]:
    for query in range(len(negatives)):
        for row in negatives[query].tolist():
            yield f"{corpus.queries.ids[query]}\t{corpus.passages.ids[row]}"
