"""LLaVA's conversation format: what is read, and one line for everything that is wrong with it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels.sources.llava_conversations import NOTES, Conversation, read_conversations

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
    # Several images stay where they are named.
    assert three.turns == ((2, "Compare <image>\n<image>", "A cat."),)
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
        (
            [entry(ASK, {"from": "gpt"}, image="x.png")],
            "'from' and 'value' as text, got {'from': 'gpt'}",
        ),
        ([entry(ASK, {"from": "bot", "value": "x"})], r"entry 0 .*\(id 'a'\): unknown role 'bot'"),
        ([entry(ASK, {"from": "gpt", "value": " "})], "a message of gpt is empty"),
        (
            [entry(ASK, {"from": "gpt", "value": "<image>"}, image="x.png")],
            "an answer holds <image>",
        ),
        ([entry(ASK, ASK, image="x.png")], r"human and gpt by turns, got \['human', 'human'\]"),
        ([entry(ASK, image="x.png")], "a question and an answer, got 1 messages"),
        ([entry(TELL)], "a question and an answer, got 0 messages"),
        ([entry(ASK, TELL, image="")], "has 0 images and <image> 1 times"),
        ([entry({**ASK, "value": "Hi"}, TELL, image="x.png")], "has 1 images and <image> 0 times"),
        ([entry({**ASK, "value": "<image><image>"}, TELL, image="x.png")], "<image> 2 times"),
        ([entry(ASK, TELL, image=["x.png", ""])], "must be a file name or a list of them"),
        ([entry(ASK, TELL, image="x.png", video="c.mp4")], "the key 'video' is not read here"),
        ([entry(ASK, {**TELL, "loss": 0}, image="x.png")], "the key 'loss' is not read here"),
        ([entry({"from": "system", "value": "Be kind."}, ASK, TELL)], "unknown role 'system'"),
        ([entry(ASK, {**TELL, "value": "\ud83d"}, image="x.png")], "holds half a character"),
        ([entry(ASK, TELL, image=3)], "must be a file name or a list of them, got 3"),
    ],
)
def test_what_is_malformed_is_named(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content)


def test_files_that_are_not_there_are_named(read):
    with pytest.raises(
        FileNotFoundError,
        match="entry 1 .*no image file .z.png. in .*; see --images and --skip-bad",
    ):
        read([entry(ASK, TELL, image="x.png"), entry(ASK, TELL, image="z.png")])
    with pytest.raises(FileNotFoundError, match="no conversations at"):
        read_conversations(read.folder / "none.json", read.folder)


def test_text_alone_may_talk_about_a_tag_of_that_name(read):
    about = {"from": "human", "value": "Is <image> valid in SVG?"}
    (one,) = read([entry(about, {"from": "gpt", "value": "<image> is."})])
    assert one == Conversation((), ((0, "Is <image> valid in SVG?", "<image> is."),))


def test_bad_entries_are_counted_where_they_are_left_out(read):
    path = read.folder / "mix.json"
    path.write_text(json.dumps([entry(ASK), entry(ASK, TELL, image="x.png"), 3]))
    bad = []
    (kept,) = read_conversations(path, read.folder, bad)
    assert kept.name == f"entry 1 of {path} (id 'a')"
    assert [message.split(" of ")[0] for message in bad] == ["entry 0", "entry 2"]


@st.composite
def talks(draw):
    """An entry, and what is to be learnt of it: images, and what is asked and answered."""
    words = st.text("aé\u2028<>\\n😀 ", min_size=1, max_size=8).filter(str.strip)
    images, asked, messages = [], [], []
    has_images = draw(st.booleans())
    for _ in range(draw(st.integers(1, 3))):
        question, answer = draw(words), draw(words)
        count = draw(st.integers(0, 3)) if has_images else 0
        parts = [draw(words) for _ in range(count)]
        said = "".join(f"{part}<image>" for part in parts) + question
        messages += [("human", said), ("gpt", answer)]
        images += [f"{draw(st.sampled_from('xy'))}.png" for _ in range(count)]
        asked.append((count, (parts[0] + question).strip() if count == 1 else said, answer))
    if draw(st.booleans()):
        messages = [("gpt", "Hello."), *messages]
    keys = draw(st.sampled_from([("from", "value"), ("role", "content")]))
    names = {"human": "user", "gpt": "assistant"} if keys[0] == "role" else {}
    said = [dict(zip(keys, (names.get(who, who), text), strict=True)) for who, text in messages]
    fields = {"image": images[0] if len(images) == 1 and draw(st.booleans()) else images}
    if not images:
        fields = draw(st.sampled_from([{}, {"image": None}, {"image": ""}, {"image": []}]))
    notes = draw(st.dictionaries(st.sampled_from(["model", "width", "source"]), words))
    return {"id": 1, **fields, **notes, "video": None, "conversations": said}, images, asked


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.data(), st.lists(talks(), min_size=1, max_size=4))
def test_generated_files_keep_their_meaning(tmp_path_factory, data, drawn):
    folder = tmp_path_factory.getbasetemp() / "generated"
    folder.mkdir(exist_ok=True)
    for name in ("x.png", "y.png"):
        (folder / name).touch()
    entries = [one for one, _, _ in drawn]
    escaped = data.draw(st.booleans())
    if data.draw(st.booleans()):
        ends = data.draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
        text = ends.join(json.dumps(one, ensure_ascii=escaped) for one in entries)
    else:
        text = json.dumps(
            entries, ensure_ascii=escaped, indent=data.draw(st.sampled_from([None, 1]))
        )
    path = folder / data.draw(st.sampled_from(["mix.json", "mix.jsonl", "mix"]))
    path.write_bytes(text.encode(data.draw(st.sampled_from(["utf-8", "utf-8-sig"]))))
    read = read_conversations(path, folder)
    assert [list(one.images) for one in read] == [[folder / i for i in own] for _, own, _ in drawn]
    assert [list(one.turns) for one in read] == [asked for _, _, asked in drawn]


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    talks(),
    st.text("abcdefghij_", min_size=3).filter(lambda key: key not in ("id", *NOTES)),
    st.booleans(),
    st.sampled_from(["text", 1, ["a"], {"b": 1}, True]),
)
def test_a_key_that_is_not_read_is_named(tmp_path_factory, drawn, key, inside, value):
    (one, _, _) = drawn
    holder = one["conversations"][0] if inside else one
    folder = tmp_path_factory.getbasetemp() / "generated"
    folder.mkdir(exist_ok=True)
    for name in ("x.png", "y.png"):
        (folder / name).touch()
    path = folder / "mix.json"
    holder[f"{key}"] = value
    path.write_text(json.dumps([one]))
    with pytest.raises(ValueError, match=f"entry 0 of .* the key '{key}' is not read here"):
        read_conversations(path, folder)


def test_a_name_that_no_file_can_have_is_named_in_short(tmp_path):
    turns = [{"from": "human", "value": "<image> a"}, {"from": "gpt", "value": "b"}]
    path = tmp_path / "mix.json"
    path.write_text(json.dumps([{"id": 1, "image": "iVBOR" * 1000, "conversations": turns}]))
    with pytest.raises(FileNotFoundError, match=r"entry 0 .*\(id 1\): no image file 'iV") as caught:
        read_conversations(path, tmp_path)
    assert len(str(caught.value)) < 300 + len(str(tmp_path)) * 2
