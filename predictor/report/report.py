"""The report folder: results.json, the report as a page and as Markdown, figures, pictures.

Everything shown is drawn from results.json and the pictures, so a report can be drawn again from
its own folder. It measures nothing.
"""

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from jinja2 import TemplateError

from m3_backbone.files import replacing, write_atomically
from predictor.data import Results
from predictor.report.document import Document, Drawing
from predictor.report.figures.render import PLOTS, draw_figure, to_png, to_svg
from predictor.report.folder import (
    FIGURES,
    GALLERY,
    MARKDOWN,
    PAGE,
    RESULTS,
    list_own_files,
    read_results,
)
from predictor.report.html import Pictures, build_page
from predictor.report.markdown import build_markdown
from predictor.report.outline import build_document

NEEDED = ("scales", "fixed", "oracle", "router", "headline", "families")

AGAIN = "run `m3scale report` again"


def write_report(
    results: Results,
    folder: str | Path,
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write results.json, index.html, report.md, figures/*.png and gallery/*.png.

    Args:
        results: what `run_experiment` gave, with `gallery` and the caller's `meta`.
        folder: where to; it is made. An older report in it is replaced in one step, a user's files
            stay.
        pictures: sample id to PNG bytes for the gallery; read from the folder if left out.

    Returns:
        Path of the page. A ValueError says which section is missing, or that a picture's path
        leaves the gallery's folder, or that something else than a report is in the way; nothing is
        written then.
    """
    check_whole(results)
    target = Path(folder)
    if target.is_dir():
        list_own_files(target)  # refused before anything is drawn
    with told_in_one_line():
        contents = _draw_all(results, target, pictures)
    _write(target, contents)
    return target / PAGE


def _draw_all(
    results: Results, target: Path, pictures: Mapping[str, bytes] | None
) -> dict[str, bytes]:
    """Draw everything, without writing it; gives the report's files by their path in the folder."""
    names = _picture_names(results)
    photos = _read_pictures(target, names) if pictures is None else pictures
    document = build_document(results)
    drawn = {name: _draw(name, results) for name in _figure_names(document)}
    page = build_page(document, Pictures({name: d[:2] for name, d in drawn.items()}, photos))
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    return {
        **{f"{FIGURES}/{name}.png": png for name, (_, _, png) in drawn.items()},
        **{f"{GALLERY}/{name}": photos[one] for one, name in names.items() if one in photos},
        RESULTS: f"{text}\n".encode(),
        MARKDOWN: build_markdown(document, list(photos)).encode(),
        PAGE: page.encode(),
    }


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Stand around all drawing: results that somebody edited are a user's mistake, no defect.

    Their sections are as many as the chapters, and each chapter reads what it shows; a schema
    beside all of them would say the same again. What is wrong in them is noticed while it is drawn,
    before anything is written.

    Raises:
        ValueError: if a section is not what its chapter or figure expects.
    """
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        TemplateError,
    ) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(f"{RESULTS} cannot be drawn ({reason}); {AGAIN}") from error


def _write(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write the report's files, by their path in the folder; all of them appear in one step."""
    with replacing(target, list_own_files) as fresh:
        for name, content in contents.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_bytes(content)
        own = _list_pictures(target)
        for folder in (FIGURES, GALLERY):
            _keep_others(target / folder, fresh / folder, own)


def _list_pictures(folder: Path) -> set[Path]:
    """List the paths of pictures that an older report in a folder wrote."""
    own = {folder / FIGURES / f"{name}.png" for name in PLOTS}
    if (folder / RESULTS).is_file():
        names = _picture_names(read_results(folder))
        own |= {folder / GALLERY / name for name in names.values()}
    return own


def _keep_others(old: Path, fresh: Path, own: Collection[Path]) -> None:
    """Let what a user put beside the old pictures stand beside the new ones."""
    for path in old.iterdir() if old.is_dir() else ():
        if path in own or os.path.lexists(fresh / path.name):
            continue
        fresh.mkdir(exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, fresh / path.name, symlinks=True)
        else:
            os.link(path, fresh / path.name, follow_symlinks=False)


def write_markdown(results: Results, path: str | Path, command: str) -> None:
    """Write the text and the tables of a report to one Markdown file, without figures.

    Args:
        results: what results.json holds.
        path: the file.
        command: what wrote it, to be named in its first lines. A ValueError says which section is
            missing.
    """
    check_whole(results)
    with told_in_one_line():
        text = build_markdown(build_document(results), command=command)
    write_atomically(Path(path), text.encode())


def check_whole(results: Results) -> None:
    """Refuse results that lack a section that every report shows.

    Raises:
        ValueError: if one is missing.
    """
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
