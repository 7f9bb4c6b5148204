"""Two real servers under a small load, and what is told of it."""

import asyncio
import json

import numpy as np
import pytest

from labels.sources.loading import load_questions
from m3_backbone.backbone import M3Backbone
from predictor.data import TrainData
from predictor.training.train import TrainSettings, train_bundle
from scripts.benchmarks.serve.__main__ import main
from scripts.benchmarks.serve.load import Server, ask_all, write_bodies

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    """A router of m3-mini that finds few tokens enough for half of what is asked."""
    backbone = M3Backbone.from_pretrained("m3-mini")
    source = load_questions("scenes:calibration", limit=8)
    asked = list(source)
    enough = np.arange(len(asked)) % 2 * 4
    data = TrainData(
        sample_ids=np.array([one.sample_id for one in asked]),
        image_ids=np.array([one.image_id for one in asked]),
        groups=np.full(len(asked), "any"),
        coarse=backbone.coarse_tokens(backbone.encode([source.image(o.image_id) for o in asked])),
        question=backbone.question_embedding([one.question for one in asked]),
        scores=(enough[:, None] <= np.arange(5)).astype(np.float64),
        tokens=np.tile(np.array(backbone.scales, np.float64), (len(asked), 1)),
        scales=backbone.scales,
    )
    meta = {"checkpoint": backbone.fingerprint}
    bundle = train_bundle(data, None, TrainSettings(kind="linear"), meta)
    return bundle.save(tmp_path_factory.mktemp("load") / "router")


def test_both_servers_are_measured_on_the_same_questions(runner, router, tmp_path):
    path = tmp_path / "serve.json"
    options = ["--router", str(router), "--questions", "4", "--clients", "4", "--rounds", "1"]
    done = runner.invoke(main, [*options, "--max-new-tokens", "4", "--json", str(path)])
    assert done.exit_code == 0, (done.output, done.exc_info)
    told = json.loads(path.read_text())
    [adaptive], [fixed] = told["ways"]["adaptive, 72"], told["ways"]["always 576"]
    assert fixed["visual_tokens"] == 576 > adaptive["visual_tokens"]
    assert fixed["requests"] == adaptive["requests"] > 4
    assert 0 < fixed["p50_ms"] <= fixed["p95_ms"] <= fixed["p99_ms"]
    assert told["times"] == pytest.approx(adaptive["per_second"] / fixed["per_second"])
    assert "times as many answers a second" in done.output


def test_a_reply_that_is_none_ends_the_benchmark():
    asked = load_questions("scenes:test", limit=1)
    [body, *_] = write_bodies(asked, "m3-mini", 4)
    with pytest.raises(OSError, match="127.0.0.1:9/v1 did not answer"):
        asyncio.run(ask_all(Server("m3-mini", "http://127.0.0.1:9/v1", None), [body], 1))
