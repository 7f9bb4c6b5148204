"""The language side: visual tokens and questions in, answers out, batch by batch.

Scales are given, not chosen, here; users call it through `M3Backbone`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from m3_backbone.arguments import check_whole
from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.host import find_host
from m3_backbone.hosts.suppressed import suppress_tokens
from m3_backbone.inference.answers import Answer, BatchFacts, build_answer
from m3_backbone.inference.batching import (
    Pays,
    Row,
    count_pass_tokens,
    count_tokens,
    fill_batches,
    plan_rows,
    sharing_pays,
    split_batches,
)
from m3_backbone.inference.conversations import Chat, tokenize_chat
from m3_backbone.inference.decoding import DecodeState, decode
from m3_backbone.inference.execution import MemoryLimit, evaluating
from m3_backbone.inference.prefill import (
    can_pack,
    pad_prompts,
    prefill_packed,
    prefill_padded,
    read_last_states,
)
from m3_backbone.inference.prompts import IGNORED, PromptBuilder, TokenizedPrompt
from m3_backbone.inference.requests import TokenizedRequest
from m3_backbone.inference.sampling import Sampling
from m3_backbone.inference.token_sampler import TokenSampler


class AnswerEngine:
    """Reads prompts with the stock model and answers them.

    Attributes:
        model: the stock model.
        host: its family.
        prompts: renders and tokenizes questions.
        eos_ids: tokens that end an answer.
        pad_id: token that fills up short rows.
        gives_states: whether `read_states` can be called.
        continuous_batching: whether `answer_async` reads requests together, however they arrive.
    """

    gives_states = True
    continuous_batching = False

    def __init__(self, model: StockModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Join a stock model and its tokenizer."""
        self.model = model
        self.host = find_host(model.config)
        self.prompts = PromptBuilder(tokenizer, model.config.image_token_id, self.host.template)
        self._tokenizer = tokenizer
        self.eos_ids = _find_eos_ids(model, tokenizer)
        # Padding is never seen, but a place holder of the image would ask for a visual token.
        self.pad_id = 0 if model.config.image_token_id else 1
        # One limit for the engine's life: what once did not fit is not tried again.
        self._memory = MemoryLimit()
        self._ids: dict[str, int | None] = {}

    @property
    def attention(self) -> str:
        """Name the attention backend of the language model, such as `sdpa`."""
        return str(self.model.config.get_text_config()._attn_implementation)

    def tokenize(
        self, questions: Sequence[str], visual: Sequence[int], max_new_tokens: int
    ) -> list[TokenizedPrompt]:
        """Tokenize questions and check that their answers have room.

        Args:
            questions: what is asked.
            visual: visual tokens of each question.
            max_new_tokens: most tokens of an answer.

        A question that is empty or too long for the model is a ValueError.
        """
        check_whole("max_new_tokens", max_new_tokens, 1)
        prompts = [self.prompts.tokenize(question) for question in questions]
        for question, prompt, count in zip(questions, prompts, visual, strict=True):
            self._check_room(question, prompt, count + max_new_tokens)
        return prompts

    def tokenize_chat(
        self, chat: Chat, visual: Sequence[int], max_new_tokens: int
    ) -> TokenizedPrompt:
        """Tokenize a conversation and check that its answer has room.

        Args:
            chat: the conversation.
            visual: visual tokens at each of its places of images.
            max_new_tokens: most tokens of the answer.
        """
        prompt = tokenize_chat(self.prompts, chat, visual, self._limit)
        self._check_room(chat.turns[-1][1], prompt, sum(visual) + max_new_tokens)
        return prompt

    def count_room(self, chat: Chat, max_new_tokens: int) -> int:
        """Count the visual tokens that a conversation has room for; may be below 0."""
        prompt = tokenize_chat(self.prompts, chat, [0] * chat.places, self._limit)
        return self._limit - prompt.text_tokens() - max_new_tokens

    @property
    def _limit(self) -> int:
        return int(self.model.config.get_text_config().max_position_embeddings)

    def _check_room(self, question: str, prompt: TokenizedPrompt, more: int) -> None:
        needed = prompt.text_tokens() + more
        if needed > self._limit:
            raise ValueError(
                f"the question needs {needed} tokens with image and answer, the model has "
                f"{self._limit}: shorten {question[:60]!r}"
            )

    def close(self, prompt: TokenizedPrompt, words: Sequence[str]) -> TokenizedPrompt:
        """Let an answer end with its first token if that is one of some words.

        Words that take several tokens do not count.
        """
        return replace(prompt, closing=tuple(i for i in map(self._find_id, words) if i is not None))

    def _find_id(self, word: str) -> int | None:
        """Find the one token of a word that begins an answer."""
        if word not in self._ids:
            question = self.prompts.tokenize("?").after
            # Read behind a prompt, as a word alone may get other tokens than as an answer.
            whole = self.prompts.tokenize("?", word).after
            self._ids[word] = whole[-1] if whole[:-1] == question else None
        return self._ids[word]

    def answer_each(self, requests: Sequence[TokenizedRequest], batch_size: int) -> list[Answer]:
        """Answer prompts at scales of their own, in the batches that take least time.

        Args:
            requests: the prompts, each with its scale and sampling.
            batch_size: most answers of a batch; one that memory cannot hold is halved.
        """
        check_whole("batch_size", batch_size, 1)
        # Now, as a batch that is halved begins its answers anew, behind what they have streamed.
        requests = [replace(one, sampling=one.sampling.with_seed()) for one in requests]
        lengths = [one.length for one in requests]
        longest = max((one.sampling.max_new_tokens for one in requests), default=0)
        pass_tokens = count_pass_tokens(self.model.device.type, longest)
        answers: dict[int, Answer] = {}
        # Answers come back by length; their numbers put them in the caller's order again.
        for part in split_batches(lengths, batch_size, pass_tokens):
            batch = [requests[i] for i in part]
            answers.update(
                zip(part, self._memory.run(batch, _measure, self.answer_rows), strict=True)
            )
        return [answers[i] for i in range(len(requests))]

    async def answer_async(self, request: TokenizedRequest) -> Answer:
        """Answer one prompt without keeping the event loop."""
        [answer] = await asyncio.to_thread(self.answer_each, [request], 1)
        return answer

    def answer_rows(self, requests: Sequence[TokenizedRequest]) -> list[Answer]:
        """Answer one prompt per row in one padded batch; see `answer_each`."""
        image_id = self.prompts.image_token_id
        features = [one.features for one in requests]
        ids = [one.prompt.with_image(image_id, len(one.features)) for one in requests]
        longest = max(one.sampling.max_new_tokens for one in requests)
        samplers = [self._make_sampler(one, longest) for one in requests]
        answers = self._run(
            lambda: prefill_padded(self.model, self.host, ids, features, self.pad_id),
            [[one] for one in requests],
            samplers if any(samplers) else (),
        )
        return [row[0] for row in answers]

    def answer_groups(
        self,
        prompts: Sequence[Sequence[TokenizedPrompt]],
        features: Sequence[Tensor],
        scale: int,
        samplings: Sequence[Sequence[Sampling]],
        token_budget: int,
        pays: Pays = sharing_pays,
    ) -> list[list[Answer]]:
        """Answer several prompts per image, in batches of like size.

        Args:
            prompts: the prompts of each image.
            features: visual tokens of each image [n_visual, D].
            scale: visual tokens per image crop.
            samplings: how the answer to each prompt is generated.
            token_budget: tokens of a batch.
            pays: whether questions of an image share its reading, where they can.
        """
        check_whole("token_budget", token_budget, 1)
        asked = [list(zip(*pair, strict=True)) for pair in zip(prompts, samplings, strict=True)]

        def work(batch: Sequence[Row]) -> list[list[Answer]]:
            rows = [
                [
                    TokenizedRequest(prompt, features[row.image], scale, sampling)
                    for prompt, sampling in (asked[row.image][i] for i in row.places)
                ]
                for row in batch
            ]
            if batch[0].packed:
                return self._answer_packed(rows)
            # A row that is not packed holds one question.
            return [[one] for one in self.answer_rows([one for [one] in rows])]

        flat = [one for row in samplings for one in row]
        longest = max((one.max_new_tokens for one in flat), default=1)
        # An answer with a sampler has a row of its own.
        alike = all(one.is_plain and one.max_new_tokens == longest for one in flat)
        if not alike or not self.can_group(prompts):
            pays = _never
        rows = plan_rows(prompts, list(map(len, features)), longest, token_budget, pays)
        answers: dict[tuple[int, int], Answer] = {}
        # A generator: batches are bound by what was known of memory when it began.
        for batch in fill_batches(rows, min(token_budget, self._memory.most)):
            answered = self._memory.run(batch, count_tokens, work)
            for row, row_answers in zip(batch, answered, strict=True):
                for place, answer in zip(row.places, row_answers, strict=True):
                    answers[row.image, place] = answer
        return [[answers[i, j] for j in range(len(group))] for i, group in enumerate(prompts)]

    def score_rows(
        self, rows: Sequence[tuple[list[int], list[int]]], features: Sequence[Tensor]
    ) -> list[float]:
        """Score what stands at the end of rows.

        Args:
            rows: of each row its ids, with a place holder for each visual token, and the labels of
                its last places: the token that follows each of them.
            features: visual tokens of each row [n_visual, D].

        Returns:
            Mean negative log-likelihood of each row's labels [nats].
        """
        ids = [row for row, _ in rows]
        inputs = pad_prompts(self.model, self.host, ids, features, self.pad_id)
        width = max(len(labels) for _, labels in rows)
        padded = [[IGNORED] * (width - len(labels)) + labels for _, labels in rows]
        labels = torch.tensor(padded, device=self.model.device)  # [R, T]
        with evaluating(self.model):
            logits = self.model(**inputs, use_cache=False, logits_to_keep=width).logits  # [R, T, V]
            logits = suppress_tokens(self.model, logits).float().transpose(1, 2)  # [R, V, T]
            loss = F.cross_entropy(logits, labels.to(logits.device), reduction="none")  # [R, T]
        # cross_entropy gives 0 at ignored places, which a plain mean would count.
        counts = (labels != IGNORED).sum(1)
        means: list[float] = (loss.sum(1).cpu() / counts.cpu()).tolist()
        return means

    def read_states(self, ids: Sequence[Sequence[int]], features: Sequence[Tensor]) -> Tensor:
        """Read rows of ids as for `score_rows`, and keep the state at the end of each [R, D]."""
        with evaluating(self.model):
            return read_last_states(self.model, self.host, ids, features, self.pad_id)

    def can_group(self, prompts: Sequence[Sequence[TokenizedPrompt]]) -> bool:
        """Tell whether prompts may be packed.

        They may if all begin alike, none ends with its image, and the model takes a packed batch.
        """
        flat = [prompt for row in prompts for prompt in row]
        alike = len({prompt.before for prompt in flat}) == 1 and all(p.after for p in flat)
        return alike and can_pack(self.model, self.host)

    def _answer_packed(self, requests: Sequence[Sequence[TokenizedRequest]]) -> list[list[Answer]]:
        features = [row[0].features for row in requests]
        # `can_group` sees to it that prompts begin alike, `fill_batches` that images are as long.
        marks = [self.prompts.image_token_id] * len(features[0])
        beginning = [*requests[0][0].prompt.before, *marks]
        endings = [[one.prompt.after for one in row] for row in requests]
        return self._run(
            lambda: prefill_packed(
                self.model, self.host, beginning, features, endings, self.pad_id
            ),
            requests,
        )

    def _make_sampler(self, request: TokenizedRequest, longest: int) -> TokenSampler | None:
        """Make the sampler of an answer, unless the loop's own greedy choice is all it needs."""
        sampling, stream = request.sampling, request.stream
        if sampling.is_plain and stream is None and sampling.max_new_tokens == longest:
            return None
        return TokenSampler(sampling, self._tokenizer, stream)

    def _run(
        self,
        prefill: Callable[[], DecodeState],
        requests: Sequence[Sequence[TokenizedRequest]],
        samplers: Sequence[TokenSampler | None] = (),
    ) -> list[list[Answer]]:
        """Read rows of prompts and answer them; rows with samplers hold one prompt."""
        start = time.perf_counter()
        longest = max(one.sampling.max_new_tokens for row in requests for one in row)
        with evaluating(self.model):
            state = prefill()
            state.closing = _gather_closing(requests).to(state.active.device)
            rows, slots = state.active.shape
            shape = (rows, slots, state.owner.shape[1])
            output = decode(self.model, state, self.eos_ids, longest, samplers)
        count = sum(map(len, requests))
        facts = BatchFacts(1000 * (time.perf_counter() - start) / count, count, shape)
        said = output.split()
        for row, sampler in zip(said, samplers, strict=False):
            row[0] = row[0] if sampler is None else sampler.finish(row[0])
        # A row that holds fewer prompts than others has slots to spare.
        return [
            [
                build_answer(
                    one,
                    request.prompt,
                    request.scale,
                    len(request.features),
                    facts,
                    self._tokenizer,
                )
                for one, request in zip(row, row_requests, strict=False)
            ]
            for row, row_requests in zip(said, requests, strict=True)
        ]


