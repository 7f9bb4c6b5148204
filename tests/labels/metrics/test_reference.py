"""The loss of the right answer: which answer that is, and where it goes."""

from dataclasses import replace

import numpy as np
import pytest

from labels.labelling.run import label
from labels.metrics.registry import reference_text
from labels.oracle import pick_by_rules
from labels.outcomes.table import read_outcomes
from labels.questions import Question

pytestmark = pytest.mark.usefixtures("skip_waiting_for_the_disk")


def test_one_answer_stands_for_all():
    asked = Question("q", "i", "What?", ("a", "b", "b"), "vqa")
    assert reference_text(asked) == "b"
    assert reference_text(replace(asked, answers=("a", "b"))) == "a"
    choice = replace(asked, metric="choice", choices=("x", "y", "z"), answers=("z",))
    assert reference_text(choice) == "C"


def test_losses_go_into_the_table_and_rank_scales(tmp_path, toy):
    class Likely(toy.Answerer):
        def reference_losses(self, pyramids, questions, answers, scale):
            """Losses are lowest at nine tokens, and high at every scale for `unknown`."""
            return [
                abs(scale - 9) + shade + 100 * (answer == "unknown")
                for shade, answer in zip(pyramids, answers, strict=True)
            ]

    settings = replace(toy.small, losses=True)
    folder = label(toy.make_questions(), Likely(), tmp_path / "run", settings, False)
    table = read_outcomes(folder)
    row = table.sample_ids.tolist().index("q3-2")
    assert table.losses[row].tolist() == [8 + 103, 103, 27 + 103]
    picked = pick_by_rules(table.scores, table.visual_tokens, table.answers, losses=table.losses)
    assert np.array_equal(picked["loss-ranking"], np.ones(15))
    without = read_outcomes(label(toy.make_questions(), toy.Answerer(), tmp_path / "no", toy.small))
    assert without.losses is None
    with pytest.raises(ValueError, match="losses is 1 there but 0 now"):
        label(toy.make_questions(), toy.Answerer(), folder, toy.small)
