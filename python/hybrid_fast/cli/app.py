"""Assembles the command, reads ``--config`` and turns every error into one clear sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter

from .._core import __version__
from . import configuration
from .console import console, show_error

app = App(
    name="hybrid-fast",
    version=__version__,
    help="Ratio-controlled training batches and exact evaluation for multilingual dense retrievers.",
    default_parameter=Parameter(consume_multiple=True),
)
COMMANDS = {
    "corpus": "Describe a corpus: groups, rows per language, strata, shared passages, overlap.",
    "plan": "Show the batches a training run would draw, without training.",
    "train": "Fine-tune an encoder on ratio-controlled batches.",
    "evaluate": "Evaluate an encoder in the monolingual, cross-lingual and multilingual settings.",
    "search": "Search files of passage embeddings for the best passages of each query.",
    "measure": "Measure a run file against judgements, as trec_eval and ir_measures do.",
    "sweep": "Train at several ratios and seeds under equal conditions; resumes when interrupted.",
    "report": "Write the report of a sweep: one HTML page, its figures and tables.",
    "demo": "Run a small sweep on the embedded corpus and encoder, offline, and write its report.",
}
for order, (command, summary) in enumerate(COMMANDS.items()):
    app.command(f"hybrid_fast.cli.{command}:{command}", name=command, help=summary, sort_key=order)

Tokens = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


@app.meta.default
def launch(
    *tokens: Tokens,
    config: Annotated[Path | None, Parameter(help="TOML file with the command's options.")] = None,
) -> None:
    """Run a command, taking options from ``--config`` where they are not given on the command line."""
    tables: configuration.Tables = {}
    app.config = ()
    if config is not None:
        values, tables = configuration.read(config)
        # Below the command's name: at the top, [train] would be taken for the command train.
        app.config = (cyclopts.config.Dict(data=dict.fromkeys(COMMANDS, values), source=str(config)),)
    function, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    if tables:
        configuration.put(tables, bound)
    function(*bound.args, **bound.kwargs)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 on success, 2 on bad input, 130 on Ctrl-C."""
    try:
        app.meta(arguments, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        show_error(error)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("Stopped. Run folders keep their finished work; the same command goes on from there.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, TypeError, OSError, ImportError) as error:
        if os.environ.get("HYBRID_FAST_TRACEBACK"):
            raise
        show_error(error)
        sys.exit(2)
