"""Encoder and router here, the language model in servers that are processes of their own."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import openai
import pytest

from predictor.adaptive import AdaptiveM3


@pytest.fixture(scope="module")
def gateway(start_gateway, start_upstream):
    with ExitStack() as stack:
        urls = [stack.enter_context(start_upstream()).url for _ in range(2)]
        yield stack.enter_context(start_gateway(urls))


@pytest.fixture(scope="module")
def expect(mini):
    """What the upstreams of the tests answer: the last line's words, backwards, cut short."""

    def say(question, most):
        words = " ".join(reversed(f"{question} ASSISTANT:".splitlines()[-1].split()))
        tokenizer = mini.backbone.tokenizer
        ids = tokenizer(words, add_special_tokens=False)["input_ids"][:most]
        return tokenizer.decode(ids, skip_special_tokens=True).strip()

    return say


def test_upstreams_read_what_is_encoded_and_routed_here(gateway, mini, write_messages, expect):
    model = AdaptiveM3(mini.backbone, mini.router)
    routed = model.generate(mini.images[:6], mini.questions[:6], budget=72, max_new_tokens=1)

    def ask(number):
        return gateway.client.chat.completions.create(
            model="m3-mini",
            messages=write_messages([mini.images[number]], mini.questions[number]),
            max_tokens=5,
            logprobs=True,
            top_logprobs=1,
        )

    with ThreadPoolExecutor(6) as pool:
        for number, answer in enumerate(pool.map(ask, range(6))):
            [choice] = answer.choices
            assert choice.message.content == expect(mini.questions[number], 5)
            assert answer.m3scale["scale"] == routed[number].scale
            assert answer.usage.prompt_tokens == routed[number].prompt_tokens
            assert choice.finish_reason == "length"
            assert [one.logprob for one in choice.logprobs.content] == [-0.5] * 5
            assert len(choice.logprobs.content[0].top_logprobs) == 1


def test_conversations_and_several_images_go_through(gateway, mini, write_messages, expect):
    first = write_messages(mini.images[:2], "what is it?")
    messages = [*first, {"role": "assistant", "content": "a sign"}]
    messages += write_messages(mini.images[2:3], "and this one?")
    pieces = gateway.client.chat.completions.create(
        model="m3-mini",
        messages=messages,
        max_tokens=40,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"m3scale": {"scale": 9}},
    )
    *said, end, count = list(pieces)
    words = [one.choices[0].delta.content for one in said[1:]]
    assert len(words) > 2  # piece by piece
    assert "".join(words) == expect("and this one?", 40)
    assert end.choices[0].finish_reason == "stop"
    assert count.usage.prompt_tokens_details.image_tokens == 3 * 9


def test_a_stop_text_ends_the_answer(gateway, mini, write_messages):
    answer = gateway.client.chat.completions.create(
        model="m3-mini",
        messages=write_messages(mini.images[:1], "three two one"),
        max_tokens=40,
        stop=[" two"],
    )
    [choice] = answer.choices
    assert choice.finish_reason == "stop"
    assert "two" not in choice.message.content
    assert choice.message.content.startswith("ASSISTANT")


def test_readiness_and_metrics_know_the_upstreams(gateway):
    assert httpx2.get(f"{gateway.address}/readyz").status_code == 200
    text = httpx2.get(f"{gateway.address}/metrics").text
    assert text.count("m3scale_upstream_up{") == 2
    assert f'm3scale_upstream_up{{url="{gateway.upstreams.servers[0].url}"}} 1.0' in text


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("count wrongly", {}),
        ("count wrongly", {"stream": True}),
        ("count wrongly", {"stop": ["wrongly"]}),
        ("count wrongly at the end", {}),
    ],
)
def test_an_upstream_that_reads_prompts_otherwise_is_found_out(
    gateway, mini, write_messages, question, options
):
    with pytest.raises(openai.InternalServerError, match="in another way") as caught:
        gateway.client.chat.completions.create(
            model="m3-mini", messages=write_messages(mini.images[:1], question), **options
        )
    assert caught.value.status_code == 502


def test_killing_an_upstream_under_load_ends_no_answer_but_streams_that_have_begun(
    start_gateway, start_upstream, mini, write_messages, expect, wait_until
):
    with start_upstream(0.05) as steady, start_upstream(0.05) as doomed:
        with start_gateway([doomed.url, steady.url]) as running:
            over, wholes, streams = threading.Event(), [], []

            def ask(number):
                question = f"what is number {number} here?"
                is_stream = bool(number % 2)
                outcomes = streams if is_stream else wholes
                while not over.is_set():
                    try:
                        answer = running.client.chat.completions.create(
                            model="m3-mini",
                            messages=write_messages(mini.images[:1], question),
                            max_tokens=12,
                            stream=is_stream,
                            extra_body={"m3scale": {"scale": 1}},
                        )
                        if is_stream:
                            said = "".join(p.choices[0].delta.content or "" for p in answer)
                        else:
                            said = answer.choices[0].message.content
                        outcomes.append(said == expect(question, 12))
                    except openai.APIError as error:
                        outcomes.append(error.code)

            threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
            for thread in threads:
                thread.start()
            time.sleep(1.0)
            doomed.send_signal(signal.SIGKILL)
            doomed.wait()
            time.sleep(1.0)
            wait_until(lambda: len(wholes) > 4, seconds=30)  # a busy machine takes longer
            over.set()
            for thread in threads:
                thread.join()
            assert len(wholes) > 4 and set(wholes) == {True}
            assert set(streams) <= {True, "upstream_broke_off"}
            assert streams.count("upstream_broke_off") <= 4
            assert streams[-1] is True
