"""Floating-point operations of answering a question, by formula.

Arithmetic only: sizes in, FLOPs out; one multiply-add counts as two. It measures nothing, and
leaves out what is small beside the matrix products (norms, softmax, activations, positions).

Source: the form FastV uses for a dense decoder, L * (4 n d^2 + 2 n^2 d + 3 n d m) multiply-adds
    with LLaMA's gated MLP; here with grouped key and value heads, and with the output head.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageShape:
    """Sizes of a decoder-only language model with a gated MLP.

    Attributes:
        layers: decoder layers.
        hidden: width of the residual stream.
        intermediate: width of the MLP.
        vocab: rows of the output head.
        query_width: heads x head size of the queries.
        key_value_width: heads x head size of the keys (and of the values).
    """

    layers: int
    hidden: int
    intermediate: int
    vocab: int
    query_width: int
    key_value_width: int


@dataclass(frozen=True)
class VisionShape:
    """Sizes of a vision transformer with a plain MLP, and of a projector.

    Attributes:
        layers: encoder layers (all of them run, also above the layer that is read).
        hidden: width of the residual stream.
        intermediate: width of the MLP.
        patches: patches of one image crop.
        patch_values: numbers in one patch (channels x side x side).
        extra_tokens: tokens beside the patches (1 for a class token).
        projected: width that the projector maps to.
        projector_layers: matrices of the projector; those behind the first are square.
    """

    layers: int
    hidden: int
    intermediate: int
    patches: int
    patch_values: int
    extra_tokens: int
    projected: int
    projector_layers: int = 2


def prefill_flops(shape: LanguageShape, n_tokens: int) -> float:
    """Count reading a prompt of text and visual tokens in one pass [FLOPs].

    Up to the logits of its last token.
    """
    # Scores and weighted values, counted in full: the half that a causal mask hides included.
    attention = 2 * n_tokens**2 * shape.query_width
    per_layer = n_tokens * _weights_per_layer(shape) + attention
    return 2.0 * (shape.layers * per_layer + shape.hidden * shape.vocab)


def decode_flops(shape: LanguageShape, context: int) -> float:
    """Count one step that reads one new token and gives the next token's logits [FLOPs].

    `context` are the tokens attended to, the new one included.
    """
    per_layer = _weights_per_layer(shape) + 2 * context * shape.query_width
    return 2.0 * (shape.layers * per_layer + shape.hidden * shape.vocab)


def answer_flops(shape: LanguageShape, prompt_tokens: int, output_tokens: int) -> float:
    """Count a whole answer [FLOPs]: the prompt, then a step for each token after the first.

    Args:
        shape: sizes of the language model.
        prompt_tokens: tokens of the prompt, text and visual.
        output_tokens: tokens generated; the first comes out of the prompt's pass.

    >>> vicuna = LanguageShape(32, 4096, 11008, 32000, 4096, 4096)
    >>> full, pooled = (answer_flops(vicuna, 60 + scale, 5) for scale in (576, 36))
    >>> round(full / 1e12, 2), round(pooled / 1e12, 2)
    (8.5, 1.3)
    """
    steps = (decode_flops(shape, prompt_tokens + step) for step in range(1, output_tokens))
    return prefill_flops(shape, prompt_tokens) + sum(steps)


def vision_flops(shape: VisionShape) -> float:
    """Count encoding and projecting one image crop [FLOPs]; the same at every scale."""
    n = shape.patches + shape.extra_tokens
    d = shape.hidden
    embedding = shape.patches * shape.patch_values * d
    # Four projections and an MLP of two matrices per token, then attention.
    encoder = shape.layers * (n * (4 * d**2 + 2 * d * shape.intermediate) + 2 * n**2 * d)
    square = (shape.projector_layers - 1) * shape.projected**2
    projector = shape.patches * (d * shape.projected + square)
    return 2.0 * (embedding + encoder + projector)


def _weights_per_layer(shape: LanguageShape) -> int:
    """Return the multiply-adds of one token with one layer's weights."""
    queries_and_output = 2 * shape.hidden * shape.query_width
    keys_and_values = 2 * shape.hidden * shape.key_value_width
    return queries_and_output + keys_and_values + 3 * shape.hidden * shape.intermediate
