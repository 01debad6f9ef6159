"""``python -m hybrid_fast`` is the ``hybrid-fast`` command."""

from .cli import main

main()
