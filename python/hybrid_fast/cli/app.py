"""Assembles the command, reads ``--config`` and turns every error into one clear sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter

from .. import __version__
from .console import console, show_error

app = App(
    name="hybrid-fast",
    version=__version__,
    help="Ratio-controlled training batches and exact evaluation for multilingual dense retrievers.",
)
for command in ("corpus", "plan", "train", "evaluate", "search", "sweep", "report", "demo"):
    app.command(f"hybrid_fast.cli.{command}:{command}", name=command)

Tokens = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


@app.meta.default
def launch(
    *tokens: Tokens,
    config: Annotated[Path | None, Parameter(help="TOML file with the command's options.")] = None,
) -> None:
    """Run a command, taking options from ``--config`` where they are not given on the command line."""
    if config is not None:
        app.config = (cyclopts.config.Toml(config, use_commands_as_keys=False, must_exist=True),)
    app(tokens, exit_on_error=False, print_error=False)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 on success, 2 on bad input, 130 on Ctrl-C."""
    try:
        app.meta(arguments, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        show_error(error)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("Stopped. Finished work is kept; the same command goes on from there.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, TypeError, OSError, ImportError) as error:
        if os.environ.get("HYBRID_FAST_TRACEBACK"):
            raise
        show_error(error)
        sys.exit(2)
