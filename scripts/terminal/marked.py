"""Text that a command keeps between two lines of a file, so that nobody types its figures.

The first of the two names the command; what stands around them is anybody's.
"""

from pathlib import Path

from m3_backbone.files import write_atomically


def cut_marked(path: Path, name: str) -> tuple[str, str]:
    """Give what stands before and after the text of a name.

    Args:
        path: the file.
        name: what the text is called in the lines around it.

    Returns:
        The file without that text and its two lines.

    Raises:
        ValueError: if the two lines are not there once each, one after the other.
    """
    text = path.read_text("utf-8")
    start, end = f"<!-- {name}: written by ", f"<!-- end of {name} -->"
    if (text.count(start), text.count(end)) != (1, 1) or text.index(start) > text.index(end):
        raise ValueError(f"{path} must have a line that begins with {start!r}, and then {end}")
    return text[: text.index(start)], text[text.index(end) + len(end) :]


def write_marked(path: Path, name: str, command: str, text: str) -> None:
    """Put a text into its place in a file.

    Args:
        path: the file. A ValueError says that it has no such place.
        name: see `cut_marked`.
        command: what writes the text, to be named above it.
        text: the text, Markdown.
    """
    before, after = cut_marked(path, name)
    # Without blank lines a table beside a comment is no table everywhere.
    middle = f"<!-- {name}: written by {command} -->\n\n{text.strip()}\n\n<!-- end of {name} -->"
    write_atomically(path, f"{before}{middle}{after}".encode())
