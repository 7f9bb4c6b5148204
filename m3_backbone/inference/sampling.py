"""Sampling parameters: length, temperature, top-p, seed, stop texts and log-probabilities.

They are checked without torch, before any work.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from m3_backbone.arguments import check_number, check_whole
from m3_backbone.serialization import sha256, show

MAX_TEMPERATURE = 2
"""Highest temperature; above it there is little left of a model."""

MIN_TOP_P = 1e-9
"""Above 0, as at 0 no token would be left; the most probable one always is."""

MAX_STOPS, MAX_STOP_LENGTH = 4, 256
"""Texts that end an answer, and the characters of one."""

MAX_TOP_LOGPROBS = 20

SEEDS = 2**63
"""Seeds are whole numbers of 64 bits with a sign."""


@dataclass(frozen=True)
class Sampling:
    """How an answer is generated.

    Attributes:
        max_new_tokens: most tokens of the answer.
        temperature: what the logits are divided by; 0 takes the most probable token each time.
        top_p: only the most probable tokens that make up this share of the probability are drawn.
        seed: with a temperature, the same seed gives the same answer, whatever is answered beside
            it; None draws another each time.
        stop: texts that end the answer, which is cut in front of the first one.
        top_logprobs: tell the log-probability of each token, and those of so many of the most
            probable ones in its place; None tells none.
    """

    max_new_tokens: int = 16
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is out of range with a ValueError; `stop` may be one text, or a list."""
        plain = {
            "max_new_tokens": check_whole("max_new_tokens", self.max_new_tokens, 1),
            "temperature": check_number("temperature", self.temperature, 0, MAX_TEMPERATURE),
            "top_p": check_number("top_p", self.top_p, MIN_TOP_P, 1),
            "stop": _check_stops(self.stop),
        }
        if self.seed is not None:
            plain["seed"] = check_whole("seed", self.seed, -SEEDS, SEEDS - 1)
        if self.top_logprobs is not None:
            most = MAX_TOP_LOGPROBS
            plain["top_logprobs"] = check_whole("top_logprobs", self.top_logprobs, 0, most)
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the most probable tokens and their end is asked for."""
        return self.temperature == 0 and not self.stop and self.top_logprobs is None

    def with_seed(self) -> "Sampling":
        """Draw the seed if one is missing, so that an answer that is begun anew says the same."""
        is_missing = self.seed is None and self.temperature > 0
        return replace(self, seed=secrets.randbelow(SEEDS)) if is_missing else self


def make_seed(text: str) -> int:
    """Make a seed of a text: always the same of the same, and of others another."""
    return int(sha256(text.encode())[:15], 16)


def _check_stops(stop: object) -> tuple[str, ...]:
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, list | tuple) or len(texts) > MAX_STOPS:
        raise ValueError(f"stop must be at most {MAX_STOPS} texts, got {show(stop)}")
    for text in texts:
        if not isinstance(text, str) or not 0 < len(text) <= MAX_STOP_LENGTH:
            raise ValueError(
                f"each stop must be a text of 1 to {MAX_STOP_LENGTH} characters, got {show(text)}"
            )
    return tuple(texts)


GREEDY = Sampling()

Samplings = Sampling | Sequence[Sequence[Sampling]]
"""How answers are generated: all alike, or one for each question of each image."""


def spread_sampling(
    sampling: Samplings, questions: Sequence[Sequence[object]]
) -> Sequence[Sequence[Sampling]]:
    """Give the sampling of each question of each image.

    Raises:
        ValueError: if there is not one for each.
    """
    if isinstance(sampling, Sampling):
        return [[sampling] * len(group) for group in questions]
    counts, wanted = [len(row) for row in sampling], [len(group) for group in questions]
    if counts != wanted:
        raise ValueError(f"expected samplings of {wanted} questions per image, got {counts}")
    return sampling
