"""The lambdas that certificates may choose from: one list, made from the training split.

The choices that are tested may not depend on the images that test them. So the list is made from
what the router says of its training split, is saved with that split's fingerprint, and whoever has
the training outcomes can make it again (`check_candidates`).
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Len

from m3_backbone.schemas import CLOSED
from m3_backbone.serialization import sha256, to_json
from predictor.data import FloatArray, TrainData
from predictor.policy.budgets import RETRAIN, Amount, lambda_path
from predictor.policy.claims import ALL, Family, count_most

TOGETHER = ""
"""What `ALL` is called in a saved router."""


@dataclass(frozen=True)
class SavedCandidates:
    """Candidates in a saved router.

    Attributes:
        most: as in `Candidates`, but for the family without a name; `ALL` is `TOGETHER`.
        nameless: the same of that family, if there are others.
    """

    __pydantic_config__ = CLOSED

    lambdas: Annotated[tuple[Amount, ...], Len(1)]
    split: str
    most: dict[str, Annotated[int, Ge(1)]]
    nameless: Annotated[int, Ge(1)] | None = None


@dataclass(frozen=True)
class Candidates:
    """What all certificates of a router share, none of it from the split that proves them.

    Attributes:
        lambdas: lambdas to test, safest first, so rising [m].
        split: fingerprint of the training split that they come from.
        most: questions of the image that has most there, by family, `ALL` among them.
    """

    lambdas: tuple[float, ...]
    split: str
    most: dict[Family, int]

    def __post_init__(self) -> None:
        """Refuse a list that does not rise.

        Raises:
            ValueError: if it does not, or the size of the largest image is missing.
        """
        if list(self.lambdas) != sorted(set(self.lambdas)) or ALL not in self.most:
            raise ValueError(f"candidates must rise and know the largest image; {RETRAIN}")

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of the list's SHA-256."""
        return sha256(to_json(self.to_dict()))[:16]

    def to_dict(self) -> dict[str, Any]:
        """Give the list as JSON-ready values; older routers have the same, but for `nameless`."""
        named = {name: count for name, count in self.most.items() if name}
        most = {TOGETHER: self.most[ALL], **named}
        record: dict[str, Any] = {"lambdas": self.lambdas, "split": self.split, "most": most}
        if named and "" in self.most:
            record["nameless"] = self.most[""]
        return record

    @classmethod
    def from_saved(cls, saved: SavedCandidates) -> "Candidates":
        """Take what was read from a saved router."""
        most: dict[Family, int] = {name or ALL: count for name, count in saved.most.items()}
        # Where no family has a name, all questions are of the one without.
        nameless = most.get(ALL) if len(most) == 1 else saved.nameless
        if nameless is not None:
            most[""] = nameless
        return cls(saved.lambdas, saved.split, most)


def list_candidates(probabilities: FloatArray, train: TrainData, count: int = 200) -> Candidates:
    """Make the list of a router.

    Args:
        probabilities: the router's own P(correct) on the training split [n, s].
        train: the training split.
        count: most lambdas.
    """
    # As many calls of one behaviour, cheap or dear, give one lambda.
    rising = np.unique(lambda_path(probabilities, train.tokens, count))
    return Candidates(tuple(rising.tolist()), train.fingerprint(), count_most(train))


def check_candidates(
    candidates: Candidates, probabilities: FloatArray, train: TrainData, calibration: TrainData
) -> None:
    """Prove that no candidate came from the split that proves the certificates.

    Args:
        candidates: the router's list.
        probabilities: the router's own P(correct) on the training split [n, s].
        train: the training split.
        calibration: the split that proves the certificates.

    Raises:
        ValueError: if the list is not that of the training split, or the splits share images.
    """
    shared = train.all_images & calibration.all_images
    if shared:
        raise ValueError(
            f"the training split shares {len(shared)} images with the calibration split (one is "
            f"{min(shared)}): its certificates prove nothing; {RETRAIN}"
        )
    if train.fingerprint() != candidates.split:
        raise ValueError(
            f"the candidates come from the split {candidates.split}, these training outcomes are "
            f"{train.fingerprint()}; give the folder that the router learnt from"
        )
    again = list_candidates(probabilities, train)
    same = len(again.lambdas) == len(candidates.lambdas) and np.allclose(
        again.lambdas, candidates.lambdas, rtol=1e-6, atol=0
    )
    if not same or again.most != candidates.most:
        raise ValueError(f"the candidates are not those of the training outcomes; {RETRAIN}")
