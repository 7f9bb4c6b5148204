"""What the server answers, as the OpenAI API has it, and beside it how the scale came about."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from m3_backbone.inference.answers import TokenLogprob
from predictor.adaptive import AdaptiveAnswer


class CompletionWriter:
    """One answer on its way out, whole or in pieces; all parts of it have one id."""

    def __init__(self, model: str, counted: bool = False) -> None:
        """Give it an id.

        Args:
            model: what clients call the model.
            counted: whether a stream tells its number of tokens.
        """
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._model = model
        self._counted = counted

    def whole(self, answer: AdaptiveAnswer) -> dict[str, Any]:
        """Give a whole answer."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        return {
            **self._head("chat.completion", [{"message": message, **_end(answer)}]),
            "usage": count_usage(answer),
            "m3scale": describe_choice(answer),
        }

    def begin(self) -> dict[str, Any]:
        """Give the first piece of a stream, which has no words."""
        return self._piece({"role": "assistant", "content": ""})

    def pieces(self, piece: str | AdaptiveAnswer) -> list[dict[str, Any]]:
        """Give a piece of words, or at the end what is known only then."""
        if isinstance(piece, str):
            return [self._piece({"content": piece})]
        last = self._head("chat.completion.chunk", [{"delta": {}, **_end(piece)}])
        last["m3scale"] = describe_choice(piece)
        if not self._counted:
            return [last]
        count = self._head("chat.completion.chunk", [])
        return [last, {**count, "usage": count_usage(piece)}]

    def _piece(self, delta: dict[str, Any]) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._head("chat.completion.chunk", [choice])

    def _head(self, kind: str, choices: Sequence[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self._id, "object": kind, "created": self._created, "model": self._model}
        # Null in all pieces but the last, as in the OpenAI API.
        usage = {"usage": None} if self._counted else {}
        return {**head, "choices": list(choices), **usage}


def count_usage(answer: AdaptiveAnswer) -> dict[str, Any]:
    """Count tokens; those of images are among the prompt's."""
    prompt, output, images = answer.prompt_tokens, answer.output_tokens, answer.visual_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"image_tokens": images, "text_tokens": prompt - images},
    }


def describe_choice(answer: AdaptiveAnswer) -> dict[str, Any]:
    """Tell how the scale came about."""
    return {
        "scale": answer.scale,
        "visual_tokens": answer.visual_tokens,
        "probabilities": {str(scale): p for scale, p in answer.probabilities.items()},
        "reason": answer.reason,
        "unfamiliar": answer.unfamiliar,
    }


def _end(answer: AdaptiveAnswer) -> dict[str, Any]:
    """Give the fields of a choice that are known at its end."""
    listed = answer.answer.logprobs
    logprobs = None if listed is None else {"content": list(map(_write, listed)), "refusal": None}
    return {"index": 0, "finish_reason": answer.finish_reason, "logprobs": logprobs}


def _write(one: TokenLogprob) -> dict[str, Any]:
    return {**_write_bare(one), "top_logprobs": list(map(_write_bare, one.top))}


def _write_bare(one: TokenLogprob) -> dict[str, Any]:
    return {"token": one.text, "logprob": one.logprob, "bytes": list(one.raw)}
