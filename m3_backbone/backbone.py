"""M3Backbone: a stock model that answers at any token scale, from one pass of its vision tower.

Built by composition: the model is whatever transformers loaded; its own vision side encodes, the
tokens are pooled here and handed back as its host says (`hosts/host.py`). Arguments are checked
here, once. What cannot be answered is a ValueError or FileNotFoundError of one line.
"""

from collections.abc import AsyncGenerator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone import flops
from m3_backbone.checkpoints.fingerprint import (
    fingerprint_folder,
    fingerprint_model,
    fingerprint_variant,
)
from m3_backbone.checkpoints.loading import find_folder, open_checkpoint
from m3_backbone.checkpoints.placement import DeviceMap, name_numbers
from m3_backbone.checkpoints.source import CheckpointSource
from m3_backbone.hosts import config
from m3_backbone.hosts.anyres import count_crops, count_visual_tokens
from m3_backbone.hosts.config import StockModel
from m3_backbone.inference.answers import Answer
from m3_backbone.inference.batching import TOKEN_BUDGET
from m3_backbone.inference.conversations import Chat
from m3_backbone.inference.encoding import (
    PreparedImage,
    check_images,
    encode_images,
    prepare_for_tower,
)
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.execution import MemoryLimit
from m3_backbone.inference.pyramids import (
    Pyramids,
    build_pyramids,
    check_grids,
    check_length,
    check_scales,
    take_tokens,
)
from m3_backbone.inference.reference_loss import reference_losses
from m3_backbone.inference.requests import AnswerRequest, TokenizedRequest
from m3_backbone.inference.router_inputs import (
    average_embeddings,
    join_coarse_tokens,
    measure_image,
    read_prompt_states,
)
from m3_backbone.inference.sampling import GREEDY, Sampling, Samplings, spread_sampling
from m3_backbone.inference.streaming import AnswerStream
from m3_backbone.pooling import Pyramid, check_pooling
from m3_backbone.scales import check_scale
from m3_backbone.vllm_plugin.engine import VllmEngine, check_vllm
from m3_backbone.vllm_plugin.process import VllmProcess

# Whoever calls M3Backbone finds here the types of what it takes and gives.
__all__ = ["Answer", "AnswerRequest", "AnswerStream", "Chat", "M3Backbone", "Pyramid", "Pyramids"]

