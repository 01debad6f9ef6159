"""Judgements in files of their own (TREC, BEIR), and what becomes of those that name what is not there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import CorpusError
from ..quoting import quoted
from .assembling import RowList, compressed
from .corpus import Cells, Corpus, Rows
from .joining import identities
from .passage_files import PassageFiles
from .reading import LARGEST_NUMBER, read_lines

Missing = Literal["refuse", "drop"]
"""What happens to judgements of queries or passages that the source does not have."""

Grades = dict[str, dict[str, int]]
"""Query id → passage id → grade, in the order of the file."""

MOST_NAMED = 3
"""Most ids that a message lists."""


def read_trec(path: Path) -> Grades:
    """Read TREC judgements: query id, a field that is ignored, passage id, grade, divided by blanks.

    Lines that begin with ``#`` are comments.

    Raises:
        CorpusError: another line, or a passage judged twice for a query.
    """
    grades: Grades = {}
    for line, row in read_lines(path):
        fields = row.split()
        if not fields or fields[0].startswith("#"):
            continue
        where = f"{path}, line {line}"
        grade = _grade(fields[3], where) if len(fields) == 4 else None
        if grade is None:
            raise CorpusError(f"{where}: expected 'query Q0 passage grade'")
        _add(grades, fields[0], fields[2], grade, where)
    return grades


def read_beir(path: Path) -> Grades:
    """Read BEIR's judgements: query id, passage id and score, divided by tabs, under a header.

    The header may be missing. A judgement given twice with the same score counts once.

    Raises:
        CorpusError: another line, or two scores for one passage of a query.
    """
    grades: Grades = {}
    first = True
    for line, row in read_lines(path):
        if not row.strip():
            continue
        fields = [field.strip() for field in row.split("\t")]
        where = f"{path}, line {line}"
        grade = _grade(fields[2], where) if len(fields) == 3 else None
        if grade is None or not all(fields):
            if first and len(fields) == 3 and not re.search("[0-9]", fields[2]):
                first = False
                continue
            raise CorpusError(f"{where}: expected 'query-id TAB corpus-id TAB score', a whole number")
        first = False
        if grades.get(fields[0], {}).get(fields[1]) != grade:
            _add(grades, fields[0], fields[1], grade, where)
    return grades


class JudgementList:
    """Judgements by rows, being collected from one or several files."""

    def __init__(self, missing: Missing) -> None:
        """Start an empty list; ``missing``: refuse or drop what names rows that are not there."""
        if missing not in ("refuse", "drop"):
            raise CorpusError(f"missing is {quoted(missing)}, expected 'refuse' or 'drop'")
        self.dropped = 0
        self._missing = missing
        self._judged: list[tuple[int, int, int]] = []

    def add(
        self,
        path: Path,
        grades: Grades,
        query_rows: Mapping[str, int],
        passage_rows: Mapping[str, int],
        of: str,
    ) -> None:
        """Add the judgements of a file.

        Args:
            path: the file, for messages.
            grades: what it says.
            query_rows: query id → row.
            passage_rows: passage id → row, of the passages that are judged.
            of: what the rows are of, for messages.

        Raises:
            CorpusError: judgements of absent queries or passages (count and first ids named), or, where those
                are dropped, no judgement that is left.
        """
        absent: dict[str, None] = {}
        lost = kept = 0
        for query, judgements in grades.items():
            for passage, grade in judgements.items():
                if query in query_rows and passage in passage_rows:
                    self._judged.append((query_rows[query], passage_rows[passage], grade))
                    kept += 1
                    continue
                lost += 1
                if len(absent) <= MOST_NAMED:
                    what = f"passage {quoted(passage)}" if query in query_rows else f"query {quoted(query)}"
                    absent[what] = None
        if lost and (self._missing == "refuse" or not kept):
            raise CorpusError(f"{path}: {_absent(list(absent), lost, kept, of)}")
        self.dropped += lost

    def corpus(
        self,
        name: str,
        languages: list[str],
        queries: RowList,
        passages: PassageFiles,
        documents: Sequence[str],
    ) -> Corpus:
        """Return the corpus of these judgements; a group is a query with one of its relevant passages."""
        judged = np.array(self._judged, np.int64).reshape(-1, 3)
        query_rows = queries.rows(languages)
        relevant = judged[judged[:, 2] > 0]
        group = np.arange(len(relevant))
        return Corpus(
            name=name,
            languages=tuple(languages),
            queries=query_rows,
            passages=Rows(
                ids=passages.ids,
                texts=passages.texts(),
                languages=passages.languages(languages),
                documents=documents,
            ),
            group_ids=[
                f"{queries.ids[query]}/{passages.ids[row]}" for query, row in relevant[:, :2].tolist()
            ],
            cells=Cells(
                group=group,
                language=query_rows.languages[relevant[:, 0]].astype(np.int64),
                query=relevant[:, 0],
                passage=relevant[:, 1],
                query_identity=identities(group, relevant[:, 0], queries.texts, len(group)),
                passage_identity=identities(group, relevant[:, 1], passages.texts_of, len(group)),
            ),
            qrels=compressed(judged[:, 0], judged[:, 1], judged[:, 2], len(query_rows)),
            dropped_judgements=self.dropped,
        )


def _absent(named: list[str], lost: int, kept: int, of: str) -> str:
    first = ", ".join(named[:MOST_NAMED]) + (" and others" if len(named) > MOST_NAMED else "")
    what = (
        f"{first} is judged but is not among those of {of}"
        if lost == 1
        else f"{lost:,} of {lost + kept:,} judgements name what is not among those of {of}: {first}"
    )
    if not kept:
        return f"{what}; nothing judged is there: do these files belong together?"
    return f"{what}; give the files whole, or missing = 'drop' to leave such judgements out and count them"


def _add(grades: Grades, query: str, passage: str, grade: int, where: str) -> None:
    if passage in grades.setdefault(query, {}):
        raise CorpusError(
            f"{where}: passage {quoted(passage)} is judged twice for query {quoted(query)}; keep one line"
        )
    grades[query][passage] = grade


def _grade(text: str, where: str) -> int | None:
    """Return a grade, which may be written 1.0; None where the text is no whole number."""
    if not re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text):
        return None
    digits = text.partition(".")[0]
    if len(digits) > 20 or abs(int(digits)) > LARGEST_NUMBER:
        raise CorpusError(f"{where}: the grade {quoted(text)} is beyond whole numbers of 64 bits")
    return int(digits)
