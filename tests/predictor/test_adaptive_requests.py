"""Requests of one batch and of many tasks: each is answered as if it were alone."""

import asyncio
import io
import json
import threading
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from m3_backbone.backbone import M3Backbone
from m3_backbone.hosts.vicuna import VICUNA_TEMPLATE
from m3_backbone.inference import decoding
from m3_backbone.inference.conversations import Chat
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.execution import MemoryLimit
from m3_backbone.inference.requests import AnswerRequest
from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import AdaptiveM3
from predictor.requests.decisions import read_decisions
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Turn
from tests.predictor.asking import (
    KNOBS,
    PIXELS,
    QUESTIONS,
    as_wanted,
    believe,
    make_request,
    make_router,
    read_stream,
)


@pytest.fixture(scope="module")
def backbone(tiny_llava):
    model = tiny_llava.model()
    return M3Backbone(model, tiny_llava.tokenizer(), tiny_llava.image_processor())


@pytest.fixture(scope="module")
def adaptive(backbone):
    return AdaptiveM3(backbone, make_router(backbone))


@pytest.fixture(scope="module")
def alone(adaptive):
    return [adaptive.answer([make_request(number)])[0] for number in range(30)]


def test_mixed_requests_of_one_batch_are_answered_as_alone(adaptive, alone):
    together = adaptive.answer([make_request(number) for number in range(30)])
    assert list(map(as_wanted, together)) == list(map(as_wanted, alone))
    assert len({answer.scale for answer in alone}) >= 4
    assert len({answer.text for answer in alone}) > 20
    for one, other in zip(together, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities)


def test_many_streams_at_once_are_answered_as_alone_in_few_batches(adaptive, alone):
    encoded = []
    hook = adaptive.backbone.model.model.vision_tower.register_forward_pre_hook(
        lambda module, args: encoded.append(len(args[0]))
    )

    async def stream_all():
        return await asyncio.gather(*(read_stream(adaptive, make_request(n)) for n in range(30)))

    try:
        streamed = asyncio.run(stream_all())
    finally:
        hook.remove()
    for (*pieces, answer), expected in zip(streamed, alone, strict=True):
        assert as_wanted(answer) == as_wanted(expected)
        assert "".join(pieces) == answer.text
    assert max(len(pieces) for pieces in streamed) > 3
    assert len(encoded) < 10


def test_whole_answers_at_once_are_those_of_each_alone(adaptive, alone):
    async def answer_all():
        asked = (adaptive.answer_async(make_request(number)) for number in range(8))
        return await asyncio.gather(*asked)

    got = asyncio.run(answer_all())
    assert list(map(as_wanted, got)) == list(map(as_wanted, alone[:8]))


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_whole_answer_ends_where_it_is_cancelled(adaptive, tmp_path, is_cancelled):
    adaptive = AdaptiveM3(adaptive.backbone, adaptive.router, log=tmp_path / "log.jsonl")
    steps, go = [], threading.Event()

    def note(module, args):
        steps.append(1)
        if len(steps) == 2:
            go.wait(10)

    async def ask():
        long = Request.about(PIXELS[0], QUESTIONS[0], Knob(scale=9), Sampling(600))
        task = asyncio.ensure_future(adaptive.answer_async(long))
        while len(steps) < 2:
            await asyncio.sleep(0.005)
        if is_cancelled:
            task.cancel()
            await asyncio.sleep(0)
        go.set()
        await asyncio.gather(task, return_exceptions=True)
        await adaptive.answer_async(make_request(1))  # behind what is left of it

    hook = adaptive.backbone.model.model.language_model.register_forward_pre_hook(note)
    try:
        asyncio.run(ask())
    finally:
        hook.remove()
    assert (len(steps) < 12) == is_cancelled
    # What was broken off is no answer.
    assert len(list(read_decisions(adaptive.log.path))) == 2 - is_cancelled


