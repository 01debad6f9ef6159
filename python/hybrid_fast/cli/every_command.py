"""The options that every command takes, wherever they stand on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .options import UsageError, is_option


@dataclass
class EveryCommand:
    """What a command line says beside its command.

    Attributes:
        config: file of options.
        quiet: print errors only.
        help: show help instead of running.
        help_all: describe every option.
        version: print the version instead.
        shell: install completion for this shell instead; "" for the one in use.
        rest: the other words.
    """

    config: Path | None = None
    quiet: bool = False
    help: bool = False
    help_all: bool = False
    version: bool = False
    shell: str | None = None
    rest: list[str] = field(default_factory=list)


def options_of_every_command(tokens: Sequence[str]) -> EveryCommand:
    """Take the options of every command out of a command line.

    Raises:
        UsageError: one without its value.
    """
    found = EveryCommand()
    waiting = list(tokens)
    while waiting:
        token = waiting.pop(0)
        name, equals, value = token.partition("=")
        if token == "--":
            found.rest += [token, *waiting]
            break
        if name == "--config":
            if not equals:
                if not waiting or is_option(waiting[0]):
                    raise UsageError("--config needs a value, the path of a TOML file")
                value = waiting.pop(0)
            if not value:
                raise UsageError("--config needs a value, the path of a TOML file")
            found.config = Path(value)
        elif name == "--install-completion":
            if not equals and waiting and not is_option(waiting[0]):
                value = waiting.pop(0)
            found.shell = value
        elif token in ("--quiet", "-q"):
            found.quiet = True
        elif token in ("--help", "-h"):
            found.help = True
        elif token == "--help-all":
            found.help = found.help_all = True
        elif token == "--version":
            found.version = True
        else:
            found.rest.append(token)
    return found
