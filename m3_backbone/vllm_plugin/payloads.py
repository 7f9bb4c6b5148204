"""Ready tokens that a client sends as bytes: what is no tensor is the client's mistake."""

from typing import Any


def refuse_other_bytes() -> None:
    """Let vLLM answer HTTP 400 where it would give 500, as for a pickle of anything else."""
    from vllm.multimodal.media.image import ImageEmbeddingMediaIO

    load = ImageEmbeddingMediaIO.load_bytes

    def load_or_refuse(self: Any, data: bytes) -> Any:
        try:
            return load(self, data)
        # Of bytes that are no tensor torch.load raises nearly anything; it runs no code in them.
        except Exception as error:
            raise ValueError(
                "image_embeds must be the base64 of a tensor written by torch.save or numpy.save"
            ) from error

    ImageEmbeddingMediaIO.load_bytes = load_or_refuse
