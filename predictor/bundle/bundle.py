"""A trained router as one object and as one folder.

The folder holds JSON and npz: formats that cannot carry code. Every byte is hashed before any
parser sees it. The hash finds damage and mix-ups; it is no signature.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from m3_backbone.scales import EXTRAS
from m3_backbone.schemas import CLOSED, parse_saved
from m3_backbone.serialization import parse_json, sha256, to_json
from predictor.bundle.card import write_card
from predictor.bundle.folder import CONFIG, read_checked, write_router
from predictor.data import NOTHING, TOKENS, UNITS, Extras, FloatArray
from predictor.features.feature_map import FEATURE_VERSION, FeatureMap
from predictor.features.outliers import DensityGate
from predictor.policy.budgets import RETRAIN, OperatingTable
from predictor.policy.candidates import Candidates, SavedCandidates
from predictor.policy.certificates import Certificate
from predictor.policy.claims import Claim
from predictor.policy.prices import Price, PriceList
from predictor.policy.shares import pick_headline, read_budgets
from predictor.routers.base import Router
from predictor.routers.calibration import Calibrator
from predictor.routers.registry import router_class
from predictor.rows import Features

FORMAT_VERSION = 4
READABLE = tuple((version, FEATURE_VERSION) for version in (2, 3, FORMAT_VERSION))
"""Format and feature versions that are read; format 2 has LightGBM's text for trees, and before 4
certificates did not name their loss: they are not read."""

CERTIFICATES = "certificates.json"
GATE = "gate.npz"  # older routers have a weaker gate in density.npz, which is not read
PRICES = "prices.json"
CARD = "README.md"

MOST_TOKENS, MOST_WIDTH = 4096, 65_536
"""Coarse tokens of an image and their width, beyond those of any model."""


@dataclass(frozen=True)
class Proofs:
    """A saved router's certificates and what they were chosen from."""

    __pydantic_config__ = CLOSED

    candidates: SavedCandidates
    certificates: tuple[Certificate, ...]


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
        prices: what scales cost in other units than visual tokens, by unit.
        candidates: the lambdas that certificates choose from; None in routers of older versions,
            whose certificates are not used.

    A bundle that knows nothing but two mean scores; real ones come from `m3scale train`:

    >>> import numpy as np
    >>> from predictor.policy.budgets import operating_table
    >>> from predictor.routers.constant import ConstantRouter
    >>> rng = np.random.default_rng(0)
    >>> coarse, question = rng.normal(size=(50, 10, 8)), rng.normal(size=(50, 8))
    >>> scores = np.tile([[1.0, 1.0], [0.0, 1.0]], (25, 1))  # 36 tokens are right half of the time
    >>> features = FeatureMap()
    >>> rows = features.fit_transform(coarse, question, scores, np.arange(50))
    >>> router = ConstantRouter((36, 576)).fit(rows, scores)
    >>> raw = router.predict_proba(rows)
    >>> calibrator = Calibrator((36, 576)).fit(raw, scores)
    >>> costs = np.array([36, 576])
    >>> table = operating_table(calibrator.transform(raw), costs, scores)
    >>> bundle = RouterBundle(features, router, calibrator, table)
    >>> bundle.predict_proba(coarse[:1], question[:1]).round(2)
    array([[0.5 , 0.98]])
    >>> bundle.price(budget=72).choose(bundle.predict_proba(coarse[:3], question[:3]), costs)
    array([0, 0, 0])
    """

    features: FeatureMap
    router: Router
    calibrator: Calibrator
    policy: OperatingTable
    meta: dict[str, Any] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    gate: DensityGate | None = None
    prices: Mapping[str, PriceList] = field(default_factory=dict)
    candidates: Candidates | None = None

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales in the columns' order [s]."""
        return self.router.scales

    @property
    def extras(self) -> tuple[str, ...]:
        """The optional blocks that it looks at, some of `EXTRAS`."""
        return tuple(name for name in EXTRAS if name in self.features.settings.blocks)

    @property
    def usual_budget(self) -> float:
        """The budget where none is named: 1/8 of the largest scale's cost [visual tokens]."""
        return pick_headline(read_budgets(self.meta, self.policy.costs, self.scales))

    def predict_proba(
        self, coarse: Features, question: Features, extras: Extras = NOTHING
    ) -> FloatArray:
        """Estimate the calibrated probability that each scale answers correctly.

        Args:
            coarse: coarse tokens [n, t, D], as in `TrainData`.
            question: question embeddings [n, D].
            extras: what the blocks of `extras` look at, by block [n, width].

        Returns:
            Probabilities [n, s], float64.
        """
        return _check_shares(self.calibrator.transform(self.predict_raw(coarse, question, extras)))

    def predict_raw(
        self, coarse: Features, question: Features, extras: Extras = NOTHING
    ) -> FloatArray:
        """Estimate the same without what the calibration split taught; for certificates.

        Args:
            coarse: coarse tokens [n, t, D].
            question: question embeddings [n, D].
            extras: what the blocks of `extras` look at, by block [n, width].

        Returns:
            Probabilities [n, s], float64.
        """
        # What overflows is found below.
        with np.errstate(all="ignore"):
            rows = self.features.transform(coarse, question, extras)
            return _check_shares(self.router.predict_proba(rows))

    def lambda_for_budget(self, budget: float) -> float:
        """Turn a mean budget into lambda by the calibration split's table.

        Args:
            budget: largest mean visual tokens per question.

        Returns:
            Lambda, per visual token; 0 if the budget does not bind. `price` also knows the scales
            that a budget may buy.
        """
        return self.policy.lambda_for_budget(budget)

    def price(self, budget: float, unit: str = TOKENS) -> Price:
        """Turn a mean budget in any unit into a price.

        Args:
            budget: largest mean cost per question.
            unit: one of `data.UNITS` that the router has prices for.

        Returns:
            The price; `AdaptiveM3.generate` takes it as `lam`.

        Raises:
            ValueError: if the router has no prices in that unit, or the budget is too small.
        """
        if unit == TOKENS:
            return Price(self.lambda_for_budget(budget), paying=self.policy.paying)
        if unit not in self.prices:
            known = ", ".join((TOKENS, *self.prices))
            raise ValueError(
                f"the router has prices in {known}, not in {unit!r}; train it on labels that know "
                "them, or with --profile"
            )
        table = self.prices[unit].table
        return Price(table.lambda_for_budget(budget), self.prices[unit], table.paying)

    def price_for_drop(self, drop: float) -> Price:
        """Turn a largest loss of accuracy into a price.

        Args:
            drop: loss against always the largest scale, on the calibration split.
        """
        lam = self.policy.lambda_for_drop(drop)
        # Where nothing that pays loses as little, all scales at no price.
        return Price(0.0) if lam is None else Price(lam, paying=self.policy.paying)

    def certificate(self, claim: Claim) -> Certificate:
        """Find the certificate of a claim.

        Args:
            claim: what shall be certified.

        Raises:
            ValueError: if the router was not certified for it.
        """
        if self.candidates is None:
            raise ValueError(
                "the router is of a version whose certificates did not say what they bound; "
                f"{RETRAIN}: `m3scale train --certify {claim}`"
            )
        for proven in self.certificates:
            if proven.claim == claim:
                return proven
        known = " and ".join(str(proven.claim) for proven in self.certificates) or "nothing"
        raise ValueError(
            f"the router is certified for {known}, not for {claim}; "
            f"run `m3scale train --certify {claim}`"
        )

    def to_files(self) -> dict[str, bytes]:
        """Give the folder's content.

        Returns:
            File name -> content, `config.json` among them.
        """
        files = {
            "features.npz": self.features.to_bytes(),
            "calibration.npz": self.calibrator.to_bytes(),
            "policy.json": to_json(self.policy.to_dict()),
            **self.router.to_files(),
        }
        if self.gate is not None:
            files[GATE] = self.gate.to_bytes()
        if self.prices:
            files[PRICES] = to_json({unit: p.to_dict() for unit, p in self.prices.items()})
        if self.candidates is not None:
            proven = [one.to_dict() for one in self.certificates]
            proofs = {"candidates": self.candidates.to_dict(), "certificates": proven}
            files[CERTIFICATES] = to_json(proofs)
        config: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "feature_version": FEATURE_VERSION,
            "kind": self.router.kind,
            "scales": [int(scale) for scale in self.scales],
            "meta": self.meta,
            "sha256": {name: sha256(content) for name, content in sorted(files.items())},
        }
        # Through JSON and back first: what is hashed has to be what a reader will hash.
        config = parse_json(to_json(config))
        card = write_card(
            self.router.kind, self.scales, config["meta"], self.policy, self.certificates
        ).encode()
        config["card_sha256"] = sha256(card)  # whether a user has edited it since
        # Last, since it covers every other field.
        config["config_sha256"] = sha256(to_json(config))
        return {**files, CONFIG: to_json(config), CARD: card}

    def size_bytes(self) -> int:
        """Give the size of the saved folder."""
        return sum(len(content) for content in self.to_files().values())

    def save(self, folder: str | Path) -> Path:
        """Write the router; the folder appears whole or not at all.

        Args:
            folder: where to; an older router there is replaced.
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
        config, files = read_checked(Path(folder), READABLE)
        scales = config.scales
        try:
            candidates, certificates = _read_proofs(config.format_version, files)
            bundle = cls(
                features=FeatureMap.from_bytes(files["features.npz"]),
                router=router_class(config.kind).from_files(files, scales),
                calibrator=Calibrator.from_bytes(files["calibration.npz"], scales),
                policy=OperatingTable.from_dict(_read_object(files["policy.json"])),
                meta=config.meta,
                certificates=certificates,
                gate=DensityGate.from_bytes(files[GATE]) if GATE in files else None,
                prices=_read_prices(files, scales),
                candidates=candidates,
            )
            bundle.try_out()
        except KeyError as error:
            raise ValueError(f"router in {folder} lacks {error}; train it again") from error
        except (IndexError, ArithmeticError, TypeError, ValueError) as error:
            # Signed, but by somebody else: its parts do not fit each other.
            raise ValueError(f"router in {folder} cannot be used: {error}") from error
        return bundle

    def try_out(self) -> None:
        """Route one question of zeros: shows whether all parts fit each other.

        Raises:
            ValueError: if they do not.
        """
        tokens, width = (int(size) for size in self.features.arrays_["shape"])
        if not (2 <= tokens <= MOST_TOKENS and 1 <= width <= MOST_WIDTH):
            raise ValueError(f"coarse tokens of shape ({tokens}, {width}) are no model's")
        coarse, question = np.zeros((1, tokens, width)), np.zeros((1, width))
        extras = {
            name: np.zeros((1, len(self.features.arrays_[f"{name}.from"]))) for name in self.extras
        }
        probabilities = self.predict_proba(coarse, question, extras)
        if probabilities.shape != (1, len(self.scales)):
            raise ValueError(f"it gives {probabilities.shape[1]} probabilities for {self.scales}")
        if self.gate is not None:
            self.gate.share_beyond(coarse, question)


def _check_shares(probabilities: FloatArray) -> FloatArray:
    # NaN compares false as well.
    if not np.all((probabilities >= 0) & (probabilities <= 1)):
        raise ValueError("the router gives no probabilities from 0 to 1; train it again")
    return probabilities


def _read_object(content: bytes) -> dict[str, Any]:
    record = parse_json(content)
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, got {type(record).__name__}; train it again")
    return record


def _read_proofs(
    version: int, files: Mapping[str, bytes]
) -> tuple[Candidates | None, tuple[Certificate, ...]]:
    if version < FORMAT_VERSION or CERTIFICATES not in files:
        return None, ()
    proofs = parse_saved(Proofs, files[CERTIFICATES], CERTIFICATES, RETRAIN)
    candidates = Candidates.from_saved(proofs.candidates)
    if any(one.candidates != candidates.fingerprint for one in proofs.certificates):
        raise ValueError(f"a certificate in {CERTIFICATES} is about other candidates; {RETRAIN}")
    return candidates, proofs.certificates


def _read_prices(files: Mapping[str, bytes], scales: tuple[int, ...]) -> dict[str, PriceList]:
    prices = {}
    for unit, record in _read_object(files.get(PRICES, b"{}")).items():
        if unit not in UNITS or unit == TOKENS or not isinstance(record, dict):
            raise ValueError(f"{PRICES} must hold price lists in flops or ms; train it again")
        prices[unit] = PriceList.from_dict(record)
        if len(prices[unit].tokens) > len(scales):
            raise ValueError(f"{PRICES} must hold at most {len(scales)} scales; train it again")
    return prices


def read_router(folder: str | Path) -> dict[str, bytes]:
    """Read a saved router's files, checking every hash.

    Args:
        folder: a folder that `save` wrote.

    Returns:
        File name to content, its configuration and its card among them.
    """
    _, files = read_checked(Path(folder), READABLE)
    for path in (Path(folder) / CONFIG, Path(folder) / CARD):
        if path.is_file():
            files[path.name] = path.read_bytes()
    return files
