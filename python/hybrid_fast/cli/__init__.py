"""The ``hybrid-fast`` command: one file a subcommand, loaded when it is called."""

from .app import main

__all__ = ["main"]
