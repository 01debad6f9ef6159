"""The options of a command, and what a command line says of them; every mistake is one sentence."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from ..config import SourceConfig
from ..errors import ConfigError
from ..fields import FieldError, nearest, words_of
from ..quoting import quoted

if TYPE_CHECKING:
    from cyclopts import App

COMMON = ("--config", "--quiet", "--help", "--help-all", "--version", "--install-completion")
"""Options that every command takes."""
NUMBER = re.compile(r"-(\d|\.\d|inf\b|nan\b)", re.IGNORECASE)
"""How a negative number begins, which is a value and no option."""


class UsageError(ConfigError):
    """A command line that says nothing that can be done."""


@dataclass(frozen=True)
class Option:
    """One option, or argument by position, of a command.

    Attributes:
        names: as written on the command line, the first one in help.
        off: names that say no, or none at all.
        path: the way to its value in the command's configuration.
        hint: type of the value.
        help: what it is.
        required: the command needs it.
        default: value when it is not given.
        position: place among the arguments without a name, or None.
        owner: the argument of the command's function whose fields stand alone, else nothing.
    """

    names: tuple[str, ...]
    off: tuple[str, ...]
    path: tuple[str, ...]
    hint: Any
    help: str
    required: bool
    default: Any
    position: int | None
    owner: str = ""

    @property
    def place(self) -> str:
        """The way to the value, as messages write it."""
        return ".".join(self.path)

    @property
    def is_flag(self) -> bool:
        """Whether the name alone says all."""
        return _plain(self.hint) is bool

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return get_origin(_plain(self.hint)) is tuple

    @property
    def is_group(self) -> bool:
        """Whether it is a table whose fields are options of their own."""
        return dataclasses.is_dataclass(_plain(self.hint))


@dataclass
class Given:
    """What a command line says.

    Attributes:
        values: nested mapping, keyed by ``Option.path``.
        places: of the options that were given.
    """

    values: dict[str, Any]
    places: list[str]


def options_of(app: App, command: str) -> list[Option]:
    """Return the options of a command, those of nested configurations too, in order."""
    found = []
    root: tuple[str, ...] = ()
    owner = ""
    for item in app[command].assemble_argument_collection(parse_docstring=True):
        if not item.keys:
            flat = item.names == ("*",)
            root, owner = ((), item.field_info.name) if flat else ((item.field_info.name,), "")
            if flat:
                continue
        found.append(
            Option(
                names=tuple(name for name in item.names if name not in item.negatives),
                off=tuple(item.negatives),
                path=(*root, *item.keys),
                hint=item.hint,
                help=" ".join((item.parameter.help or "").split()),
                required=bool(item.required),
                default=None
                if item.field_info.default is inspect.Parameter.empty
                else item.field_info.default,
                position=item.index,
                owner=owner,
            )
        )
    return found


def read_tokens(options: Sequence[Option], command: str, tokens: Sequence[str]) -> Given:
    """Return what the words after a command's name say.

    Raises:
        UsageError: an option that does not exist, one without its value, or a word too many.
        FieldError: a value that is no value of its option.
    """
    by_name = {name: option for option in options for name in option.names}
    by_off = {name: option for option in options for name in option.off}
    positional = sorted(
        (one for one in options if one.position is not None), key=lambda one: one.position or 0
    )
    given = Given({}, [])
    loose: list[str] = []
    waiting = list(tokens)
    while waiting:
        token = waiting.pop(0)
        if token == "--":
            loose += waiting
            break
        if not is_option(token):
            loose.append(token)
            continue
        name, equals, inline = token.partition("=")
        name = name.replace("_", "-") if name.startswith("--") else name
        if name in by_off:
            if equals:
                raise UsageError(f"{name} takes no value, but {quoted(inline)} was given")
            option = by_off[name]
            _put(given, option.path, False if option.is_flag else [])
            continue
        found, key = by_name.get(name), ""
        if found is None:
            found, key = _table_entry(by_name, name)
        if found is None:
            raise UsageError(unknown(name, command, [*by_name, *by_off]))
        lacking = len(loose) < len(positional)
        _take(given, found, key, name, inline if equals else None, waiting, lacks_arguments=lacking)
    _place(given, positional, loose, command)
    return given


def is_option(token: str) -> bool:
    """Say whether a word is the name of an option; negative numbers and "-" are values."""
    return token.startswith("-") and token != "-" and not NUMBER.match(token)


def unknown(name: str, command: str, known: Sequence[str]) -> str:
    """Return the sentence about an option that does not exist."""
    # Without its table, or with another one: --steps of sweep is --train.steps.
    last = name.lstrip("-").rpartition(".")[2]
    same = [one for one in known if one.lstrip("-").rpartition(".")[2] == last]
    close = f"; did you mean {same[0]}?" if same else nearest(name, [*known, *COMMON])
    close = close or f"; {f'hybrid-fast {command}'.strip()} --help lists them"
    return f"no option {name if len(name) <= 60 else quoted(name)}{close}"


def shown_name(option: Option) -> str:
    """Return an option as the sentence about a missing one writes it."""
    if option.position is not None:
        return option.names[0].lstrip("-").upper()
    return f"{option.names[0]} {shown_type(option)}"


def shown_type(option: Option) -> str:
    """Return the sign for an option's value in help and messages."""
    hint = _plain(option.hint)
    if option.is_list:
        return f"{_sign(get_args(hint)[0])}..."
    return _sign(hint)


