"""Passages in JSON Lines files: ids are held in memory, texts are read when asked for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import CorpusError
from ..quoting import quoted
from .reading import parse_record, read_json_lines, read_lines, take, take_id


class PackedStrings(Sequence[str]):
    """Many short strings in one block of memory: 8 bytes each beside their characters."""

    def __init__(self) -> None:
        """Start without strings."""
        self._data = bytearray()
        self._ends = array("Q", [0])

    def append(self, value: str) -> None:
        """Add a string at the end."""
        self._data += value.encode()
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return self._data[self._ends[row] : self._ends[row + 1]].decode()


class ShardedTexts(Sequence[str]):
    """The passages' texts, title in front, read from the shards when asked for.

    Rows asked for in increasing order (iteration, or slices one after the other) are one pass over
    the files; going back opens a shard anew. Only what is asked for is in memory. Not for use by
    several threads at once.
    """

    def __init__(self, shards: Sequence[Path], sizes: Sequence[int]) -> None:
        """Read from files with ``sizes`` passages each."""
        self._shards = list(shards)
        self._starts = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
        self._shard = -1
        self._next = 0
        self._lines: Iterator[tuple[int, str]] = iter(())

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __iter__(self) -> Iterator[str]:
        for shard in self._shards:
            for line, record in read_json_lines(shard):
                yield passage_text(record, f"{shard}, line {line}")

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._text(row) for row in range(*index.indices(len(self)))]
        return self._text(range(len(self))[index])

    def _text(self, row: int) -> str:
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        if shard != self._shard or row < self._next:
            self._shard, self._next = shard, int(self._starts[shard])
            self._lines = (item for item in read_lines(self._shards[shard]) if item[1].strip())
        path = self._shards[shard]
        for number, line in self._lines:
            self._next += 1
            if self._next > row:
                return passage_text(parse_record(line, f"{path}, line {number}"), f"{path}, line {number}")
        raise CorpusError(f"{path} has become shorter since it was opened")


def passage_text(record: dict[str, object], where: str) -> str:
    """Return a passage's title and text, as they enter the encoder."""
    title, text = record.get("title"), take(record, "text", str, where)
    return f"{title} {text}" if isinstance(title, str) and title.strip() else text


class PassageFiles:
    """What is kept of passages while their files are read: ids, languages, and the texts of judged ones."""

    def __init__(self, id_field: str) -> None:
        """Start without passages; ``id_field`` is the name of the field that holds a passage's id."""
        self.ids = PackedStrings()
        self.texts_of: dict[int, str] = {}
        self.language_codes: list[str] = []
        self._id_field = id_field
        self._files: list[Path] = []
        self._sizes: list[int] = []
        self._languages = array("h")
        self._numbers: dict[str, int] = {}

    def scan(
        self,
        files: Sequence[Path],
        wanted: set[str],
        language_of: Callable[[dict[str, Any], str], str],
        prefix: str = "",
    ) -> dict[str, int]:
        """Read files of passages and return the rows of the ids wanted.

        Args:
            files: JSON Lines, read in this order.
            wanted: ids of which row and text are kept.
            language_of: the normalised language of a record, given where it stands.
            prefix: put before each id, where files of several languages may use the same ones.

        Raises:
            CorpusError: a malformed line, or an id twice in these files; file and line are named.
        """
        found: dict[str, int] = {}
        start, first_file = len(self.ids), len(self._files)
        hashes = array("q")
        last, number = "", -1
        for path in files:
            before = len(self.ids)
            for line, record in read_json_lines(path):
                where = f"{path}, line {line}"
                id, text = take_id(record, self._id_field, where), passage_text(record, where)
                if id in wanted:
                    found[id] = len(self.ids)
                    self.texts_of[len(self.ids)] = text
                language = language_of(record, where)
                if language != last:
                    last, number = language, self._number(language)
                self._languages.append(number)
                hashes.append(hash(id))
                self.ids.append(prefix + id)
            self._files.append(path)
            self._sizes.append(len(self.ids) - before)
        self._refuse_repeats(hashes, start, first_file, prefix)
        return found

    def texts(self) -> ShardedTexts:
        """Return the texts, read from the files when asked for."""
        return ShardedTexts(self._files, self._sizes)

    def languages(self, order: Sequence[str]) -> NDArray[np.int16]:
        """Return the language of each passage, as its position in ``order``."""
        position = np.array([order.index(code) for code in self.language_codes], np.int16)
        numbers = np.frombuffer(self._languages, np.int16) if len(self._languages) else np.zeros(0, np.int16)
        return position[numbers] if len(position) else numbers

    def _number(self, language: str) -> int:
        if language not in self._numbers:
            self._numbers[language] = len(self.language_codes)
            self.language_codes.append(language)
        return self._numbers[language]

    def _refuse_repeats(self, hashes: array[int], start: int, first_file: int, prefix: str) -> None:
        """Refuse an id twice; equal hashes are only a hint, so that no set of all ids is held."""
        if not hashes:
            return
        known = np.frombuffer(hashes, np.int64)
        ordered = np.sort(known)
        suspects = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if not len(suspects):
            return
        first: dict[str, int] = {}
        for row in (np.flatnonzero(np.isin(known, suspects)) + start).tolist():
            id = self.ids[row]
            if id in first:
                raise CorpusError(
                    f"{self._place(row, start, first_file)}: {self._id_field} "
                    f"{quoted(id.removeprefix(prefix))} occurs twice; "
                    f"it stands first in {self._place(first[id], start, first_file)}"
                )
            first[id] = row

    def _place(self, row: int, start: int, first_file: int) -> str:
        """Return file and line of a passage row."""
        row -= start
        for path, size in zip(self._files[first_file:], self._sizes[first_file:], strict=True):
            if row < size:
                lines = (number for number, line in read_lines(path) if line.strip())
                return f"{path}, line {next(number for place, number in enumerate(lines) if place == row)}"
            row -= size
        raise IndexError(row)
