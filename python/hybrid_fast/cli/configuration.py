"""A command's arguments: what the command line says, over what the file of ``--config`` says."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cyclopts import Parameter

from ..errors import ConfigError
from ..fields import FieldError, UnknownFieldError, build, conform, field_hints, nearest
from ..quoting import SHOWN, quoted
from ..text_files import read_toml
from .options import Given, Option, UsageError, shown_name


def read(path: Path) -> dict[str, Any]:
    """Return the values of a TOML file.

    Raises:
        ConfigError: there is no such file, or it is not TOML.
    """
    try:
        return read_toml(path, ConfigError)
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {path}") from None


def arguments(
    function: Callable[..., Any],
    options: Sequence[Option],
    command: str,
    given: Given,
    values: Mapping[str, Any],
    path: Path | None,
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a command's function, all checked.

    Args:
        function: of the command.
        options: its options.
        command: its name.
        given: what the command line says; it wins.
        values: what the file says.
        path: of the file, for messages.

    Raises:
        UsageError: something required was not given.
        ConfigError: a value that does not fit, with its place.
    """
    parameters = inspect.signature(function).parameters
    hints = typing.get_type_hints(function, include_extras=True)
    flat = {name for name, hint in hints.items() if _is_flat(hint)}
    known = {
        name: owner
        for owner in parameters
        for name in (field_hints(_bare(hints[owner])) if owner in flat else (owner,))
    }
    from_file: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in known:
            written = key if len(key) <= SHOWN else quoted(key)
            shown = f"[[{written}]]" if _is_tables(value) else f"[{written}]"
            raise ConfigError(f"{path}: no option {shown} of hybrid-fast {command}{nearest(name, known)}")
        from_file[name] = value
    merged = _over(given.values, from_file)
    missing = [option for option in options if option.required and not _has(merged, option)]
    # A table that is missing stands for its fields.
    tables = [option.path for option in missing if option.is_group]
    if missing:
        needed = " and ".join(shown_name(one) for one in missing if one.path[:-1] not in tables)
        raise UsageError(f"hybrid-fast {command} needs {needed}")
    taken: list[Any] = []
    named: dict[str, Any] = {}
    try:
        for name, parameter in parameters.items():
            own = {key: value for key, value in merged.items() if known[key] == name}
            if not own:
                continue
            bare = _bare(hints[name])
            value = build(bare, own) if name in flat else conform(bare, own[name], name)
            if parameter.kind is parameter.POSITIONAL_ONLY:
                taken.append(value)
            else:
                named[name] = value
    except FieldError as error:
        raise _where(error, given, path) from None
    return taken, named


def _where(error: FieldError, given: Given, path: Path | None) -> ConfigError:
    """Name the file, where what is wrong stands in it."""
    if isinstance(error, UnknownFieldError):
        keys = "".join(f"[{key}]" for key in error.place.split("."))
        close = error.problem.partition("; ")[2]
        return ConfigError(f"{path}: no option {keys}{'; ' + close if close else ''}")
    on_line = any(error.place.startswith(place) or place.startswith(error.place) for place in given.places)
    return error if path is None or on_line else ConfigError(f"{path}: {error}")


def _over(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> dict[str, Any]:
    """Return two nested mappings as one, the upper's values over the lower's."""
    merged = {key.replace("-", "_"): value for key, value in lower.items()}
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _over(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _has(merged: Mapping[str, Any], option: Option) -> bool:
    """Say whether a required option is given, or the table that it would stand in was not asked for."""
    holder: Any = merged
    for key in option.path:
        if not isinstance(holder, Mapping):
            return True  # not a table, which is said when it is checked
        if key not in holder:
            return False
        holder = holder[key]
    return True


def _is_flat(hint: Any) -> bool:
    """Say whether the fields of a dataclass are options without its name before them."""
    marks = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Parameter)]
    return any(mark.name == ("*",) for mark in marks) and dataclasses.is_dataclass(_bare(hint))


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
