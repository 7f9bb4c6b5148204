"""What a command leaves behind: JSON files that appear whole, and small tables on stdout.

Not a report: `predictor.report` draws that.
"""

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click


def write_json(path: Path, content: object) -> Path:
    """Write JSON under a temporary name, then rename.

    Args:
        path: the file; its folder is made.
        content: JSON-ready values; numbers that are not finite become null.

    Returns:
        The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(clean_numbers(content), indent=1, ensure_ascii=False, allow_nan=False)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text + "\n", encoding="utf-8")
    os.replace(fresh, path)
    return path


def clean_numbers(value: Any) -> Any:
    """Make a value fit for strict JSON.

    Args:
        value: dicts, lists, strings and numbers, numpy's scalars among them.

    Returns:
        The same with plain Python numbers, null for NaN and infinities, and text for keys.
    """
    if isinstance(value, dict):
        return {str(key): clean_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_numbers(item) for item in value]
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with aligned columns to stdout.

    Args:
        header: one title a column.
        rows: one value a column; floats get four digits, None a dash.
    """
    cells = [list(header), *([_format(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = [row[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo("  ".join(padded).rstrip())


def _format(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