def typed(hint: Any, text: str, place: str) -> Any:
    """Return the plain value that a text means where a value of type ``hint`` is expected.

    Raises:
        FieldError: the text is no such value.
    """
    if get_origin(hint) in (Union, types.UnionType):
        members = [one for one in get_args(hint) if one is not type(None)]
        if len(members) < len(get_args(hint)) and str not in members and text.lower() in ("none", "null"):
            return None
        for one in members[:-1]:
            try:
                return typed(one, text, place)
            except FieldError:
                continue
        return typed(members[-1], text, place)
    if hint is bool:
        word = text.lower()
        if word in ("true", "yes", "1", "on", "false", "no", "0", "off"):
            return word in ("true", "yes", "1", "on")
    elif hint is int:
        if re.fullmatch(r"[+-]?\d(_?\d){0,39}", text, re.ASCII):
            return int(text)
    elif hint is float:
        try:
            return float(text)
        except ValueError:
            pass
    elif get_origin(hint) is dict or dataclasses.is_dataclass(hint):
        return _json(hint, text, place)
    else:
        return Path(text) if hint is Path and text else text
    raise FieldError(place, f"is {quoted(text)}, expected {words_of(hint)}")


def _take(
    given: Given,
    option: Option,
    key: str,
    name: str,
    inline: str | None,
    waiting: list[str],
    *,
    lacks_arguments: bool,
) -> None:
    """Take the values of an option from the words that follow its name."""
    hint = _plain(option.hint)
    if option.is_flag:
        _put(given, option.path, True if inline is None else typed(bool, inline, option.place))
        return
    texts = [] if inline is None else [inline]
    if option.is_list:
        while inline is None and waiting and not is_option(waiting[0]):
            texts.append(waiting.pop(0))
        _put_list(given, option, [typed(get_args(hint)[0], text, option.place) for text in texts])
        return
    if not texts:
        if option.names[0] == "--json" and not _names_a_file(waiting, lacks_arguments):
            texts = ["-"]
        elif waiting and not is_option(waiting[0]):
            texts = [waiting.pop(0)]
        else:
            instead = f" (a value that begins with a dash: {name}={waiting[0]})" if waiting else ""
            raise UsageError(f"{name} needs a value, {words_of(hint)}{instead if len(instead) < 200 else ''}")
    if key:
        entry = get_args(next(one for one in _members(hint) if get_origin(one) is dict))[1]
        _put(given, (*option.path, key), typed(entry, texts[0], f"{option.place}.{key}"))
    else:
        _put(given, option.path, typed(option.hint, texts[0], option.place))


