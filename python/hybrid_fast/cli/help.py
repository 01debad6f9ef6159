"""Help: what a command does, an example, its commonest options first, and the rest by their tables."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ..fields import FieldError
from .console import console
from .options import Option, options_of, shown_type

if TYPE_CHECKING:
    from cyclopts import App

WIDEST = 100
"""Widest line of help."""
NAMES = 30
"""Widest column of names; longer names get a line of their own."""


@dataclass(frozen=True)
class Guide:
    """How the help of a command begins.

    Attributes:
        examples: command lines that work, the simplest first.
        often: its commonest options, in the order of help; the others follow by their tables.
    """

    examples: tuple[str, ...]
    often: tuple[str, ...] = ()


GUIDES = {
    "": Guide(
        (
            "hybrid-fast demo",
            "hybrid-fast corpus demo --languages en de sw",
            "hybrid-fast sweep --config examples/first-study.toml --out runs/first-study",
        )
    ),
    "corpus": Guide(
        (
            "hybrid-fast corpus demo --languages en de sw",
            "hybrid-fast corpus xquad-r --path data/xquad-r --against mlqa-r",
        ),
    ),
    "plan": Guide(
        (
            "hybrid-fast plan --source demo --sampler.batch-size 16 --sampler.mono-ratio 0.25",
            "hybrid-fast plan --config run.toml --json plan.json",
        ),
        (
            "--source",
            "--batches",
            "--json",
            "--hold-out",
            "--seed",
            "--sampler.batch-size",
            "--sampler.mono-ratio",
            "--sampler.mixing",
            "--sampler.language-weights",
        ),
    ),
    "train": Guide(
        (
            "hybrid-fast train --sources demo --encoder.model MODEL --steps 200 --out runs/first",
            "hybrid-fast train --config run.toml --out runs/first --dry-run",
        ),
        (
            "--sources",
            "--out",
            "--encoder.model",
            "--steps",
            "--sampler.batch-size",
            "--sampler.mono-ratio",
            "--learning-rate",
            "--seed",
            "--hold-out",
            "--checkpoint-every",
            "--dry-run",
        ),
    ),
    "evaluate": Guide(
        (
            "hybrid-fast evaluate --source demo --model MODEL",
            "hybrid-fast evaluate --source xquad-r:data/xquad-r --model MODEL --out results",
        ),
        ("--source", "--model", "--settings", "--measures", "--out", "--json", "--batch-size", "--threads"),
    ),
    "search": Guide(
        ("hybrid-fast search --queries q.npy --passages p.npy --k 100 --out found.npz",),
    ),
    "sweep": Guide(
        (
            "hybrid-fast sweep --config examples/first-study.toml --out runs/first-study",
            "hybrid-fast sweep --config sweep.toml --ratios 0 0.5 1 --out runs/three --dry-run",
        ),
        (
            "--out",
            "--ratios",
            "--seeds",
            "--train.sources",
            "--train.encoder.model",
            "--train.steps",
            "--train.sampler.batch-size",
            "--train.learning-rate",
            "--train.hold-out",
            "--jobs",
            "--dry-run",
        ),
    ),
    "report": Guide(("hybrid-fast report runs/first-study",)),
    "demo": Guide(("hybrid-fast demo", "hybrid-fast demo --out demo --ratios 0 1 --seeds 1 --steps 40")),
    "measure": Guide(("hybrid-fast measure run.trec qrels.txt --measures AP RR@10 nDCG@10",)),
}
TABLES = {
    "sampler": "Batches",
    "controller": "A ratio that follows held-out quality",
    "encoder": "Encoder",
    "loss": "Loss",
    "train": "Training",
    "source": "Source",
    "config": "Other",
    "": "Other",
}
"""Last part of an option's table → its title in help."""
COMMON_HELP = (
    ("--config FILE", "TOML file with the options; those of the command line win."),
    ("-q, --quiet", "Print errors only, and what --json - asks for."),
    ("-h, --help", "Show this; --help-all describes every option."),
)
FIRST_HELP = (
    ("-h, --help", "Show this; after a command: its options, with an example."),
    ("--version", "Show the version."),
    ("--install-completion SHELL", "Complete commands and options in bash, zsh or fish."),
)


def show_help(app: App, commands: Mapping[str, str], command: str | None, *, everything: bool) -> None:
    """Print the help of a command, or of the whole.

    Args:
        app: what the options are read from.
        commands: name → one line.
        command: whose help; None: the commands.
        everything: describe every option instead of naming the rarer ones.
    """
    if command is None:
        _overview(app, commands)
        return
    function = app[command].default_command
    paragraphs = _paragraphs(inspect.getdoc(function) or "")
    guide = GUIDES.get(command, Guide(()))
    options = [one for one in options_of(app, command) if not (one.is_group and not _is_source(one))]
    _line(_usage(command, options), "bold")
    _text(paragraphs[0])
    _examples(guide)
    for paragraph in paragraphs[1:]:
        _text(paragraph)
    by_name = {one.names[0]: one for one in options}
    often = [by_name[name] for name in guide.often if name in by_name] if guide.often else options
    often = [one for one in options if one.position is not None and one not in often] + often
    rare = [one for one in options if one not in often]
    _section("Options" if not rare else "Common options", [_described(one) for one in often])
    if rare and everything:
        for title, part in _by_table(rare):
            _section(title, [_described(one) for one in part])
    elif rare:
        _section(
            f"More options, which hybrid-fast {command} --help-all describes",
            [(title, _named_shortly(part)) for title, part in _by_table(rare)],
        )
    _section("With every command", COMMON_HELP)


