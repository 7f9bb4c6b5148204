"""From a question to token ids with room for a given number of visual tokens.

Text only: no image and no model is touched. The words around the question come from the
checkpoint's own chat template; without one, from that of its family of models, if it has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerBase

from m3_backbone.foreign import third_party
from m3_backbone.hosts.templates import WAY_OUT

IGNORED = -100

ANSWER = "\ue000answer\ue000"
"""Stands for an answer while it is found out where a template puts them; no text has it."""

Message = dict[str, Any]
"""A message as chat templates take it: role and content."""

Turn = tuple[int, str, str]
"""One turn of a conversation: number of images, the question, its answer.

The images stand in front of the question, but for those whose markers the question holds itself.
"""


@dataclass(frozen=True)
class TokenizedPrompt:
    """Token ids of a prompt on either side of its images.

    Attributes:
        before: ids up to the first place of images.
        after: ids behind the last one.
        closing: ids that are the whole answer if it begins with one of them.
        between: of a conversation that shows images in several places: for each place but the last,
            its visual tokens and the ids up to the next one.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    closing: tuple[int, ...] = ()
    between: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def text_tokens(self) -> int:
        """Count the tokens around the images."""
        return len(self.before) + len(self.after) + sum(len(ids) for _, ids in self.between)

    def places(self, visual: int) -> list[int]:
        """Spread all visual tokens over the places of images: the tokens of each."""
        earlier = [count for count, _ in self.between]
        return [*earlier, visual - sum(earlier)]

    def with_image(self, image_token_id: int, visual: int) -> list[int]:
        """Give the whole prompt's ids, with a place holder for each of `visual` visual tokens.

        >>> TokenizedPrompt(before=(1, 5), after=(7, 8)).with_image(3, visual=4)
        [1, 5, 3, 3, 3, 3, 7, 8]
        >>> TokenizedPrompt((1,), (8,), between=((1, (6, 7)),)).with_image(3, visual=3)
        [1, 3, 6, 7, 3, 3, 8]
        """
        ids = list(self.before)
        texts = [*(text for _, text in self.between), self.after]
        for count, text in zip(self.places(visual), texts, strict=True):
            ids += [image_token_id] * count
            ids += text
        return ids


@dataclass(frozen=True)
class Frame:
    """What stands around every answer, the same in one turn as in many.

    Attributes:
        gap: what stands between a prompt and its answer, a space or nothing. It is part of the
            answer: SentencePiece joins a space to the first word.
        end: the special token that ends it; nothing if there is none.
    """

    gap: str
    end: str


