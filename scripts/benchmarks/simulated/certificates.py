"""Simulated certificates: whether they hold where the truth is known, and what they cost.

A world is a finite population of images with outcomes and a router's imperfect belief; its images
are drawn with replacement, so the risk of every lambda is known exactly. What is tested is the
shipped test on the shipped losses; only the drawing is done for all splits at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from m3_backbone.schemas import CLOSED

if TYPE_CHECKING:
    import numpy as np

    from predictor.data import FloatArray, IntArray, NameArray, TrainData
    from predictor.policy.claims import Claim, Family, Losses

SCALES = (1, 9, 36, 144, 576)
IMAGES = 4000
"""Images of a world."""

CANDIDATES = 60
"""Lambdas that may be chosen."""

AT_ONCE = 4_000_000
"""Numbers that are drawn at a time, so that memory stays below a gigabyte."""

WORLDS = {
    "one question an image": "one",
    "six questions, alike in half of the images": "six",
    "1 to 60 questions, from 20 on three times as risky": "unequal",
    "the same with graded scores": "graded",
}
"""What a table calls a world, and its name here."""

SIZES = (400, 2000)
"""Images of a calibration split."""


@dataclass(frozen=True)
class Simulated:
    """What certificates did in one world.

    Attributes:
        world: one of the values of `WORLDS`.
        images: images of a calibration split.
        claim: what was claimed.
        draws: calibration splits.
        broken: share of them whose choice breaks the claim in truth.
        refused: share of them that are too small for the claim, though nothing were lost.
        largest: share of them that leave always the largest scale, the refused ones included.
        tokens: mean visual tokens per question of the choices, a refused split being none.
        safe_tokens: those of the cheapest candidate that keeps the claim in truth.
        least_tokens: what no valid certificate can go below in the mean, see `limits.py`.
    """

    __pydantic_config__ = CLOSED

    world: str
    images: Annotated[int, Ge(1)]
    claim: str
    draws: Annotated[int, Ge(1)]
    broken: float
    refused: float
    largest: float
    tokens: float | None
    safe_tokens: float
    least_tokens: float

    @property
    def cost_ratio(self) -> float | None:
        """How many times the tokens of the cheapest safe candidate are spent."""
        return None if self.tokens is None else self.tokens / self.safe_tokens

    @property
    def least_ratio(self) -> float:
        """How many times those tokens any valid certificate spends at least."""
        return self.least_tokens / self.safe_tokens


def list_claims(alpha: float, delta: float) -> "list[Claim]":
    """List a claim of every loss in every unit."""
    from predictor.policy.claims import Claim

    # Written out, since the names are types.
    return [
        Claim.parse(f"{loss}:{alpha},{delta},{unit}")
        for loss in ("regression", "net", "given-right")
        for unit in ("question", "image", "family")
    ]


def simulate(claims: "list[Claim]", world: str, draws: int, seed: int = 0) -> Iterator[Simulated]:
    """Certify splits that are drawn from a world.

    Args:
        claims: what is claimed.
        world: one of the values of `WORLDS`.
        draws: splits of every size.
        seed: seed of the world and of the draws.

    Yields:
        What happened, for every claim and number of images.
    """
    import numpy as np

    from predictor.policy.candidates import list_candidates
    from predictor.policy.certificates import choose_at

    data, seen = make_world(world, IMAGES, seed)
    train, believed = make_world(world, IMAGES // 10, seed + 1)
    candidates = list_candidates(believed, train, CANDIDATES)
    choices = [choose_at(seen, data.tokens, lam) for lam in (None, *candidates.lambdas)]
    for claim in claims:
        measured = _measure(claim, data, choices, candidates.most)
        for images in SIZES:
            rng = np.random.default_rng((seed, images))
            yield measured.draw(world, images, draws, rng)


@dataclass(frozen=True)
class _Measured:
    """The truth about a claim: always the largest scale, then every candidate.

    Attributes:
        claim: what is claimed.
        losses: losses on the images of the world [1 + m].
        tokens: mean visual tokens per question [1 + m].
    """

    claim: "Claim"
    losses: "Sequence[Losses]"
    tokens: "FloatArray"

    def draw(self, world: str, images: int, draws: int, rng: "np.random.Generator") -> Simulated:
        """Certify splits of so many images."""
        import numpy as np

        from predictor.policy.certificates import certify_splits
        from scripts.benchmarks.simulated.limits import least_cost

        claim, known = self.claim, self.losses[0].lost.shape[-1]
        at = np.concatenate(
            [
                # The first that passes is the largest scale; a split where it does not is refused.
                certify_splits(self.losses, rng.integers(0, known, (count, images)), claim) - 1
                for count in _portions(draws, max(AT_ONCE // images, 1))
            ]
        )
        risks = np.array([one.risk for one in self.losses])
        excess = np.stack([one.excess(claim.alpha).T for one in self.losses], axis=1)
        made = at >= 0
        return Simulated(
            world=world,
            images=images,
            claim=str(claim),
            draws=draws,
            broken=float(np.mean(made & (risks[at] > claim.alpha))),
            refused=float(np.mean(~made)),
            largest=float(np.mean(at <= 0)),
            tokens=float(self.tokens[at[made]].mean()) if made.any() else None,
            safe_tokens=float(self.tokens[risks <= claim.alpha].min()),
            least_tokens=least_cost(excess, self.tokens, images, claim.delta, 1 - claim.alpha),
        )


def _portions(whole: int, most: int) -> list[int]:
    """Split a count in parts of at most `most`."""
    return [min(most, whole - start) for start in range(0, whole, most)]


def _measure(
    claim: "Claim",
    data: "TrainData",
    choices: "Sequence[IntArray]",
    most: "Mapping[Family, int]",
) -> _Measured:
    """Find the truth about a claim and choices [n], always the largest scale first."""
    import numpy as np

    from predictor.policy.claims import Counting, Losses

    counting = Counting.of(claim, data, most)
    rows = np.arange(len(data))
    losses = [Losses.of(claim, counting, data.scores, chosen) for chosen in choices]
    return _Measured(claim, losses, np.array([data.tokens[rows, c].mean() for c in choices]))


def make_world(kind: str, images: int, seed: int) -> "tuple[TrainData, FloatArray]":
    """Make a population, and what a router believes of it.

    Args:
        kind: one of the values of `WORLDS`.
        images: number of images.
        seed: seed of all of it.

    Returns:
        The outcomes, and P(correct) with noise [n, s]. A fifth of the questions are of a harder
        family.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    sizes = {"one": np.ones(images, int), "six": np.full(images, 6)}.get(
        kind, rng.integers(1, 61, images)
    )
    owner = np.repeat(np.arange(images), sizes)
    n = len(owner)
    counting = rng.random(n) < 0.2
    alone = rng.normal(size=n) + 0.8 * counting
    if kind == "six":
        # The questions of an image stand and fall together in every other image.
        alike = (np.arange(images) % 2 == 0)[owner]
        first = np.searchsorted(owner, owner)
        alone = np.where(alike, alone[first], alone)
    # Dense images: this much harder makes about three times the regressions.
    dense = sizes[owner] >= 20 if kind in ("unequal", "graded") else np.zeros(n, bool)
    odds = np.array([0.2, 1.6, 2.8, 3.8, 4.4]) - 1.2 * alone[:, None] - 1.3 * dense[:, None]
    seen = 1 / (1 + np.exp(-odds - 0.5 * rng.normal(size=(n, 1))))
    # One draw a question for all scales, but for a tenth where scales are lucky by themselves.
    luck = np.where(rng.random((n, 1)) < 0.9, rng.random((n, 1)), rng.random((n, len(SCALES))))
    if kind == "six":
        luck = np.where(alike[:, None], luck[first], luck)
    right = luck < 1 / (1 + np.exp(-odds))
    scores = right.astype(np.float64)
    if kind == "graded":
        full = rng.random((n, 1)) < 0.6  # of answers that people agree on
        scores = np.where(full, scores, np.where(right, 0.9, 0.3))
    return _make_data(owner, np.where(counting, "counting", "other"), scores), seen


def _make_data(owner: "IntArray", groups: "NameArray", scores: "FloatArray") -> "TrainData":
    """Make a table without features of outcomes [n, s] on images of these numbers [n]."""
    import numpy as np

    from predictor.data import TrainData

    n = len(owner)
    return TrainData(
        sample_ids=np.arange(n).astype(str),
        image_ids=np.char.zfill(owner.astype(str), 6),
        groups=groups,
        coarse=np.zeros((n, 2, 1), np.float32),
        question=np.zeros((n, 1), np.float32),
        scores=scores,
        tokens=np.broadcast_to(np.array(SCALES, np.float64), (n, len(SCALES))),
        scales=SCALES,
    )
