import dataclasses

import numpy as np
import pytest
from PIL import Image
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from m3_backbone.backbone import M3Backbone
from m3_backbone.scales import TOKEN_SCALES
from m3_backbone.training.mini import build_mini, build_processor, train_tokenizer
from predictor.adaptive import AdaptiveM3
from predictor.data import TrainData
from predictor.policy.budgets import OperatingTable
from predictor.policy.certificates import Certificate
from predictor.policy.claims import Claim
from predictor.policy.prices import Price, PriceList
from predictor.training.train import TrainSettings, train_bundle

QUESTIONS = ["what colour is it?", "how many are there?", "what does the sign say?"]
POINTS = [{}, {"budget": 72, "lam": 0.1, "scales": 9}, {"lam": 0.1, "unit": "ms"}]
# Mean cost 1 at a high price, 36 at 0.001 a token, 576 for nothing.
TABLE = OperatingTable((1.0, 1e-3, 0.0), (1.0, 36.0, 576.0), (0.3, 0.6, 0.8))
LISTS = {"tokens": None, "ms": PriceList(TOKEN_SCALES, (0.1, 0.1, 0.1, 0.2, 0.4), TABLE)}
# Rows: any scale will do; 36 is needed; only 576 helps.
PROBABILITIES = np.array(
    [[0.9, 0.9, 0.9, 0.9, 0.9], [0.1, 0.2, 0.8, 0.8, 0.8], [0.0, 0.1, 0.2, 0.3, 0.9]]
)


class FakeGate:
    """Finds the second row strange."""

    def find_outside(self, coarse, question, outlier):
        return np.array([False, True, False])


class FakeRouter:
    """Knows the answer for each row; notes the features that it was given."""

    scales, extras, gate = TOKEN_SCALES, (), None

    def __init__(self, checkpoint, probabilities=PROBABILITIES):
        self.meta = {"checkpoint": checkpoint}
        self.probabilities = probabilities
        self.seen = []

    def predict_proba(self, coarse, question, extras):
        self.seen.append((coarse, question))
        return self.probabilities[: len(question)]

    def predict_raw(self, coarse, question, extras):
        return self.predict_proba(coarse, question, extras)[:, ::-1]

    def price(self, budget, unit):
        return Price(TABLE.lambda_for_budget(budget), LISTS[unit])


@pytest.fixture(scope="module")
def parts():
    tokenizer = train_tokenizer([(question, "red") for question in QUESTIONS])
    return build_mini(tokenizer), tokenizer, build_processor(tokenizer)


@pytest.fixture(scope="module")
def backbone(parts):
    model, tokenizer, processor = parts
    return M3Backbone(model, tokenizer, processor.image_processor)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), "RGB") for _ in range(3)
    ]


@pytest.fixture
def router(backbone):
    return FakeRouter(backbone.fingerprint)


def scales_of(answers):
    return [answer.scale for answer in answers]


def test_lambda_buys_what_each_question_is_worth(backbone, router, images):
    adaptive = AdaptiveM3(backbone, router)
    # 576 tokens at 0.001 cost 0.576, which 0.9 - 0.0 pays for; 36 cost 0.036.
    answers = adaptive.generate(images, QUESTIONS, lam=1e-3, max_new_tokens=2)
    assert scales_of(answers) == [1, 36, 576]
    answers = adaptive.generate(images, QUESTIONS, lam=1.0, max_new_tokens=2)
    assert scales_of(answers) == [1, 1, 1]


