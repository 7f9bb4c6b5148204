"""Requests and errors as the OpenAI API has them, requests as far as they are understood.

Whatever else a request holds is refused by its name, but for what is null or changes no answer.
"""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

MAX_MESSAGES = 200
"""More have no place in any model, and take long to write and to cut into tokens."""

MAX_PARTS = 1000
"""Of all messages together: each part takes a while to be looked at."""

MAX_METADATA = 16
"""Pairs, as in the OpenAI API."""


class Strict(BaseModel):
    """Exact types, no other fields but such as are null, and neither NaN nor infinities."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, content: Any) -> Any:
        """Leave out what asks for nothing; clients send all that they know, `tools` for one.

        Of names that are unknown the first stays, to be refused: each would be an error of its own,
        and the client is told one.
        """
        if not isinstance(content, dict):
            return content
        names, kept, whole = _list_names(cls), {}, True
        for name, value in content.items():
            if value is None and not names.get(name):
                continue
            if name in names or whole:
                kept[name] = value
            whole = whole and name in names
        return kept


@cache
def _list_names(model: type[BaseModel]) -> dict[str, bool]:
    """List what fields may be called, and whether each has to be there."""
    listed = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        called = alias.choices if isinstance(alias, AliasChoices) else [name]
        listed.update({str(one): field.is_required() for one in called})
    return listed


class TextPart(Strict):
    """Words of a message."""

    type: Literal["text"]
    text: str


class ImageUrl(Strict):
    """Where an image is: in the text itself (`data:image/png;base64,...`), or at an address."""

    url: str
    # How many tokens an image gets is the router's decision.
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Strict):
    """An image of a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


def _check_parts(messages: Any) -> Any:
    listed = messages if isinstance(messages, list) else []
    contents = [one.get("content") for one in listed if isinstance(one, dict)]
    if sum(len(one) for one in contents if isinstance(one, list)) > MAX_PARTS:
        raise ValueError(f"should have at most {MAX_PARTS} parts together")
    return messages


def _check_pairs(metadata: Any) -> Any:
    # Pydantic's own bound comes after all pairs, of which each may be an error.
    if isinstance(metadata, dict) and len(metadata) > MAX_METADATA:
        raise ValueError(f"should have at most {MAX_METADATA} pairs")
    return metadata


class Message(Strict):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS, fail_fast=True)] | None,
        BeforeValidator(_as_parts, json_schema_input_type=str | list[Part] | None),
    ]
    name: str | None = None
    # An answer is sent back as it came, with all that a client's library knows of it.
    refusal: str | None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None

    @field_validator("content")
    @classmethod
    def _check_content(cls, content: list[Part] | None, known: ValidationInfo) -> list[Part] | None:
        if content is None and known.data.get("role") != "assistant":
            raise ValueError("only an assistant may say nothing; expected text or a list of parts")
        return content

    @property
    def parts(self) -> list[Part]:
        """Give what is said and shown; an answer without content says its refusal, or nothing."""
        if self.content is not None:
            return self.content
        return [TextPart(type="text", text=self.refusal or "")]


class AskedKnob(Strict):
    """How the scale is chosen: just one of the five, and a unit beside a budget alone."""

    budget: float | None = None
    unit: Literal["tokens", "flops", "ms"] = "tokens"
    drop: float | None = None
    certified: str | None = None
    # As programs have it as well: `lambda` is no name there.
    lam: float | None = Field(default=None, validation_alias=AliasChoices("lambda", "lam"))
    scale: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, content: Any) -> Any:
        if isinstance(content, dict) and None not in map(content.get, ("lambda", "lam")):
            raise ValueError("lambda and lam are two names of one thing, give just one")
        return content


class StreamOptions(Strict):
    """What a stream of pieces holds beside them."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ResponseFormat(Strict):
    """Plain text is the only form of an answer."""

    type: Literal["text"]


class Unused(Strict):
    """Fields of the OpenAI API that change no answer here, or whose one value changes none."""

    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: Annotated[dict[str, str] | None, BeforeValidator(_check_pairs)] = None
    store: bool | None = None
    service_tier: str | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    modalities: Annotated[list[Literal["text"]], Field(fail_fast=True)] | None = None
    response_format: ResponseFormat | None = None


class ChatRequest(Unused):
    """The body of /v1/chat/completions."""

    model: str
    messages: Annotated[
        list[Message],
        Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True),
        BeforeValidator(_check_parts),
    ]
    # Not Literal[1], which true is as well.
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    # Bounds of these are those of `Sampling`.
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: Annotated[
        Annotated[list[str], Field(fail_fast=True)] | None,
        BeforeValidator(_as_list, json_schema_input_type=str | list[str] | None),
    ] = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    m3scale: AskedKnob | None = None

    @model_validator(mode="after")
    def _check_pairs(self) -> "ChatRequest":
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options goes with stream")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs goes with logprobs")
        if None not in (self.max_tokens, self.max_completion_tokens):
            raise ValueError("give max_completion_tokens or max_tokens, not both")
        return self

    @property
    def token_limit(self) -> int | None:
        """Give the longest answer that is asked for [tokens]."""
        return self.max_completion_tokens if self.max_tokens is None else self.max_tokens


class ErrorInfo(BaseModel):
    """Why a request is not answered."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every response that is no answer."""

    error: ErrorInfo
