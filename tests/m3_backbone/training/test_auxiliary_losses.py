"""The losses that give a model from scratch its bearings: words by patches, attention on them."""

import copy

import pytest
import torch

from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.training.auxiliary_losses import (
    HEADS,
    LAYER,
    align_loss,
    find_places,
    ground_loss,
    watched_layer,
)
from m3_backbone.training.finetune import Batch, matryoshka_step
from m3_backbone.training.losses import scale_loss
from m3_backbone.training.mini import build_mini, train_tokenizer
from m3_backbone.training.packing import pack_texts
from m3_backbone.training.settings import FinetuneSettings

TURNS = [[("What colour is the star?", "red"), ("How many rows?", "4")], [("Where is it?", "top")]]


@pytest.fixture(scope="module")
def model():
    return build_mini(train_tokenizer([turn for turns in TURNS for turn in turns]), seed=1)


@pytest.fixture(scope="module")
def text(model):
    tokenizer = train_tokenizer([turn for turns in TURNS for turn in turns])
    return pack_texts(PromptBuilder(tokenizer, model.config.image_token_id), TURNS)


@pytest.fixture
def tokens():
    return torch.randn(2, 576, 192, generator=torch.Generator().manual_seed(0))


def mark(row, question, patches):
    places = torch.zeros(2, 2, 576, dtype=torch.bool)
    places[row, question, patches] = True
    return places


def attention_on(model, tokens, text, scale, patches, row):
    """Read the share of visual attention off the model's own eager attention."""
    embed = model.get_input_embeddings()
    front, turn = text.before, text.blocks[row] == 0
    inputs = torch.cat([embed(front), tokens[row], embed(text.ids[row][turn])])[None]
    language = model.model.language_model
    language.set_attn_implementation("eager")
    weights = language(inputs_embeds=inputs, output_attentions=True).attentions[LAYER][0]
    language.set_attn_implementation("sdpa")
    asked = torch.nonzero(text.labels[row][turn] != -100)[:, 0] + len(front) + scale
    attention = weights[list(HEADS)][:, asked, len(front) : len(front) + scale]
    return attention[..., patches].sum(-1) / attention.sum(-1)


def test_the_loss_is_what_the_models_own_attention_says(model, text, tokens):
    patches = [3, 4, 100]
    with torch.no_grad(), watched_layer(model) as watched:
        scale_loss(model, tokens, text, 576)
        loss = ground_loss(model, watched, text, mark(0, 0, patches), 576)
        expected = -attention_on(model, tokens, text, 576, patches, 0).log().mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)


def test_pooling_keeps_the_cells_that_hold_a_marked_patch(model, text, tokens):
    with torch.no_grad(), watched_layer(model) as watched:
        scale_loss(model, tokens, text, 36)
        everywhere = ground_loss(model, watched, text, mark(0, 0, range(576)), 36)
        corner = ground_loss(model, watched, text, mark(0, 0, [0]), 36)
        block = ground_loss(model, watched, text, mark(0, 0, [0, 1, 24, 25]), 36)
    assert everywhere.item() == pytest.approx(0, abs=1e-5)
    assert corner.item() == block.item() > 1


def test_a_question_about_nothing_costs_nothing(model, text, tokens):
    with watched_layer(model) as watched:
        scale_loss(model, tokens, text, 36)
    assert (
        ground_loss(model, watched, text, torch.zeros(2, 2, 576, dtype=torch.bool), 36).item() == 0
    )


def test_grounding_moves_the_queries_and_the_hook_is_gone(model, text, tokens):
    trained, plain = copy.deepcopy(model), copy.deepcopy(model)
    batch = Batch(tokens, text, places=mark(1, 0, [7]))
    for one, weight in ((trained, 1.0), (plain, 0.0)):
        one.model.vision_tower.requires_grad_(False)
        # Features, not pixels: the projector stands in front of the language model.
        matryoshka_step(one, batch, (576,), FinetuneSettings(0, 1, 1, ground_weight=weight))
        assert not one.model.language_model.layers[LAYER]._forward_pre_hooks
    name = f"model.language_model.layers.{LAYER}.self_attn.q_proj.weight"
    assert not torch.allclose(
        trained.get_parameter(name).grad, plain.get_parameter(name).grad, atol=1e-6
    )


def test_tokens_on_their_words_align(model):
    words = model.get_input_embeddings().weight
    ids = (-1, 20, 30, 40)
    content = torch.tensor([[1, 2, 3, 0]])
    tokens = torch.stack([words[20], words[30], words[40], words[50]])[None].detach()
    assert align_loss(model, 3 * tokens, content, ids).item() < 0.01
    wrong = align_loss(model, tokens[:, [1, 2, 0, 3]], content, ids)
    assert wrong.item() > 5
    nothing = align_loss(model, tokens, torch.zeros_like(content), ids)
    assert nothing.item() == 0
    assert align_loss(model, tokens, content, (-1,) * len(ids)).item() == 0


def test_a_patch_may_count_for_one_token_from_the_end_alone(text):
    places = mark(0, 0, [5]).to(torch.int8)
    places[0, 0, 9] = 2
    row, token, right = find_places(text, places, torch.device("cpu"))
    answer = torch.nonzero((text.blocks[0] == 0) & (text.labels[0] != -100))[:, 0]
    assert row.tolist() == [0] * len(answer) and token.tolist() == answer.tolist()
    # The last label is the end token, the one before it the answer's last.
    assert right[:, 5].all()
    assert right[:, 9].tolist() == [False] * (len(answer) - 2) + [True, False]
