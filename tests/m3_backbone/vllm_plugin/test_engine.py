"""vLLM behind M3Backbone: the same answers, numbers and features, from pooled tokens."""

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.outcomes.manifest import read_manifest
from labels.outcomes.table import read_outcomes
from labels.sources.loading import load_questions
from m3_backbone.backbone import M3Backbone
from m3_backbone.inference.conversations import Chat
from m3_backbone.inference.requests import AnswerRequest
from m3_backbone.inference.sampling import Sampling
from m3_backbone.vllm_plugin import engine as engines

PLAIN = Sampling()


def test_without_vllm_it_says_what_to_install(monkeypatch, tiny_folder):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="vLLM is not installed: pip install"):
        M3Backbone.from_pretrained(tiny_folder, engine="vllm")


def test_an_unknown_engine_is_refused(tiny_folder):
    with pytest.raises(ValueError, match="unknown engine 'vlm': choose one of built-in, vllm"):
        M3Backbone.from_pretrained(tiny_folder, engine="vlm")


def test_without_the_plug_in_vllm_is_refused(monkeypatch, tiny_folder):
    monkeypatch.setattr(engines, "find_spec", lambda name: name)
    monkeypatch.setattr(engines, "entry_points", lambda group: [])
    with pytest.raises(ValueError, match="does not know the plug-in"):
        M3Backbone.from_pretrained(tiny_folder, engine="vllm")


@pytest.fixture
def found(monkeypatch):
    class Plugin:
        value = "m3_backbone.vllm_plugin.registration:register"

    monkeypatch.setattr(engines, "find_spec", lambda name: name)
    monkeypatch.setattr(engines, "entry_points", lambda group: [Plugin])


def test_a_checkpoint_that_the_plug_in_has_no_model_for(found, official_folder):
    with pytest.raises(ValueError, match="holds a LlavaLlamaForCausalLM, vLLM answers for Llava"):
        M3Backbone.from_pretrained(official_folder, engine="vllm")


def test_options_of_the_built_in_engine_are_refused(found, tiny_folder):
    with pytest.raises(ValueError, match="device_map and quantize are of the built-in engine"):
        M3Backbone.from_pretrained(tiny_folder, engine="vllm", device_map="auto")


class Process:
    """Says the end at once, and notes what it was asked to do."""

    def __init__(self, end):
        self.options = []
        self.end = end

    def run(self, work):
        done = Future()
        done.set_result(asyncio.run(work))
        return done

    async def follow(self, prompt, options):
        self.options.append(options)
        known = {one: SimpleNamespace(logprob=-0.5 - one) for one in (self.end, self.end + 1)}
        said = SimpleNamespace(token_ids=[self.end], logprobs=[known], finish_reason="stop")
        yield SimpleNamespace(outputs=[said])


def test_each_question_of_a_group_has_its_own_temperature_and_seed(build_backbone, build_model):
    built_in = build_backbone(build_model())
    process = Process(built_in.tokenizer.eos_token_id or 1)
    engine = engines.VllmEngine(built_in.model, built_in.tokenizer, process)
    pyramids = built_in.encode([Image.new("RGB", (8, 8))] * 2)
    drawn = [Sampling(3, 0.7, seed=seed) for seed in (11, 12)]
    answers = built_in.with_engine(engine).answer_images(
        pyramids, [["red?", "blue?"], ["what?"]], 9, sampling=[drawn, [Sampling(5)]]
    )
    assert [len(row) for row in answers] == [2, 1]
    asked = [(one["temperature"], one["seed"], one["max_tokens"]) for one in process.options]
    assert asked == [(0.7, 11, 3), (0.7, 12, 3), (0.0, None, 5)]


@pytest.fixture(scope="module")
def backbone():
    return M3Backbone.from_pretrained("m3-mini", engine="vllm")


@pytest.mark.vllm
def test_answers_of_groups_are_those_of_the_built_in_engine(backbone, mini):
    assert backbone.attention.startswith("vllm-0.3")
    pyramids = backbone.encode(mini.images)
    for scale in mini.backbone.scales:
        for image, row in enumerate(backbone.answer_images(pyramids, mini.texts, scale)):
            for place, actual in enumerate(row):
                expected = mini.answers[image, place, scale]
                assert actual.token_ids == expected.token_ids
                assert actual.text == expected.text
                assert actual.prompt_tokens == expected.prompt_tokens
                assert actual.mean_logprob == pytest.approx(expected.mean_logprob, abs=1e-4)
                assert actual.first_margin == pytest.approx(expected.first_margin, abs=1e-4)


@pytest.mark.vllm
def test_a_closing_word_is_the_whole_answer(backbone, mini):
    words = [[["yes", "no", mini.answers[0, place, 36].text.split()[0]] for place in range(3)]]
    asked = (mini.pyramids[:1], [mini.texts[0][:3]], 36)
    [expected] = mini.backbone.answer_images(*asked, closing=words)
    [actual] = backbone.answer_images(*asked, closing=words)
    assert [one.token_ids for one in actual] == [one.token_ids for one in expected]


@pytest.mark.vllm
def test_each_question_at_its_own_scale(backbone, mini):
    asked = ([mini.pyramids[0], mini.pyramids[:2]], ["How many signs are there?"] * 2, [9, 144])
    expected, actual = (model.generate(*asked) for model in (mini.backbone, backbone))
    assert [one.token_ids for one in actual] == [one.token_ids for one in expected]
    assert [one.visual_tokens for one in actual] == [9, 288]
    assert backbone.generate([], [], 9) == []


def ask(pyramid, question, scale, sampling=PLAIN):
    return AnswerRequest(Chat.about(question), [pyramid], scale, sampling)


