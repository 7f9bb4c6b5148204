"""How people ask, by what they ask; data only.

"(a|b)" is a choice, an empty one included. {name} and {other} are things or words, {names} and
{others} more than one of them and {a_name} one with its article; {options} are two that are asked
about, {the_options}, {at_options} and {on_options} with "the", "at the" and "on the" before the
second; the other slots stand for themselves. No phrase holds a word or a whole pattern that
`labels.scenes.wide.grammar` keeps from training.
"""

from labels.scenes.casual.numbered_phrases import NUMBERED
from labels.scenes.casual.pictured_phrases import PICTURED
from labels.scenes.casual.valued_phrases import CHART, MENU, VALUED
from labels.scenes.casual.written_phrases import WRITTEN

FRAMES = (
    "@?",
    "@?",
    "@?",
    "@?",
    "@",
    "@",
    "@, please?",
    "@ please",
    "please: @?",
    "so, @?",
    "and @?",
    "hi, @?",
    "just wondering, @?",
    "@, thanks",
)

ANYWHERE = {
    "background": (
        "(background|backdrop) (color|colour)",
        "what('s|s| is) the (color|colour) of the (page|canvas|wall)",
        "what (color|colour) is the (paper|page|canvas|wall)",
        "what('s|s| is) the (background color|background colour)",
        "which (color|colour) is the (background|backdrop)",
        "(color|colour) behind (it|everything)",
        "what (color|colour) was it (drawn|painted|printed) on",
    ),
    "shade": (
        "is the (background|backdrop|page|paper) (dark or light|light or dark|bright or dark)",
        "(dark or light|light or dark) background",
        "does it have a (dark or a light|light or a dark) background",
    ),
    "kind": (
        "what('s|s| is) this picture",
        "what kind of (picture|image) am I looking at",
        "what sort of (picture|image|photo|drawing) is this",
        "what type of (image|picture) do we have here",
        "is (this|it) a {options}",
    ),
}

# Kind of fact -> how it is asked for.
PHRASES = {**ANYWHERE, **PICTURED, **NUMBERED, **WRITTEN, **VALUED, **MENU, **CHART}
