"""One answer that asks for more than the most probable tokens and their end.

Tokens are drawn with a generator of its own, so that they do not depend on what shares its batch.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone.inference.answers import Generated, TokenLogprob, read_whole
from m3_backbone.inference.listening import Following, Listener
from m3_backbone.inference.sampling import Sampling


class Speaker:
    """Says the tokens of one answer, one after another.

    Attributes:
        following: its text so far.
        logprobs: what is told of each token; None if nothing is asked for.
    """

    def __init__(
        self,
        sampling: Sampling,
        tokenizer: PreTrainedTokenizerBase,
        listener: Listener | None = None,
    ) -> None:
        """Begin an answer.

        Args:
            sampling: how it is generated.
            tokenizer: turns ids into text.
            listener: who is told of it.
        """
        self._sampling = sampling
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._generator = torch.Generator()
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)
        self.following = Following(tokenizer, sampling.stop, listener)
        self.logprobs: list[TokenLogprob] | None = None if sampling.top_logprobs is None else []

    def say(self, best: int, logprobs: Tensor) -> tuple[int, bool]:
        """Choose the next token.

        Args:
            best: the most probable one.
            logprobs: log-probabilities of all [V], in nats.

        Returns:
            The token, and whether the answer ends with it even if it is no end.
        """
        token = draw_token(logprobs, self._sampling, self._generator) if self._draws else best
        self._ids.append(token)
        if self.logprobs is not None:
            self.logprobs.append(self._describe(token, logprobs))
        ended = self.following.follow(self._ids)
        return token, ended or len(self._ids) >= self._sampling.max_new_tokens

    def finish(self, generated: Generated) -> Generated:
        """Add what is known here to what the loop generated: text, stop, log-probabilities."""
        return replace(
            generated,
            stopped=generated.stopped or self.following.stopped,
            text=self.following.text if self.following.stopped else None,
            logprobs=None if self.logprobs is None else tuple(self.logprobs),
        )

    @property
    def _draws(self) -> bool:
        return self._sampling.temperature > 0

    def _describe(self, token: int, logprobs: Tensor) -> TokenLogprob:
        count = min(self._sampling.top_logprobs or 0, len(logprobs))
        values, ids = (part.tolist() for part in logprobs.topk(count))
        known = {token: float(logprobs[token]), **dict(zip(ids, values, strict=True))}
        return describe_token(token, known, ids, self._tokenizer)


def describe_token(
    token: int, logprobs: dict[int, float], top: Sequence[int], tokenizer: PreTrainedTokenizerBase
) -> TokenLogprob:
    """Tell of a token and of those that were most probable in its place.

    Args:
        token: the token.
        logprobs: log-probability of it and of those [nats].
        top: the most probable ones; what could not be said at all is left out.
        tokenizer: turns ids into text.
    """

    def tell(one: int) -> TokenLogprob:
        return TokenLogprob(one, read_whole([one], tokenizer), logprobs[one])

    said = [tell(one) for one in top if math.isfinite(logprobs[one])]
    return TokenLogprob(token, read_whole([token], tokenizer), logprobs[token], tuple(said))


def draw_token(logprobs: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draw a token.

    Args:
        logprobs: log-probabilities of all tokens [V], in nats.
        sampling: temperature and share of the probability that is drawn from.
        generator: source of the draw, one number a token.

    Returns:
        The token's id.
    """
    # On the CPU and in float64, so that every device draws the same.
    logits = logprobs.double().cpu() / sampling.temperature
    weights = (logits - logits.max()).exp()  # [V]
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
