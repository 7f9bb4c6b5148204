"""Actors of Ray that label with the fake model: what they raise, and processes that are lost."""

import dataclasses
import os
import sys
import time
from pathlib import Path

import pytest

from labels.labelling.run import label
from labels.labelling.settings import Workers
from labels.outcomes.parts import list_parts

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.ray

TWO = Workers(2)


@pytest.fixture(scope="module")
def spread(toy):
    """A function that labels with two actors, whose model comes of a function of no argument."""
    from labels.labelling.actors import label_with_actors

    # The actors cannot import tests.
    for module in (sys.modules[__name__], sys.modules[toy.Answerer.__module__]):
        ray.cloudpickle.register_pickle_by_value(module)
    make, settings = toy.make_questions, toy.small

    def run(folder, answerer, workers=TWO):
        return label_with_actors(make(), (make, answerer), folder, settings, workers, False)

    return run


def test_two_actors_make_the_same_table(tmp_path, undisturbed, toy, spread):
    slow = toy.Answerer(0.1)
    folder = spread(tmp_path / "run", lambda: slow)
    toy.check_same(folder, undisturbed)
    makers = {one["worker"] for part in list_parts(folder) for one in read_work(part)}
    assert 1 <= len(makers) <= 2
    assert f"-{os.getpid()}" not in "".join(makers)
    # All there is already: nothing is asked again.
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("part-*.npz")}
    spread(folder, lambda: slow)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def read_work(part):
    from labels.outcomes.manifest import read_manifest
    from labels.outcomes.parts import read_work

    return read_work(part, read_manifest(part.folder).run)


def test_what_an_actor_raises_comes_as_it_is(tmp_path, undisturbed, toy, spread):
    @dataclasses.dataclass
    class Broken(toy.Answerer):
        def encode(self, images):
            if any(image.getpixel((0, 0))[0] == 4 for image in images):
                raise OSError(28, "No space left on device")
            return super().encode(images)

    folder = tmp_path / "run"
    with pytest.raises(OSError, match="No space left on device"):
        spread(folder, Broken)
    assert len(list_parts(folder)) < 3
    label(toy.make_questions(), toy.Answerer(), folder, toy.small, progress=False)
    toy.check_same(folder, undisturbed)


def test_a_model_that_cannot_be_opened_is_one_error(tmp_path, spread):
    def refuse():
        raise ValueError("there is no such checkpoint")

    with pytest.raises(ValueError, match="there is no such checkpoint"):
        spread(tmp_path / "run", refuse)


def test_a_lost_process_does_its_part_again_but_not_for_ever(
    tmp_path, undisturbed, toy, spread, monkeypatch
):
    monkeypatch.setattr("labels.labelling.actors.RETRIES", 2)
    losses = tmp_path / "losses"

    @dataclasses.dataclass
    class Deadly(toy.Answerer):
        most: int = 2

        def encode(self, images):
            if any(image.getpixel((0, 0))[0] == 4 for image in images):
                count = int(losses.read_text()) if losses.exists() else 0
                if count < self.most:
                    losses.write_text(str(count + 1))
                    os.kill(os.getpid(), 9)
            return super().encode(images)

    toy.check_same(spread(tmp_path / "twice", Deadly), undisturbed)
    assert losses.read_text() == "2"
    with pytest.raises(OSError, match="a process was lost 3 times at the same work"):
        spread(tmp_path / "always", lambda: Deadly(most=100))


def test_more_gpus_than_there_are_are_refused(tmp_path, toy, spread):
    with pytest.raises(ValueError, match=r"2 workers with 50 GPUs each, and there are \d+"):
        spread(tmp_path / "run", toy.Answerer, Workers(2, gpus_per_worker=50.0))
    assert not Path(tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("auto", "Could not find any running"),
        ("127.0.0.1:1", ".*refused"),
        ("127.0.0.1:99999999999999999999", ".*"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_error(tmp_path, toy, spread, address, reason):
    began = time.monotonic()
    with pytest.raises(OSError, match=f"cannot use Ray at {address}: {reason}"):
        spread(tmp_path / "run", toy.Answerer, Workers(2, ray=address))
    assert time.monotonic() - began < 60
