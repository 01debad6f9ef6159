"""Hard negatives: for each row of a batch, passages of its query's list that are no positive of the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._core import cell_columns, take_negatives
from ..corpus import HardNegatives
from ..corpus.answers import Answers, answers_of_groups
from ..corpus.joining import joined_groups
from ..errors import InvalidArgument, InvalidShape
from ..pairs import PairIndex

Int64s = NDArray[np.int64]
NegativeLanguage = Literal["any", "passage"]
"""Languages a row's negatives may be in: any, or that of its passage."""

MASKED = -1
"""Stands where a query's list holds no passage that may be taken; an identity that is no single one."""


class Negatives:
    """Lists made ready for the batches of an index.

    Entries that are known positives of their query are left out: those whose identity is that of a
    passage of a group which asks the same question.

    Attributes:
        lists: what may be taken.
        per_query: negatives a row.
        known_positives: entries left out because they answer their query.
        ambiguous: entries left out because their passage has several identities.
        fingerprint: 16 hexadecimal digits of all this.
    """

    def __init__(
        self,
        index: PairIndex,
        given: HardNegatives,
        per_query: int,
        language: NegativeLanguage,
    ) -> None:
        if language not in ("any", "passage"):
            raise InvalidArgument(f'negatives_language is {language!r}, expected "any" or "passage"')
        cells = _Cells(index)
        identities = given.identities if given.identities is not None else cells.identities(given.passages)
        for name, column in (("identities", identities), ("languages", given.languages)):
            if column is not None and len(column) != len(given.passages):
                raise InvalidShape(
                    f"the hard negatives have {len(column)} {name} for {len(given.passages)} passages"
                )
        languages = None
        if language == "passage":
            languages = given.languages if given.languages is not None else cells.languages(given.passages)
        query = np.repeat(np.arange(len(given)), np.diff(given.indptr))
        several = identities == MASKED
        positive = cells.answers(query, identities) & ~several
        self.index = index
        self._table = cells.table()
        self.lists = HardNegatives(given.indptr, given.passages, identities, languages).keep(
            ~several & ~positive
        )
        self.per_query = per_query
        self.known_positives = int(positive.sum())
        self.ambiguous = int(several.sum())
        digest = hashlib.blake2b(f"{per_query} {language}".encode(), digest_size=8)
        for column in (self.lists.indptr, self.lists.passages, self.lists.identities):
            digest.update(np.ascontiguousarray(column, "<i8").tobytes())
        if languages is not None:
            digest.update(np.ascontiguousarray(self.lists.languages, "<i2").tobytes())
        self.fingerprint = digest.hexdigest()

    def __str__(self) -> str:
        """Say how many there are, and how many were left out."""
        queries = int((np.diff(self.lists.indptr) > 0).sum())
        said = f"{len(self.lists.passages):,} passages for {queries:,} queries"
        if self.known_positives:
            said += f"; {self.known_positives:,} left out that answer their query"
        if self.ambiguous:
            said += f"; {self.ambiguous:,} left out that have several identities"
        return said

    def take(self, columns: Mapping[str, Any], width: int) -> Int64s:
        """Return the negatives of whole batches.

        In each batch first every row, in order, takes the first passage of its list whose identity is
        neither a positive's nor a taken negative's of the batch; then every row its second, and so on.

        Args:
            columns: ``pair``, ``query``, ``passage`` and ``passage_language`` of the rows, one batch after
                another.
            width: rows that are guarded together: the global batch.

        Returns:
            int64 [rows, per_query], :data:`MASKED` where a list is used up.
        """
        lists = self.lists
        assert lists.identities is not None
        taken: Int64s = take_negatives(
            lists.indptr,
            lists.passages,
            lists.identities,
            lists.languages,
            np.ascontiguousarray(columns["query"].ravel(), np.int64),
            self._identities_of(columns),
            np.ascontiguousarray(columns["passage_language"].ravel(), np.int16),
            width,
            self.per_query,
        )
        return taken.reshape(-1, self.per_query)

    def _identities_of(self, columns: Mapping[str, Any]) -> Int64s:
        """Return the passage identities of rows: from a table where it can say them, which is quicker."""
        if self._table is not None:
            found: Int64s = self._table[columns["passage"].ravel()]
            return found
        return self.index.identities(columns["pair"].ravel())[1]


class _Cells:
    """What the cells of an index say of passage rows and queries."""

    def __init__(self, index: PairIndex) -> None:
        group, language, query, passage, query_identity, passage_identity = cell_columns(index._core)
        held, asked = passage >= 0, query >= 0
        self._row, first = np.unique(passage[held], return_index=True)
        at = np.searchsorted(self._row, passage[held])
        self._language = language[held][first]
        self._identity = passage_identity[held][first]
        several = np.zeros(len(self._row), bool)
        several[at[passage_identity[held] != self._identity[at]]] = True
        self._identity[several] = MASKED
        # Questions: query rows that share an identity, and identities that share a row.
        self._query, query_place = np.unique(query[asked], return_inverse=True)
        _, identity_place = np.unique(query_identity[asked], return_inverse=True)
        question = joined_groups(query_place, identity_place, len(self._query))
        self._question = question
        self._answers = Answers(
            *answers_of_groups(group[asked], question[query_place], group[held], passage_identity[held])
        )

    def table(self) -> Int64s | None:
        """Return the identity of each passage row, or None where a row has several or rows are sparse."""
        most = int(self._row[-1]) if len(self._row) else -1
        if most >= 4 * len(self._row) or (self._identity == MASKED).any():
            return None
        table = np.full(most + 1, MASKED, np.int64)
        table[self._row] = self._identity
        return table

    def identities(self, rows: Int64s) -> Int64s:
        """Return the identity of passage rows; below -1, one of its own, where the index has no such row."""
        return self._looked_up(rows, self._identity, MASKED - 1 - rows)

    def languages(self, rows: Int64s) -> NDArray[np.int16]:
        """Return the language of passage rows.

        Raises:
            InvalidArgument: a row that is not in the index, which cannot say its language.
        """
        found = self._looked_up(rows, self._language, np.full(len(rows), -1))
        if (found < 0).any():
            raise InvalidArgument(
                f"passage row {rows[found < 0][0]} is in no cell of the index, so its language is unknown; "
                'give HardNegatives with languages, or negatives_language="any"'
            )
        return found.astype(np.int16)

    def answers(self, query: Int64s, identity: Int64s) -> NDArray[np.bool_]:
        """Return whether a passage of each identity is a known positive of each query row."""
        if not len(self._query):
            return np.zeros(len(query), bool)
        place = np.minimum(np.searchsorted(self._query, query), len(self._query) - 1)
        known = self._query[place] == query
        found: NDArray[np.bool_] = known & self._answers.hold(self._question[place], identity)
        return found

    def _looked_up(self, rows: Int64s, values: Int64s, otherwise: Int64s) -> Int64s:
        if not len(self._row):
            return otherwise
        place = np.minimum(np.searchsorted(self._row, rows), len(self._row) - 1)
        found: Int64s = np.where(self._row[place] == rows, values[place], otherwise)
        return found
