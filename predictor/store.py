"""A trained router as one object and as one folder.

The folder holds JSON, npz and LightGBM text: formats that cannot carry code. Every byte is hashed
before any parser sees it, because LightGBM's reader ends the process on a damaged model. The hash
finds damage and mix-ups; it is no signature.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from predictor.calibration import Calibrator
from predictor.certify import Certificate
from predictor.data import FloatArray
from predictor.density import DensityGate
from predictor.features import FEATURE_VERSION, FeatureMap
from predictor.interface import Router
from predictor.policy import OperatingTable
from predictor.registry import router_class
from predictor.router_card import write_card

FORMAT_VERSION = 1
CONFIG = "config.json"
CERTIFICATES = "certificates.json"
GATE = "density.npz"
CARD = "README.md"


@dataclass(frozen=True)
class RouterBundle:
    """Everything between coarse tokens plus question embedding and calibrated P(correct).

    Attributes:
        features: the fitted feature map.
        router: the fitted estimator.
        calibrator: the fitted per-scale calibration.
        policy: what each lambda did on the calibration split.
        meta: JSON-ready facts; `checkpoint` is the fingerprint of the model it was trained for.
        certificates: proven bounds on what routing loses, on the calibration split.
        gate: tells what is unlike the training split.
    """

    features: FeatureMap
    router: Router
    calibrator: Calibrator
    policy: OperatingTable
    meta: dict[str, Any] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    gate: DensityGate | None = None

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales in the columns' order [s]."""
        return self.router.scales

    def predict_proba(self, coarse: FloatArray, question: FloatArray) -> FloatArray:
        """Estimate the calibrated probability that each scale answers correctly.

        Args:
            coarse: coarse tokens [n, t, D], as in `TrainData`.
            question: question embeddings [n, D].

        Returns:
            Probabilities [n, s], float64.
        """
        return self.calibrator.transform(self.predict_raw(coarse, question))

    def predict_raw(self, coarse: FloatArray, question: FloatArray) -> FloatArray:
        """Estimate the same without what the calibration split taught; for certificates.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].

        Returns:
            Probabilities [n, s], float64.
        """
        return self.router.predict_proba(self.features.transform(coarse, question))

    def lambda_for_budget(self, budget: float) -> float:
        """Turn a mean budget into lambda by the calibration split's table.

        Args:
            budget: largest mean visual tokens a question.

        Returns:
            Lambda, per visual token; 0 if the budget does not bind.
        """
        return self.policy.lambda_for_budget(budget)

    def certificate(self, alpha: float, delta: float) -> Certificate:
        """Find the certificate of a level.

        Args:
            alpha: bound on the risk.
            delta: chance that the bound does not hold.

        Returns:
            The certificate.

        Raises:
            ValueError: if the router was not certified at that level.
        """
        levels = {(found.alpha, found.delta): found for found in self.certificates}
        if (alpha, delta) not in levels:
            known = " and ".join(f"{a:g},{d:g}" for a, d in levels) or "no level"
            raise ValueError(
                f"the router is certified at {known}, not at {alpha:g},{delta:g}; "
                f"run `m3scale train --certify {alpha:g},{delta:g}`"
            )
        return levels[alpha, delta]

    def to_files(self) -> dict[str, bytes]:
        """Give the folder's content.

        Returns:
            File name -> content, `config.json` among them.
        """
        files = {
            "features.npz": self.features.to_bytes(),
            "calibration.npz": self.calibrator.to_bytes(),
            "policy.json": _json(self.policy.to_dict()),
            **self.router.to_files(),
        }
        if self.gate is not None:
            files[GATE] = self.gate.to_bytes()
        if self.certificates:
            files[CERTIFICATES] = _json({"levels": [c.to_dict() for c in self.certificates]})
        config: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "feature_version": FEATURE_VERSION,
            "kind": self.router.kind,
            "scales": [int(scale) for scale in self.scales],
            "meta": self.meta,
            "sha256": {name: _sha256(content) for name, content in sorted(files.items())},
        }
        # Through JSON and back first: what is hashed has to be what a reader will hash.
        config = json.loads(_json(config))
        config["config_sha256"] = _sha256(_json(config))
        card = write_card(
            self.router.kind, self.scales, config["meta"], self.policy, self.certificates
        )
        return {**files, CONFIG: _json(config), CARD: card.encode()}

    def size_bytes(self) -> int:
        """Give the size of the saved folder.

        Returns:
            Bytes.
        """
        return sum(len(content) for content in self.to_files().values())

    def save(self, folder: str | Path) -> Path:
        """Write the router; the folder appears whole or not at all.

        Args:
            folder: where to; an older router there is replaced.

        Returns:
            The folder.
        """
        return write_router(Path(folder), self.to_files())

    @classmethod
    def load(cls, folder: str | Path) -> "RouterBundle":
        """Read a saved router, checking every hash before any parser sees the content.

        Args:
            folder: a folder that `save` wrote.

        Returns:
            A bundle that predicts the same numbers.

        Raises:
            ValueError: if a file is missing, damaged or changed, or of another version.
        """
        config, files = _read_checked(Path(folder))
        try:
            scales = tuple(int(scale) for scale in config["scales"])
            proven = json.loads(files.get(CERTIFICATES, b'{"levels": []}'))
            return cls(
                features=FeatureMap.from_bytes(files["features.npz"]),
                router=router_class(config["kind"]).from_files(files, scales),
                calibrator=Calibrator.from_bytes(files["calibration.npz"], scales),
                policy=OperatingTable.from_dict(json.loads(files["policy.json"])),
                meta=config["meta"],
                certificates=tuple(Certificate.from_dict(record) for record in proven["levels"]),
                gate=DensityGate.from_bytes(files[GATE]) if GATE in files else None,
            )
        except KeyError as error:
            raise ValueError(f"router in {folder} lacks {error}; train it again") from error


