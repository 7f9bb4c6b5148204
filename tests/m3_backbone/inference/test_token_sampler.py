"""Sampling, stop texts, log-probabilities and streams of answers that share a batch."""

import asyncio
from dataclasses import replace

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from m3_backbone.inference.conversations import Chat
from m3_backbone.inference.requests import AnswerRequest
from m3_backbone.inference.sampling import Sampling
from m3_backbone.inference.token_sampler import sample_token

QUESTIONS = ["what is the colour of the big red cat?", "red?", "how many dogs are there?"]
SAMPLINGS = [
    Sampling(6),
    Sampling(3),
    Sampling(6, temperature=1.0, seed=1),
    Sampling(6, temperature=1.5, top_p=0.7, seed=2),
    Sampling(6, top_logprobs=2),
    Sampling(5, temperature=0.8, seed=3, top_logprobs=0),
]


@pytest.fixture(scope="module")
def requests(backbone, pyramids):
    """Every sampling at mixed scales, images and questions."""
    return [
        AnswerRequest(
            Chat.about(QUESTIONS[i % 3]), [pyramids[(i + 1) % 3]], backbone.scales[i % 5], sampling
        )
        for i, sampling in enumerate(SAMPLINGS * 3)
    ]


def as_wanted(answer):
    return (answer.text, answer.token_ids, answer.finish_reason, answer.scale)


def test_mixed_answers_of_a_batch_are_those_alone(backbone, requests):
    together = backbone.answer(requests)
    alone = [backbone.answer([one])[0] for one in requests]
    assert list(map(as_wanted, together)) == list(map(as_wanted, alone))
    for one, answer in zip(requests, together, strict=True):
        assert answer.output_tokens == one.sampling.max_new_tokens  # it hardly ever ends
        assert answer.finish_reason == "length"
    # The test would be empty if seeds and temperatures made no difference.
    greedy = backbone.answer([replace(one, sampling=Sampling(6)) for one in requests])
    drawn = [i for i, one in enumerate(requests) if one.sampling.temperature > 0]
    assert sum(together[i].token_ids != greedy[i].token_ids[:6] for i in drawn) > 5
    for i in set(range(len(requests))) - set(drawn):
        limit = requests[i].sampling.max_new_tokens
        assert together[i].token_ids == greedy[i].token_ids[:limit]
        assert together[i].first_margin == pytest.approx(greedy[i].first_margin, abs=1e-4)


def test_answers_of_groups_are_drawn_each_in_its_own_way(backbone, pyramids):
    groups = [QUESTIONS, QUESTIONS[:1], QUESTIONS[1:]]
    samplings = [SAMPLINGS[:3], SAMPLINGS[3:4], SAMPLINGS[4:]]
    grouped = backbone.answer_images(pyramids, groups, 36, sampling=samplings)
    rows = zip(pyramids, groups, samplings, strict=True)
    alone = [
        backbone.answer(
            [AnswerRequest(Chat.about(q), [p], 36, one) for q, one in zip(*pair, strict=True)]
        )
        for p, *pair in rows
    ]
    assert [list(map(as_wanted, row)) for row in grouped] == [
        list(map(as_wanted, row)) for row in alone
    ]
    # Greedy answers of several lengths are no longer than they may be.
    lengths = [[Sampling(n) for n in range(1, 1 + len(group))] for group in groups]
    cut = backbone.answer_images(pyramids, groups, 36, sampling=lengths)
    assert [[one.output_tokens for one in row] for row in cut] == [[1, 2, 3], [1], [1, 2]]
    with pytest.raises(ValueError, match=r"samplings of \[3, 1, 2\] questions .*got \[3\]"):
        backbone.answer_images(pyramids, groups, 36, sampling=samplings[:1])


def test_without_a_seed_each_answer_is_another(backbone, requests):
    free = replace(requests[2], sampling=Sampling(8, temperature=2.0))
    assert len({answer.token_ids for answer in backbone.answer([free] * 6)}) > 1


def test_log_probabilities_are_those_of_the_model(backbone, requests):
    [answer] = backbone.answer([requests[4]])
    told = answer.logprobs
    assert [one.token_id for one in told] == list(answer.token_ids)
    assert sum(one.logprob for one in told) / len(told) == pytest.approx(answer.mean_logprob)
    for one in told:
        assert len(one.top) == 2
        assert one.top[0].token_id == one.token_id  # greedy
        assert one.top[0].logprob == one.logprob >= one.top[1].logprob
    # Not each by itself, which would lose the spaces between them.
    assert "".join(one.text for one in told) == answer.text
    assert b"".join(one.raw for one in told) == answer.text.encode()
    assert told[0].top[0].logprob - told[0].top[1].logprob == pytest.approx(answer.first_margin)
    [drawn] = backbone.answer([requests[5]])
    assert [one.top for one in drawn.logprobs] == [()] * 5
    assert sum(one.logprob for one in drawn.logprobs) / 5 == pytest.approx(drawn.mean_logprob)
    assert backbone.answer([requests[0]])[0].logprobs is None


