"""Where the model that ships inside the repository lies. Not a downloader."""

from pathlib import Path

EMBEDDED_NAME = "m3-mini"


def embedded_path() -> Path:
    """Return the folder of the embedded model m3-mini.

    Returns:
        The folder, in stock transformers format.

    Raises:
        FileNotFoundError: if the repository was checked out or installed without it.
    """
    folder = Path(__file__).resolve().parent.parent / "models" / EMBEDDED_NAME
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"the embedded model {EMBEDDED_NAME} is not at {folder}: work in a full clone of the "
            "repository (pip install -e .), or name the folder of another checkpoint"
        )
    return folder
