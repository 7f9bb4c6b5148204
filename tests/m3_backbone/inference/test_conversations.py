import pytest

from m3_backbone.hosts.llava import FALLBACK_TEMPLATE
from m3_backbone.hosts.vicuna import SYSTEM, VICUNA_TEMPLATE
from m3_backbone.inference.conversations import (
    Chat,
    _split_chat,
    render_chat,
    render_turns,
    tokenize_chat,
)
from m3_backbone.inference.prompts import IGNORED, PromptBuilder
from m3_backbone.training.conversations import tokenize_turns

IMAGE_ID = 3
TURNS = ((1, "what is the cat?", "red"), (0, "how many dogs?", "two"), (1, "and the cat?", ""))
CHAT = Chat(TURNS)
CHATML = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' }}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '</s>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
WRONG = {
    "drops it": FALLBACK_TEMPLATE.replace("in messages", "in messages if turn['role'] != 'system'"),
    "as an assistant": FALLBACK_TEMPLATE,
    "writes a list": "{{ messages[0]['content'] }}<image>",
}


@pytest.fixture
def build(tokenizer):
    def build(template):
        tokenizer.chat_template = template
        return PromptBuilder(tokenizer, IMAGE_ID)

    return build


def test_one_question_is_the_prompt_that_labelling_makes(build):
    for template in (FALLBACK_TEMPLATE, VICUNA_TEMPLATE, CHATML):
        prompts = build(template)
        chat = Chat.about("what is the cat?")
        assert render_chat(prompts, chat) == prompts.render("what is the cat?")
        assert tokenize_chat(prompts, chat, [9]) == prompts.tokenize("what is the cat?")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            FALLBACK_TEMPLATE,
            "USER: <image>\nwhat is the cat? ASSISTANT: red</s>USER: how many dogs? ASSISTANT: two"
            "</s>USER: <image>\nand the cat? ASSISTANT:",
        ),
        (
            VICUNA_TEMPLATE,
            f"{SYSTEM} USER: <image>\nwhat is the cat? ASSISTANT: red</s>USER: how many dogs? "
            "ASSISTANT: two</s>USER: <image>\nand the cat? ASSISTANT:",
        ),
        (
            CHATML,
            "<|user|>\n<image>what is the cat?</s>\n<|assistant|>\nred</s>\n<|user|>\n"
            "how many dogs?</s>\n<|assistant|>\ntwo</s>\n<|user|>\n<image>and the cat?</s>\n"
            "<|assistant|>\n",
        ),
    ],
    ids=["llava", "vicuna", "chatml"],
)
def test_images_and_answers_stay_where_they_were(build, template, expected):
    assert render_chat(build(template), CHAT) == expected


def test_a_conversation_is_read_as_it_was_trained(build, tokenizer):
    for template in (FALLBACK_TEMPLATE, VICUNA_TEMPLATE):
        prompts = build(template)
        prompt = tokenize_chat(prompts, CHAT, [1, 1])
        learnt, labels = tokenize_turns(prompts, [*TURNS[:2], (1, "and the cat?", "blue")])
        # The last answer and its end are what is left to say.
        assert learnt[:-2] == prompt.with_image(IMAGE_ID, 2)
        assert labels[-2:] == tokenizer.convert_tokens_to_ids(["blue", "</s>"])


def test_each_place_has_room_for_its_own_images(build):
    prompts = build(FALLBACK_TEMPLATE)
    prompt = tokenize_chat(prompts, CHAT, [4, 2])
    assert prompt.places(6) == [4, 2]
    text = render_chat(prompts, CHAT).replace("<image>", "<image>" * 4, 1)
    last = text.rindex("<image>")
    text = text[:last] + "<image>" + text[last:]
    assert prompt.with_image(IMAGE_ID, 6) == prompts.tokenizer(text)["input_ids"]
    assert prompt.text_tokens() == len(prompt.with_image(IMAGE_ID, 6)) - 6


def test_a_system_stands_where_the_template_has_it(build):
    chat = Chat(TURNS[:1], "be brief")
    told = render_chat(build(VICUNA_TEMPLATE), Chat(((1, "red?", ""),), "be brief"))
    assert told == "be brief USER: <image>\nred? ASSISTANT:"
    told = render_chat(build(CHATML), Chat(((1, "red?", ""),), "be brief"))
    assert told.startswith("<|system|>\nbe brief</s>\n<|user|>\n<image>red?")
    assert chat.places == 1


@pytest.mark.parametrize("template", WRONG.values(), ids=WRONG)
def test_a_template_that_knows_no_system_is_told_so(build, template):
    with pytest.raises(ValueError, match="chat template of this checkpoint knows no system turn"):
        render_chat(build(template), Chat(((1, "red?", ""),), "be brief"))