def test_a_model_that_cuts_images_is_priced_at_its_real_tokens(backbone, images):
    plain = backbone.model.config
    side = plain.vision_config.image_size
    grids = [[side, 2 * side], [2 * side, side]]
    config = LlavaNextConfig(
        vision_config=plain.vision_config,
        text_config=plain.text_config,
        image_token_id=plain.image_token_id,
        image_grid_pinpoints=grids,
        mm_patch_merge_type="flat",
    )
    processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_grid_pinpoints=grids,
    )
    model = LlavaNextForConditionalGeneration(config).eval()
    cutting = M3Backbone(model, backbone.tokenizer, processor)
    router = FakeRouter(cutting.fingerprint, PROBABILITIES[1:2])
    adaptive = AdaptiveM3(cutting, router)
    # Three crops. At 0.01 a token, 36 tokens are worth it (0.8 - 0.36), but 108 are not.
    [answer] = adaptive.generate(images[:1], QUESTIONS[:1], lam=0.01, max_new_tokens=1)
    assert (answer.scale, answer.visual_tokens) == (1, 3)
    [answer] = adaptive.generate(images[:1], QUESTIONS[:1], lam=0.003, max_new_tokens=1)
    assert (answer.scale, answer.visual_tokens) == (36, 108)


def test_several_images_a_question_are_priced_at_the_sum_of_their_tokens(backbone, images):
    router = FakeRouter(backbone.fingerprint, PROBABILITIES[[1, 1]])
    adaptive = AdaptiveM3(backbone, router)
    shown = [images[0], [images[1], images[0], images[2]]]
    # At 0.01 a token, 36 tokens are worth it (0.8 - 0.36), but 108 are not.
    one, three = adaptive.generate(shown, QUESTIONS[:2], lam=0.01, max_new_tokens=2)
    assert [(a.scale, a.visual_tokens) for a in (one, three)] == [(36, 36), (1, 3)]
    first, second, third = backbone.encode(images)
    [direct] = backbone.generate([[second, first, third]], QUESTIONS[1:2], 1, max_new_tokens=2)
    assert three.answer.token_ids == direct.token_ids
    [(coarse, _)] = router.seen
    alone = backbone.coarse_tokens([first, second, third])
    np.testing.assert_allclose(coarse[1], alone.mean(0), atol=2e-3)
    with pytest.raises(ValueError, match="question 1 needs at least one image, got an empty list"):
        adaptive.generate([images[0], []], QUESTIONS[:2], lam=0.01)


def test_a_budget_becomes_the_lambda_of_the_calibration_split(backbone, router, images):
    adaptive = AdaptiveM3(backbone, router)
    for budget, expected in [(1, [1, 1, 1]), (72, [1, 36, 576]), (9999, [1, 36, 576])]:
        answers = adaptive.generate(images, QUESTIONS, budget=budget, max_new_tokens=2)
        assert scales_of(answers) == expected
    assert scales_of(adaptive.generate(images, QUESTIONS, budget=1, unit="ms")) == [1, 36, 576]
    with pytest.raises(ValueError, match="budget 0.5 is below the cheapest"):
        adaptive.generate(images, QUESTIONS, budget=0.5)


@pytest.mark.parametrize(("lam", "expected"), [(1e-3, [1, 1, 1]), (None, [576, 576, 576])])
def test_a_certificate_prices_what_the_router_itself_believes(
    backbone, router, images, lam, expected
):
    # Raw, the last two questions are best at 1 token too; no lambda means always the largest.
    facts = {"images": 200, "questions": 800, "split": "", "candidates": "", "most": None}
    claim = Claim("regression", 0.02, 0.1)
    proven = Certificate(claim, lam, **facts, p_values=(), risk=0.0, tokens=1.0)
    answers = AdaptiveM3(backbone, router).generate(images, QUESTIONS, lam=proven, max_new_tokens=1)
    assert scales_of(answers) == expected
    assert answers[1].probabilities[576] == 0.8


