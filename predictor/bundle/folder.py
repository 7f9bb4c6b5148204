"""A router's files on disk: written to the last byte, read against their hashes.

Not the router: `bundle.py` says what is in them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m3_backbone.files import replacing, write_files
from m3_backbone.serialization import parse_json, sha256, to_json

CONFIG = "config.json"
CARD = "README.md"


def write_router(target: Path, files: Mapping[str, bytes]) -> Path:
    """Write a router's files; the folder appears whole or not at all.

    Args:
        target: the folder; an older router there is replaced. Files in it that are not the older
            router's stay, and so does its card if it was edited.
        files: file name to content.

    Raises:
        ValueError: if something that is not a router is in the way.
    """
    if target.exists() and not target.is_dir():
        raise ValueError(_not_a_router(target))
    with replacing(target, owned=list_own_files) as fresh:
        write_files(fresh, files)
    return target


def list_own_files(folder: Path) -> set[str]:
    """Tell which files of a folder are those of a saved router.

    Args:
        folder: the folder.

    Returns:
        Their names; the card is among them unless it was edited.

    Raises:
        ValueError: if the folder holds no saved router.
    """
    try:
        config = _read_signed(folder / CONFIG)
        names = {CONFIG, *map(str, config["sha256"])}
        card = (folder / CARD).read_bytes() if (folder / CARD).is_file() else b""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(_not_a_router(folder)) from error
    # Routers from before do not say what their card was: it counts as unedited.
    return names | ({CARD} if config.get("card_sha256", sha256(card)) == sha256(card) else set())


def _not_a_router(target: Path) -> str:
    return f"{target} exists and is not a saved router; choose another folder"


def read_checked(
    folder: Path, versions: tuple[int, int]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a router's files, each against its hash.

    Args:
        folder: the router's folder.
        versions: format and feature version that it must have.

    Returns:
        Its configuration and its other files.

    Raises:
        ValueError: if a file is missing, damaged or changed.
    """
    config = _read_config(folder, versions)
    files = {}
    for name, digest in config.get("sha256", {}).items():
        path = folder / name
        # A name with a folder in it could read from anywhere; the list comes with the router.
        if Path(name).name != name or not path.is_file():
            raise ValueError(f"router file {path} is missing; train the router again")
        files[name] = path.read_bytes()
        if sha256(files[name]) != digest:
            raise ValueError(
                f"router file {path} was changed or damaged (its SHA-256 differs from "
                f"{CONFIG}); restore it or train the router again"
            )
    return config, files


def _read_config(folder: Path, wanted: tuple[int, int]) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no router in {folder}: {path} is missing; run `m3scale train`")
    config = _read_signed(path)
    versions = (config.get("format_version"), config.get("feature_version"))
    if versions != wanted:
        raise ValueError(
            f"router in {folder} has format and feature version {versions}, this program reads "
            f"{wanted}; train the router again"
        )
    if not _has_fields(config):
        raise ValueError(
            f"{path} lacks what a router's configuration holds; train the router again"
        )
    return config


def _has_fields(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration's fields are there and of their types."""
    hashes = config.get("sha256")
    scales = config.get("scales")
    return (
        isinstance(config.get("kind"), str)
        and isinstance(config.get("meta"), dict)
        and isinstance(hashes, dict)
        and all(isinstance(digest, str) for digest in hashes.values())
        and isinstance(scales, list)
        and len(scales) > 0
        and all(type(scale) is int and scale > 0 for scale in scales)
        and scales == sorted(set(scales))
    )


def _read_signed(path: Path) -> dict[str, Any]:
    # A configuration holds the hash of all else that is in it.
    try:
        config = parse_json(path.read_bytes())
        digest = config.pop("config_sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a saved router") from error
    if sha256(to_json(config)) != digest:
        raise ValueError(f"{path} was changed by hand or damaged; train the router again")
    return dict(config)
