"""What libraries say of their own: not a word unless it is asked for, so that an error is one line.

A warning of Pillow about a damaged photograph, of matplotlib about a letter without a glyph or of
transformers about a setting tells a user of a command nothing to act on.
"""

import io
import logging
import os
import sys

TALKATIVE = ("TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY", "HF_HUB_VERBOSITY")
"""Environment variables that these read as they are imported; a user's own value wins."""


def quieten_libraries(verbose: bool) -> None:
    """Silence warnings and log messages of libraries, and their bars where nobody watches.

    Args:
        verbose: whether to let warnings through.
    """
    logging.captureWarnings(True)  # they are log messages from here on
    logging.getLogger().setLevel(logging.WARNING if verbose else logging.ERROR)
    if not verbose:
        for name in TALKATIVE:
            os.environ.setdefault(name, "error")
    if not sys.stderr.isatty():
        # Our own bars say whether they are shown; this is for those that do not.
        os.environ.setdefault("TQDM_DISABLE", "1")


def print_any_text() -> None:
    """Let stdout show letters that its encoding lacks as escapes, as stderr does."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a closed one is None
        sys.stdout.reconfigure(errors="backslashreplace")
