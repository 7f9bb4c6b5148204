"""A router's files on disk: written to the last byte, read against their hashes.

Not the router: `bundle.py` says what is in them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m3_backbone.files import replacing, sha256, to_json, write_files

CONFIG = "config.json"


def write_router(target: Path, files: Mapping[str, bytes]) -> Path:
    """Write a router's files; the folder appears whole or not at all.

    Args:
        target: the folder; an older router there is replaced.
        files: file name to content.

    Raises:
        ValueError: if something that is not a router is in the way.
    """
    if target.exists() and not _is_replaceable(target):
        raise ValueError(f"{target} exists and is not a saved router; choose another folder")
    with replacing(target, over_folder=True) as fresh:
        write_files(fresh, files)
    return target


def _is_replaceable(target: Path) -> bool:
    return target.is_dir() and ((target / CONFIG).is_file() or not any(target.iterdir()))


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
    try:
        config = json.loads(path.read_bytes())
        digest = config.pop("config_sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a saved router") from error
    if sha256(to_json(config)) != digest:
        raise ValueError(f"{path} was changed by hand or damaged; train the router again")
    versions = (config.get("format_version"), config.get("feature_version"))
    if versions != wanted:
        raise ValueError(
            f"router in {folder} has format and feature version {versions}, this program reads "
            f"{wanted}; train the router again"
        )
    return dict(config)