def _names_a_file(waiting: Sequence[str], lacks_arguments: bool) -> bool:
    """Say whether the word after --json is its value; without one it is standard output."""
    if not waiting or is_option(waiting[0]):
        return False
    return not lacks_arguments or waiting[0] == "-" or any(sign in waiting[0] for sign in "./\\")


def _place(given: Given, positional: Sequence[Option], loose: Sequence[str], command: str) -> None:
    """Give the words without a name to the arguments that take them."""
    rest = list(loose)
    for option in positional:
        if not rest or option.place in given.places:
            continue
        if option.is_list:
            inner = get_args(_plain(option.hint))[0]
            _put_list(given, option, [typed(inner, text, option.place) for text in rest])
            rest = []
        else:
            _put(given, option.path, typed(option.hint, rest.pop(0), option.place))
    if rest:
        takes = " ".join(option.names[0].lstrip("-").upper() for option in positional)
        expects = f"takes {takes} and options" if takes else "takes options only"
        raise UsageError(f"{quoted(rest[0])} is one word too many: hybrid-fast {command} {expects}")


def _table_entry(by_name: Mapping[str, Option], name: str) -> tuple[Option | None, str]:
    """Return the option whose table a name such as --sampler.language-weights.en writes into, and the key."""
    outer, _, key = name.rpartition(".")
    option = by_name.get(outer)
    if option is not None and key and any(get_origin(one) is dict for one in _members(option.hint)):
        return option, key
    return None, ""


def _put(given: Given, path: Sequence[str], value: Any) -> None:
    holder = given.values
    for key in path[:-1]:
        inner = holder.get(key)
        if not isinstance(inner, dict):
            inner = holder[key] = {}
        holder = inner
    last = holder.get(path[-1])
    if isinstance(value, dict) and isinstance(last, dict):
        last.update(value)
    else:
        holder[path[-1]] = value
    given.places.append(".".join(path))


def _put_list(given: Given, option: Option, values: list[Any]) -> None:
    """Put values after those of the same option given before."""
    before: Any = given.values
    for key in option.path:
        before = before.get(key) if isinstance(before, dict) else None
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    _put(given, option.path, [*(before or []), *flat])


def _json(hint: Any, text: str, place: str) -> Any:
    """Return a table, or a list of tables, written as JSON; of a source, its name and folder will do."""
    if hint is SourceConfig and not text.lstrip().startswith(("{", "[")):
        name, _, folder = text.partition(":")
        return {"name": name, "path": folder} if folder else {"name": name}
    example = '{"name": ...}' if dataclasses.is_dataclass(hint) else '{"en": 1}'
    try:
        value = json.loads(text)
    except RecursionError:
        raise FieldError(place, "is nested too deeply") from None
    except ValueError:
        value = None
    if isinstance(value, dict) or (isinstance(value, list) and all(isinstance(one, dict) for one in value)):
        return value
    raise FieldError(place, f"is {quoted(text)}, expected JSON such as {example}, or a table in --config")


def _plain(hint: Any) -> Any:
    """Return a type without the None of an optional one."""
    members = _members(hint)
    return members[0] if len(members) == 1 else hint


def _members(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        return [one for one in get_args(hint) if one is not type(None)]
    return [hint]


def _sign(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "|".join(str(one) for one in get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        return "|".join(dict.fromkeys(_sign(one) for one in _members(hint) if get_origin(one) is not dict))
    if hint is SourceConfig:
        return "NAME[:FOLDER]"
    if dataclasses.is_dataclass(hint):
        return "JSON"
    return {int: "INT", float: "NUMBER", str: "TEXT", Path: "PATH", bool: ""}.get(hint, "VALUE")
