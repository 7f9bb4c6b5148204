"""Sampling the tokens of one answer, with its stop texts, log-probabilities and stream.

Each answer has its own random generator, so that it does not depend on what shares its batch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone.inference.answers import Generated, TokenLogprob
from m3_backbone.inference.sampling import Sampling
from m3_backbone.inference.streaming import AnswerStream, Detokenizer
from m3_backbone.inference.token_bytes import read_bytes


class TokenSampler:
    """Chooses the tokens of one answer, one after another.

    Attributes:
        detokenizer: its text so far.
        logprobs: of each token; None if they are not asked for.
    """

    def __init__(
        self,
        sampling: Sampling,
        tokenizer: PreTrainedTokenizerBase,
        stream: AnswerStream | None = None,
    ) -> None:
        """Begin an answer.

        Args:
            sampling: how it is generated.
            tokenizer: turns ids into text.
            stream: gets its text.
        """
        self._sampling = sampling
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._generator = torch.Generator()
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)
        self.detokenizer = Detokenizer(tokenizer, sampling.stop, stream)
        self.logprobs: list[TokenLogprob] | None = None if sampling.top_logprobs is None else []

    def sample(self, best: int, logprobs: Tensor) -> tuple[int, bool]:
        """Choose the next token.

        Args:
            best: the most probable one.
            logprobs: log-probabilities of all [V], in nats.

        Returns:
            The token, and whether the answer ends with it even if it is no end.
        """
        token = sample_token(logprobs, self._sampling, self._generator) if self._draws else best
        self._ids.append(token)
        if self.logprobs is not None:
            self.logprobs.append(self._describe(token, logprobs))
        ended = self.detokenizer.update(self._ids)
        return token, ended or len(self._ids) >= self._sampling.max_new_tokens

    def finish(self, generated: Generated) -> Generated:
        """Add stop text and log-probabilities to what the loop generated."""
        return replace(
            self.detokenizer.finish(generated),
            logprobs=None if self.logprobs is None else tuple(self.logprobs),
        )

    @property
    def _draws(self) -> bool:
        return self._sampling.temperature > 0

    def _describe(self, token: int, logprobs: Tensor) -> TokenLogprob:
        count = min(self._sampling.top_logprobs or 0, len(logprobs))
        values, ids = (part.tolist() for part in logprobs.topk(count))
        known = {**dict(zip(ids, values, strict=True)), token: float(logprobs[token])}
        return build_logprob(token, known, count, self._tokenizer, len(self._ids) == 1)


def build_logprob(
    token: int,
    logprobs: Mapping[int, float],
    count: int,
    tokenizer: PreTrainedTokenizerBase,
    is_first: bool,
) -> TokenLogprob:
    """Describe a token and the most probable ones at its position.

    Args:
        token: the token.
        logprobs: log-probabilities that are known, of it and of the most probable ones [nats].
        count: how many of the most probable ones; those of probability 0 are left out.
        tokenizer: turns ids into text.
        is_first: whether the answer begins here, as it does without a space.
    """

    def describe(one: int) -> TokenLogprob:
        raw = read_bytes(one, tokenizer)
        return TokenLogprob(one, raw.lstrip(b" ") if is_first else raw, logprobs[one])

    ranked = sorted(logprobs, key=lambda one: -logprobs[one])[:count]
    top = tuple(describe(one) for one in ranked if math.isfinite(logprobs[one]))
    return replace(describe(token), top=top)


def build_generated(
    ids: Sequence[int],
    positions: Sequence[Mapping[int, float]],
    stopped: bool,
    top_logprobs: int | None,
    tokenizer: PreTrainedTokenizerBase,
) -> Generated:
    """Sum up what another engine generated for one prompt.

    Args:
        ids: the tokens, at least one.
        positions: for each of them at least, the log-probabilities that are known at its position,
            by id: its own and those of the two best [nats].
        stopped: whether the answer came to its end.
        top_logprobs: as in `Sampling`.
        tokenizer: turns ids into text.
    """
    pairs = list(zip(ids, positions, strict=False))
    best, second, *_ = sorted(positions[0].values(), reverse=True)
    logprobs = None
    if top_logprobs is not None:
        logprobs = tuple(
            build_logprob(*pair, top_logprobs, tokenizer, place == 0)
            for place, pair in enumerate(pairs)
        )
    total = sum(known[token] for token, known in pairs)
    return Generated(ids, total, best - second, stopped, logprobs=logprobs)


def sample_token(logprobs: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draw a token.

    Args:
        logprobs: log-probabilities of all tokens [V], in nats.
        sampling: temperature and share of the probability that is drawn from.
        generator: source of the draw, one number a token.

    Returns:
        The token's id.
    """
    # On the CPU and in float64, so that every device draws the same.
    logprobs = logprobs.double().cpu()
    # From the best one down, as the smallest temperatures make all the others infinite.
    weights = ((logprobs - logprobs.max()) / sampling.temperature).exp()  # [V]
    if sampling.top_p < 1:
        ordered, ids = weights.sort(descending=True, stable=True)
        before = ordered.cumsum(0) - ordered
        # The first one always stays.
        weights[ids[before >= sampling.top_p * ordered.sum()]] = 0.0
    # In the order of ids: of two that are nearly equal, rounding must not make the one the other.
    total = weights.cumsum(0)
    share = torch.rand((), generator=generator, dtype=torch.float64)
    token = int(torch.searchsorted(total, share * total[-1], right=True))
    return min(token, int(weights.nonzero()[-1]))
