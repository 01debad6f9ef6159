"""Tables that never cut a value: where a terminal is too narrow, the columns go on below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

GAP = "  "
"""Between two columns."""
NARROWEST = 4
"""Characters that a column of labels keeps before its words are broken."""


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        labels: what the line is about; wrapped where they are long.
        values: one a column; whole on one line.
        style: of the line.
        best: positions of the values to stand out.
        ends: a blank line follows.
    """

    labels: Sequence[str]
    values: Sequence[str]
    style: str
    best: frozenset[int]
    ends: bool


@dataclass
class ValueTable:
    """Values by line and column; as many columns stand beside each other as the terminal has room for.

    Attributes:
        title: a line above, or nothing.
        labels: headers of the columns of labels.
        columns: headers of the values, wrapped at blanks.
        keys: how many labels say which line it is; the others are left out where columns go on below.
        caption: lines below.
        rows: the lines.
    """

    title: str
    labels: Sequence[str]
    columns: Sequence[str]
    keys: int = 9
    caption: str = ""
    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        labels: Sequence[str],
        values: Sequence[str] = (),
        *,
        style: str = "",
        best: Sequence[int] = (),
        ends: bool = False,
    ) -> None:
        """Add a line."""
        self.rows.append(Row(labels, values, style, frozenset(best), ends))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the title, then one block of columns after the other."""
        width = options.max_width
        yield Text(f"\n{self.title}" if self.title else "", "italic")
        widths = [self._column_width(at) for at in range(len(self.columns))]
        waiting = list(range(len(self.columns)))
        shown = len(self.labels)
        if waiting and sum(self._label_widths(shown, width, max(widths))) + len(GAP) * shown > width - max(
            widths
        ):
            yield from self._listed()
            waiting = []
        while waiting:
            label_widths = self._label_widths(shown, width, max(widths))
            room = width - sum(label_widths) - len(GAP) * len(label_widths)
            block = [waiting.pop(0)]
            while waiting and sum(widths[at] + len(GAP) for at in (*block, waiting[0])) - len(GAP) <= room:
                block.append(waiting.pop(0))
            yield from self._lines(block, label_widths, widths)
            if waiting:
                yield Text()
            shown = min(shown, self.keys)
        if self.caption:
            yield Text("\n".join(textwrap.wrap(self.caption, width)), "dim")

    def _listed(self) -> Iterator[Text]:
        """Yield a line a value, where not even one column has room beside its labels."""
        for row in self.rows:
            yield Text(" · ".join(label for label in row.labels if label), "bold")
            for header, value in zip(self.columns, row.values, strict=False):
                yield Text(f"{header}:" if header else "", "dim")
                yield Text(value)

    def _column_width(self, at: int) -> int:
        cells = [cell_len(row.values[at]) for row in self.rows if at < len(row.values)]
        return max([1, *cells, *map(cell_len, self.columns[at].split())])

    def _label_widths(self, shown: int, width: int, widest: int) -> list[int]:
        """Return widths of the labels: whole if that leaves room for any value, else the longest less."""
        widths = []
        for at in range(shown):
            cells = [cell_len(row.labels[at]) for row in self.rows if at < len(row.labels) and row.values]
            widths.append(max([1, *cells, *map(cell_len, self.labels[at].split())]))
        while sum(widths) + widest + len(GAP) * shown > width and max(widths) > NARROWEST:
            widths[widths.index(max(widths))] -= 1
        return widths

    def _lines(
        self, block: Sequence[int], label_widths: Sequence[int], widths: Sequence[int]
    ) -> Iterator[Text]:
        all_widths = [*label_widths, *(widths[at] for at in block)]
        count = len(label_widths)
        headers = [_wrapped(text, wide) for text, wide in zip(self.labels, label_widths, strict=False)]
        headers += [_wrapped(self.columns[at], widths[at]) for at in block]
        if any(any(lines) for lines in headers):
            height = max(map(len, headers))
            for number in range(height):
                # Headers stand on the line below them.
                cells = [
                    lines[number - height + len(lines)] if number >= height - len(lines) else ""
                    for lines in headers
                ]
                yield Text(_line(cells, all_widths, count).rstrip(), "bold")
            yield Text("─" * (sum(all_widths) + len(GAP) * (len(all_widths) - 1)), "dim")
        for row in self.rows:
            if not row.values:
                yield Text(row.labels[0], row.style)
                continue
            labels = [_wrapped(text, wide) for text, wide in zip(row.labels, label_widths, strict=False)]
            values = [row.values[at] for at in block]
            for number in range(max(map(len, labels), default=1)):
                firsts = [lines[number] if number < len(lines) else "" for lines in labels]
                line = Text(_line(firsts, label_widths, count), row.style)
                for at, value in zip(block, values if number == 0 else [], strict=False):
                    blank = " " * (widths[at] - cell_len(value))
                    line.append(f"{GAP}{blank}", row.style)
                    line.append(value, f"{row.style} bold" if at in row.best else row.style)
                line.rstrip()
                yield line
            if row.ends and row is not self.rows[-1]:
                yield Text()


@dataclass
class FactTable:
    """Names and what they are, a line each; what is too long for its line is wrapped below its name.

    Attributes:
        title: a line above.
        facts: names and texts.
    """

    title: str
    facts: Sequence[tuple[str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the title and the lines."""
        width = options.max_width
        yield Text(f"\n{self.title}" if self.title else "", "italic")
        names = max((cell_len(name) for name, _ in self.facts), default=0)
        names = min(names, max(width // 2 - len(GAP), NARROWEST))
        room = max(width - names - len(GAP), 1)
        for name, text in self.facts:
            lines = _wrapped(name, names)
            longest = max([1, *map(cell_len, text.split())])
            if longest > room:
                # Such as a digest: it has lines of its own.
                yield Text("\n".join(lines))
                yield Text(text, overflow="fold")
                continue
            told = _wrapped(text, room)
            for number in range(max(len(lines), len(told))):
                first = lines[number] if number < len(lines) else ""
                second = told[number] if number < len(told) else ""
                yield Text(f"{first}{' ' * (names - cell_len(first))}{GAP}{second}".rstrip())


def _wrapped(text: str, width: int) -> list[str]:
    """Return lines of a text; a word longer than a line is broken."""
    parts = [
        line
        for part in text.split("\n")
        for line in (textwrap.wrap(part, width, break_on_hyphens=False) or [""])
    ]
    return parts if all(cell_len(part) <= width for part in parts) else _folded(text, width)


def _folded(text: str, width: int) -> list[str]:
    """Return lines of a text in a script whose characters are two columns wide."""
    lines, line = [], ""
    for character in text:
        if line and cell_len(line + character) > width:
            lines.append(line)
            line = ""
        line += character
    return [*lines, line]


def _line(cells: Sequence[str], widths: Sequence[int], labels: int) -> str:
    """Return one line: labels to the left of their columns, values to the right."""
    padded = []
    for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blank = " " * (width - cell_len(cell))
        padded.append(cell + blank if at < labels else blank + cell)
    return GAP.join(padded)
