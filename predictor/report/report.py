"""The report folder: results.json, the report as a page and as Markdown, figures, pictures.

Everything shown is drawn from results.json and the pictures, so a report can be drawn again from
its own folder. It measures nothing.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from m3_backbone.files import write_atomically
from predictor.data import Results
from predictor.report.document import Document, Drawing
from predictor.report.figures.render import draw_figure, to_png, to_svg
from predictor.report.folder import MARKDOWN, PAGE, RESULTS
from predictor.report.html import Pictures, build_page
from predictor.report.markdown import build_markdown
from predictor.report.outline import build_document

NEEDED = ("scales", "fixed", "oracle", "router", "headline", "families")


def write_report(
    results: Results,
    folder: str | Path,
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write results.json, index.html, report.md, figures/*.png and gallery/*.png.

    Args:
        results: what `run_experiment` gave, with `gallery` and the caller's `meta`.
        folder: where to; it is made, and files of the same names are replaced.
        pictures: sample id to PNG bytes for the gallery; read from the folder if left out.

    Returns:
        Path of the page. A ValueError says which section is missing, or that a picture's path
        leaves the gallery's folder; nothing is written then.
    """
    _check(results)
    target = Path(folder)
    names = _picture_names(results)
    photos = _read_pictures(target, names) if pictures is None else pictures
    document = build_document(results)
    drawn = {name: _draw(name, results) for name in _figure_names(document)}
    # Figures and page are made first: what they refuse leaves the old report whole.
    page = build_page(document, Pictures({name: d[:2] for name, d in drawn.items()}, photos))
    for name, (_, _, png) in drawn.items():
        write_atomically(target / "figures" / f"{name}.png", png)
    for sample_id, name in names.items():
        if sample_id in photos:
            write_atomically(target / "gallery" / name, photos[sample_id])
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(target / RESULTS, f"{text}\n".encode())
    write_atomically(target / MARKDOWN, build_markdown(document, list(photos)).encode())
    write_atomically(target / PAGE, page.encode())
    return target / PAGE


def write_markdown(results: Results, path: str | Path, command: str) -> None:
    """Write the text and the tables of a report to one Markdown file, without figures.

    Args:
        results: what results.json holds.
        path: the file.
        command: what wrote it, to be named in its first lines. A ValueError says which section is
            missing.
    """
    _check(results)
    text = build_markdown(build_document(results), command=command)
    write_atomically(Path(path), text.encode())


def _check(results: Results) -> None:
    missing = [name for name in NEEDED if not results.get(name)]
    if missing:
        raise ValueError(f"results lack {', '.join(missing)}; run the experiment again")


def _figure_names(document: Document) -> list[str]:
    blocks = [block for section in document.sections for block in section.blocks]
    return [block.name for block in blocks if isinstance(block, Drawing)]


def _draw(name: str, results: Results) -> tuple[str, str, bytes]:
    wide = draw_figure(name, results)
    narrow = draw_figure(name, results, narrow=True)
    return to_svg(wide, f"{name}-wide"), to_svg(narrow, f"{name}-narrow"), to_png(wide)


def _picture_names(results: Results) -> dict[str, str]:
    """Give each gallery sample's file name; results.json may come from elsewhere, so check it.

    Raises:
        ValueError: if a path is not a plain name inside the gallery's folder.
    """
    names = {}
    for row in results.get("gallery") or []:
        if not re.fullmatch(r"gallery/[A-Za-z0-9_-]+\.png", str(row["image"])):
            raise ValueError(f"expected a gallery image gallery/NAME.png, got {row['image']!r}")
        names[str(row["sample_id"])] = str(row["image"]).removeprefix("gallery/")
    return names


def _read_pictures(folder: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    paths = {sample_id: folder / "gallery" / name for sample_id, name in names.items()}
    return {sample_id: path.read_bytes() for sample_id, path in paths.items() if path.is_file()}
