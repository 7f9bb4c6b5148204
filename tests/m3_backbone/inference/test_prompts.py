import pytest
from tokenizers import processors

from m3_backbone.inference.prompts import PromptBuilder, TokenizedPrompt

IMAGE_ID = 3
TEMPLATE = (
    "{% for m in messages %}USER : {% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT :{% endif %}"
)


def ids_of(tokenizer, text):
    return tuple(tokenizer.convert_tokens_to_ids(text.split()))


def test_without_a_template_the_way_out_is_told(tokenizer):
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template .* --template: llava-1.5, vicuna_v1"):
        PromptBuilder(tokenizer, IMAGE_ID)
    prompt = PromptBuilder(tokenizer, IMAGE_ID, "<image> {{ messages[0].content[1].text }}")
    assert prompt.render("what is the cat?") == "<image> what is the cat?"


def test_a_template_that_fails_is_one_line(tokenizer):
    tokenizer.chat_template = "{% for"
    with pytest.raises(ValueError, match="^the chat template cannot write .*SyntaxError"):
        PromptBuilder(tokenizer, IMAGE_ID).render("what is the cat?")


def test_a_chat_template_is_used(tokenizer):
    tokenizer.chat_template = TEMPLATE
    prompt = PromptBuilder(tokenizer, IMAGE_ID).render("what is the cat?")
    assert prompt == "USER : <image> what is the cat? ASSISTANT :"


def test_ids_lie_on_both_sides_of_the_image(tokenizer):
    prompt = PromptBuilder(tokenizer, IMAGE_ID).tokenize("what is the cat?")
    assert prompt.before == ids_of(tokenizer, "<s> USER :")
    assert prompt.after == ids_of(tokenizer, "what is the cat ? ASSISTANT :")
    assert prompt.text_tokens() == 3 + 7


def test_the_first_token_is_not_added_twice(tokenizer):
    tokenizer.chat_template = "<s>" + TEMPLATE
    prompt = PromptBuilder(tokenizer, IMAGE_ID).tokenize("red?")
    assert prompt.before == ids_of(tokenizer, "<s> USER :")


def test_room_for_the_image_is_made_where_its_marker_was():
    prompt = TokenizedPrompt(before=(1, 5), after=(6,))
    assert prompt.with_image(IMAGE_ID, 4) == [1, 5, 3, 3, 3, 3, 6]


def test_expanding_equals_tokenizing_the_expanded_text(tokenizer):
    builder = PromptBuilder(tokenizer, IMAGE_ID)
    text = builder.render("how many cats?").replace("<image>", "<image>" * 9)
    assert (
        builder.tokenize("how many cats?").with_image(IMAGE_ID, 9) == tokenizer(text)["input_ids"]
    )


def test_question_ids_leave_out_template_and_special_tokens(tokenizer):
    builder = PromptBuilder(tokenizer, IMAGE_ID)
    assert builder.question_ids(["red cat", "dog?"]) == [
        list(ids_of(tokenizer, "red cat")),
        list(ids_of(tokenizer, "dog ?")),
    ]


@pytest.mark.parametrize("question", ["", "  \n", None])
def test_an_empty_question_is_refused(tokenizer, question):
    builder = PromptBuilder(tokenizer, IMAGE_ID)
    with pytest.raises(ValueError, match="the question is empty"):
        builder.tokenize(question)
    with pytest.raises(ValueError, match="the question is empty"):
        builder.question_ids([question])


def test_a_question_may_not_bring_its_own_image(tokenizer):
    with pytest.raises(ValueError, match="holds the image marker '<image>'"):
        PromptBuilder(tokenizer, IMAGE_ID).render("what is <image>?")


def test_a_template_without_an_image_is_refused(tokenizer):
    tokenizer.chat_template = "{{ messages[0]['content'][1]['text'] }}"
    with pytest.raises(ValueError, match="template must put '<image>' in once, it gave 'red"):
        PromptBuilder(tokenizer, IMAGE_ID).render("red?")


def test_an_image_token_that_the_tokenizer_lacks_is_refused(tokenizer):
    with pytest.raises(ValueError, match="the tokenizer has no token 5000"):
        PromptBuilder(tokenizer, 5000)


def test_a_tokenizer_that_adds_images_of_its_own_is_refused(tokenizer):
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<image> $A", special_tokens=[("<image>", IMAGE_ID)]
    )
    with pytest.raises(ValueError, match="must keep '<image>' as one token 3"):
        PromptBuilder(tokenizer, IMAGE_ID).tokenize("red?")


def test_a_question_of_no_token_is_refused(tokenizer, monkeypatch):
    builder = PromptBuilder(tokenizer, IMAGE_ID)
    monkeypatch.setattr(builder, "tokenizer", FakeTokenizer())
    with pytest.raises(ValueError, match="no token in the question '~'"):
        builder.question_ids(["~"])


class FakeTokenizer:
    chat_template = None
    bos_token = None

    def apply_chat_template(self, messages, chat_template, tokenize, add_generation_prompt):
        return "<image>"

    def __call__(self, texts, add_special_tokens):
        return {"input_ids": [[] for _ in texts]}


@pytest.mark.parametrize("question", ["wh\udcffat", "\ud800", "what\udfff?"])
def test_half_a_character_is_refused(tokenizer, question):
    with pytest.raises(ValueError, match="the question is no whole text, write it as UTF-8"):
        PromptBuilder(tokenizer, IMAGE_ID).tokenize(question)