def test_a_stop_cuts_the_answer_and_ends_it(backbone, requests):
    [whole] = backbone.answer([requests[0]])
    words = whole.text.split()
    stop = f"{words[2]} {words[3]}"  # of two tokens
    stopping = replace(requests[0], sampling=Sampling(6, stop=(stop, "never said")))
    cut, other = backbone.answer([stopping, requests[0]])
    assert cut.text == whole.text[: whole.text.index(stop)].strip()
    assert cut.token_ids == whole.token_ids[:4]
    assert (cut.finish_reason, other.finish_reason) == ("stop", "length")
    assert other.token_ids == whole.token_ids


def test_an_end_is_no_length(build_model, build_backbone, images, backbone, requests):
    [whole] = backbone.answer([requests[0]])
    model = build_model()
    model.generation_config.eos_token_id = whole.token_ids[2]
    ending = build_backbone(model)
    pyramids = ending.encode(images)
    one = replace(requests[0], pyramids=[pyramids[1]])
    end = whole.token_ids.index(whole.token_ids[2]) + 1
    for sampling in (Sampling(6), Sampling(6, top_logprobs=1), Sampling(end)):
        [answer] = ending.answer([replace(one, sampling=sampling)])
        assert (answer.token_ids, answer.finish_reason) == (whole.token_ids[:end], "stop")
    if end > 1:
        [answer] = ending.answer([replace(one, sampling=Sampling(end - 1))])
        assert answer.finish_reason == "length"


def test_an_answer_is_streamed_token_by_token(backbone, requests):
    [expected] = backbone.answer([requests[0]])

    async def collect():
        return [piece async for piece in backbone.stream(requests[0])]

    *pieces, answer = asyncio.run(collect())
    assert as_wanted(answer) == as_wanted(expected)
    assert "".join(pieces) == answer.text
    assert len(pieces) >= 4


def test_closing_the_stream_ends_the_answer(backbone, requests):
    long = replace(requests[0], sampling=Sampling(100))
    read = []
    hook = backbone.model.model.language_model.register_forward_hook(
        lambda *args: read.append(args)
    )

    async def leave():
        pieces = backbone.stream(long)
        await anext(pieces)
        await pieces.aclose()

    try:
        asyncio.run(leave())  # waits for the thread at its end
    finally:
        hook.remove()
    assert 1 <= len(read) < 50


def test_images_in_two_places_are_those_of_stock_transformers(backbone, pyramids):
    chat = Chat(((1, QUESTIONS[0], "red"), (0, "red?", "blue"), (1, "how many dogs?", "")))
    request = AnswerRequest(chat, [pyramids[0], [pyramids[1], pyramids[2]]], 9, Sampling(6))
    [answer] = backbone.answer([request])
    text = (
        f"USER: {'<image>' * 9}\n{QUESTIONS[0]} ASSISTANT: red</s>USER: red? ASSISTANT: blue</s>"
        f"USER: {'<image>' * 18}\nhow many dogs? ASSISTANT:"
    )
    features = BaseModelOutputWithPooling(pooler_output=[pyramid[9] for pyramid in pyramids])
    encoded = backbone.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    assert (answer.visual_tokens, answer.prompt_tokens) == (27, encoded["input_ids"].shape[1])
    with torch.no_grad():
        ids = backbone.model.generate(
            **encoded,
            mm_encoder_outputs={"image": features},
            max_new_tokens=6,
            do_sample=False,
            pad_token_id=0,
        )
    assert answer.token_ids == tuple(ids[0, encoded["input_ids"].shape[1] :].tolist())
    with pytest.raises(ValueError, match="shows images in 2 places, got pyramids for 1"):
        backbone.answer([replace(request, pyramids=pyramids[:1])])


def test_draws_follow_the_probabilities():
    logprobs = torch.tensor([0.5, 0.3, 0.2, 0.0]).log()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor(
        [sample_token(logprobs, Sampling(temperature=1.0), generator) for _ in range(4000)]
    )
    shares = torch.bincount(drawn, minlength=4) / 4000
    assert torch.allclose(shares, logprobs.exp(), atol=0.03)
    assert shares[3] == 0


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(temperature=1.0, top_p=0.5), {0}),  # the first alone makes up the half
        (Sampling(temperature=1.0, top_p=0.51), {0, 1}),
        (Sampling(temperature=1.0, top_p=1e-9), {0}),
        (Sampling(temperature=5e-324), {0}),
        (Sampling(temperature=1e-300), {0}),
        (Sampling(temperature=2.0), {0, 1, 2}),
    ],
    ids=str,
)
def test_only_the_most_probable_tokens_are_drawn(sampling, expected):
    logprobs = torch.tensor([0.5, 0.3, 0.2, 0.0]).log()
    generator = torch.Generator().manual_seed(0)
    assert {sample_token(logprobs, sampling, generator) for _ in range(300)} == expected


def test_any_seed_of_64_bits_will_do(backbone, requests):
    for seed in (-(2**63), 2**63 - 1):
        drawn = replace(requests[0], sampling=Sampling(2, temperature=1.0, seed=seed))
        first, second = backbone.answer([drawn, drawn])
        assert first.token_ids == second.token_ids
