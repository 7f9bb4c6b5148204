import json
import shutil

import pytest

from m3_backbone.checkpoints.official.tokenizer import (
    open_tokenizer,
    set_template,
)
from m3_backbone.hosts.vicuna import SYSTEM, VICUNA_TEMPLATE
from m3_backbone.inference.prompts import PromptBuilder, pack_turns

SPACE = "\u2581"


@pytest.fixture(scope="module")
def tokenizer(official_folder):
    opened = open_tokenizer(official_folder)
    set_template(opened)
    return opened


def test_the_image_token_comes_behind_the_vocabulary(tokenizer):
    assert tokenizer.image_token == "<image>"
    assert tokenizer.convert_tokens_to_ids("<image>") == 300
    assert len(tokenizer) == 301
    assert tokenizer.padding_side == "left"
    assert tokenizer.pad_token == "<unk>"


def test_a_question_in_vicuna_v1(tokenizer):
    prompts = PromptBuilder(tokenizer, 300)
    assert prompts.render("cat") == f"{SYSTEM} USER: <image>\ncat ASSISTANT:"
    prompt = prompts.tokenize("cat")
    # A lone space ends the piece before the image, another begins the one behind it.
    assert tokenizer.convert_ids_to_tokens(list(prompt.before))[0] == "<s>"
    assert tokenizer.convert_ids_to_tokens(list(prompt.before))[-3:] == [
        *(f"{SPACE}USER", "<0x3A>", SPACE)
    ]
    assert tokenizer.convert_ids_to_tokens(list(prompt.after))[:3] == [SPACE, "<0x0A>", "cat"]


def test_an_answer_has_one_space_in_front(tokenizer):
    prompts = PromptBuilder(tokenizer, 300)
    ids, labels = pack_turns(prompts, [("what", "cat")])[0]
    assert tokenizer.convert_ids_to_tokens(labels[-2:]) == [f"{SPACE}cat", "</s>"]
    assert set(labels[:-2]) == {-100}
    assert ids[:-1] == list(prompts.tokenize("what").after)
    assert tokenizer.convert_ids_to_tokens(ids[-2:]) == ["<0x3A>", f"{SPACE}cat"]


def test_several_turns(tokenizer):
    turns = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "what"}, {"type": "image"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "a cat"}]},
        {"role": "user", "content": "where"},
    ]

    def render(messages, prompt):
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)

    talk = "USER: <image>\nwhat ASSISTANT: a cat</s>"
    assert render(turns, True) == f"{SYSTEM} {talk}USER: where ASSISTANT:"
    assert render(turns[:2], False) == f"{SYSTEM} {talk}"
    system = [{"role": "system", "content": "Be brief."}]
    assert render(system + turns[:2], False) == f"Be brief. {talk}"


def test_a_saved_tokenizer_opens_alike(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = open_tokenizer(tmp_path)
    text = "USER: <image>\ncat</s>USER"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.chat_template == VICUNA_TEMPLATE
    again.chat_template = "mine <image>"
    set_template(again)
    assert again.chat_template == "mine <image>"


def test_added_tokens_keep_their_ids(official_folder, tmp_path):
    shutil.copyfile(official_folder / "tokenizer.model", tmp_path / "tokenizer.model")
    extra = tmp_path / "added_tokens.json"
    extra.write_text(json.dumps({"<two>": 301, "<one>": 300}))
    opened = open_tokenizer(tmp_path)
    assert opened.convert_tokens_to_ids(["<one>", "<two>", "<image>"]) == [300, 301, 302]
    extra.write_text(json.dumps({"<one>": 400}))
    with pytest.raises(ValueError, match="gives '<one>' an id that does not follow"):
        open_tokenizer(tmp_path)
    extra.write_text('{"<one>": "x"}')
    with pytest.raises(ValueError, match="must map tokens to ids"):
        open_tokenizer(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no tokenizer\.model and no tokenizer\.json"):
        open_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="tokenizer that can be opened"):
        open_tokenizer(tmp_path)
