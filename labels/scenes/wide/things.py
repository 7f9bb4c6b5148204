"""The cores of questions about pictograms, backgrounds and rows; see `grammar` beside this."""

from labels.scenes.wide.forms import COLOUR, PICTURE, SYMBOL, THERE, Choices

THINGS = {
    "background": Choices(
        {
            "ask": (
                f"what {COLOUR} is the (background|backdrop)",
                f"what is the background {COLOUR}",
                f"which {COLOUR} is behind (everything|it all)",
                f"what {COLOUR} does the background have",
            ),
            "clause": (
                f"what {COLOUR} the (background|backdrop) is",
                f"which {COLOUR} is behind everything",
            ),
            "name": (
                f"the {COLOUR} of the (background|backdrop)",
                f"the background {COLOUR}",
                f"the {COLOUR} behind everything",
            ),
            "do": (f"look at the background and tell me its {COLOUR}",),
        },
        {
            "ask": ("on which colour is all this drawn", "the background is of what colour"),
            "name": ("the colour that the background has",),
        },
    ),
    "kind": Choices(
        {
            "ask": (
                f"what kind of {PICTURE} is this",
                f"what does this {PICTURE} show",
                "is this a grid, a scene, a menu, a chart, a page or a list",
                f"what (sort|type|~category) of {PICTURE} is it",
            ),
            "clause": (
                f"what kind of {PICTURE} this is",
                f"what (sort|type|~category) of {PICTURE} I see",
            ),
            "name": (
                f"the (kind|type|sort|~category) of this {PICTURE}",
                f"the (kind|type) of {PICTURE} (that is shown|we have)",
            ),
            "do": (f"name the (kind|sort|~category) of {PICTURE} this is",),
        },
        {
            "ask": ("this is a picture of what kind", "does it show a menu, a page or what"),
            "name": ("the kind of picture that I see here",),
        },
    ),
    "rows": Choices(
        {
            "ask": (
                "how many (rows|lines) are there",
                "how many (rows|lines) does it have",
                f"what is the (number|~quantity) of (rows|lines) {THERE}",
                f"how many (rows|lines) has this {PICTURE} got",
            ),
            "clause": ("how many (rows|lines) there are", "how many (rows|lines) it has"),
            "name": (
                f"the (number|count|~quantity) of (rows|lines) {THERE}",
                "the (row|line) count",
                "the number of (rows|lines)",
            ),
            "do": (
                "count the (rows|lines)",
                "(count|~tally) (all|how many) (rows|lines) (you see|there are)",
            ),
        },
        {
            "ask": ("rows, how many are there", "of lines, how many does the picture have"),
            "name": ("the number of all the rows that you see",),
        },
    ),
    "place": Choices(
        {
            "ask": (
                "where is the {name}",
                f"in which (part|corner|~region) of the {PICTURE} is the {{name}}",
                "where can I find the {name}",
                f"where in the {PICTURE} is the {{name}}",
                "where do you see the {name}",
            ),
            "clause": (
                "where the {name} is",
                f"in which (part|~region) of the {PICTURE} the {{name}} is",
                "where I can find the {name}",
            ),
            "name": (
                "the (place|position|~location) of the {name}",
                f"the (part|~region) of the {PICTURE} with the {{name}}",
            ),
            "do": ("(find|~locate) the {name}", "(show|tell) me where the {name} is"),
        },
        {
            "ask": ("the {name} is where", "in what place do you find the {name}"),
            "name": ("the place where you see the {name}",),
            "do": ("look for the {name} and say where it is",),
        },
    ),
    "cell": Choices(
        {
            "ask": (
                "what is in row {row}, column {column}",
                f"which {SYMBOL} is in row {{row}} and column {{column}}",
                "row {row}, column {column}: what is there",
                "what do you see in row {row}, column {column}",
                f"what {SYMBOL} is at row {{row}} column {{column}}",
            ),
            "clause": (
                "what is in row {row}, column {column}",
                f"which {SYMBOL} I see in row {{row}}, column {{column}}",
            ),
            "name": (
                f"the {SYMBOL} in row {{row}}, column {{column}}",
                f"the {SYMBOL} at row {{row}} and column {{column}}",
            ),
            "do": ("(look at|~inspect) row {row}, column {column} and name the (symbol|thing)",),
        },
        {
            "ask": (
                "in column {column} of row {row}, what do you see",
                "column {column}, row {row}: which symbol is it",
            ),
            "name": ("the thing you see in column {column} of row {row}",),
        },
    ),
    "cell colour": Choices(
        {
            "ask": (
                f"what {COLOUR} is row {{row}}, column {{column}}",
                f"which {COLOUR} is the {SYMBOL} in row {{row}}, column {{column}}",
                f"row {{row}}, column {{column}}: which {COLOUR} is it",
                f"what {COLOUR} does the {SYMBOL} in row {{row}}, column {{column}} have",
            ),
            "clause": (f"what {COLOUR} the {SYMBOL} in row {{row}}, column {{column}} is",),
            "name": (
                f"the {COLOUR} of the {SYMBOL} in row {{row}}, column {{column}}",
                f"the {COLOUR} you see at row {{row}}, column {{column}}",
            ),
            "do": (f"look at row {{row}}, column {{column}} and name its {COLOUR}",),
        },
        {
            "ask": ("in column {column} of row {row}, what is the colour",),
            "name": ("the colour that column {column} of row {row} has",),
        },
    ),
    "colour": Choices(
        {
            "ask": (
                f"what {COLOUR} is the {{name}}",
                f"what is the {COLOUR} of the {{name}}",
                f"which {COLOUR} is the {{name}}",
                f"what {COLOUR} is used for the {{name}}",
                f"what {COLOUR} is the {{name}} drawn in",
                f"the {{name}} is what {COLOUR}",
            ),
            "clause": (
                f"what {COLOUR} the {{name}} is",
                f"which {COLOUR} the {{name}} has",
            ),
            "name": (
                f"the {COLOUR} of the {{name}}",
                f"the {{name}}'s {COLOUR}",
                f"the {COLOUR} used for the {{name}}",
            ),
            "do": (
                f"look at the {{name}} and tell me its {COLOUR}",
                f"find the {{name}} and name its {COLOUR}",
            ),
        },
        {
            "ask": (
                "which colour does the {name} have",
                "in what colour is the {name} drawn",
                "of what colour is the {name}",
            ),
            "name": ("the colour that the {name} has got",),
        },
    ),
    "exists": Choices(
        {
            "ask": (
                f"is there {{a_name}} {THERE}",
                "is there {a_name}",
                "can you see {a_name}",
                f"can {{a_name}} be found {THERE}",
                f"can you (see|find|~notice) {{a_name}} {THERE}",
                f"does the {PICTURE} (show|have|~contain) {{a_name}}",
                f"is {{a_name}} in the {PICTURE}",
                "do you see {a_name}",
            ),
            "clause": (
                "if there is {a_name}",
                f"whether the {PICTURE} (shows|has|~contains) {{a_name}}",
                "whether you see {a_name}",
            ),
            "do": (
                "check if there is {a_name}",
                f"look for {{a_name}} {THERE}, yes or no",
                "say yes if there is {a_name}, else no",
            ),
        },
        {
            "ask": (
                "{a_name}: is there one in the picture",
                "yes or no, does it show {a_name}",
                "have you found {a_name} there",
            ),
            "clause": ("yes or no, whether {a_name} is there",),
        },
    ),
    "count": Choices(
        {
            "ask": (
                f"how many times is the {{name}} {THERE}",
                "how (often|frequently) does the {name} (occur|show)",
                f"how many {{name}} {SYMBOL}s are {THERE}",
                f"how many {{name}} {SYMBOL}s do you see",
                f"how many {{name}} {SYMBOL}s does the {PICTURE} (have|~contain)",
            ),
            "clause": (
                f"how many {{name}} {SYMBOL}s there are",
                "how (often|many times) the {name} is there",
            ),
            "name": (
                f"the (number|count|~quantity) of {{name}} {SYMBOL}s {THERE}",
                f"how many {{name}} {SYMBOL}s there are",
            ),
            "do": (
                f"(count|~tally) the {{name}} {SYMBOL}s",
                f"count how many {{name}} {SYMBOL}s there are",
            ),
        },
        {
            "ask": (
                "there are how many {name} symbols",
                "{name} symbols, how many are there",
                "how many times do you find the {name}",
            ),
            "name": ("the number of times you see the {name}",),
        },
    ),
    "beside": Choices(
        {
            "ask": (
                "what is to the {side} of the {name}",
                f"which {SYMBOL} is {{side}} of the {{name}}",
                "what is directly {side} of the {name}",
                "to the {side} of the {name}, what is there",
                f"which {SYMBOL} do you see {{side}} of the {{name}}",
                "what is (next to|beside|~adjacent to) the {name} on the {side}",
            ),
            "clause": (
                "what is to the {side} of the {name}",
                f"which {SYMBOL} is {{side}} of the {{name}}",
            ),
            "name": (
                f"the {SYMBOL} to the {{side}} of the {{name}}",
                f"the {SYMBOL} directly {{side}} of the {{name}}",
                "what is {side} of the {name}",
            ),
            "do": (
                f"find the {{name}} and name the {SYMBOL} to its {{side}}",
                "look to the {side} of the {name} and (say|tell me) what is there",
            ),
        },
        {
            "ask": (
                "the {name} has what to its {side}",
                "on the {side} of the {name}, which symbol is it",
            ),
            "name": ("the symbol you see on the {side} of the {name}",),
        },
    ),
}
