"""Chat templates that are known by name, for checkpoints that bring none."""

from pathlib import Path

from m3_backbone.hosts.llava import FALLBACK_TEMPLATE
from m3_backbone.hosts.vicuna import VICUNA_TEMPLATE

TEMPLATES = {"llava-1.5": FALLBACK_TEMPLATE, "vicuna_v1": VICUNA_TEMPLATE}
"""Name -> template. `vicuna_v1` is what LLaVA's own code and M3 use, with a system sentence;
`llava-1.5` is the one of the transformers documentation, without."""

WAY_OUT = f"name one with --template: {', '.join(TEMPLATES)}, or a file in jinja"


def read_template(name: str) -> str:
    """Read a chat template by its name, or from a file in jinja.

    Raises:
        ValueError: if there is neither, or the file is no text.
    """
    path = Path(name)
    if name not in TEMPLATES and not path.is_file():
        raise ValueError(f"no chat template {name!r}: expected {', '.join(TEMPLATES)}, or a file")
    if name in TEMPLATES:
        return TEMPLATES[name]
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no chat template: expected text in UTF-8, {error}") from error
