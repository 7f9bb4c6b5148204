"""The report's folder: names of its files, and its results read back.

Light to import, so that a command can name the page before anything is drawn.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from m3_backbone.serialization import parse_json

if TYPE_CHECKING:
    from predictor.data import Results

RESULTS: Final = "results.json"
PAGE: Final = "index.html"
MARKDOWN: Final = "report.md"


def read_results(source: str | Path) -> "Results":
    """Read the results of a report.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "study.json"
    >>> _ = file.write_text('{"headline": {"target": 72.0, "ogc_72": 0.8264}}')
    >>> read_results(file)["headline"]["ogc_72"]
    0.8264

    Args:
        source: a report's folder, or a results.json itself under any name.

    Raises:
        FileNotFoundError: if there are none.
        ValueError: if the file is damaged.
    """
    path = Path(source) / RESULTS if Path(source).is_dir() else Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"no results in {source}: {path} is missing; run `m3scale report`")
    try:
        results = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); run `m3scale report` again") from error
    if not isinstance(results, dict):
        raise ValueError(f"{path} holds no results; run `m3scale report` again")
    return results
