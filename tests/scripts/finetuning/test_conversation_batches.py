"""Batches of conversations depend on their number alone, also where there is no image."""

import json

import pytest
import torch
from PIL import Image

from labels.sources.llava_conversations import read_conversations
from m3_backbone.checkpoints.source import CheckpointSource
from scripts.finetuning.batches import conversation_batches
from scripts.finetuning.start import open_start


@pytest.fixture
def draw(tiny_model, tmp_path):
    entries = []
    for place, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (40, 30), colour).save(tmp_path / f"{place}.png")
        turns = [("human", "<image>\nwhat ?"), ("gpt", f"w{20 + place}")]
        talk = [{"from": role, "value": text} for role, text in turns]
        entries.append({"id": place, "image": f"{place}.png", "conversations": talk})
    turns = [{"from": "human", "value": "where ?"}, {"from": "gpt", "value": "w30 w31"}]
    entries.append({"id": 3, "conversations": turns})
    path = tmp_path / "mix.json"
    path.write_text(json.dumps(entries))
    start = open_start(CheckpointSource(tiny_model), 0, "cpu", scales=(1, 576))
    conversations = read_conversations(path, tmp_path)

    def build(size, max_length=700):
        return conversation_batches(start, conversations, size, max_length, seed=0)

    return build


def test_every_epoch_has_each_conversation_once_in_another_order(draw):
    batches = draw(1)
    answers = [
        [label for label in batches(i).text.rows[0][1] if label != -100][0] for i in range(16)
    ]
    epochs = [answers[i : i + 4] for i in range(0, 16, 4)]
    assert all(sorted(epoch) == sorted(answers[:4]) for epoch in epochs)
    assert len(set(answers)) == 4
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_batch_depends_on_its_number_alone(draw):
    batches = draw(2)
    later = batches(5)
    batches(0)
    again = batches(5)
    assert later.text == again.text
    assert torch.equal(later.images, again.images)


def test_text_alone_comes_with_an_image_that_nobody_reads(draw):
    batches = [draw(1)(number) for number in range(4)]
    (alone,) = [batch for batch in batches if not batch.text.sizes]
    assert alone.images.shape == (1, 3, 96, 96)
    assert all(batch.text.sizes == ((40, 30),) for batch in batches if batch is not alone)
    (whole,) = [draw(4)(0)]
    assert whole.images.shape == (3, 3, 96, 96)


def test_what_does_not_fit_is_dropped_with_its_image(draw):
    batch = draw(4, max_length=500)(0)
    assert batch.text.dropped == 3
    assert batch.text.sizes == ()
    assert batch.text.answer_tokens() == 3  # two words and the end