def test_cancelled_streams_make_room_and_the_others_get_their_answers(adaptive, alone):
    steps = []
    hook = adaptive.backbone.model.model.language_model.register_forward_pre_hook(
        lambda module, args: steps.append(1)
    )

    async def cancel(number):
        request = Request.about(PIXELS[0], QUESTIONS[0], Knob(scale=9), Sampling(600))
        stream = adaptive.stream(request)
        if number % 2:
            await anext(stream)  # its answer has begun
        else:
            task = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)  # it waits to be encoded
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await stream.aclose()

    async def mix():
        cancelled = [asyncio.ensure_future(cancel(number)) for number in range(20)]
        streamed = await asyncio.gather(
            *(read_stream(adaptive, make_request(n)) for n in range(10))
        )
        await asyncio.gather(*cancelled)
        return streamed

    try:
        streamed = asyncio.run(mix())
    finally:
        hook.remove()
    for (*_, answer), expected in zip(streamed, alone, strict=False):
        assert as_wanted(answer) == as_wanted(expected)
    assert adaptive._routing._queue == adaptive._answering._queue == []
    assert len(steps) < 600


class Crowd(AnswerEngine):
    """Counts how many it is asked at once, as vLLM is; answers them when all are there."""

    continuous_batching = True

    def __init__(self, model, tokenizer, wanted):
        super().__init__(model, tokenizer)
        self.there, self.wanted, self.all_there = 0, wanted, asyncio.Event()

    async def answer_async(self, asked):
        self.there += 1
        if self.there == self.wanted:
            self.all_there.set()
        await asyncio.wait_for(self.all_there.wait(), 20)
        return await super().answer_async(asked)


def test_an_engine_that_batches_by_itself_is_asked_each_request_at_once(backbone, alone):
    crowd = Crowd(backbone.model, backbone.tokenizer, 30)
    adaptive = AdaptiveM3(backbone.with_engine(crowd), make_router(backbone))

    async def stream_all():
        return await asyncio.gather(*(read_stream(adaptive, make_request(n)) for n in range(30)))

    for (*pieces, answer), expected in zip(asyncio.run(stream_all()), alone, strict=True):
        assert as_wanted(answer) == as_wanted(expected)
        assert "".join(pieces) == answer.text


def test_one_that_the_model_cannot_answer_does_not_touch_the_others(adaptive, alone, monkeypatch):
    read = adaptive.backbone.answer

    def refuse(batch, *more):
        if any(one.chat.turns[-1][1] == "dog?" for one in batch):
            raise RuntimeError("no room")
        return read(batch, *more)

    monkeypatch.setattr(adaptive.backbone, "answer", refuse)

    async def mix():
        bad = Request.about(PIXELS[0], "dog?", Knob(scale=144), Sampling(4))
        asked = [make_request(2), bad, make_request(7)]
        return await asyncio.gather(
            *(read_stream(adaptive, one) for one in asked), return_exceptions=True
        )

    first, second, third = asyncio.run(mix())
    assert str(second) == "no room"
    assert as_wanted(first[-1]) == as_wanted(alone[2])
    assert as_wanted(third[-1]) == as_wanted(alone[7])


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_drawn_answer_that_is_begun_anew_goes_on_from_what_was_streamed(
    adaptive, monkeypatch, error
):
    step, steps = decoding._step, []
    monkeypatch.setattr(adaptive.backbone._engine, "_memory", MemoryLimit())

    def fail_once(model, state, *more):
        if len(state.owner) > 1:
            steps.append(len(state.owner))
            # In the midst of several answers: in halves, or one by one, they are begun anew.
            if len(steps) == 4:
                raise error("no room")
        return step(model, state, *more)

    monkeypatch.setattr(decoding, "_step", fail_once)

    async def stream_all():
        drawn = Sampling(12, temperature=2)
        asked = [Request.about(PIXELS[0], one, Knob(scale=9), drawn) for one in QUESTIONS]
        return await asyncio.gather(*(read_stream(adaptive, one) for one in asked))

    streamed = asyncio.run(stream_all())
    assert len(steps) >= 4
    for *pieces, answer in streamed:
        assert "".join(pieces) == answer.text
    # The seeds are drawn for each.
    assert len({answer.text for *_, answer in streamed}) == len(QUESTIONS)