def _measure(batch: Sequence[TokenizedRequest]) -> int:
    """Count the tokens in the cache of a batch, padding included."""
    return len(batch) * max(one.size for one in batch)


def _gather_closing(requests: Sequence[Sequence[TokenizedRequest]]) -> Tensor:
    """Lay out the closing tokens of each slot of each row [R, Q, n], filled up with -1."""
    slots = max(map(len, requests))
    width = max((len(one.prompt.closing) for row in requests for one in row), default=0)
    # -1 is no token's id, so it ends no answer.
    table = torch.full((len(requests), slots, width), -1)
    for row, row_requests in enumerate(requests):
        for slot, one in enumerate(row_requests):
            closing = one.prompt.closing
            table[row, slot, : len(closing)] = torch.tensor(closing, dtype=torch.long)
    return table


def _never(n_questions: int, visual: int) -> bool:
    return False


def _find_eos_ids(model: StockModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Collect the end-of-sequence ids as `generate` does: its settings', else the tokenizer's.

    Raises:
        ValueError: if they are no ids of the vocabulary.
    """
    settings = model.generation_config
    ids = settings.eos_token_id if settings is not None else None
    if ids is None:
        ids = tokenizer.eos_token_id
    if ids is None:
        return ()
    listed = ids if isinstance(ids, list) else [ids]
    rows = model.config.get_text_config().vocab_size
    if not all(type(one) is int and 0 <= one < rows for one in listed):
        raise ValueError(f"eos_token_id must be token ids below {rows}, got {ids!r:.80}")
    return tuple(listed)
