"""What all tests share."""

import os
import signal

# A runner started in the background ignores Ctrl-C, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: more threads in each would only wait for each other.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # The runner tells workers its width, which a console would take for the user's wish for good.
    os.environ.pop("COLUMNS", None)
