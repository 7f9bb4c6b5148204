"""The tokenizer that a checkpoint brings, opened and tried."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedTokenizerBase

from m3_backbone.foreign import silent_stderr, third_party

T = TypeVar("T", bound=PreTrainedTokenizerBase)

TRIAL = "What does the sign say?\n“No. 5” is the answer."


def try_tokenizer(folder: Path, read: Callable[[], T]) -> T:
    """Open a tokenizer, split a text with it and join it again.

    Settings of a wrong type only show when they are used. Some let the library, which is written in
    Rust, panic: then it prints where, which is kept from the user's screen.

    Args:
        folder: where it is read from, for the message.
        read: opens it.

    Returns:
        What `read` gives. A ValueError says that it cannot be opened or used.
    """
    with third_party(f"{folder} lacks a tokenizer that can be opened"):
        tokenizer = read()
        with silent_stderr():
            tokenizer.decode(tokenizer(TRIAL)["input_ids"])
    return tokenizer