def test_many_requests_are_routed_a_batch_at_a_time(adaptive, monkeypatch):
    sizes, encode = [], adaptive.backbone.encode
    monkeypatch.setattr(
        adaptive.backbone, "encode", lambda images: sizes.append(len(images)) or encode(images)
    )
    answers = adaptive.generate([PIXELS[0]] * 70, ["red?"] * 70, scales=1, max_new_tokens=1)
    assert sizes == [32, 32, 6]
    assert len(answers) == 70


def test_a_conversation_is_routed_by_its_last_question_and_all_images(backbone):
    seen = []

    def predict(coarse, question, extras):
        seen.append((coarse, question))
        return believe(coarse, question, extras)

    adaptive = AdaptiveM3(backbone, make_router(backbone, predict_proba=predict))
    turns = (
        Turn("user", "red?", (PIXELS[0],)),
        Turn("assistant", "dog"),
        Turn("user", "what is left?", (PIXELS[1], PIXELS[2])),
    )
    [answer] = adaptive.answer([Request(turns, Knob(lam=1e-3), Sampling(4))])
    [single] = adaptive.answer([Request.about(list(PIXELS[:3]), "what is left?", Knob(lam=1e-3))])
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    np.testing.assert_array_equal(seen[0][1], seen[1][1])
    assert (answer.scale, answer.probabilities) == (single.scale, single.probabilities)
    assert (answer.images, answer.turns, answer.visual_tokens) == (3, 3, 3 * answer.scale)
    first, *rest = backbone.encode([picture for turn in turns for picture in turn.pictures])
    chat = Chat(((1, "red?", "dog"), (1, "what is left?", "")))
    [direct] = backbone.answer([AnswerRequest(chat, [first, rest], answer.scale, Sampling(4))])
    assert answer.answer.token_ids == direct.token_ids


@pytest.mark.parametrize("said", ["", " ", "\n"])
def test_a_conversation_goes_on_where_nothing_was_said(adaptive, said):
    turns = (Turn("user", "red?", (PIXELS[0],)), Turn("assistant", said), Turn("user", "why?"))
    request = Request(turns, Knob(scale=9), Sampling(2))
    adaptive.check(request)
    [answer] = adaptive.answer([request])
    assert answer.turns == 3


def test_a_choice_is_made_without_an_answer_and_again_without_the_model(adaptive, monkeypatch):
    requests = [make_request(number) for number in range(10)]

    async def route():
        return await asyncio.gather(*map(adaptive.route, requests))

    routed = asyncio.run(route())
    expected = adaptive.answer(requests)
    facts = [(one.scale, one.reason) for one in routed]
    assert facts == [(answer.scale, answer.reason) for answer in expected]
    monkeypatch.setattr(adaptive.backbone, "encode", None)
    for knob in (*KNOBS, Knob(lam=1.0)):
        for one, answer in zip(routed, expected, strict=True):
            again = adaptive.choose_again(one, knob)
            assert again.probabilities == pytest.approx(answer.probabilities)
            assert again.request.knob is knob
            if answer.knob == knob.to_dict():
                assert (again.scale, again.reason) == (answer.scale, answer.reason)
            if knob.lam == 1.0:
                assert (again.scale, again.reason) == (1, "router")
    decision = routed[2].decide(50, 3, "stop", 1.5)
    assert (decision.scale, decision.visual_tokens) == (144, 144)
    assert (decision.prompt_tokens, decision.finish_reason) == (50, "stop")


