"""``--install-completion``: a script that completes commands and options in a shell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from ..quoting import quoted
from .console import say
from .options import UsageError
from .targets import check_file

if TYPE_CHECKING:
    from cyclopts import App

Shell = Literal["bash", "zsh", "fish"]
SHELLS = ("bash", "zsh", "fish")


def install_completion(app: App, shell: str, rest: Sequence[str]) -> None:
    """Write the completion script of a shell to the place where the shell looks, or to ``--out``.

    No other file is changed; what is left to do is printed.

    Raises:
        UsageError: a shell that is not known, or words too many.
        OSError: the file cannot be written.
    """
    from ..atomic import write_text

    path = _out(rest)
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        which = f"no completion for the shell {quoted(name)}" if name else "the shell in use is not known"
        raise UsageError(f"{which}; give --install-completion one of {', '.join(SHELLS)}")
    script = app.generate_completion(prog_name="hybrid-fast", shell=cast(Shell, name))
    target = _standard_place(name) if path is None else path
    check_file(target, "--out" if path is not None else "the place of completions")
    write_text(target, script)
    say(f"Completion for {name} written to {target}")
    if path is not None:
        say(f"To use it: source {target}")
    elif name == "zsh":
        say(f"Put this line into ~/.zshrc, before compinit: fpath=({target.parent} $fpath)")
    else:
        say(f"A new {name} takes it up{' (with bash-completion installed)' if name == 'bash' else ''}.")


def _out(rest: Sequence[str]) -> Path | None:
    if not rest:
        return None
    name, equals, value = rest[0].partition("=")
    values = [value, *rest[1:]] if equals else list(rest[1:])
    if name != "--out" or len(values) != 1 or not values[0]:
        raise UsageError("--install-completion takes a shell, and --out FILE to write somewhere else")
    return Path(values[0])


def _standard_place(shell: str) -> Path:
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / "hybrid-fast",
        "zsh": home / ".zsh" / "completions" / "_hybrid-fast",
        "fish": settings / "fish" / "completions" / "hybrid-fast.fish",
    }[shell]