@pytest.mark.parametrize(
    ("chat", "told"),
    [
        (Chat(((1, " ", ""),)), "the question is empty"),
        (Chat((TURNS[0], (0, "<image>?", ""))), "the question holds the image marker"),
        (Chat(((1, "red?", "<image>"), (0, "why?", ""))), "the answer holds the image marker"),
        (Chat(((1, "red?", ""),), "<image>"), "the system turn holds the image marker"),
    ],
    ids=["empty", "question", "answer", "system"],
)
def test_words_that_no_prompt_can_hold_are_refused(build, chat, told):
    with pytest.raises(ValueError, match=told):
        tokenize_chat(build(VICUNA_TEMPLATE), chat, [1])


def test_a_conversation_beyond_the_limit_is_refused_and_not_kept(build):
    prompts = build(VICUNA_TEMPLATE)
    count = tokenize_chat(prompts, CHAT, [1, 1]).text_tokens()
    kept = _split_chat.cache_info().currsize
    with pytest.raises(ValueError, match=f"has {count} tokens .* the model has {count - 1}: shor"):
        tokenize_chat(prompts, CHAT, [1, 1], count - 1)
    assert _split_chat.cache_info().currsize == kept
    assert tokenize_chat(prompts, CHAT, [1, 1], count).text_tokens() == count


def test_a_template_must_keep_what_was_said(build):
    prompts = build("<image>{{ messages[-1]['content'][-1]['text'] }}")
    with pytest.raises(ValueError, match="must go on behind each answer"):
        render_turns(prompts, TURNS)
    with pytest.raises(ValueError, match="must put '<image>' in 2 times, it gave"):
        render_chat(build(FALLBACK_TEMPLATE.replace("<image>", "")), CHAT)


FORGETFUL = {
    "an answer": CHATML.replace("m in messages", "m in messages[-3:]"),
    "a word": CHATML.replace("part['text']", "part['text'] | replace('red', 'blue')"),
    "where it began": "{{ messages | length }}" + CHATML,
}


@pytest.mark.parametrize("template", FORGETFUL.values(), ids=FORGETFUL)
def test_a_template_that_changes_what_was_said_is_refused(build, template):
    with pytest.raises(ValueError, match="must go on behind each answer"):
        render_turns(build(template), TURNS)


def test_a_long_conversation_is_written_in_few_passes(build, monkeypatch):
    prompts = build(VICUNA_TEMPLATE)
    passes = []
    apply = prompts.apply_template
    monkeypatch.setattr(
        prompts, "apply_template", lambda turns, lead=(): passes.append(1) or apply(turns, lead)
    )
    text, answers = render_turns(prompts, [TURNS[0], *[TURNS[1]] * 500])
    assert len(passes) == 6  # three of them once, to find what stands around answers
    assert [text[place.start : place.stop] for place in answers] == [
        " red</s>",
        *[" two</s>"] * 500,
    ]
    assert text.count("how many dogs?") == 500


@pytest.mark.parametrize("mark", ["<unk>", " <unk>"], ids=["at once", "behind a space"])
def test_a_template_may_end_answers_with_a_token_of_its_own(build, mark):
    prompts = build(CHATML.replace("</s>", mark))
    assert render_chat(prompts, Chat(TURNS[:2])) == (
        f"<|user|>\n<image>what is the cat?{mark}\n<|assistant|>\nred<unk>\n<|user|>\n"
        f"how many dogs?{mark}\n<|assistant|>\n"
    )
    learnt, labels = tokenize_turns(prompts, TURNS[:2])
    end = prompts.tokenizer.convert_tokens_to_ids("<unk>")
    assert [label for label in labels if label != IGNORED][1::2] == [end, end]


def test_a_token_that_begins_a_turn_ends_no_answer(build):
    prompts = build(FALLBACK_TEMPLATE.replace("USER:", "<unk>"))
    assert "red</s><unk> how many" in render_chat(prompts, CHAT)


def test_a_tokenizer_without_an_end_puts_none(build):
    prompts = build(VICUNA_TEMPLATE.replace("</s>", ""))
    prompts.tokenizer.eos_token = None
    assert "ASSISTANT: redUSER: how many" in render_chat(prompts, CHAT)
    with pytest.raises(ValueError, match="expected 2 image tokens and 3 ends of answers, got 2 an"):
        tokenize_turns(prompts, [*TURNS[:2], (1, "and the cat?", "blue")])


@pytest.mark.parametrize("said", ["", " ", "\n"])
def test_nothing_said_is_an_answer_too(build, said):
    prompts, chat = build(CHATML), Chat(((1, "red?", said), (0, "why?", "")))
    assert render_chat(prompts, chat).count("</s>") == 3
    assert tokenize_chat(prompts, chat, [1]).text_tokens() > 0
