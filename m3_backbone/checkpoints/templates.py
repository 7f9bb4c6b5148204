"""Which chat template a stock checkpoint brings, in the order of transformers' AutoProcessor."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from m3_backbone.foreign import third_party

PROBE: list[Any] = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what?"}]}
]


def find_template(folder: Path, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Find the chat template of a stock checkpoint.

    The processor's own files count, as transformers reads them. The tokenizer's counts if it takes
    images: fine-tuned exports often keep the template of the language model alone there.

    Returns:
        The template; None if there is none for images.

    Raises:
        ValueError: if it is no text.
    """
    read: Any = ProcessorMixin.get_processor_dict
    with third_party(f"{folder} holds processor settings that cannot be read"):
        settings, _ = read(folder, local_files_only=True)
    template: str | None = _pick_default(settings.get("chat_template"))
    if template is not None and not isinstance(template, str):
        raise ValueError(f"{folder}: chat_template must be a text, got {type(template).__name__}")
    if not template and _takes_images(tokenizer):
        template = _pick_default(tokenizer.chat_template)
    return template


def _pick_default(template: Any) -> Any:
    """Of several templates with names take the one called `default`."""
    return template.get("default") if isinstance(template, dict) else template


def _takes_images(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether the tokenizer's template writes something for an image."""
    template = _pick_default(tokenizer.chat_template)
    marker = getattr(tokenizer, "image_token", None) or "<image>"
    try:
        written = tokenizer.apply_chat_template(PROBE, chat_template=template, tokenize=False)
    # A template is a program: without a place for images it fails in ways of its own.
    except Exception:
        return False
    return marker in str(written)
