"""A profile is read through its schema: what does not fit is one line."""

import json
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from PIL import Image

from m3_backbone.backbone import M3Backbone
from m3_backbone.inference import pyramids
from scripts.stages import profile as profiling
from scripts.stages.profile import (
    is_profiled,
    judge_times,
    measure_noise,
    measure_profile,
    read_extras,
    read_note,
    read_profile,
    time_in_turn,
)

OLD = Path(__file__).parents[1] / "old_artefacts" / "profile.json"


def test_an_old_profile_is_read():
    assert read_profile(OLD)["576"] == 270.418
    assert read_extras(OLD) == {"pixels": 8.476, "state": 15.245}
    assert read_note(OLD) == ""


def test_more_tokens_never_cost_less(tmp_path):
    # As it was measured on a busy machine.
    path = tmp_path / "profile.json"
    busy = {"576": 2900.0, "1": 2000.0, "9": 1900.0, "36": 1500.0, "144": 2500.0}
    path.write_text(json.dumps({"scales": {k: {"total_ms": ms} for k, ms in busy.items()}}))
    assert read_profile(path) == {"1": 1800, "9": 1800, "36": 1800, "144": 2500, "576": 2900}
    assert read_note(path) == ""  # 20 %, not yet too much
    busy["36"] = 900.0
    path.write_text(json.dumps({"scales": {k: {"total_ms": ms} for k, ms in busy.items()}}))
    assert "more tokens took less time, by up to 78 % of it" in read_note(path)


def test_a_note_says_what_was_wrong():
    fine = {"1": 10.0, "576": 30.0}
    assert judge_times(fine, None) == judge_times(fine, 0.1) == ""
    assert "the usual time was 40 % above the least; measure again" in judge_times(fine, 0.4)


class Clock:
    """A clock that pieces of work move on, and that a busy machine holds up."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def piece(self, name, *seconds):
        waits = iter(seconds)

        def work():
            self.order.append(name)
            self.now += next(waits)

        return work


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: clock.now)
    return clock


def test_everything_is_timed_once_a_round(clock):
    works = {
        "a": [clock.piece("a0", 9, 1, 3, 1), clock.piece("a1", 9, 2, 2, 2)],
        "b": [clock.piece("b0", 9, 4, 6, 5)],
    }
    times = time_in_turn(works, repeats=3)
    assert clock.order == ["a0", "a1", "b0"] * 4
    assert times["a"].tolist() == [[1000, 2000], [3000, 2000], [1000, 2000]]
    assert times["b"].tolist() == [[4000], [6000], [5000]]
    # Medians 1, 2, 5 over least times 1, 2, 4: the middle one is as usual as the least.
    assert measure_noise(times) == 0
    assert measure_noise({"b": times["b"]}) == pytest.approx(0.25)
    assert measure_noise({"b": times["b"][:1]}) is None


class Backbone:
    """A model whose times are known: 1 s an image, 0.1 s a token read, 2 s a token written."""

    scales = (1, 9)

    def __init__(self, clock):
        self.clock, self.calls = clock, 0

    def _spend(self, seconds):
        self.calls += 1
        # Every fifth call is held up; a round has twelve, so no piece of work is always the one.
        self.clock.now += seconds + 0.5 * (self.calls % 5 == 0)

    def encode(self, images):
        self._spend(len(images))
        return [f"pyramid of {image}" for image in images]

    def generate(self, pyramids, texts, scale, max_new_tokens):
        # At 1 token it says more, which is no matter of the scale.
        count = min(max_new_tokens, 5 if scale == 1 else 3)
        self._spend(0.1 * scale + 2 * (count - 1))
        return [SimpleNamespace(output_tokens=count)]

    def image_statistics(self, image):
        self._spend(0.3)

    def prompt_states(self, pyramids, texts):
        self._spend(0.4)


def test_the_least_times_make_a_profile(clock):
    asked = [SimpleNamespace(image_id="i", question=f"q{k}") for k in range(3)]
    questions = SimpleNamespace(by_image=lambda: [asked], image=lambda image_id: image_id)
    measured = measure_profile(Backbone(clock), questions, repeats=4, max_new_tokens=8)
    assert measured["questions"] == 2
    assert measured["encode_ms"] == 1000
    assert measured["extras_ms"] == {"pixels": 300, "state": 400}
    one, nine = measured["scales"]["1"], measured["scales"]["9"]
    assert (one["prefill_ms"], nine["prefill_ms"]) == (100, 900)
    assert (one["decode_ms"], nine["decode_ms"]) == (2000, 2000)
    assert (one["answer_tokens"], nine["answer_tokens"]) == (5, 3)
    # An answer of 4 tokens, the mean of both, so that the larger scale costs more.
    assert (one["total_ms"], nine["total_ms"]) == (7100, 7900)
    assert (measured["noise"], measured["note"]) == (0, "")


def test_every_edit_is_refused_in_one_line_or_gives_times(tmp_path, edit_json):
    profile = json.loads(OLD.read_text())
    path, refused = tmp_path / "profile.json", 0
    for _, edited in edit_json(profile):
        path.write_text(json.dumps(edited))
        is_profiled(path, profile["checkpoint"], "float32")
        try:
            times = [*read_profile(path).values(), *read_extras(path).values()]
            assert all(type(ms) is float and 0 <= ms <= 1e12 for ms in times)
        except ValueError as error:
            assert "m3scale profile makes a new one" in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100


def test_a_missing_profile_is_named(tmp_path):
    with pytest.raises(click.BadParameter, match="no profile at .*; m3scale profile makes one"):
        read_profile(tmp_path / "none.json")


def test_what_a_device_has_yet_to_do_for_an_image_is_part_of_its_time(monkeypatch, tiny_model):
    backbone = M3Backbone.from_pretrained(tiny_model)
    clock = Clock()

    def read():
        clock.now += 1e-9  # or a time of nothing would have no noise to speak of
        return clock.now

    def wait_for(device):
        clock.now += 5

    monkeypatch.setattr(profiling.time, "perf_counter", read)
    monkeypatch.setattr(pyramids, "wait_for", wait_for)
    asked = [SimpleNamespace(image_id="i", question="q")]
    image = Image.new("RGB", (48, 40))
    questions = SimpleNamespace(by_image=lambda: [asked], image=lambda image_id: image)
    measured = measure_profile(backbone, questions, repeats=2, max_new_tokens=8)
    assert measured["encode_ms"] == 5000