def test_what_is_unlike_the_training_split_gets_the_largest_scale(backbone, router, images):
    router.gate = FakeGate()
    adaptive = AdaptiveM3(backbone, router)  # on by default
    answers = adaptive.generate(images, QUESTIONS, lam=1.0, max_new_tokens=1)
    assert scales_of(answers) == [1, 576, 1]
    assert [answer.unfamiliar for answer in answers] == [False, True, False]
    assert [answer.fell_back for answer in answers] == [False, True, False]
    unasked = AdaptiveM3(backbone, router, outlier=0.0)
    answers = unasked.generate(images, QUESTIONS, lam=1.0, max_new_tokens=1)
    assert not any(answer.unfamiliar for answer in answers)
    forced = adaptive.generate(images, QUESTIONS, scales=9, max_new_tokens=1)
    assert not any(answer.fell_back for answer in forced)


def test_a_router_without_a_gate_cannot_tell(backbone, router, caplog):
    router.gate = None
    with caplog.at_level("WARNING"):
        assert AdaptiveM3(backbone, router).outlier == 0
    assert caplog.messages == [
        "this router cannot tell unfamiliar inputs; train it again if it should"
    ]
    with pytest.raises(ValueError, match="this router has no density gate"):
        AdaptiveM3(backbone, router, outlier=0.01)


@pytest.mark.parametrize("scales", [9, [144, 1, 9], np.array([144, 1, 9])], ids=str)
def test_scales_may_be_forced(backbone, router, images, scales):
    adaptive = AdaptiveM3(backbone, router)
    answers = adaptive.generate(images, QUESTIONS, scales=scales, max_new_tokens=2)
    assert scales_of(answers) == np.broadcast_to(scales, 3).tolist()
    assert answers[1].probabilities[576] == 0.8


def test_answers_are_those_of_the_backbone_at_the_chosen_scales(backbone, router, images):
    answers = AdaptiveM3(backbone, router).generate(images, QUESTIONS, lam=1e-3, max_new_tokens=3)
    direct = backbone.generate(backbone.encode(images), QUESTIONS, [1, 36, 576], max_new_tokens=3)
    for answer, expected, row in zip(answers, direct, PROBABILITIES, strict=True):
        assert answer.answer.token_ids == expected.token_ids
        assert (answer.text, answer.visual_tokens) == (expected.text, expected.visual_tokens)
        assert answer.probabilities == dict(zip(TOKEN_SCALES, row.tolist(), strict=True))
        assert answer.router_ms > 0


def test_a_router_of_states_needs_an_engine_that_gives_them(backbone, monkeypatch):
    router = FakeRouter(backbone.fingerprint)
    router.extras = ("state",)
    AdaptiveM3(backbone, router)
    monkeypatch.setattr(backbone._engine, "gives_states", False)
    with pytest.raises(ValueError, match="reads the model's state .* use the built-in engine"):
        AdaptiveM3(backbone, router)


def test_one_vision_pass_and_one_call_of_the_router(backbone, router, images):
    rows = []
    hook = backbone.model.model.vision_tower.register_forward_hook(
        lambda module, args, output: rows.append(len(output.last_hidden_state))
    )
    try:
        adaptive = AdaptiveM3(backbone, router)
        adaptive.generate([images[0]] * 3, QUESTIONS, budget=72, max_new_tokens=1)
    finally:
        hook.remove()
    assert rows == [1]
    [(coarse, question)] = router.seen
    assert coarse.shape == (3, 10, backbone.hidden_size)
    assert question.shape == (3, backbone.hidden_size)


def test_the_router_sees_what_labelling_would_have_stored(backbone, router, images):
    AdaptiveM3(backbone, router).generate(images, QUESTIONS, budget=72, max_new_tokens=1)
    [(coarse, question)] = router.seen
    stored = backbone.coarse_tokens(backbone.encode(images)).astype(np.float16)
    np.testing.assert_array_equal(coarse, stored.astype(np.float32))
    stored = backbone.question_embedding(QUESTIONS).astype(np.float16)
    np.testing.assert_array_equal(question, stored.astype(np.float32))


def test_nothing_in_nothing_out(backbone, router):
    assert AdaptiveM3(backbone, router).generate([], [], budget=72) == []


