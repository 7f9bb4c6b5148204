"""What is learnt of conversations; the loss is that of the official code and of transformers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from m3_backbone.checkpoints.official.opening import open_official_model
from m3_backbone.checkpoints.official.tokenizer import open_tokenizer, set_template
from m3_backbone.hosts.llava import encode_pixels
from m3_backbone.inference.prompts import IGNORED, PromptBuilder, pack_turns
from m3_backbone.training.conversations import (
    ConversationText,
    cut_row,
    pack_conversations,
    tokenize_turns,
)
from m3_backbone.training.losses import scale_loss

IMAGE_ID = 3
MINI = Path(__file__).parents[3] / "models" / "m3-mini"
TURNS = [(1, "what is the cat?", "red"), (0, "how many?", "big dog")]
WHOLE = (
    "<s> USER : <image> what is the cat ? ASSISTANT : [red </s>] USER : how many ? ASSISTANT : "
    "[big dog </s>]"
)
LIKE_LLAVA_HF = (
    "{% for m in messages %}{{ m['role'].upper() + ': ' }}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] + ' ' }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


@pytest.fixture
def prompts(tokenizer):
    return PromptBuilder(tokenizer, IMAGE_ID)


def show(tokenizer, row):
    """The tokens of a row, with brackets around each stretch that is learnt."""
    words, inside = [], False
    for one, label in zip(*row, strict=True):
        assert label in (one, IGNORED)
        word = tokenizer.convert_ids_to_tokens(one)
        word = f"[{word}" if label == one and not inside else word
        inside = label == one
        # An answer ends with its </s>.
        words.append(f"{word}]" if inside and word.endswith("</s>") else word)
        inside = inside and not word.endswith("</s>")
    return " ".join(words)


@pytest.mark.parametrize("template", [None, LIKE_LLAVA_HF])
def test_answers_and_their_ends_are_learnt(prompts, template):
    prompts.tokenizer.chat_template = template or prompts.tokenizer.chat_template
    assert show(prompts.tokenizer, tokenize_turns(prompts, TURNS)) == WHOLE


def test_one_turn_and_no_image(prompts):
    one = tokenize_turns(prompts, TURNS[:1])
    assert show(prompts.tokenizer, one) == WHOLE.split("]")[0] + "]"
    text = tokenize_turns(prompts, TURNS[1:])
    expected = "<s> USER : how many ? ASSISTANT : [big dog </s>]"
    assert show(prompts.tokenizer, text) == expected


def test_answers_end_as_the_template_ends_them_in_one_turn_as_in_many(tokenizer):
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + ' : ' }}{% for part in m['content'] %}"
        "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{{ '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}assistant : {% endif %}"
    )
    prompts = PromptBuilder(tokenizer, IMAGE_ID)
    ends = [tokenizer.convert_tokens_to_ids(word) for word in ("red", "<|im_end|>")]
    asked = [(1, "what ?", "red"), (0, "how many ?", "red")]
    for turns in (asked, asked[:1]):
        labels = tokenize_turns(prompts, turns)[1]
        assert [label for label in labels if label != IGNORED] == ends * len(turns)
    [(ids, labels)] = pack_turns(prompts, [("what ?", "red")])
    assert [label for label in labels if label != IGNORED] == ends
    # What is read is what the model reads when it is asked.
    assert ids[:-1] == list(prompts.tokenize("what ?").after)


def test_vicuna_v1_as_the_official_preprocessing_masks_it(official_folder):
    tokenizer = open_tokenizer(official_folder)
    set_template(tokenizer)
    prompts = PromptBuilder(tokenizer, 300)
    ids, labels = tokenize_turns(prompts, [(1, "what", "cat"), (0, "where", "in a cat")])
    tokens = tokenizer.convert_ids_to_tokens(ids)
    # The prompt of the first turn is what is asked when answers are wanted.
    asked = prompts.tokenize("what")
    front = [*asked.before, 300, *asked.after]
    assert ids[: len(front)] == front
    space = "\u2581"
    learnt = tokenizer.convert_ids_to_tokens([label for label in labels if label != IGNORED])
    second = [space, *"in", space, "a", f"{space}cat", "</s>"]
    assert learnt == [f"{space}cat", "</s>", *second]
    end = tokens.index("</s>")
    assert end == len(front) + 1
    # Nothing between an end and the next turn, as in `</s>USER:`.
    assert tokens[end + 1].lstrip(space) in ("USER", "")
    assert labels[end + 1] == IGNORED


def test_a_template_that_loses_answers_or_images_is_refused(prompts):
    prompts.tokenizer.chat_template = "{{ messages[-1]['content'][-1]['text'] }}"
    with pytest.raises(
        ValueError, match="go on behind each answer: expected 'what is the cat. red"
    ):
        tokenize_turns(prompts, TURNS)
    with pytest.raises(
        ValueError, match="expected 1 image tokens and 1 ends of answers, got 0 and 1"
    ):
        tokenize_turns(prompts, TURNS[:1])


def test_what_is_too_long_is_cut_at_every_scale_alike(prompts):
    row = tokenize_turns(prompts, TURNS)
    whole = len(row[0]) - 1 + 576
    assert cut_row(row, [576], IMAGE_ID, whole) == row
    shorter = cut_row(row, [576], IMAGE_ID, whole - 1)
    assert shorter == (row[0][:-1], row[1][:-1])
    end = row[0].index(2)  # of the first answer
    first = cut_row(row, [576], IMAGE_ID, end - 1 + 576)
    assert show(prompts.tokenizer, first).endswith("[red")
    assert cut_row(row, [576], IMAGE_ID, end - 2 + 576) == (row[0][:1], [IGNORED])


def test_a_conversation_that_loses_its_answers_is_dropped_and_counted(prompts):
    batch = [(TURNS, [(9, 9)]), (TURNS[1:], [])]
    text = pack_conversations(prompts, batch, lambda size: 576, 100)
    assert text.dropped == 1
    assert text.sizes == ()
    assert text.answer_tokens() == 3
    ids, labels, filled = text.lay_out([])
    assert filled.sum(1).tolist() == [1, len(text.rows[1][0])]
    assert (labels[0] == IGNORED).all()
    assert ids.shape == labels.shape == filled.shape


def test_a_loss_over_nothing_is_zero_and_not_nan(prompts, build_model):
    text = pack_conversations(prompts, [(TURNS, [(9, 9)])], lambda size: 576, 10)
    loss = scale_loss(build_model(), torch.zeros(1, 576, 32), text, 9)
    assert loss.item() == 0.0
    torch.autograd.backward(loss)


def test_the_loss_is_that_of_stock_transformers(prompts, build_model):
    model = build_model()
    batch = [
        (TURNS, [(96, 96)]),
        (TURNS[1:], []),
        ([(2, "red?", "dog"), *TURNS[1:]], [(96, 96)] * 2),
    ]
    text = pack_conversations(prompts, batch, lambda size: 144, 600)
    pixels = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    total = 0.0
    with torch.no_grad():
        tokens = model.model.multi_modal_projector(encode_pixels(model, pixels))
        for place, (ids, labels) in enumerate(text.rows[:2]):
            alone = ConversationText(((ids, labels),), IMAGE_ID, text.sizes[: 1 - place], 0)
            wide, wanted, _ = alone.lay_out([576] * (1 - place))
            picture = {"pixel_values": pixels[:1]} if place == 0 else {}
            stock = model(input_ids=wide, labels=wanted, **picture).loss
            total += alone.answer_tokens() * stock.item()
        pair = ConversationText(text.rows[:2], IMAGE_ID, text.sizes[:1], 0)
        ours = scale_loss(model, tokens[:1], pair, 576)
        assert ours.item() == pytest.approx(total / pair.answer_tokens(), abs=1e-5)
        # Two images in one turn, at a scale that stock transformers does not offer.
        last = ConversationText(text.rows[2:], IMAGE_ID, text.sizes[1:], 0)
        assert last.lay_out([9, 9])[0].eq(IMAGE_ID).sum() == 18
        mixed = scale_loss(model, tokens, text, 9).item() * text.answer_tokens()
        apart = [(pair, tokens[:1]), (last, tokens[1:])]
        parts = [
            scale_loss(model, projected, one, 9).item() * one.answer_tokens()
            for one, projected in apart
        ]
        assert mixed == pytest.approx(sum(parts), abs=1e-4)


@pytest.mark.parametrize("variant", ["llava15", "next_spatial", "next_unpad"])
def test_the_loss_is_that_of_the_official_code(find_golden, variant):
    folder = find_golden(variant)
    model = open_official_model(folder)
    with np.load(folder / "inputs.npz") as first, np.load(folder / "outputs.npz") as second:
        inputs, outputs = dict(first), dict(second)
    if not any(name.startswith("pixel_values") for name in inputs):
        pytest.skip(
            f"pixels of {variant} are only in the whole golden set, they are too large here"
        )
    image, rows, pixels = model.config.image_token_id, [], []
    for i in (0, 1):
        filled = inputs["attention_mask"][i]
        ids = [image if one == -200 else int(one) for one in inputs["input_ids"][i][filled]]
        rows.append((ids, [int(one) for one in inputs["labels"][i][filled]]))
        one = inputs["pixel_values"][[i]] if variant == "llava15" else inputs[f"pixel_values_{i}"]
        pixels.append(torch.tensor(one))
    sizes = tuple((int(width), int(height)) for width, height in inputs["image_sizes"])
    text = ConversationText(tuple(rows), image, sizes, 0)
    with torch.no_grad():
        tokens = model.model.multi_modal_projector(encode_pixels(model, torch.cat(pixels)))
        for scale in (576, 144, 36, 9, 1):
            loss = scale_loss(model, tokens, text, scale).item()
            assert loss == pytest.approx(float(outputs[f"loss_{scale}"]), abs=1e-5)
            labels = text.lay_out([int(n) for n in outputs[f"n_visual_{scale}"]])[1]
            assert labels.tolist() == outputs[f"labels_expanded_{scale}"].tolist()


def test_images_stay_where_a_question_names_them(prompts):
    turns = [(2, "is <image> the <image> ?", "red"), (1, "what ?", "big")]
    assert show(prompts.tokenizer, tokenize_turns(prompts, turns)) == (
        "<s> USER : is <image> the <image> ? ASSISTANT : [red </s>] USER : <image> what ? "
        "ASSISTANT : [big </s>]"
    )


def test_the_marker_is_text_where_there_are_no_images(prompts):
    said = [(0, "is <image> red ?", "the <image> dog")]
    ids, labels = tokenize_turns(prompts, said)
    assert IMAGE_ID not in ids
    spelled = prompts.tokenizer(" < image > ", add_special_tokens=False)["input_ids"]
    assert [label for label in labels if label != IGNORED] == [
        *prompts.tokenizer("the", add_special_tokens=False)["input_ids"],
        *spelled,
        *prompts.tokenizer("dog", add_special_tokens=False)["input_ids"],
        prompts.tokenizer.eos_token_id,
    ]
    packed = pack_conversations(prompts, [(said, [])], lambda size: 1, 99)
    assert packed.sizes == ()


def test_a_marker_is_spelled_as_text_by_a_byte_level_tokenizer():
    tokenizer = AutoTokenizer.from_pretrained(MINI)
    prompts = PromptBuilder(tokenizer, tokenizer.convert_tokens_to_ids("<image>"))
    ids, labels = tokenize_turns(prompts, [(0, "Is <image> red?", "The <image> is.")])
    assert prompts.image_token_id not in ids
    assert "Is <image> red?" in tokenizer.decode(ids)
    assert tokenizer.decode([label for label in labels if label != IGNORED]).strip() == (
        "The <image> is.</s>"
    )
