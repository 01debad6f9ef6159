"""Tables of the command line at any width: every value is there, whole, and no line is too long."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hybrid_fast.cli.tables import FactTable, ValueTable

WORD = st.text(st.characters(categories=["L", "Nd"], max_codepoint=0x24FF), min_size=1, max_size=12)
VALUE = st.one_of(
    st.floats(0, 1).map(lambda one: f"{one:.4f}"),
    st.integers(0, 10**9).map(lambda one: f"{one:,}"),
    st.just("–"),
    st.just(".123 / .456"),
)


def shown(table: object, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(table)
    return file.getvalue().splitlines()


@st.composite
def tables(draw) -> ValueTable:
    labels = draw(st.lists(WORD, min_size=1, max_size=3))
    columns = draw(st.lists(st.lists(WORD, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=14))
    table = ValueTable(draw(WORD), labels, columns)
    for _ in range(draw(st.integers(1, 4))):
        words = [draw(st.lists(WORD, min_size=1, max_size=3).map(" ".join)) for _ in labels]
        table.add(words, [draw(VALUE) for _ in columns], best=[0], ends=draw(st.booleans()))
    return table


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from([20, 40, 60, 80, 200]))
def test_every_value_is_whole_and_every_line_fits(table, width):
    lines = shown(table, width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    values = [value for row in table.rows for value in row.values]
    for value in set(values):
        alone = re.findall(rf"(?<!\S){re.escape(value)}(?!\S)", text)
        assert len(alone) >= values.count(value)


def test_columns_stand_beside_each_other_where_there_is_room():
    table = ValueTable("", ["setting"], ["AP", "RR@10", "nDCG@10"])
    table.add(["monolingual"], ["0.1234", "0.2345", "0.3456"])
    assert shown(table, 80)[1:] == [
        "setting          AP   RR@10  nDCG@10",
        "────────────────────────────────────",
        "monolingual  0.1234  0.2345   0.3456",
    ]
    assert shown(table, 30)[1:] == [
        "setting          AP   RR@10",
        "───────────────────────────",
        "monolingual  0.1234  0.2345",
        "",
        "setting      nDCG@10",
        "────────────────────",
        "monolingual   0.3456",
    ]


def test_labels_give_way_before_values():
    table = ValueTable("", ["evaluation", "setting"], ["AP"])
    table.add(["a long name of a set", "cross-lingual"], ["0.123456789"])
    lines = shown(table, 34)
    assert max(map(len, lines)) <= 34
    assert "0.123456789" in "\n".join(lines)
    assert [word for word in ("long", "name", "set") if any(word in line for line in lines)] != []


def test_labels_that_do_not_tell_a_line_are_not_repeated():
    table = ValueTable("", ["code", "language"], ["queries", "passages"], keys=1)
    table.add(["sw", "Swahili"], ["1,190", "13,014"])
    lines = shown(table, 28)
    assert lines[3] == "sw    Swahili     1,190"
    assert lines[-1] == "sw      13,014"


def test_headings_stand_alone():
    table = ValueTable("", ["ratio"], ["AP"])
    table.add(["monolingual"], style="bold")
    table.add(["0.5"], ["0.1234"])
    assert shown(table, 40)[-2:] == ["monolingual", "0.5    0.1234"]


def test_markup_in_names_is_text():
    table = ValueTable("[bold]t", ["[red]"], ["[i]x"])
    table.add(["[en]"], ["[0.1]"])
    assert "[en]   [0.1]" in shown(table, 40)
    assert "[bold]t" in shown(table, 40)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_facts_are_whole(width):
    digest = "0123456789abcdef" * 2
    facts = [("different pairs drawn", "3,520 of 35,800"), ("digest", digest), ("long", "word " * 30)]
    lines = shown(FactTable("Plan", facts), width)
    assert max(map(len, lines)) <= width
    assert any(digest in line for line in lines)
    assert any("3,520 of 35,800" in line for line in lines)
    assert "\n".join(lines).count("word") == 30


def test_wide_characters():
    table = ValueTable("", ["language"], ["値"])
    table.add(["日本語" * 8], ["0.1234"])
    lines = shown(table, 30)
    assert max(map(cell_len, lines)) <= 30
    assert sum(line.count("日") for line in lines) == 8
