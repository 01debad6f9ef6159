"""The pair index: one index over groups × languages serves every ordered language pair."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._core import PairIndex as CoreIndex
from .arrays import language_table
from .atomic import replacing
from .errors import InvalidArgument, InvalidShape

if TYPE_CHECKING:
    from .corpus import Corpus, Identities

_MOST_LANGUAGES = 2**15 - 1

Sizes: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Query language, passage language and number of pairs of language pairs."""


class Pairs(NamedTuple):
    """Decoded pairs, by the names that a batch has.

    Attributes:
        group: group ids, int64.
        query: query rows, int64.
        passage: passage rows, int64.
        query_language: positions in the index's languages, int16.
        passage_language: positions in the index's languages, int16.
    """

    group: NDArray[np.int64]
    query: NDArray[np.int64]
    passage: NDArray[np.int64]
    query_language: NDArray[np.int16]
    passage_language: NDArray[np.int16]


class PairIndex:
    """Groups × languages → query rows, passage rows and identities.

    A *cell* is one (group, language); a *stratum* is an ordered pair (query language, passage
    language). Pairs are never stored: 11 languages, one index, 121 strata. Columns that follow a
    rule (equal to their position, constant, repeated) cost nothing, others 4 bytes a cell (languages: 1).

    Make one with :meth:`from_columns` or :meth:`from_corpus`; :meth:`save` it once and :meth:`open` it in
    every process that needs it.
    """

    __slots__ = ("_core", "_languages", "_path", "_sizes", "_strata")

    def __init__(self, core: CoreIndex, languages: tuple[str, ...], *, path: Path | None = None) -> None:
        self._core = core
        self._path = path
        self._languages = languages
        self._sizes: Sizes | None = None
        self._strata: NDArray[np.int64] | None = None

    @classmethod
    def from_columns(
        cls,
        group: ArrayLike,
        language: ArrayLike,
        query: ArrayLike,
        passage: ArrayLike,
        *,
        languages: Sequence[str],
        passage_identity: ArrayLike | None = None,
        query_identity: ArrayLike | None = None,
        texts: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> PairIndex:
        """Build an index from columns of equal length, one value a cell, of any integer type.

        Arrays are read as they are, once and without a copy (also memory-mapped or strided ones).

        Args:
            group: group ids, 0 to 2³² − 2; ids may have gaps, and are returned as given.
            language: positions in ``languages``.
            query: query rows; −1 where the cell has no query.
            passage: passage rows; −1 where the cell has no passage.
            languages: names of the languages; two codes of one language (``sw``, ``swa``) are two languages
                here, with a warning.
            passage_identity: equal for cells whose passages must not meet in a batch; default: the row.
            query_identity: equal for cells that ask the same question; default: the row.
            texts: a list of texts for each cell, as (indptr, ids): cell c lists
                ``ids[indptr[c]:indptr[c + 1]]``, numbers of your own from 0 to 2³² − 2. A pair brings the
                lists of both its cells, and no two pairs of a batch bring the same number: for texts that
                occur in more than one role, such as a question that is another's passage, or negatives
                (identities compare queries with queries and passages with passages only). The guard
                "passage" switches them; they cost 4 bytes a cell and 4 an id.

        Raises:
            InvalidShape: columns of unequal length, or not one-dimensional.
            InvalidArgument: a value out of range, the same (group, language) twice, naming the cell, or
                bounds of ``texts`` that do not rise from 0 to the number of ids.
            TypeError: a column that does not hold integers.
        """
        if isinstance(languages, str):
            raise TypeError(f"languages is the text {languages!r}, expected a list of language names")
        names = tuple(languages)
        wrong = [name for name in names if not isinstance(name, str)]
        if wrong:
            raise TypeError(f"languages holds {wrong[0]!r}, expected names (text)")
        if not 0 < len(names) <= _MOST_LANGUAGES:
            raise InvalidArgument(f"{len(names)} languages were given, expected 1 to {_MOST_LANGUAGES}")
        if len(set(names)) < len(names):
            twice = next(name for position, name in enumerate(names) if name in names[:position])
            raise InvalidArgument(f"language {twice!r} is given twice; give each language once")
        from .corpus.language_labels import one_language_twice

        if same := one_language_twice(names):
            warnings.warn(
                f"languages has {same[0]!r} and {same[1]!r}, two codes of one language ({same[2]}): pairs "
                "between them count as cross-lingual; put their cells under one name unless that is meant",
                stacklevel=2,
            )
        core = CoreIndex(
            _column("group", group),
            _column("language", language),
            _column("query", query),
            _column("passage", passage),
            None if query_identity is None else _column("query_identity", query_identity),
            None if passage_identity is None else _column("passage_identity", passage_identity),
            len(names),
            None if texts is None else _texts(texts),
        )
        return cls(core, names)

    @classmethod
    def from_corpus(cls, corpus: Corpus, identities: str | Sequence[str] | Identities = "given") -> PairIndex:
        """Build the index of a corpus's cells; group ids are positions in ``corpus.group_ids``.

        A question that is a passage of another group, in any language, is kept apart from it as well.

        Args:
            corpus: what is drawn from.
            identities: what the guard keeps apart: ``given`` (as the corpus has them), ``text``,
                ``normalised``, ``near-duplicate``, several of these, or what
                :func:`hybrid_fast.corpus.corpus_identities` returned.
        """
        from .corpus import corpus_identities
        from .corpus.texts_in_both_roles import texts_in_both_roles

        cells = corpus.cells
        same = corpus_identities(corpus, identities)
        return cls.from_columns(
            cells.group,
            cells.language,
            cells.query,
            cells.passage,
            languages=corpus.languages,
            passage_identity=same.passage,
            query_identity=same.query,
            texts=texts_in_both_roles(corpus, same),
        )

    def save(self, path: str | Path) -> None:
        """Write the index to one file, which :meth:`open` maps: about :attr:`bytes` bytes.

        The file is written under a temporary name and renamed, so that it is whole or not there.

        Raises:
            OSError: no room or no permission.
        """
        with replacing(path) as temporary:
            self._core.write(str(temporary), _note(self._languages))

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = False) -> PairIndex:
        """Open an index that :meth:`save` wrote, mapped into memory.

        Only the header is read, in milliseconds; what is used later comes from the file, and processes that
        open the same file share that memory. The index gives the same batches and the same fingerprint as
        the one that was saved. Each block of 64 KiB is compared with its checksum when something of it is
        first used; where it is not what was saved, that use raises InvalidArgument, naming the file.

        Replace the file if you must (saving does), never change it in place. A file cut short while it is
        open is an error at the next call, but what was cut off in the middle of a call can no longer be
        read, and the system ends a process that tries to (SIGBUS).

        Args:
            path: the file.
            verify: read the whole file now and compare it with its checksum.

        Raises:
            InvalidArgument: a file that is none of an index, has fewer bytes than its header says, has a
                damaged header, or another version; with ``verify`` any damage.
            OSError: no such file, or no permission.
        """
        path = Path(path).absolute()
        with path.open("rb"):  # Python's error names the file
            pass
        core, note = CoreIndex.open(str(path), verify)
        return cls(core, _languages(note), path=path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path of an index that was opened, the content of any other."""
        if self._path is not None:
            return _reopened, (self._path, self.fingerprint)
        return _unpickled, (self._core.to_bytes(_note(self._languages)),)

    @property
    def languages(self) -> tuple[str, ...]:
        """Names of the languages, in the order of their numbers."""
        return self._languages

    @property
    def groups(self) -> int:
        """How many different groups there are."""
        return self._core.groups

    @property
    def strata(self) -> NDArray[np.int64]:
        """Pairs of each stratum, int64 [query language, passage language]; read-only.

        A table of all language pairs: with thousands of languages see :attr:`stratum_sizes`.

        Raises:
            InvalidArgument: memory has no room for the table.
        """
        if self._strata is None:
            self._strata = language_table(len(self._languages), *self.stratum_sizes)
        return self._strata

    @property
    def stratum_sizes(self) -> Sizes:
        """Query language, passage language and pairs of each stratum that has pairs, int64 each.

        In the order of the table :attr:`strata`, row by row; it costs what exists.

        Raises:
            InvalidArgument: memory has no room for them.
        """
        if self._sizes is None:
            query, passage, pairs = self._core.strata()
            self._sizes = query, passage, pairs
            for column in self._sizes:
                column.flags.writeable = False
        return self._sizes

    @property
    def bytes(self) -> int:
        """Bytes that the index holds."""
        return self._core.bytes

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, a hash of every value given."""
        return f"{self._core.fingerprint:016x}"

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self._core)

    def pairs(self, ids: ArrayLike) -> Pairs:
        """Decode pair ids.

        Args:
            ids: pair ids: position of the query's cell × number of languages + passage language.

        Returns:
            The columns of the pairs, each of the length of ``ids``; a named tuple.

        Raises:
            IndexError: an id that is no pair of this index.
        """
        return Pairs(*self._core.pairs(_ids(ids)))

    def identities(self, ids: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return query identities and passage identities (int64) of pair ids.

        Raises:
            IndexError: an id that is no pair of this index.
        """
        return self._core.identities(_ids(ids))

    @property
    def has_texts(self) -> bool:
        """Whether some cell lists texts that must not meet in a batch."""
        return self._core.has_texts

    def texts(self, ids: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the texts that pair ids bring, as (indptr, ids), int64; those of a pair increase.

        Raises:
            IndexError: an id that is no pair of this index.
        """
        return self._core.texts(_ids(ids))

    def __repr__(self) -> str:
        names = ", ".join(self._languages[:12]) + (", …" if len(self._languages) > 12 else "")
        return (
            f"PairIndex({len(self):,} cells, {self.groups:,} groups, "
            f"{len(self.stratum_sizes[0])} strata, languages: {names})"
        )


def _column(name: str, values: ArrayLike) -> NDArray[np.integer[Any]]:
    """Return ``values`` as whole numbers in one dimension; arrays are taken as they are."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.argmax(np.ma.getmaskarray(values).ravel()))
        raise InvalidArgument(f"{name} lacks a value in row {row} (masked); −1 marks a side that is missing")
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidShape(f"{name} has shape {array.shape}, expected one dimension, one value a cell")
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} holds {array.dtype}, expected integers; convert with .astype('int64')")
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise InvalidArgument(f"{name} holds {array.max()}, expected at most {2**32 - 2}")
    if not (array.dtype.isnative and array.flags.aligned):
        return array.astype(np.int64)
    return array


def _texts(
    texts: tuple[ArrayLike, ArrayLike],
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    if not isinstance(texts, tuple) or len(texts) != 2:
        raise TypeError(f"texts is {type(texts).__name__}, expected a tuple of two arrays, (indptr, ids)")
    return _column("the indptr of texts", texts[0]), _column("the ids of texts", texts[1])


def _ids(values: ArrayLike) -> NDArray[np.int64]:
    return np.ascontiguousarray(_column("ids", values), dtype=np.int64)


def _note(languages: tuple[str, ...]) -> bytes:
    return json.dumps({"languages": languages}).encode()


def _languages(note: bytes) -> tuple[str, ...]:
    return tuple(json.loads(note)["languages"])


def _reopened(path: Path, fingerprint: str) -> PairIndex:
    index = PairIndex.open(path)
    if index.fingerprint != fingerprint:
        raise InvalidArgument(f"{path} holds another index than when this one was pickled; open it again")
    return index


def _unpickled(content: bytes) -> PairIndex:
    core, note = CoreIndex.from_bytes(content)
    return PairIndex(core, _languages(note))
