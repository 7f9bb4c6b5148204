"""Conversations of several turns as text and as prompts, with the checkpoint's own template.

Training and answering write them alike: an answer stands behind a space, unless the template has
none there, and behind it the token that ends it: the template's own, else the tokenizer's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from m3_backbone.inference.prompts import Message, PromptBuilder, TokenizedPrompt, Turn

ANSWER = "\ue000answer\ue000"
"""Stands for an answer while it is found out where a template puts them; no text has it."""

CACHE_SIZE = 128
"""Conversations whose ids are cached: they are tokenized to be checked, routed and answered.

More than a server answers at once; each holds as many ids as the model reads at most."""


@dataclass(frozen=True)
class Chat:
    """A conversation that waits for its last answer.

    Attributes:
        turns: the turns; 1 stands for a question with images, however many, whose tokens follow one
            another, and the last answer is empty.
        system: what the system says first.
    """

    turns: tuple[Turn, ...]
    system: str | None = None

    @classmethod
    def about(cls, question: str) -> "Chat":
        """Ask one question about what is shown."""
        return cls(((1, question, ""),))

    @property
    def places(self) -> int:
        """Places where images are shown."""
        return sum(shown for shown, _, _ in self.turns)


def render_turns(
    prompts: PromptBuilder, turns: Sequence[Turn], lead: Sequence[Message] = ()
) -> tuple[str, list[range]]:
    """Write a conversation, a token that ends it behind each answer.

    Args:
        prompts: template and tokenizer.
        turns: the turns.
        lead: messages in front of them.

    Returns:
        The text, and the characters of each answer with the space before and the end behind it. A
        template that does not keep an answer, or what stood before it, raises a ValueError.
    """
    gap, (text, *links) = _split_at_answers(prompts, turns, lead)
    end = _find_end(prompts, text, links)
    answers = []
    for (_, _, said), link in zip(turns, [*links, ""], strict=True):
        answers.append(range(len(text), len(text) + len(gap + said + end)))
        # The template's own end is put behind an answer only once.
        text += gap + said + end + link.lstrip(" ").removeprefix(end).lstrip(" ")
    return text, answers


def _find_end(prompts: PromptBuilder, opening: str, links: Sequence[str]) -> str:
    """Find the special token that a template puts behind an answer, else take the tokenizer's end.

    Args:
        prompts: template and tokenizer.
        opening: what the template writes up to the first answer.
        links: what it writes behind each answer but the last.

    Returns:
        The token; nothing, if there is none.
    """
    tokenizer = prompts.tokenizer
    start = str(tokenizer.bos_token or "")
    # What begins a turn, such as <|im_start|> or an image, ends none.
    begins = (start, prompts.image_marker)
    own = [
        token
        for token in prompts.special_tokens.values()
        if token not in begins
        and not opening.removeprefix(start).startswith(token)
        and any(link.lstrip(" ").startswith(token) for link in links)
    ]
    return max(own, key=len, default=str(tokenizer.eos_token or ""))


def _split_at_answers(
    prompts: PromptBuilder, turns: Sequence[Turn], lead: Sequence[Message]
) -> tuple[str, list[str]]:
    """Find what a template writes around the answers.

    Returns:
        What stands between a prompt and its answer, a space or nothing, and the text in front of
        each answer.

    Raises:
        ValueError: if it does not keep an answer, or what stood before it.
    """
    first = prompts.apply_template(turns[:1], lead)
    if len(turns) == 1:
        # The space is part of the answer: SentencePiece joins it to the first word.
        return " ", [first]
    whole = prompts.apply_template(turns, lead)
    marked = [(shown, asked, ANSWER) for shown, asked, _ in turns]
    *before, last = prompts.apply_template(marked, lead).split(ANSWER)
    # The last answer is still to come.
    joined = "".join(part + said for part, (_, _, said) in zip(before, turns[:-1], strict=False))
    for gap in (" ", ""):
        alike = before[:1] == [first + gap] and all(part.endswith(gap) for part in before)
        if alike and len(before) == len(turns) - 1 and joined + last == whole:
            return gap, [*(part.removesuffix(gap) for part in before), last]
    raise ValueError(
        f"the chat template must go on behind each answer: expected {first + ' ' + turns[0][2]!r} "
        f"and more, got {whole!r}"
    )


def render_chat(prompts: PromptBuilder, chat: Chat) -> str:
    """Write the prompt of a conversation, up to where its last answer starts.

    Raises:
        ValueError: if the template loses an image or knows no system.
    """
    lead = [] if chat.system is None else [_lead(prompts, chat.system)]
    text, answers = render_turns(prompts, chat.turns, lead)
    prompt = text[: answers[-1].start]
    if prompt.count(prompts.image_marker) != chat.places:
        often = "once" if chat.places == 1 else f"{chat.places} times"
        raise ValueError(
            f"the chat template must put {prompts.image_marker!r} in {often}, it gave {prompt!r}"
        )
    return prompt


def _lead(prompts: PromptBuilder, system: str) -> Message:
    """Make the message of a system, if the template knows one.

    Raises:
        ValueError: if it drops the message, or writes it as that of a user or an assistant.
    """
    content = [{"type": "text", "text": system}]
    lead: Message = {"role": "system", "content": content}
    probe = [(1, "?", "")]
    written = prompts.apply_template(probe, [lead])
    others = [
        prompts.apply_template(probe, [{**lead, "role": role}]) for role in ("user", "assistant")
    ]
    if system not in written or str(content) in written or written in others:
        raise ValueError(
            "the chat template of this checkpoint knows no system turn: say it in the first "
            "question"
        )
    return lead


@lru_cache(maxsize=CACHE_SIZE)
def _split_chat(prompts: PromptBuilder, chat: Chat, limit: float) -> tuple[tuple[int, ...], ...]:
    """Tokenize a conversation: the ids around its places of images.

    Raises:
        ValueError: if it has more than `limit`; what is raised is not cached.
    """
    parts = tuple(prompts.split_at_images(render_chat(prompts, chat), chat.places))
    count = sum(map(len, parts))
    if count > limit:
        raise ValueError(
            f"the conversation has {count} tokens without its images, the model has {limit}: "
            "shorten it"
        )
    return parts


def tokenize_chat(
    prompts: PromptBuilder, chat: Chat, visual: Sequence[int], limit: float = inf
) -> TokenizedPrompt:
    """Tokenize a conversation.

    Args:
        prompts: template and tokenizer.
        chat: the conversation.
        visual: visual tokens at each place of images.
        limit: most tokens of its text; a longer one is a ValueError.
    """
    for _, question, answer in chat.turns:
        prompts.check_question(question)
        if answer:
            prompts.check_question(answer, "answer")
    if chat.system is not None:
        prompts.check_question(chat.system, "system turn")
    before, *between, after = _split_chat(prompts, chat, limit)
    return TokenizedPrompt(before, after, between=tuple(zip(visual[:-1], between, strict=True)))