def test_a_prompt_that_is_too_long_for_the_chosen_scale_is_read_at_a_smaller_one(adaptive):
    # The model reads 700 tokens: two images fit at 144 each, and not at 576.
    shown, knob = list(PIXELS[:2]), Knob(lam=0.0)
    [answer] = adaptive.answer([Request.about(shown, "red?", knob)])
    assert (answer.scale, answer.visual_tokens, answer.reason) == (144, 288, "router")


def test_an_answer_tells_how_it_came_about(adaptive, tmp_path):
    router = make_router(
        adaptive.backbone,
        gate=SimpleNamespace(find_outside=lambda *given: np.array([True, False, True])),
    )
    logged = AdaptiveM3(adaptive.backbone, router, log=tmp_path / "log.jsonl")
    knobs = [Knob(budget=1), Knob(budget=1), Knob(scale=9)]
    answers = logged.answer([Request.about(PIXELS[0], "red?", knob) for knob in knobs])
    assert [one.reason for one in answers] == ["unfamiliar", "router", "given scale"]
    assert [one.unfamiliar for one in answers] == [True, False, False]
    assert answers[0].scale == 576
    for answer in answers:
        assert answer.prompt_tokens == answer.answer.prompt_tokens > answer.visual_tokens
        assert answer.finish_reason == "length"
        assert min(answer.encode_ms, answer.router_ms, answer.generate_ms) > 0
    assert list(read_decisions(logged.log.path)) == [one.decision for one in answers]
    line = json.loads(logged.log.path.read_text(encoding="utf-8").splitlines()[0])
    assert line["knob"] == {"budget": 1, "unit": "tokens"}
    assert "red?" not in str(line)


def test_an_answer_outlives_a_log_that_cannot_be_written(adaptive, tmp_path, caplog):
    logged = AdaptiveM3(adaptive.backbone, make_router(adaptive.backbone), log=tmp_path / "log")
    logged.log.path.mkdir()
    [answer] = logged.answer([make_request(1)])
    assert answer.text
    assert [record for record in caplog.messages if record.startswith("cannot write")]


def test_numbers_of_numpy_and_any_order_of_things_are_taken(adaptive, alone):
    knob = Knob(lam=np.float64(1e-3))
    sampling = Sampling(np.int64(4), np.float32(1), seed=np.int32(1))
    [answer] = adaptive.answer(Request.about(PIXELS[1], QUESTIONS[1], knob, sampling) for _ in "a")
    assert as_wanted(answer)[:2] == as_wanted(alone[1])[:2]
    json.dumps(answer.decision.to_dict())
    given = [adaptive.generate(PIXELS[:2], QUESTIONS[:2], scales=np.array([9, 36]))]
    given.append(adaptive.generate(list(PIXELS[:2]), tuple(QUESTIONS[:2]), scales=[9, 36]))
    assert [[one.text for one in row] for row in given] == [[one.text for one in given[0]]] * 2


def test_a_system_is_heard_where_the_template_has_one(tiny_llava):
    tokenizer = tiny_llava.tokenizer()
    tokenizer.chat_template = VICUNA_TEMPLATE
    backbone = M3Backbone(tiny_llava.model(), tokenizer, tiny_llava.image_processor())
    adaptive = AdaptiveM3(backbone, make_router(backbone))
    asked = Turn("user", "red?", (PIXELS[0],))
    turns = [(asked,), (Turn("system", "red cat dog"), asked)]
    plain, told = adaptive.answer([Request(one, Knob(scale=36), Sampling(6)) for one in turns])
    assert plain.answer.token_ids != told.answer.token_ids


def test_an_image_may_come_in_any_form(adaptive, tmp_path):
    image = Image.fromarray(PIXELS[0])
    target = io.BytesIO()
    image.save(target, "PNG")
    (tmp_path / "x.png").write_bytes(target.getvalue())
    sources = (image, target.getvalue(), tmp_path / "x.png", PIXELS[0])
    asked = [Request.about(one, "red?", Knob(scale=36)) for one in sources]
    assert len({as_wanted(answer)[1] for answer in adaptive.answer(asked)}) == 1
    assert adaptive.answer([]) == []
