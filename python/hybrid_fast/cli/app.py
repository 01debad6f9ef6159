"""Assembles the command, reads ``--config`` and turns every error into one clear sentence."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .._core import __version__
from ..extras import EXTRA_OF
from ..fields import nearest
from ..quoting import quoted
from . import configuration
from .completion import install_completion
from .console import be_quiet, say, show_error, show_warnings
from .every_command import options_of_every_command
from .help import show_help
from .options import UsageError, is_option, options_of, read_tokens, unknown

app = App(
    name="hybrid-fast",
    version=__version__,
    help="Ratio-controlled training batches and exact evaluation for multilingual dense retrievers.",
    default_parameter=Parameter(consume_multiple=True),
)
COMMANDS = {
    "corpus": "Describe a corpus: groups, rows per language, shared passages, overlap.",
    "plan": "Show the batches a training run would draw, without training.",
    "train": "Fine-tune an encoder on ratio-controlled batches.",
    "evaluate": "Measure an encoder in the monolingual, cross-lingual, multilingual settings.",
    "search": "Search files of passage embeddings for the best passages of each query.",
    "measure": "Measure a run file against judgements, as trec_eval and ir_measures do.",
    "sweep": "Train at several ratios and seeds under equal conditions.",
    "report": "Write the report of a sweep: one HTML page, its figures and tables.",
    "demo": "Try it all on a small embedded corpus, offline: a sweep and its report.",
}
for order, (command, summary) in enumerate(COMMANDS.items()):
    app.command(f"hybrid_fast.cli.{command}:{command}", name=command, help=summary, sort_key=order)

RESUMING = {
    "sweep": "What is finished is kept; the same command goes on from there",
    "demo": "What is finished is kept; the same command goes on from there",
    "train": "The same command goes on from the last checkpoint, if --checkpoint-every made one",
}
"""What to say of commands that go on after Ctrl-C."""

Tokens = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


@app.meta.default
def launch(
    *tokens: Tokens,
    config: Annotated[Path | None, Parameter(help="TOML file with the command's options.")] = None,
    quiet: Annotated[bool, Parameter(negative=(), help="Print errors only.")] = False,
) -> None:
    """Run a command, taking options from ``--config`` where they are not given on the command line."""
    name, rest = command_of(tokens)
    options = options_of(app, name)
    given = read_tokens(options, name, rest)
    values = {} if config is None else configuration.read(config)
    function = app[name].default_command
    if function is None:
        raise UsageError(f"hybrid-fast {name} needs a command of its own")
    taken, named = configuration.arguments(function, options, name, given, values, config)
    be_quiet(quiet)
    try:
        function(*taken, **named)
    finally:
        be_quiet(False)


def command_of(tokens: Sequence[str]) -> tuple[str, list[str]]:
    """Return the command that is named, and the words beside it.

    Raises:
        UsageError: there is none of that name.
    """
    place = next((at for at, token in enumerate(tokens) if not is_option(token)), None)
    if place is None:
        instead = unknown(tokens[0], "", []) if tokens else "no command"
        raise UsageError(f"{instead}; the commands are {', '.join(COMMANDS)}")
    name = tokens[place]
    if name not in COMMANDS and place > 0:
        raise UsageError(unknown(tokens[0].partition("=")[0], "", []))
    if name == "help":
        raise UsageError(f"no command {quoted(name)}; hybrid-fast --help shows help")
    if name not in COMMANDS:
        close = nearest(name, COMMANDS) or f"; the commands are {', '.join(COMMANDS)}"
        raise UsageError(f"no command {quoted(name)}{close}")
    return name, [*tokens[:place], *tokens[place + 1 :]]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 on success, 2 on bad input, 130 on Ctrl-C, 1 on anything else."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Unicode gets question marks
    show_warnings()
    try:
        shared = options_of_every_command(tokens)
        if shared.version:
            say(__version__)
        elif shared.help or not tokens:
            show_help(
                app, COMMANDS, command_of(shared.rest)[0] if shared.rest else None, everything=shared.help_all
            )
        elif shared.shell is not None:
            install_completion(app, shared.shell, shared.rest)
        else:
            launch(*shared.rest, config=shared.config, quiet=shared.quiet)
        sys.stdout.flush()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would cut the sentence
        try:
            show_error(_stopped(tokens), "Stopped.", "bold")
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(130)
    except BrokenPipeError:
        # Nobody reads on; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("HYBRID_FAST_TRACEBACK"):
            raise
        sentence, code = _told(error)
        show_error(sentence)
        sys.exit(code)
    sys.exit(0)


def _stopped(tokens: Sequence[str]) -> str:
    """Return what to do after Ctrl-C."""
    command = next((token for token in tokens if token in COMMANDS), "")
    what = RESUMING.get(command, "Nothing was left half-written; the same command starts again")
    return f"{what}: {shlex.join(['hybrid-fast', *tokens])}"


def _told(error: Exception) -> tuple[str, int]:
    """Return an error as one sentence, and the exit code."""
    message = " ".join(str(error).split("\n")) or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        library = error.name.partition(".")[0]
        if library in EXTRA_OF:
            return f"{library} is not installed; pip install 'hybrid_fast[{EXTRA_OF[library]}]' brings it", 2
    if isinstance(error, OSError) and error.strerror and error.filename:
        return _told_of_file(error), 2
    if isinstance(error, ValueError | TypeError | OSError | ImportError):
        return message, 2
    if isinstance(error, MemoryError):
        return f"not enough memory: {message}", 1
    kind = type(error).__name__
    return f"{kind}: {message} (unexpected; HYBRID_FAST_TRACEBACK=1 shows where it comes from)", 1


def _told_of_file(error: OSError) -> str:
    if isinstance(error, IsADirectoryError):
        return f"{error.filename} is a folder, expected a file"
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"{error.filename} is a file, where a folder is needed"
    if isinstance(error, PermissionError):
        return f"no permission to read or write {error.filename}"
    return f"{error.strerror}: {error.filename}"
