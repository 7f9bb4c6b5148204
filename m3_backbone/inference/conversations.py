"""Conversations of several turns as text and as prompts, with the checkpoint's own template.

Training and answering write them alike, each answer in the template's own frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from m3_backbone.inference.prompts import (
    Message,
    PromptBuilder,
    TokenizedPrompt,
    Turn,
    split_at_answers,
)

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
    gap, (text, *links) = split_at_answers(prompts, turns, lead)
    end = prompts.frame.end
    answers = []
    for (_, _, said), link in zip(turns, [*links, ""], strict=True):
        answers.append(range(len(text), len(text) + len(gap + said + end)))
        # The template's own end is put behind an answer only once.
        text += gap + said + end + link.lstrip(" ").removeprefix(end).lstrip(" ")
    return text, answers


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
        if answer.strip():
            prompts.check_question(answer, "answer")
    if chat.system is not None:
        prompts.check_question(chat.system, "system turn")
    before, *between, after = _split_chat(prompts, chat, limit)
    return TokenizedPrompt(before, after, between=tuple(zip(visual[:-1], between, strict=True)))
