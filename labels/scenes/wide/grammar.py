"""The grammar of the wide draw's questions; data only.

A question is a core inside a frame of the same form. "(a|b)" is a choice, and what begins with "~"
holds a word that training never shows. {name}, {a_name}, {row}, {row_nth}, {column}, {nth} and
{side} are filled in. Frames and cores under `unseen` are whole patterns that training never shows;
their words it does.
"""

from labels.scenes.wide.forms import PICTURE, Choices
from labels.scenes.wide.texts import TEXTS
from labels.scenes.wide.things import THINGS

FRAMES = Choices(
    known={
        # A direct question.
        "ask": (
            "@?",
            "@?",
            "@?",
            "@",
            "(please|~kindly) tell me: @?",
            "tell me, @?",
            "quick question: @?",
            "so @?",
            "(hi|hello|~hey), @?",
            "(ok|now), @?",
            "@, please?",
            f"in this {PICTURE}, @?",
            f"looking at the {PICTURE}, @?",
            "please answer: @?",
            "one more question: @?",
        ),
        # A question inside a sentence.
        "clause": (
            "(can|could|~might) you tell me @?",
            "tell me @.",
            "please tell me @.",
            "I (want|need|would like) to know @.",
            "(do you know|can you see) @?",
            "(find out|check|~determine) @.",
            "(please say|say) @",
        ),
        # What is wanted, as a noun.
        "name": (
            "(tell me|give me|name|~state) @.",
            "please (tell me|give me|name) @.",
            "(can|could) you (tell me|give me|name) @?",
            "I (want|need) @.",
            "what is @?",
            "@?",
            "@, please",
            "@",
            "find @.",
        ),
        # A request.
        "do": ("@.", "please @.", "@, please.", "(can|could|~might) you @?", "@ for me.", "now @"),
    },
    unseen={
        "ask": ("now please tell me: @?", "ok, quick question, @?", "hello, @, please?"),
        "clause": ("now I would like to know @", "can you say @, please?"),
        "name": ("now I want to know @.", "hello, could you find @?", "for me, @?"),
        "do": ("hello, can you please @?", "now please @ for me."),
    },
)

# Template -> its cores.
CORES: dict[str, Choices] = {**THINGS, **TEXTS}
