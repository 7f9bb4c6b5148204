"""The cores of questions about words, prices, bars and numbers; see `grammar` beside this."""

from labels.scenes.wide.forms import COLOUR, THERE, Choices

TEXTS = {
    "bar colour": Choices(
        {
            "ask": (
                f"what {COLOUR} is the bar (of|for) {{name}}",
                f"which {COLOUR} is the {{name}} bar",
                f"what is the {COLOUR} of the bar (of|for) {{name}}",
            ),
            "clause": (
                f"what {COLOUR} the bar of {{name}} is",
                f"which {COLOUR} the {{name}} bar has",
            ),
            "name": (
                f"the {COLOUR} of the bar (of|for) {{name}}",
                f"the {COLOUR} of the {{name}} bar",
            ),
            "do": (f"find the bar of {{name}} and name its {COLOUR}",),
        },
        {
            "ask": ("for {name}, what colour does the bar have",),
            "name": ("the colour that the {name} bar has",),
        },
    ),
    "listed": Choices(
        {
            "ask": (
                "is {name} on it",
                "does it say {name}",
                f"is the word {{name}} {THERE}",
                "can you (read|see|find|~spot) {name} anywhere",
                "do you (read|see) the word {name}",
            ),
            "clause": (
                f"if {{name}} is {THERE}",
                "whether it (says|~mentions) {name}",
                "whether you can read {name}",
            ),
            "do": (
                "check if it says {name}",
                f"look for the word {{name}} {THERE}, yes or no",
            ),
        },
        {
            "ask": ("{name}: is the word there", "yes or no, can you read {name} on it"),
            "clause": ("yes or no, whether the word {name} is there",),
        },
    ),
    "word": Choices(
        {
            "ask": (
                "what is the {nth} word on line {row}",
                "which word is the {nth} one on line {row}",
                "line {row}, {nth} word: what does it say",
                "what is the {nth} word (in|of) the {row_nth} line",
                "what does the {nth} word in line {row} (say|~spell)",
            ),
            "clause": (
                "what the {nth} word on line {row} is",
                "which word is the {nth} on the {row_nth} line",
            ),
            "name": (
                "the {nth} word on line {row}",
                "the {nth} word of the {row_nth} line",
                "the {nth} (word|~term) in line {row}",
            ),
            "do": (
                "read the {nth} word on line {row}",
                "read (me|out) the {nth} word of the {row_nth} line",
                "(look at|~inspect) line {row} and read the {nth} word",
            ),
        },
        {
            "ask": (
                "on line {row}, what is the {nth} word",
                "in the {row_nth} line, which word is the {nth}",
            ),
            "name": ("what line {row} has for its {nth} word",),
        },
    ),
    "entry": Choices(
        {
            "ask": (
                "what is on line {row}",
                "which (item|word) is on line {row}",
                "what does line {row} (list|say|show)",
                "what is on the {row_nth} line",
                "line {row}: which (item|~entry) is it",
            ),
            "clause": (
                "what is on line {row}",
                "which (item|word|~entry) is on the {row_nth} line",
            ),
            "name": (
                "the (item|word|~entry) on line {row}",
                "the (item|word) on the {row_nth} line",
                "the (item|word|~entry) in line {row}",
            ),
            "do": (
                "read the (item|word|~entry) on line {row}",
                "read (me|out) line {row}",
                "look at line {row} and read the item",
            ),
        },
        {
            "ask": ("on line {row}, what do you read", "in the {row_nth} line, which item is it"),
            "name": ("what you read on line {row}",),
        },
    ),
    "price": Choices(
        {
            "ask": (
                "what does the {name} cost",
                "how much is the {name}",
                "what is the (price|cost) of the {name}",
                "what do they (ask|want|~charge) for {name}",
                "how much does the {name} cost",
                "how much do they want for the {name}",
            ),
            "clause": (
                "what the {name} costs",
                "how much the {name} is",
                "how much they (ask|want|~charge) for {name}",
            ),
            "name": (
                "the (price|cost) of the {name}",
                "the {name}'s price",
                "the (price|amount|~fee) for {name}",
            ),
            "do": (
                "read the (price|cost|~fee) of the {name}",
                "find the {name} and tell me its price",
            ),
        },
        {
            "ask": (
                "for {name}, what is the price",
                "the {name} costs how much",
                "for the {name}, how much do they ask",
            ),
            "name": ("the price that they want for {name}",),
        },
    ),
    "bar": Choices(
        {
            "ask": (
                "what is the value of {name}",
                "how (long|tall|big) is the bar of {name}",
                "what value does {name} have",
                "which value has {name} got",
                "what (value|number|~figure) is shown by the {name} bar",
            ),
            "clause": (
                "what value {name} has",
                "how long the bar of {name} is",
                "what the value of {name} is",
            ),
            "name": (
                "the (value|length|~figure) of {name}",
                "the value of the {name} bar",
                "the (value|length|~extent) of the bar for {name}",
            ),
            "do": (
                "read the (value|~figure) of {name}",
                "find the bar of {name} and read its value",
            ),
        },
        {
            "ask": ("for {name}, what is the value", "the bar of {name} is how long"),
            "name": ("the value that the bar of {name} has",),
        },
    ),
    "number": Choices(
        {
            "ask": (
                "what number is (beside|next to|~alongside) the {name}",
                "what is the number of the {name}",
                "which number (belongs to|goes with) the {name}",
                "what number does the {name} have next to it",
                "which number do you (see|read) beside the {name}",
            ),
            "clause": (
                "what number is beside the {name}",
                "which number (belongs to|goes with) the {name}",
            ),
            "name": (
                "the number (of|beside|next to|~alongside) the {name}",
                "the {name}'s number",
                "the number that (belongs to|goes with|~accompanies) the {name}",
            ),
            "do": (
                "read the number of the {name}",
                "find the {name} and read its number",
                "read (me|out) the number (beside|next to|~alongside) the {name}",
            ),
        },
        {
            "ask": ("for the {name}, what is the number", "the {name} goes with which number"),
            "name": ("the number you see next to the {name}",),
        },
    ),
}