class PromptBuilder:
    """Renders questions with a checkpoint's template and tokenizes them."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        image_token_id: int,
        template: str | None = None,
    ) -> None:
        """Keep the tokenizer, and a template (<image> stands for an image) if it has none.

        Raises:
            ValueError: if the tokenizer has no token of that id, or there is no template.
        """
        if not (tokenizer.chat_template or template):
            raise ValueError(f"the checkpoint brings no chat template for images: {WAY_OUT}")
        known = 0 <= image_token_id < len(tokenizer)
        marker = tokenizer.convert_ids_to_tokens(image_token_id) if known else None
        if not isinstance(marker, str):
            raise ValueError(
                f"the tokenizer has no token {image_token_id}, the model's image token"
            )
        self.tokenizer = tokenizer
        self.image_token_id = image_token_id
        self.image_marker = marker
        self._template = template or ""

    @cached_property
    def special_tokens(self) -> dict[int, str]:
        """Find the special tokens: ids and texts."""
        added: Mapping[int, Any] = self.tokenizer.added_tokens_decoder
        return {id_: str(token) for id_, token in added.items() if token.special}

    @cached_property
    def frame(self) -> Frame:
        """Find what the template puts around an answer; else a space, and the tokenizer's end."""
        usual = str(self.tokenizer.eos_token or "")
        try:
            gap, (opening, link) = split_at_answers(self, [(1, "?", "!"), (0, "?", "")])
        except ValueError:  # it writes one turn alone
            return Frame(" ", usual)
        return Frame(gap, _find_end(self, opening, link) or usual)

    def render(self, question: str) -> str:
        """Write the prompt of a question, with one image marker, up to where the answer starts.

        Raises:
            ValueError: if the question is refused, or the template does not put exactly one image
                in.
        """
        self.check_question(question)
        prompt = self.apply_template([(1, question, "")])
        if prompt.count(self.image_marker) != 1:
            raise ValueError(
                f"the chat template must put {self.image_marker!r} in once, it gave {prompt!r}"
            )
        return prompt

    def check_question(self, question: str, name: str = "question") -> None:
        """Refuse a question that no prompt can be made of, or another text by its `name`.

        Raises:
            ValueError: if it is empty, no text of whole characters, or holds the image marker.
        """
        if not isinstance(question, str) or not question.strip():
            raise ValueError(f"the {name} is empty: expected some text, got {question!r}")
        if any("\ud800" <= letter <= "\udfff" for letter in question):
            # Half a character: bytes that are not UTF-8, or text that was cut in one.
            raise ValueError(f"the {name} is no whole text, write it as UTF-8: {question!r}")
        if self.image_marker in question:
            raise ValueError(
                f"the {name} holds the image marker {self.image_marker!r}, which the prompt adds "
                f"itself: {question!r}"
            )

    def tokenize(self, question: str, answer: str | None = None) -> TokenizedPrompt:
        """Tokenize the prompt of a question, with an answer behind it if one is given."""
        prompt = self.render(question)
        if answer is not None:
            prompt += self.frame.gap + answer
        before, after = self.split_at_images(prompt, 1)
        return TokenizedPrompt(before, after)

    def question_ids(self, questions: Sequence[str]) -> list[list[int]]:
        """Tokenize questions alone, without template and special tokens; no list of ids is empty.

        Raises:
            ValueError: if a question is refused or gives no token.
        """
        for question in questions:
            self.check_question(question)
        ids = self._split(questions, False)
        for question, found in zip(questions, ids, strict=True):
            if not found:
                raise ValueError(f"the tokenizer finds no token in the question {question!r}")
        return ids

    def split_at_images(self, prompt: str, images: int) -> list[tuple[int, ...]]:
        """Tokenize a prompt with image markers, as many as `images`: the ids around each."""
        [ids] = self._split([prompt], self.adds_start(prompt))
        return self._cut(ids, images)

    def split_behind(self, prompts: Sequence[str]) -> list[list[int]]:
        """Tokenize prompts of one image each, all at once: the ids behind the images."""
        starts = [self.adds_start(prompt) for prompt in prompts]
        # Nearly always one call: a question may begin with the first token's own name.
        split = {start: self._split(prompts, start) for start in set(starts)}
        return [list(self._cut(split[start][i], 1)[1]) for i, start in enumerate(starts)]

    def _cut(self, ids: list[int], images: int) -> list[tuple[int, ...]]:
        """Cut ids at the image tokens.

        Raises:
            ValueError: if there are not that many, as of a tokenizer that splits the marker.
        """
        if ids.count(self.image_token_id) != images:
            raise ValueError(
                f"the tokenizer must keep {self.image_marker!r} as one token "
                f"{self.image_token_id}, it gave {ids}"
            )
        parts: list[tuple[int, ...]] = []
        for _ in range(images):
            place = ids.index(self.image_token_id)
            parts.append(tuple(ids[:place]))
            ids = ids[place + 1 :]
        return [*parts, tuple(ids)]

    def _split(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        if not texts:
            return []
        with third_party("the tokenizer cannot read the question"):
            return list(self.tokenizer(list(texts), add_special_tokens=special)["input_ids"])

    def apply_template(self, turns: Sequence[Turn], lead: Sequence[Message] = ()) -> str:
        """Write a conversation of one turn or more, up to where its last answer starts.

        Args:
            turns: the turns.
            lead: messages that stand in front of them, such as that of a system.
        """
        messages = list(lead)
        for images, question, answer in turns:
            # Images first, as LLaVA is trained. Without images a marker is a part of the text.
            front = max(images - question.count(self.image_marker), 0)
            content = [{"type": "image"}] * front + [{"type": "text", "text": question}]
            messages.append({"role": "user", "content": content})
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        fallback = self._template.replace("<image>", self.image_marker)
        with third_party("the chat template cannot write a prompt with images"):
            rendered = self.tokenizer.apply_chat_template(
                messages[:-1],  # without the last answer
                chat_template=self.tokenizer.chat_template or fallback,
                tokenize=False,
                add_generation_prompt=True,
            )
        return str(rendered)

    def adds_start(self, text: str) -> bool:
        """Tell whether the tokenizer should put the first token in front of what a template gave.

        Not where the template has written it.
        """
        bos = self.tokenizer.bos_token
        # PaliGemma's stands right behind the image.
        return not (isinstance(bos, str) and text.removeprefix(self.image_marker).startswith(bos))


def pack_turns(
    prompts: PromptBuilder, turns: Sequence[tuple[str, str]]
) -> list[tuple[list[int], list[int]]]:
    """Tokenize questions, each with its answer, all at once.

    Returns:
        Of each question the ids behind the image, and the label at each of them: the next id where
        that is part of the answer or its end, else -100.

    Raises:
        ValueError: if nothing ends an answer, or one changes how the end of the prompt is
            tokenized.
    """
    frame = prompts.frame
    end = prompts.tokenizer.convert_tokens_to_ids(frame.end)
    if not (frame.end and isinstance(end, int)):
        raise ValueError("no token ends an answer: expected an eos_token of the tokenizer")
    asked = [prompts.render(question) for question, _ in turns]
    # Together: SentencePiece puts a space of its own in front of an answer that stands alone.
    answered = [
        prompt + frame.gap + answer for prompt, (_, answer) in zip(asked, turns, strict=True)
    ]
    split = prompts.split_behind(asked + answered)
    behind, wholes = split[: len(turns)], split[len(turns) :]
    packed = []
    for (_, answer), after, whole in zip(turns, behind, wholes, strict=True):
        if whole[: len(after)] != after:
            raise ValueError(f"the answer must not join the prompt's last token, got {answer!r}")
        target = [*whole[len(after) :], end]  # [answer tokens + 1]
        # The prompt's last token already predicts the answer's first.
        labels = [IGNORED] * (len(after) - 1) + target
        # The end token is predicted but never read.
        packed.append((after + target[:-1], labels))
    return packed


def split_at_answers(
    prompts: PromptBuilder, turns: Sequence[Turn], lead: Sequence[Message] = ()
) -> tuple[str, list[str]]:
    """Find what a template writes around the answers.

    Args:
        prompts: the template.
        turns: the turns; the last answer is still to come.
        lead: messages in front of them.

    Returns:
        What stands between a prompt and its answer, a space or nothing, and the text in front of
        each answer.

    Raises:
        ValueError: if it does not keep an answer, or what stood before it.
    """
    first = prompts.apply_template(turns[:1], lead)
    if len(turns) == 1:
        return prompts.frame.gap, [first]
    whole = prompts.apply_template(turns, lead)
    marked = [(shown, asked, ANSWER) for shown, asked, _ in turns]
    *before, last = prompts.apply_template(marked, lead).split(ANSWER)
    joined = "".join(part + said for part, (_, _, said) in zip(before, turns[:-1], strict=False))
    for gap in (" ", ""):
        alike = before[:1] == [first + gap] and all(part.endswith(gap) for part in before)
        if alike and len(before) == len(turns) - 1 and joined + last == whole:
            return gap, [*(part.removesuffix(gap) for part in before), last]
    raise ValueError(
        f"the chat template must go on behind each answer: expected {first + ' ' + turns[0][2]!r} "
        f"and more, got {whole!r}"
    )


def _find_end(prompts: PromptBuilder, opening: str, link: str) -> str:
    """Find the special token that a template puts behind an answer; nothing, if there is none.

    Args:
        prompts: the template.
        opening: what the template writes up to the first answer.
        link: what it writes behind that.
    """
    start = str(prompts.tokenizer.bos_token or "")
    # What begins a turn, such as <|im_start|> or an image, ends none.
    begins = (start, prompts.image_marker)
    own = [
        token
        for token in prompts.special_tokens.values()
        if token not in begins
        and not opening.removeprefix(start).startswith(token)
        and link.lstrip(" ").startswith(token)
    ]
    return max(own, key=len, default="")
