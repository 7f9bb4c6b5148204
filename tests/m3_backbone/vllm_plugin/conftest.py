"""vLLM on a CPU, started once for the tests of a module; make test-vllm sets its variables."""

from types import SimpleNamespace

import pytest

from labels.sources.loading import load_questions
from m3_backbone.backbone import M3Backbone

IMAGES = 34
"""Of the test split; some 200 questions, which take 1000 answers at five scales."""


@pytest.fixture(scope="session")
def open_llm():
    """Start vLLM on a checkpoint, with settings that small models on a CPU want."""
    opened = []

    def start(folder, **changes):
        from vllm import LLM

        while opened:  # memory for one at a time
            opened.pop().llm_engine.engine_core.shutdown()
        settings = {
            "dtype": "float32",
            "max_model_len": 1024,
            "block_size": 32,
            "enforce_eager": True,
            "max_num_seqs": 64,
            "enable_mm_embeds": True,
            "limit_mm_per_prompt": {"image": 2},
        }
        opened.append(LLM(model=str(folder), **{**settings, **changes}))
        return opened[-1]

    yield start
    while opened:
        opened.pop().llm_engine.engine_core.shutdown()


@pytest.fixture(scope="session")
def mini():
    """m3-mini, questions of the test split, and what M3Backbone answers at every scale."""
    backbone = M3Backbone.from_pretrained("m3-mini")
    questions = load_questions("scenes:test", limit=IMAGES)
    groups = questions.by_image()
    images = [questions.image(group[0].image_id) for group in groups]
    texts = [[question.question for question in group] for group in groups]
    pyramids = backbone.encode(images)
    answers = {
        (image, place, scale): answer
        for scale in backbone.scales
        for image, row in enumerate(backbone.answer_images(pyramids, texts, scale))
        for place, answer in enumerate(row)
    }
    return SimpleNamespace(
        backbone=backbone, images=images, texts=texts, pyramids=pyramids, answers=answers
    )