BUILT_IN = "built-in"
ENGINES = (BUILT_IN, "vllm")
"""What reads prompts and answers."""


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

    >>> backbone = M3Backbone.from_pretrained("m3-mini")
    >>> [pyramid] = backbone.encode([Image.new("RGB", (192, 192), "white")])
    >>> {scale: tuple(tokens.shape) for scale, tokens in pyramid.items()}
    {1: (1, 192), 9: (9, 192), 36: (36, 192), 144: (144, 192), 576: (576, 192)}
    >>> [answer] = backbone.generate([pyramid], ["How many signs are there?"], 36)
    >>> answer.scale, answer.visual_tokens
    (36, 36)
    """

    def __init__(
        self,
        model: StockModel,
        tokenizer: PreTrainedTokenizerBase,
        image_processor: Any,
        folder: Path | None = None,
        pooling: str = "average",
        variant: str = "",
    ) -> None:
        """Wrap a model that is in memory already.

        Args:
            model: a stock model of a family that has a host, such as LLaVA or LLaVA-NeXT.
            tokenizer: its tokenizer; its chat template is used if it has one.
            image_processor: its image processor.
            folder: where it was loaded from, if its weights are still those of the files.
            pooling: how tokens become fewer; M3 models are trained with `average`.
            variant: what was added to the folder, see `Checkpoint`.
        """
        self.pooling = check_pooling(pooling)
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self._folder = folder
        self._variant = variant
        self._engine = AnswerEngine(model, tokenizer)
        self._host = self._engine.host
        self._memory = MemoryLimit()
        self.grid_side = self._host.grid_side(model.config)
        self.layout = config.crop_layout(model.config)
        self.scales = config.trained_scales(model.config, self.grid_side)
        self.language_shape = config.language_shape(model.config)
        self.vision_shape = config.vision_shape(model.config)
        self.hidden_size = self.language_shape.hidden

    @classmethod
    def from_pretrained(  # noqa: PLR0913 - all ways of opening, each by its name
        cls,
        name_or_path: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        device_map: DeviceMap | None = None,
        quantize: str | None = None,
        pooling: str = "average",
        vision_tower: str | Path | None = None,
        template: str | None = None,
        engine: str = BUILT_IN,
    ) -> "M3Backbone":
        """Open a checkpoint.

        Args:
            name_or_path: a folder, `m3-mini` for the embedded model, or a name on the Hub.
            device: torch device, such as `cpu` or `cuda`.
            dtype: `float32`, `bfloat16` or `float16`.
            device_map: where each part of the model goes, such as `auto`, instead of a device.
            quantize: `8bit` or `4bit` to store the weights in few bits, on a GPU.
            pooling: how tokens become fewer; M3 models are trained with `average`.
            vision_tower: the CLIP model of an official checkpoint that only names its tower.
            template: chat template instead of the checkpoint's: `llava-1.5`, `vicuna_v1`, a file.
            engine: one of `ENGINES`; of a model for vllm the language model is not opened here.

        Raises:
            ValueError: if there is no such engine, or it cannot open the checkpoint in this way.
        """
        # Before the weights: opening them takes long.
        check_pooling(pooling)
        if engine not in ENGINES:
            raise ValueError(f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}")
        source = CheckpointSource(name_or_path, vision_tower, template, engine == BUILT_IN)
        if engine == "vllm":
            check_vllm(find_folder(name_or_path), bool(device_map or quantize))
        opened = open_checkpoint(source, device, dtype, device_map, quantize)
        parts = (opened.model, opened.tokenizer, opened.image_processor)
        backbone = cls(*parts, opened.folder, pooling, opened.variant)
        if engine == BUILT_IN:
            return backbone
        return backbone.with_engine(VllmEngine(*parts[:2], VllmProcess(opened.folder, dtype)))

    def with_engine(self, engine: AnswerEngine) -> "M3Backbone":
        """Give the same model whose prompts another engine reads."""
        other = copy(self)
        other._engine = engine
        return other

    @cached_property
    def fingerprint(self) -> str:
        """Identify weights and settings: 16 hex digits, computed on first use."""
        if self._folder is None:
            weights = fingerprint_model(self.model)
        else:
            weights = fingerprint_folder(self._folder)
        unusual = [self._variant, self.pooling.replace("average", "")]
        return reduce(fingerprint_variant, filter(None, unusual), weights)

    @property
    def dtype_name(self) -> str:
        """Name the type of the weights, such as `float32`, or `4bit` where they are quantized."""
        return name_numbers(self.model)

    @property
    def attention(self) -> str:
        """Name the attention backend of the language model, such as `sdpa`, or another engine."""
        return self._engine.attention

    @property
    def gives_states(self) -> bool:
        """Tell whether `prompt_states` can be asked; not if another engine answers."""
        return self._engine.gives_states

    @property
    def continuous_batching(self) -> bool:
        """Tell whether `answer_async` reads requests together, however they arrive."""
        return self._engine.continuous_batching

    @property
    def vision_flops(self) -> float:
        """Count encoding one image crop [FLOPs]; the same at every scale."""
        return flops.vision_flops(self.vision_shape)

    def image_flops(self, image: Image.Image | PreparedImage) -> float:
        """Count encoding an image of this size, all its crops [FLOPs]; the same at every scale."""
        [checked] = check_images([image])  # lying on its side it may have other crops
        return self.vision_flops * count_crops(checked.size, self.layout)

    def answer_flops(self, answer: Answer) -> float:
        """Count what the language model did for an answer [FLOPs]; add `image_flops` per image."""
        return flops.answer_flops(self.language_shape, answer.prompt_tokens, answer.output_tokens)

    def prepare(self, image: Image.Image) -> PreparedImage:
        """Do what has to be done to an image of any mode before `encode`; another thread may."""
        return prepare_for_tower(self.model, self._host, self.image_processor, image)

    def encode(
        self, images: Sequence[Image.Image | PreparedImage], batch_size: int = 16
    ) -> list[Pyramid]:
        """Encode images and pool their tokens to every scale.

        Gives one pyramid per image, in their order; equal images are encoded once and share one.

        Args:
            images: PIL images of any mode, or what `prepare` made of them.
            batch_size: images (or crops, if the model cuts images) in one pass of the tower.
        """
        checked = check_images(images)
        tokens = encode_images(
            self.model, self._host, self.image_processor, checked, batch_size, self._memory
        )
        check_grids(tokens, self.grid_side, self.hidden_size)
        sizes = [image.size for image in checked]
        return build_pyramids(self.model, self._host, tokens, sizes, self.scales, self.pooling)

    def prompt(self, question: str) -> str:
        """Write the prompt of a question, with one image marker, up to where the answer starts."""
        return self._engine.prompts.render(question)

    def generate(
        self,
        pyramids: Sequence[Pyramids],
        questions: Sequence[str],
        scales: Sequence[int] | int,
        *,
        max_new_tokens: int = 16,
        batch_size: int = 32,
    ) -> list[Answer]:
        """Answer one question per image, each at its own scale.

        Rows of one scale share batches, which changes no answer (in float32); the order is kept.

        Args:
            pyramids: what `encode` gave, one per question; or several per question, such as the
                frames of a video, whose tokens then follow one another in the place of the image.
            questions: what is asked.
            scales: one scale for all, or one per question; of several images each has it.
            max_new_tokens: most tokens of an answer.
            batch_size: answers in one batch.
        """
        chosen = check_scales(scales, self.scales, len(questions))
        check_length("pyramids", pyramids, len(questions))
        sampling = Sampling(max_new_tokens)
        rows = zip(pyramids, questions, chosen, strict=True)
        requests = [AnswerRequest(Chat.about(q), [p], s, sampling) for p, q, s in rows]
        return self.answer(requests, batch_size)

    def answer(self, requests: Sequence[AnswerRequest], batch_size: int = 32) -> list[Answer]:
        """Answer conversations, each at its own scale and in its own way; see `generate`."""
        return self._engine.answer_each([self._tokenize(one) for one in requests], batch_size)

    async def answer_async(self, request: AnswerRequest) -> Answer:
        """Answer one conversation beside what else an event loop does."""
        return await self._engine.answer_async(self._tokenize(request))

    def stream(self, request: AnswerRequest) -> AsyncGenerator[str | Answer, None]:
        """Give pieces of one answer's text as they come, then the answer; inside an event loop."""
        stream = AnswerStream()
        return stream.iterate(self.answer_async(replace(request, stream=stream)))

    def count_room(self, chat: Chat, max_new_tokens: int) -> int:
        """Count the visual tokens that a conversation has room for beside its text and answer."""
        return self._engine.count_room(chat, max_new_tokens)

    def count_visual(self, image: Image.Image | PreparedImage, scale: int) -> int:
        """Count the visual tokens of an image, or a few more of one in crops that are shrunk."""
        return count_visual_tokens(image.size, check_scale(scale, self.scales), self.layout)

    def answer_images(
        self,
        pyramids: Sequence[Pyramids],
        questions: Sequence[Sequence[str]],
        scale: int,
        *,
        sampling: Samplings = GREEDY,
        token_budget: int = TOKEN_BUDGET,
        closing: Sequence[Sequence[Sequence[str]]] | None = None,
    ) -> list[list[Answer]]:
        """Answer many questions per image at one scale, batched; the answers are `generate`'s.

        Greedy answers about an image share the reading of it. A batch that memory cannot hold is
        halved, and so are those after it. Answers are in the order of the questions.

        Args:
            pyramids: what `encode` gave, one (or several, see `generate`) for each group.
            questions: the questions of each image.
            scale: visual tokens per image crop.
            sampling: how answers are generated, all alike or each in its own way.
            token_budget: tokens of a batch, answers and padding included.
            closing: for each question of each image, words that are the whole answer if it begins
                with one of them.
        """
        scale = check_scale(scale, self.scales)
        check_length("pyramids", pyramids, len(questions))
        features = self._take_tokens(pyramids, [scale] * len(pyramids))
        samplings = spread_sampling(sampling, questions)
        longest = max((one.max_new_tokens for row in samplings for one in row), default=1)
        pairs = zip(questions, features, strict=True)
        prompts = [self._engine.tokenize(g, [len(seen)] * len(g), longest) for g, seen in pairs]
        if closing is not None:
            prompts = [
                [self._engine.close(*pair) for pair in zip(group, words, strict=True)]
                for group, words in zip(prompts, closing, strict=True)
            ]
        return self._engine.answer_groups(prompts, features, scale, samplings, token_budget)

    def check_question(self, question: str) -> None:
        """Refuse, with a ValueError, a question of no tokens, as `question_embedding` does."""
        self._engine.prompts.question_ids([question])

    def question_embedding(self, questions: Sequence[str]) -> NDArray[np.float32]:
        """Average the input embeddings of each question's tokens, without a template [n, D]."""
        table: Any = self.model.get_input_embeddings().weight
        return average_embeddings(table, self._engine.prompts.question_ids(questions))

    def coarse_tokens(self, pyramids: Sequence[Pyramids]) -> NDArray[np.float32]:
        """Join the base crop's tokens at the two smallest scales, the router's view of an image.

        Of several images their mean. Gives [n, t, D], the smallest scale first; t is 1 + 9 mostly.
        """
        return join_coarse_tokens(pyramids, self.scales[:2], self.hidden_size)

    def prompt_states(
        self, pyramids: Sequence[Pyramids], questions: Sequence[str]
    ) -> NDArray[np.float32]:
        """Read each prompt at the second smallest scale, up to where its answer would begin.

        A router does better with it than with the smallest, for a third more time. Gives the last
        layer's hidden state at the last place of each prompt [n, D].
        """
        check_length("pyramids", pyramids, len(questions))
        features = self._take_tokens(pyramids, [self.scales[:2][-1]] * len(pyramids))
        return read_prompt_states(self._engine, questions, features)

    def image_statistics(self, image: Image.Image | PreparedImage) -> NDArray[np.float32]:
        """Measure an image as the tower would see it, see `router_inputs.measure_image` [26]."""
        return measure_image(image if isinstance(image, PreparedImage) else self.prepare(image))

    def reference_losses(
        self,
        pyramids: Sequence[Pyramids],
        questions: Sequence[str],
        answers: Sequence[str],
        scale: int,
    ) -> list[float]:
        """Measure the negative log-likelihood of the answer given to each question at one scale.

        Gives the mean over the tokens of each answer and its end [nats], in the caller's order.
        """
        scale = check_scale(scale, self.scales)
        check_length("pyramids", pyramids, len(questions))
        check_length("answers", answers, len(questions))
        features = self._take_tokens(pyramids, [scale] * len(pyramids))
        return reference_losses(self._engine, questions, answers, features)

    def _tokenize(self, request: AnswerRequest) -> TokenizedRequest:
        check_scale(request.scale, self.scales)
        tokens = request.take_tokens(self.layout is None)
        counts, limit = list(map(len, tokens)), request.sampling.max_new_tokens
        prompt = self._engine.tokenize_chat(request.chat, counts, limit)
        return TokenizedRequest.of(request, prompt, tokens)

    def _take_tokens(self, pyramids: Sequence[Pyramids], scales: Sequence[int]) -> list[Tensor]:
        fixed = self.layout is None
        return [take_tokens(one, scale, fixed) for one, scale in zip(pyramids, scales, strict=True)]