def listen(model, asked):
    async def collect():
        return [piece async for piece in model.stream(asked)]

    *pieces, answer = asyncio.run(collect())
    return pieces, answer


@pytest.mark.vllm
def test_answers_come_in_pieces(backbone, mini):
    question = "What does the sign say?"
    [expected] = mini.backbone.generate([mini.pyramids[0]], [question], 144)
    pieces, answer = listen(backbone, ask(mini.pyramids[0], question, 144))
    assert "".join(pieces) == answer.text == expected.text
    assert answer.token_ids == expected.token_ids
    assert answer.first_margin == pytest.approx(expected.first_margin, abs=1e-4)


@pytest.mark.vllm
def test_many_streams_at_once_and_one_that_nobody_hears_to_the_end(backbone, mini):
    keys = list(mini.answers)[:40]

    async def hear(key):
        image, place, scale = key
        asked = ask(mini.pyramids[image], mini.texts[image][place], scale)
        return [piece async for piece in backbone.stream(asked)][-1]

    async def hear_all():
        left = backbone.stream(ask(mini.pyramids[0], mini.texts[0][0], 36))
        await anext(left)
        await left.aclose()
        return await asyncio.gather(*map(hear, keys))

    for key, answer in zip(keys, asyncio.run(hear_all()), strict=True):
        assert answer.token_ids == mini.answers[key].token_ids


@pytest.mark.vllm
def test_each_answer_in_its_own_way(backbone, mini):
    image, place, scale = max(mini.answers, key=lambda key: mini.answers[key].output_tokens)
    pyramid, question = mini.pyramids[image], mini.texts[image][place]
    whole = mini.answers[image, place, scale]
    stop = whole.text[1:-1]
    ways = [
        Sampling(max_new_tokens=1),
        Sampling(stop=(stop, "never said")),
        Sampling(top_logprobs=3),
        Sampling(temperature=1.5, seed=7),
        Sampling(temperature=1.5, seed=7),
        Sampling(temperature=1.5, top_p=1e-9),
    ]
    asked = [ask(pyramid, question, scale, sampling) for sampling in ways]
    short, cut, told, drawn, again, first = backbone.answer(asked)
    for actual, expected in zip((short, cut, told), mini.backbone.answer(asked[:3]), strict=True):
        assert (actual.text, actual.token_ids) == (expected.text, expected.token_ids)
        assert actual.finish_reason == expected.finish_reason
    assert (short.finish_reason, cut.finish_reason) == ("length", "stop")
    assert cut.text == whole.text[: whole.text.index(stop)].strip()
    [expected] = mini.backbone.answer(asked[2:3])
    for one, other in zip(told.logprobs, expected.logprobs, strict=True):
        assert (one.token_id, one.text) == (other.token_id, other.text)
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
        assert [top.token_id for top in one.top] == [top.token_id for top in other.top]
    assert drawn.token_ids == again.token_ids
    assert first.token_ids == whole.token_ids


@pytest.mark.vllm
def test_a_conversation_with_images_in_two_places(backbone, mini):
    chat = Chat(((1, "How many signs are there?", "two"), (1, "What does the sign say?", "")))
    asked = AnswerRequest(chat, [mini.pyramids[0], mini.pyramids[1:3]], 36)
    [expected], [actual] = mini.backbone.answer([asked]), backbone.answer([asked])
    assert actual.token_ids == expected.token_ids
    assert actual.prompt_tokens == expected.prompt_tokens
    assert actual.first_margin == pytest.approx(expected.first_margin, abs=1e-4)


@pytest.mark.vllm
def test_features_are_the_same_without_the_language_model(backbone, mini):
    assert len(backbone.model.model.language_model.layers) == 0
    pyramids = backbone.encode(mini.images)
    assert np.array_equal(backbone.coarse_tokens(pyramids), mini.backbone.coarse_tokens(pyramids))
    texts = mini.texts[0]
    assert np.array_equal(
        backbone.question_embedding(texts), mini.backbone.question_embedding(texts)
    )
    assert backbone.answer_flops(mini.answers[0, 0, 36]) == mini.backbone.answer_flops(
        mini.answers[0, 0, 36]
    )
    assert backbone.fingerprint == mini.backbone.fingerprint
    with pytest.raises(ValueError, match="vLLM gives no states"):
        backbone.prompt_states(pyramids[:1], texts[:1])


@pytest.mark.vllm
def test_a_table_is_the_same_row_by_row_and_never_mixed(backbone, mini, tmp_path):
    questions = load_questions("scenes:test", limit=12)
    settings = LabelSettings(losses=True, first_token=True)
    tables = []
    for name, model in (("ours", mini.backbone), ("vllm", backbone)):
        label(questions, model, tmp_path / name, settings, progress=False)
        tables.append(read_outcomes(tmp_path / name))
    ours, vllm = tables
    assert np.array_equal(ours.sample_ids, vllm.sample_ids)
    assert np.array_equal(ours.scores, vllm.scores)
    assert np.array_equal(ours.answers, vllm.answers)
    assert np.array_equal(ours.visual_tokens, vllm.visual_tokens)
    assert np.array_equal(ours.flops, vllm.flops)
    for column in ("mean_logprob", "first_margin", "losses"):
        assert np.abs(getattr(ours, column) - getattr(vllm, column)).max() <= 1e-4
    assert read_manifest(tmp_path / "vllm").settings["attention"].startswith("vllm-")
    with pytest.raises(ValueError, match="attention is 'sdpa' there but 'vllm-"):
        label(questions, backbone, tmp_path / "ours", settings, progress=False)
