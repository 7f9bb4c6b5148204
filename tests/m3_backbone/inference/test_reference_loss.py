from dataclasses import replace

import pytest

from m3_backbone.training.losses import scale_loss
from m3_backbone.training.packing import pack_texts

TURNS = [("red cat ?", "w3"), ("where is the dog ?", "w5 w6 w7"), ("big ?", "w9")]


@pytest.mark.parametrize("scale", [1, 36])
def test_losses_are_those_of_fine_tuning_answer_by_answer(backbone, pyramids, scale):
    questions, answers = zip(*TURNS, strict=True)
    chosen = [pyramids[i % len(pyramids)] for i in range(len(TURNS))]
    losses = backbone.reference_losses(chosen, questions, answers, scale)
    full = max(backbone.scales)
    for loss, pyramid, turn in zip(losses, chosen, TURNS, strict=True):
        text = pack_texts(backbone._engine.prompts, [[turn]])
        alone = scale_loss(backbone.model, pyramid[full][None], text, scale)
        assert loss == pytest.approx(alone.item(), rel=1e-4)


def test_lists_must_match(backbone, pyramids):
    with pytest.raises(ValueError, match="as many answers as questions"):
        backbone.reference_losses(pyramids[:1], ["red ?"], [], 1)


def test_a_model_that_reads_both_ways_is_refused(backbone, pyramids, monkeypatch):
    both_ways = replace(backbone._engine.host, reads_both_ways=True)
    monkeypatch.setattr(backbone._engine, "host", both_ways)
    with pytest.raises(ValueError, match="llava, which reads a prompt both ways"):
        backbone.reference_losses(pyramids[:1], ["red ?"], ["w1"], 1)
