"""Chat templates that are known by name, for checkpoints that bring none."""

from pathlib import Path
from typing import Any

from m3_backbone.foreign import read_object
from m3_backbone.hosts.llava import FALLBACK_TEMPLATE
from m3_backbone.hosts.vicuna import VICUNA_TEMPLATE

TEMPLATES = {"llava-1.5": FALLBACK_TEMPLATE, "vicuna_v1": VICUNA_TEMPLATE}
"""Name -> template. `vicuna_v1` is what LLaVA's own code and M3 use, with a system sentence;
`llava-1.5` is the one of the transformers documentation, without."""

WAY_OUT = f"name one with --template: {', '.join(TEMPLATES)}, or a file in jinja"


def read_template(name: str) -> str:
    """Read a chat template by its name, from a file in jinja, or from a `chat_template.json`.

    Raises:
        ValueError: if there is none of these, or the file holds no template.
    """
    path = Path(name)
    if name not in TEMPLATES and not path.is_file():
        raise ValueError(f"no chat template {name!r}: expected {', '.join(TEMPLATES)}, or a file")
    if name in TEMPLATES:
        return TEMPLATES[name]
    try:
        # With or without a byte order mark, which must not get into the prompts.
        template: Any = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no chat template: expected text in UTF-8, {error}") from error
    if path.suffix == ".json":
        template = read_object(path).get("chat_template")
    if not isinstance(template, str) or not template.strip():
        raise ValueError(
            f"{name} holds no chat template: expected jinja, or JSON with it under 'chat_template'"
        )
    return template
