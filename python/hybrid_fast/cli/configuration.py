"""The file given by ``--config``: its plain values are defaults of the options, its tables are ours to read.

The parser of the command line fills options from nested tables, but not from arrays of tables
(``[[sources]]``); those are taken out of the file before and put into the parsed configuration.
"""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

from ..config import from_mapping, to_mapping
from ..errors import ConfigError
from ..text_files import read_toml

Tables = dict[tuple[str, ...], list[dict[str, Any]]]
"""Place in the configuration → the tables of an array of tables."""


def read(path: Path) -> tuple[dict[str, Any], Tables]:
    """Return the values of a TOML file without its arrays of tables, and those by their place.

    Raises:
        ConfigError: there is no such file, or it is not TOML.
    """
    try:
        mapping = read_toml(path, ConfigError)
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {path}") from None
    tables: Tables = {}
    return _split(mapping, (), tables), tables


def put(tables: Tables, bound: inspect.BoundArguments) -> None:
    """Put arrays of tables into the configuration objects among a command's arguments.

    What was given on the command line stays: an array is put only where there is nothing yet.

    Raises:
        ConfigError: no argument has such a place, or a table does not fit.
    """
    bound.apply_defaults()
    for place, value in tables.items():
        for name, argument in bound.arguments.items():
            if not dataclasses.is_dataclass(argument) or isinstance(argument, type):
                continue
            inner = place[1:] if place[0] == name else place
            mapping = to_mapping(argument)
            holder = _holder(mapping, inner)
            if holder is not None:
                if not holder[inner[-1]]:
                    holder[inner[-1]] = value
                bound.arguments[name] = from_mapping(type(argument), mapping)
                break
        else:
            raise ConfigError(f"unknown table [[{'.'.join(place)}]] in the configuration file")


def _split(mapping: dict[str, Any], place: tuple[str, ...], tables: Tables) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in mapping.items():
        here = (*place, key.replace("-", "_"))
        if isinstance(value, dict):
            plain[key] = _split(value, here, tables)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            tables[here] = value
        else:
            plain[key] = value
    return plain


def _holder(mapping: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the mapping that has the last key of ``place``, or None where the way there does not exist."""
    holder: Any = mapping
    for key in place[:-1]:
        holder = holder.get(key) if isinstance(holder, dict) else None
    return holder if isinstance(holder, dict) and place and place[-1] in holder else None
