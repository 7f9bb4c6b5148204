"""LLaVA's conversation format: what is read, and one line for everything that is wrong with it."""

import json

import pytest

from labels.sources.llava_conversations import Conversation, read_conversations

ASK = {"from": "human", "value": "<image>\nWhat is it?"}
TELL = {"from": "gpt", "value": "A cat."}


def entry(*messages, **fields):
    return {"id": "a", "conversations": list(messages), **fields}


@pytest.fixture
def read(tmp_path):
    for name in ("x.png", "y.png"):
        (tmp_path / name).write_bytes(b"not opened here")

    def run(content):
        text = content if isinstance(content, str) else json.dumps(content)
        path = tmp_path / "mix.json"
        path.write_text(text, encoding="utf-8")
        return read_conversations(path, tmp_path)

    run.folder = tmp_path
    return run


def test_turns_and_images(read):
    more = {"from": "human", "value": "And\nits colour?"}
    one, two, three = read(
        [
            entry(ASK, TELL, more, TELL, image="x.png"),
            entry({"from": "human", "value": "Hi"}, TELL),
            entry(
                {"from": "human", "value": "Compare <image>\n<image>"},
                TELL,
                image=["x.png", "y.png"],
            ),
        ]
    )
    assert one == Conversation(
        (read.folder / "x.png",), ((1, "What is it?", "A cat."), (0, "And\nits colour?", "A cat."))
    )
    assert two == Conversation((), ((0, "Hi", "A cat."),))
    assert three.turns == ((2, "Compare", "A cat."),)
    assert three.images == (read.folder / "x.png", read.folder / "y.png")


def test_what_has_no_counterpart_is_left_out(read):
    late = {"from": "human", "value": "<image>"}
    (one,) = read([entry(TELL, ASK, TELL, late, image=["x.png", "y.png"])])
    assert one == Conversation((read.folder / "x.png",), ((1, "What is it?", "A cat."),))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "mix.json is not JSON"),
        ({}, "must hold a list of conversations"),
        ([], "with at least one entry"),
        ([{"id": 1}], "entry 0 of .*: expected an object with a list of 'conversations'"),
        ([entry(ASK, {"from": "gpt"}, image="x.png")], "'from' and 'value', got {'from': 'gpt'}"),
        ([entry(ASK, {"from": "bot", "value": "x"})], r"entry 0 .*\(id 'a'\): unknown role 'bot'"),
        ([entry(ASK, {"from": "gpt", "value": " "})], "a message of gpt is empty"),
        ([entry(ASK, {"from": "gpt", "value": "<image>"})], "an answer holds <image>"),
        ([entry(ASK, ASK, image="x.png")], r"human and gpt by turns, got \['human', 'human'\]"),
        ([entry(ASK, image="x.png")], "a question and an answer, got 1 messages"),
        ([entry(TELL)], "a question and an answer, got 0 messages"),
        ([entry(ASK, TELL)], "has 0 images and <image> 1 times"),
        ([entry({**ASK, "value": "Hi"}, TELL, image="x.png")], "has 1 images and <image> 0 times"),
        ([entry({**ASK, "value": "<image><image>"}, TELL, image="x.png")], "<image> 2 times"),
        ([entry(ASK, TELL, image=3)], "must be a file name or a list of them, got 3"),
    ],
)
def test_what_is_malformed_is_named(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content)


def test_files_that_are_not_there_are_named(read):
    with pytest.raises(FileNotFoundError, match="entry 1 .*no image file at .*z.png; see --images"):
        read([entry(ASK, TELL, image="x.png"), entry(ASK, TELL, image="z.png")])
    with pytest.raises(FileNotFoundError, match="no conversations at"):
        read_conversations(read.folder / "none.json", read.folder)