def test_a_router_of_another_checkpoint_is_refused(backbone):
    with pytest.raises(ValueError, match="trained for checkpoint 'feedbeef', the model is"):
        AdaptiveM3(backbone, FakeRouter("feedbeef"))


def test_a_router_of_other_scales_is_refused(backbone, router):
    router.scales = (1, 64)
    with pytest.raises(ValueError, match=r"chooses among scales \(1, 64\), the model has \(1, 9"):
        AdaptiveM3(backbone, router)


@pytest.mark.parametrize("points", POINTS, ids=str)
def test_just_one_operating_point_is_given(backbone, router, images, points):
    with pytest.raises(ValueError, match="give just one of budget, lam and scales|unit goes with"):
        AdaptiveM3(backbone, router).generate(images, QUESTIONS, **points)


def test_bad_input_is_refused(backbone, router, images):
    adaptive = AdaptiveM3(backbone, router)
    with pytest.raises(ValueError, match="got 2 images for 3 questions"):
        adaptive.generate(images[:2], QUESTIONS, budget=72)
    with pytest.raises(ValueError, match="the question is empty"):
        adaptive.generate(images[:1], [" "], budget=72)
    with pytest.raises(ValueError, match="illegal scale 10: choose one of 1, 9, 36, 144, 576"):
        adaptive.generate(images[:1], QUESTIONS[:1], scales=10)
    with pytest.raises(ValueError, match="lambda must be a finite number of at least 0"):
        adaptive.generate(images[:1], QUESTIONS[:1], lam=-1.0)
    with pytest.raises(ValueError, match="image 0 is 4x4 pixels"):
        adaptive.generate([Image.new("RGB", (4, 4))], QUESTIONS[:1], budget=72)


def make_split(name, width, count=60):
    rng = np.random.default_rng(len(name))
    need = rng.integers(0, 5, count)
    coarse = rng.normal(size=(count, 10, width)).astype(np.float32)
    coarse[:, 0, 0] += 4 * need
    return TrainData(
        sample_ids=np.array([f"{name}-{i}" for i in range(count)]),
        image_ids=np.array([f"{name}-image-{i}" for i in range(count)]),
        groups=np.array(["all"] * count),
        coarse=coarse,
        question=rng.normal(size=(count, width)).astype(np.float32),
        scores=(np.arange(5) >= need[:, None]).astype(np.float64),
        tokens=np.broadcast_to(np.array(TOKEN_SCALES, np.float64), (count, 5)),
        scales=TOKEN_SCALES,
    )


def test_checkpoint_and_router_open_from_their_folders(parts, backbone, images, tmp_path):
    model, _, processor = parts
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    width = backbone.hidden_size
    bundle = train_bundle(
        make_split("train", width),
        make_split("calibration", width),
        TrainSettings(kind="linear"),
        {"checkpoint": M3Backbone.from_pretrained(tmp_path / "model").fingerprint},
    )
    bundle.save(tmp_path / "router")
    adaptive = AdaptiveM3.from_pretrained(tmp_path / "model", tmp_path / "router")
    answers = adaptive.generate(images, QUESTIONS, budget=72, max_new_tokens=2)
    assert set(scales_of(answers)) <= set(TOKEN_SCALES)
    for answer in answers:
        assert list(answer.probabilities) == list(TOKEN_SCALES)
        assert all(0 <= p <= 1 for p in answer.probabilities.values())
    dataclasses.replace(bundle, meta={"checkpoint": "other"}).save(tmp_path / "router")
    with pytest.raises(ValueError, match="the router was trained for checkpoint 'other'"):
        AdaptiveM3.from_pretrained(tmp_path / "model", tmp_path / "router")


def test_a_missing_router_is_found_out_before_the_model_is_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="no router in .*router"):
        AdaptiveM3.from_pretrained(tmp_path / "no-model-either", tmp_path / "router")