def write_router(target: Path, files: Mapping[str, bytes]) -> Path:
    """Write a router's files; the folder appears whole or not at all.

    Args:
        target: the folder; an older router there is replaced.
        files: file name to content.

    Returns:
        The folder.

    Raises:
        ValueError: if something that is not a router is in the way.
    """
    if target.exists() and not _replaceable(target):
        raise ValueError(f"{target} exists and is not a saved router; choose another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        _write_folder(fresh, files)
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return target


def read_router(folder: str | Path) -> dict[str, bytes]:
    """Read a saved router's files, checking every hash.

    Args:
        folder: a folder that `save` wrote.

    Returns:
        File name to content, its configuration and its card among them.
    """
    _, files = _read_checked(Path(folder))
    kept = [path for path in (Path(folder) / CONFIG, Path(folder) / CARD) if path.is_file()]
    return {**files, **{path.name: path.read_bytes() for path in kept}}


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _replaceable(target: Path) -> bool:
    return target.is_dir() and ((target / CONFIG).is_file() or not any(target.iterdir()))


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        with (folder / name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def _read_checked(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    config = _read_config(folder)
    files = {}
    for name, digest in config.get("sha256", {}).items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise ValueError(f"router file {path} is missing; train the router again")
        files[name] = path.read_bytes()
        if _sha256(files[name]) != digest:
            raise ValueError(
                f"router file {path} was changed or damaged (its SHA-256 differs from "
                f"{CONFIG}); restore it or train the router again"
            )
    return config, files


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"no router in {folder}: {path} is missing; run `m3scale train`")
    try:
        config = json.loads(path.read_bytes())
        digest = config.pop("config_sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not the configuration of a saved router") from error
    if _sha256(_json(config)) != digest:
        raise ValueError(f"{path} was changed by hand or damaged; train the router again")
    versions = (config.get("format_version"), config.get("feature_version"))
    if versions != (FORMAT_VERSION, FEATURE_VERSION):
        raise ValueError(
            f"router in {folder} has format and feature version {versions}, this program reads "
            f"{(FORMAT_VERSION, FEATURE_VERSION)}; train the router again"
        )
    return dict(config)
