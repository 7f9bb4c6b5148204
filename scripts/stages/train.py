"""The work of `m3scale train`: a router from labels, saved with its certificates."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.stages.cutting import note_cutting
from scripts.stages.provenance import describe_code
from scripts.stages.splits import LabelledSplit

if TYPE_CHECKING:
    from predictor.bundle.bundle import RouterBundle
    from predictor.policy.certificates import Certificate
    from predictor.training.train import TrainSettings


def check_kind(_: click.Context, __: click.Parameter, kind: str | None) -> str | None:
    """Refuse a kind of router that there is not, before anything is labelled or read."""
    from predictor.routers.registry import router_class
    from predictor.training.tuning import AUTO

    if kind is not None and kind != AUTO:
        router_class(kind)
    return kind


def run_train(
    train: LabelledSplit,
    calibration: LabelledSplit | None,
    folder: Path,
    settings: "TrainSettings",
) -> "RouterBundle":
    """Train a router and save it; without a calibration split a share of `train` is held back."""
    from predictor.training.train import train_bundle

    note = note_cutting([split for split in (train, calibration) if split])

    bundle = train_bundle(
        train.data,
        calibration.data if calibration else None,
        settings,
        {"checkpoint": train.checkpoint, "code_version": describe_code(), **note},
    )
    bundle.save(folder)
    return bundle


def is_trained(
    folder: Path, train: LabelledSplit, calibration: LabelledSplit, wanted: "TrainSettings"
) -> bool:
    """Tell whether the router in a folder is the one that `run_train` would make."""
    from predictor.bundle.bundle import RouterBundle
    from predictor.training.tuning import is_tuned

    if not folder.exists():
        return False
    bundle = RouterBundle.load(folder)
    facts = bundle.meta
    settings = facts["settings"]
    return (
        facts["train"]["fingerprint"] == train.data.fingerprint()
        and facts["calibration"]["fingerprint"] == calibration.data.fingerprint()
        and facts["checkpoint"] == train.checkpoint
        and facts.get("code_version") == describe_code()
        and facts.get("split") == train.origin.get("split")
        and (settings["kind"], settings["seed"]) == (wanted.kind, wanted.seed)
        and bool(facts["tuning"]) == is_tuned(wanted.kind, wanted.tuning)
    )


def describe_certificate(certificate: "Certificate") -> dict[str, Any]:
    """Give a certificate's row for the table; no lambda means always the largest scale."""
    return {
        "certified": str(certificate.claim),
        "alpha": certificate.claim.alpha,
        "delta": certificate.claim.delta,
        "lambda": certificate.lam,
        "loss": certificate.risk,
        "tokens": certificate.tokens,
        "images": certificate.images,
    }


def print_sentences(certificates: Sequence["Certificate"]) -> None:
    """Print what each certificate says, in words."""
    for certificate in certificates:
        click.echo(f"{certificate.claim}: {certificate.sentence}")
