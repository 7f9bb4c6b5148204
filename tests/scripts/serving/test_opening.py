"""m3-mini behind the endpoint: answers are those of `AdaptiveM3`, whatever is asked beside them."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from click.testing import CliRunner

from m3_backbone.backbone import Chat
from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import AdaptiveM3
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from scripts.cli import main
from scripts.serving import opening
from scripts.serving.opening import (
    check_room,
    count_largest,
    expect_scales,
    open_app,
    serve_model,
)
from scripts.serving.running import open_port
from scripts.serving.settings import ServeSettings
from scripts.stages.ask import AskSettings
from scripts.stages.model import Opening

KNOBS = [{"budget": 72}, {"budget": 20}, {"lambda": 0.001}, {"scale": 9}, {"scale": 144}]
ASKED = 12


def make_knob(asked):
    return Knob(**{"lam" if name == "lambda" else name: value for name, value in asked.items()})


@pytest.fixture(scope="module")
def model(mini):
    return AdaptiveM3(mini.backbone, mini.router)


@pytest.fixture(scope="module")
def client(serving, open_client, mini, model):
    knob = Knob(budget=72)
    settings = ServeSettings(max_requests=ASKED)
    with serving(serve_model(model, settings, "m3-mini", knob)) as running:
        with open_client(running, timeout=120) as client:
            yield client


def test_answers_at_once_are_those_of_each_alone(client, mini, model, write_messages):
    knobs = [KNOBS[number % len(KNOBS)] for number in range(ASKED)]
    rows = list(zip(mini.images, mini.questions, knobs, strict=False))
    short = Sampling(max_new_tokens=6)
    expected = [
        model.answer([Request.about(image, question, make_knob(knob), short)])[0]
        for image, question, knob in rows
    ]
    assert len({one.scale for one in expected}) > 2

    def ask(row):
        number, (image, question, knob) = row
        stream = number % 3 == 0
        answer = client.chat.completions.create(
            model="m3-mini",
            messages=write_messages([image], question),
            max_tokens=6,
            stream=stream,
            extra_body={"m3scale": knob},
        )
        if not stream:
            return answer.choices[0].message.content, answer.m3scale
        pieces = list(answer)
        text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
        return text, pieces[-1].m3scale

    with ThreadPoolExecutor(ASKED) as pool:
        got = list(pool.map(ask, enumerate(rows)))
    assert [text for text, _ in got] == [one.text for one in expected]
    assert [told["scale"] for _, told in got] == [one.scale for one in expected]
    for (_, told), one in zip(got, expected, strict=True):
        shares = {int(scale): share for scale, share in told["probabilities"].items()}
        assert shares == pytest.approx(one.probabilities, abs=1e-6)


def test_tokens_are_counted_as_the_model_reads_them(client, mini, model, write_messages):
    question = mini.questions[0]
    asked = Request.about(mini.images[:2], question, Knob(scale=36), Sampling(2))
    [expected] = model.answer([asked])
    answer = client.chat.completions.create(
        model="m3-mini",
        messages=write_messages(mini.images[:2], question),
        max_tokens=2,
        logprobs=True,
        extra_body={"m3scale": {"scale": 36}},
    )
    text = len(mini.backbone.tokenizer(mini.backbone.prompt(question))["input_ids"]) - 1
    assert answer.usage.prompt_tokens == text + 2 * 36
    assert answer.usage.prompt_tokens_details.image_tokens == 72
    [choice] = answer.choices
    assert answer.usage.completion_tokens == len(choice.logprobs.content) == expected.output_tokens
    assert choice.finish_reason == expected.finish_reason


@pytest.mark.parametrize(
    ("knob", "told"),
    [({"scale": 35}, "35"), ({"budget": 1e308}, "from 0 to 1e.300, got 1e.308")],
)
def test_a_knob_out_of_range_is_a_bad_request(client, mini, write_messages, knob, told):
    with pytest.raises(openai.BadRequestError, match=told):
        client.chat.completions.create(
            model="m3-mini",
            messages=write_messages(mini.images[:1], "what?"),
            extra_body={"m3scale": knob},
        )


def test_on_this_machine_the_server_has_only_this_machines_names(client):
    url = str(client.base_url.join("/healthz"))
    assert httpx2.get(url).status_code == 200
    assert httpx2.get(url, headers={"host": "evil.example"}).status_code == 403


def test_the_expected_scales_are_those_of_calibration(mini):
    table = mini.router.policy
    expected = expect_scales(mini.router, Knob(budget=20))
    mean = sum(scale * share for scale, share in expected.items())
    # The table's own mean cost at that price.
    assert mean == pytest.approx(table.costs[table.lambdas.index(table.lambda_for_budget(20))])
    assert expect_scales(mini.router, Knob(scale=9)) == {}


def test_the_largest_scale_counts_all_images(mini):
    request = Request.about(mini.images[:3], "what?", Knob(scale=1))
    assert count_largest(mini.backbone, 576, request) == 3 * 576


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--router", "nowhere"], "nowhere"),
        (["--port", "70000"], "70000"),
        (["--budget", "72", "--scale", "9"], "give only one of"),
        (["--token-file", "nowhere"], "nowhere"),
        (["--max-requests", "0"], "0"),
        (["--allowed-host", "https://chat.example.org"], "a name without http:// and port"),
        (["--allowed-host", "chat.example.org:443"], "got 'chat.example.org:443'"),
        (["--allowed-host", "::1"], "got '::1'"),
        (["--max-seconds", "nan"], "nan"),
        (["--max-body-mb", "1e303"], "1e+303 is not in the range"),
        (["--max-megapixels", "1e303"], "1e+303 is not in the range"),
        (["--upstream", "http://127.0.0.1:abc"], "got 'http://127.0.0.1:abc'"),
        (["--upstream", "http://127.0.0.1:99999"], "got 'http://127.0.0.1:99999'"),
        (["--upstream", "http://[::1"], "got 'http://[::1'"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["serve", *options])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_told_before_anything_is_opened():
    with open_port("127.0.0.1", 0) as port:
        port.listen()
        number = str(port.getsockname()[1])
        done = CliRunner().invoke(main, ["serve", "--router", "nowhere", "--port", number])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: cannot listen at 127.0.0.1 port {number}: ")


def test_the_largest_bounds_can_be_counted(model):
    fields = {one.name: one.metadata.get("max") for one in dataclasses.fields(ServeSettings)}
    settings = ServeSettings(
        max_body_mb=fields["max_body_mb"], max_megapixels=fields["max_megapixels"]
    )
    assert serve_model(model, settings, "m3-mini", Knob(budget=72))


def test_answers_that_leave_no_room_for_an_image_are_refused_at_the_start(model):
    settings = ServeSettings(max_new_tokens=5000)
    with pytest.raises(ValueError, match="--max-new-tokens 5000 leaves no room for an image"):
        serve_model(model, settings, "m3-mini", Knob(budget=72))


def test_the_room_of_an_image_is_that_of_its_scale(mini, model):
    room = mini.backbone.count_room(Chat.about("?"), 0)
    for scale in (144, 576):
        check_room(model, Knob(scale=scale), room - scale)
        with pytest.raises(ValueError, match=f"no room for an image at scale {scale} in"):
            check_room(model, Knob(scale=scale), room - scale + 1)
    check_room(model, Knob(budget=72), room - mini.router.scales[0])


def open_gateway(mini, engine="built-in", how=None):
    settings = ServeSettings(upstreams=("http://127.0.0.1:9",))
    how = how or Opening()
    return open_app(str(mini.folder), how, engine, AskSettings(), settings, None, "127.0.0.1")


@pytest.mark.parametrize(
    ("engine", "how", "told"),
    [
        ("vllm", Opening(), "--engine vllm answers in this process"),
        ("built-in", Opening(device_map="auto"), "--device-map and --quantize are of the built-in"),
        ("built-in", Opening(quantize="4bit"), "--device-map and --quantize are of the built-in"),
    ],
)
def test_what_upstreams_would_not_use_is_refused(mini, engine, how, told):
    with pytest.raises(ValueError, match=told):
        open_gateway(mini, engine, how)


def test_the_token_of_upstreams_is_checked_and_sent_without_its_line_break(mini, monkeypatch):
    given = []

    def note(urls, token, seconds):
        given.append(token)
        raise ValueError("enough")

    monkeypatch.setattr(opening, "Upstreams", note)
    monkeypatch.setenv("M3SCALE_UPSTREAM_TOKEN", "word\n")
    with pytest.raises(ValueError, match="enough"):
        open_gateway(mini)
    assert given == ["word"]
    monkeypatch.setenv("M3SCALE_UPSTREAM_TOKEN", "")
    with pytest.raises(ValueError, match="M3SCALE_UPSTREAM_TOKEN must hold a token"):
        open_gateway(mini)
