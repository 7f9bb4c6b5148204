"""M3Backbone: a stock model that answers at any token scale, from one pass of its vision tower.

Built by composition: the model is whatever transformers loaded; its own vision side encodes, the
tokens are pooled here and handed back as its host says (`host.py`). Which scale to use is decided
elsewhere (`predictor`). What cannot be answered is a ValueError or FileNotFoundError of one line.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone import cost, geometry, reference_loss
from m3_backbone.answering import AnswerEngine, split_batches
from m3_backbone.answers import Answer
from m3_backbone.anyres import count_crops
from m3_backbone.encoding import encode_images
from m3_backbone.fingerprint import fingerprint_folder, fingerprint_model, fingerprint_variant
from m3_backbone.hosts import find_host
from m3_backbone.levels import Seen, check_length, check_scales, read_level
from m3_backbone.loading import open_checkpoint
from m3_backbone.placement import DeviceMap, name_numbers
from m3_backbone.pooling import Pyramid, check_pooling
from m3_backbone.pyramids import build_pyramids, check_grids
from m3_backbone.router_view import average_embeddings, join_coarse_tokens
from m3_backbone.scales import check_scale
from m3_backbone.stock import StockModel

# An answer is met where it is given, and so is a pyramid, or several.
__all__ = ["Answer", "M3Backbone", "Pyramid", "Seen"]


class M3Backbone:
    """Encodes images once and answers questions at any scale.

    Attributes:
        model: the stock model.
        tokenizer: its tokenizer.
        image_processor: its image processor.
        scales: the scales on offer, ascending.
        grid_side: visual tokens along one side of the full grid.
        hidden_size: width D of the language model, and of every visual token.
        language_shape: sizes of the language model.
        vision_shape: sizes of the vision tower.
        layout: how the model cuts images into crops; None if it sees an image as one crop.
        pooling: how tokens become fewer, one of `POOLING_METHODS`.
    """

    def __init__(
        self,
        model: StockModel,
        tokenizer: PreTrainedTokenizerBase,
        image_processor: Any,
        folder: Path | None = None,
        pooling: str = "average",
    ) -> None:
        """Wrap a model that is in memory already.

        Args:
            model: a stock model of a family that has a host, such as LLaVA or LLaVA-NeXT.
            tokenizer: its tokenizer; its chat template is used if it has one.
            image_processor: its image processor.
            folder: where it was loaded from, if its weights are still those of the files.
            pooling: how tokens become fewer; M3 models are trained with `average`.
        """
        self.pooling = check_pooling(pooling)
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.grid_side = find_host(model.config).grid_side(model.config)
        self.layout = geometry.crop_layout(model.config)
        self.scales = geometry.trained_scales(model.config, self.grid_side)
        self.language_shape = geometry.language_shape(model.config)
        self.vision_shape = geometry.vision_shape(model.config)
        self.hidden_size = self.language_shape.hidden
        self._folder = folder
        self._engine = AnswerEngine(model, tokenizer)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        device_map: DeviceMap | None = None,
        quantize: str | None = None,
        pooling: str = "average",
    ) -> "M3Backbone":
        """Open a checkpoint.

        Args:
            name_or_path: a folder, `m3-mini` for the embedded model, or a name on the Hub.
            device: torch device, such as `cpu` or `cuda`.
            dtype: `float32`, `bfloat16` or `float16`.
            device_map: where each part of the model goes, such as `auto`, instead of a device.
            quantize: `8bit` or `4bit` to store the weights in few bits, on a GPU.
            pooling: how tokens become fewer; M3 models are trained with `average`.

        Returns:
            The backbone, ready to answer.
        """
        # Before the weights: opening them takes long.
        check_pooling(pooling)
        opened = open_checkpoint(name_or_path, device, dtype, device_map, quantize)
        return cls(opened.model, opened.tokenizer, opened.image_processor, opened.folder, pooling)

    @cached_property
    def fingerprint(self) -> str:
        """Identify weights and settings: 16 hex digits, computed on first use."""
        known = self._folder
        weights = fingerprint_model(self.model) if known is None else fingerprint_folder(known)
        return weights if self.pooling == "average" else fingerprint_variant(weights, self.pooling)

    @property
    def dtype_name(self) -> str:
        """Name the type of the weights, such as `float32`, or `4bit` where they are quantized."""
        return name_numbers(self.model)

    @property
    def vision_flops(self) -> float:
        """Count encoding one image crop [FLOPs]; the same at every scale."""
        return cost.vision_flops(self.vision_shape)

    def image_flops(self, image: Image.Image) -> float:
        """Count encoding an image, all its crops; the same at every scale.

        Args:
            image: the image; only its size matters.

        Returns:
            Operations [FLOPs].
        """
        return self.vision_flops * count_crops(image.size, self.layout)

    def answer_flops(self, answer: Answer) -> float:
        """Count what the language model did for an answer.

        Args:
            answer: an answer of this backbone.

        Returns:
            Operations without encoding the image [FLOPs]; add `image_flops` once an image.
        """
        return cost.answer_flops(self.language_shape, answer.prompt_tokens, answer.output_tokens)

    def encode(self, images: Sequence[Image.Image], batch_size: int = 16) -> list[Pyramid]:
        """Encode images and pool their tokens to every scale.

        The vision tower sees each distinct image once; equal images share one pyramid.

        Args:
            images: PIL images of any mode.
            batch_size: images (or crops, if the model cuts images) in one pass of the tower.

        Returns:
            One pyramid an image, in the caller's order.
        """
        tokens = encode_images(self.model, self.image_processor, images, batch_size)
        check_grids(tokens, self.grid_side, self.hidden_size)
        sizes = [image.size for image in images]
        return build_pyramids(self.model, tokens, sizes, self.scales, self.pooling)

    def prompt(self, question: str) -> str:
        """Write the prompt of a question as the model reads it.

        Args:
            question: what is asked.

        Returns:
            The prompt with one image marker, up to where the answer starts.
        """
        return self._engine.prompts.render(question)

    def generate(
        self,
        pyramids: Sequence[Seen],
        questions: Sequence[str],
        scales: Sequence[int] | int,
        *,
        max_new_tokens: int = 16,
        batch_size: int = 32,
    ) -> list[Answer]:
        """Answer one question an image, each at its own scale.

        Rows of one scale are batched together; batching does not change an answer (in float32).

        Args:
            pyramids: what `encode` gave, one a question; or several a question, such as the frames
                of a video, whose tokens then follow one another in the place of the image.
            questions: what is asked.
            scales: one scale for all, or one a question; of several images each has it.
            max_new_tokens: most tokens of an answer.
            batch_size: answers in one batch.

        Returns:
            Answers in the caller's order.

        Raises:
            ValueError: if lengths disagree, a scale is illegal, or a question is empty or too long.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        chosen = check_scales(scales, self.scales, len(questions))
        check_length("pyramids", pyramids, len(questions))
        features = [
            self._read_level(seen, scale) for seen, scale in zip(pyramids, chosen, strict=True)
        ]
        prompts = self._engine.tokenize(questions, list(map(len, features)), max_new_tokens)
        lengths = [p.text_tokens() + len(f) for p, f in zip(prompts, features, strict=True)]
        answers: dict[int, Answer] = {}
        for part in split_batches(chosen, lengths, batch_size):
            found = self._engine.answer_rows(
                [prompts[i] for i in part],
                [features[i] for i in part],
                chosen[part[0]],
                max_new_tokens,
            )
            answers.update(zip(part, found, strict=True))
        return [answers[i] for i in range(len(prompts))]

    def answer_images(
        self,
        pyramids: Sequence[Seen],
        questions: Sequence[Sequence[str]],
        scale: int,
        *,
        max_new_tokens: int = 16,
    ) -> list[list[Answer]]:
        """Answer many questions an image at one scale, batched.

        The prompt's beginning, visual tokens included, is read once an image and shared by its
        questions. Images with another number of visual tokens go into another batch. The answers
        are those of `generate` (in float32).

        Args:
            pyramids: what `encode` gave, one (or several, see `generate`) for each group.
            questions: the questions of each image.
            scale: visual tokens per image crop.
            max_new_tokens: most tokens of an answer.

        Returns:
            Answers of each image, in the order of its questions.
        """
        scale = check_scale(scale, self.scales)
        check_length("pyramids", pyramids, len(questions))
        asked = [i for i, group in enumerate(questions) if group]
        features = {i: self._read_level(pyramids[i], scale) for i in asked}
        prompts = {
            i: self._engine.tokenize(
                questions[i], [len(features[i])] * len(questions[i]), max_new_tokens
            )
            for i in asked
        }
        if not self._engine.can_group(list(prompts.values())):
            return [
                self.generate([pyramid] * len(group), group, scale, max_new_tokens=max_new_tokens)
                for pyramid, group in zip(pyramids, questions, strict=True)
            ]
        found = self._engine.answer_groups(
            [prompts[i] for i in asked], [features[i] for i in asked], scale, max_new_tokens
        )
        by_image = dict(zip(asked, found, strict=True))
        return [by_image.get(i, []) for i in range(len(questions))]

    def question_embedding(self, questions: Sequence[str]) -> NDArray[np.float32]:
        """Average the language model's input embeddings over each question's own tokens.

        Args:
            questions: what is asked; no template is added.

        Returns:
            Embeddings [n, D].
        """
        ids = self._engine.prompts.question_ids(questions)
        table: Any = self.model.get_input_embeddings().weight
        return average_embeddings(table, ids)

    def coarse_tokens(self, pyramids: Sequence[Seen]) -> NDArray[np.float32]:
        """Join the base crop's tokens at the two smallest scales, the router's view of an image.

        Args:
            pyramids: what `encode` gave, one a question; or several, whose mean is taken.

        Returns:
            Tokens [n, t, D] with the smallest scale first; t is 10 for scales 1 and 9.
        """
        return join_coarse_tokens(pyramids, self.scales[:2], self.hidden_size)

    reference_losses = reference_loss.reference_losses

    def _read_level(self, seen: Seen, scale: int) -> Tensor:
        return read_level(seen, scale, fixed=self.layout is None)
