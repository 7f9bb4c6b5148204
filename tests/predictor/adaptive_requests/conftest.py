"""One model and one router for all, and each request's answer when it is alone."""

import pytest

from m3_backbone.backbone import M3Backbone
from predictor.adaptive import AdaptiveM3
from tests.predictor.adaptive_requests.making import make_request, make_router


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