def _overview(app: App, commands: Mapping[str, str]) -> None:
    _line("hybrid-fast COMMAND [options]", "bold")
    _text(app.help)
    _examples(GUIDES[""])
    _section("Commands", list(commands.items()))
    _section("Options", [*COMMON_HELP[:2], *FIRST_HELP])


def _usage(command: str, options: Sequence[Option]) -> str:
    words = ["hybrid-fast", command]
    words += [one.names[0].lstrip("-").upper() for one in options if one.position is not None]
    words += [
        f"{one.names[0]} {shown_type(one)}"
        for one in options
        if one.required and one.position is None and not _is_part_of_source(one, options)
    ]
    return " ".join([*words, "[options]"])


def _paragraphs(documentation: str) -> list[str]:
    """Return what a docstring says before its arguments, without its example."""
    text = re.split(r"\n(?:Args:|Parameters\n)", documentation)[0]
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return [part.replace("``", "") for part in parts if part and not part.startswith("For example:")]


def _described(option: Option) -> tuple[str, str]:
    """Return the names of an option, and what it is with its default."""
    if option.position is not None:
        name = option.names[0].lstrip("-").upper()
    else:
        name = f"{', '.join(option.names)} {shown_type(option)}".rstrip()
    if len(name) > 2 * NAMES and "|" in name:
        name = f"{option.names[0]} CHOICE"
        return name, f"{option.help} One of {shown_type(option).replace('|', ', ')}.{_default(option)}"
    return name, f"{option.help.replace('``', '')}{_default(option)}"


def _default(option: Option) -> str:
    value = option.default
    if value in (None, (), "", False) or "default:" in option.help or isinstance(value, FieldError):
        return ""
    if value is True:
        return f" [on; {option.off[0]}]" if option.off else " [on]"
    shown = " ".join(str(one) for one in value) if isinstance(value, tuple) else _shown(value)
    return f" [{shown}]" if len(shown) < 60 else ""


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).strip() if isinstance(value, str | int | Path) else ""


def _by_table(options: Sequence[Option]) -> list[tuple[str, list[Option]]]:
    """Return options by the table that they stand in, under its title."""
    tables: dict[str, list[Option]] = {}
    for option in options:
        table = option.path[-2] if len(option.path) > 1 else option.owner
        tables.setdefault(TABLES.get(table, table.capitalize()), []).append(option)
    return list(tables.items())


def _named_shortly(options: Sequence[Option]) -> str:
    """Return names of one table: the first whole, of the others what differs."""
    names: list[str] = []
    before = ""
    for option in options:
        table, dot, last = option.names[0].rpartition(".")
        names.append(f".{last}" if dot and table == before else option.names[0])
        before = table
    return " ".join(names)


def _is_source(option: Option) -> bool:
    return shown_type(option).startswith("NAME")


def _is_part_of_source(option: Option, options: Sequence[Option]) -> bool:
    """Say whether an option is a field of a source that is required, whose name and folder will do."""
    groups = [one.path for one in options if one.is_group and one.required]
    return option.required and option.path[:-1] in groups


def _width() -> int:
    return max(30, min(console.width, WIDEST))


def _line(text: str, style: str = "") -> None:
    for line in textwrap.wrap(text, _width(), subsequent_indent="    ", break_on_hyphens=False):
        console.print(Text(line, style), soft_wrap=True)


def _text(text: str) -> None:
    console.print()
    for line in textwrap.wrap(text, _width(), break_on_hyphens=False):
        console.print(Text(line), soft_wrap=True)


def _examples(guide: Guide) -> None:
    if not guide.examples:
        return
    console.print()
    _line("For example:")
    for example in guide.examples:
        # An option stays with its value.
        whole = re.sub(r"(--\S+) (?!-)", "\\1\N{NO-BREAK SPACE}", example)
        lines = textwrap.wrap(whole, _width() - 6, break_on_hyphens=False, break_long_words=False)
        for number, line in enumerate(lines):
            indent, more = "    " if number else "  ", " \\" if number + 1 < len(lines) else ""
            shown = f"{indent}{line}{more}".replace("\N{NO-BREAK SPACE}", " ")
            console.print(Text(shown, "cyan"), soft_wrap=True)


def _section(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print names beside what they are, names too long for their column above it."""
    console.print()
    _line(title, "bold")
    width = _width()
    column = min(max(len(name) for name, _ in rows), NAMES, width // 2 - 4)
    for name, text in rows:
        lines = textwrap.wrap(text, width - column - 4, break_on_hyphens=False) or [""]
        if len(name) > column:
            for part in textwrap.wrap(name, width - 2, subsequent_indent="    ", break_on_hyphens=False):
                console.print(Text(f"  {part}", "bold"), soft_wrap=True)
        else:
            console.print(Text.assemble((f"  {name:<{column}}", "bold"), "  ", lines.pop(0)), soft_wrap=True)
        for line in lines:
            console.print(Text(f"  {'':<{column}}  {line}"), soft_wrap=True)
