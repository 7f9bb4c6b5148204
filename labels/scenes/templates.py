"""How the built-in benchmark phrases its questions; the second tuple is held out of training."""

TEMPLATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "background": (
        (
            "What colour is the background?",
            "What is the background colour?",
            "Which colour is behind everything?",
            "Name the colour of the background.",
        ),
        ("On which colour is all this drawn?", "What is the colour of the paper?"),
    ),
    "kind": (
        (
            "What kind of picture is this?",
            "What does this picture show?",
            "Is this a grid, a scene, a menu, a chart, a page or a list?",
            "What sort of image is it?",
        ),
        ("How would you describe this image in one word?", "What am I looking at?"),
    ),
    "rows": (
        (
            "How many rows are there?",
            "How many lines does it have?",
            "Count the rows.",
            "What is the number of rows?",
        ),
        ("How many rows can you see?", "Give the number of lines."),
    ),
    "place": (
        (
            "Where is the {name}?",
            "In which part of the picture is the {name}?",
            "Where can I find the {name}?",
            "Where in the image is the {name}?",
        ),
        ("Whereabouts is the {name}?", "Point me to the {name}."),
    ),
    "cell": (
        (
            "What is in row {row}, column {column}?",
            "Which symbol is in row {row} and column {column}?",
            "Row {row}, column {column}: what is there?",
            "What do you see in row {row}, column {column}?",
        ),
        (
            "Name the thing at row {row}, column {column}.",
            "In row {row}, what is in column {column}?",
        ),
    ),
    "cell colour": (
        (
            "What colour is row {row}, column {column}?",
            "Which colour is the symbol in row {row}, column {column}?",
            "Row {row}, column {column}: which colour is it?",
        ),
        ("Name the colour at row {row}, column {column}.",),
    ),
    "colour": (
        (
            "What colour is the {name}?",
            "What is the colour of the {name}?",
            "Which colour is the {name}?",
            "Tell me the colour of the {name}.",
        ),
        ("Which colour does the {name} have?", "In what colour is the {name} drawn?"),
    ),
    "bar colour": (
        (
            "What colour is the bar of {name}?",
            "Which colour is the {name} bar?",
            "What is the colour of the bar for {name}?",
        ),
        ("In what colour is {name} drawn?",),
    ),
    "exists": (
        (
            "Is there a {name}?",
            "Can you see a {name}?",
            "Does the picture show a {name}?",
            "Is a {name} in the picture?",
        ),
        ("Do you spot a {name}?", "Is any {name} to be found here?"),
    ),
    "listed": (
        (
            "Is {name} on it?",
            "Does it say {name}?",
            "Is the word {name} there?",
            "Can you read {name} anywhere?",
        ),
        ("Does {name} appear?", "Is {name} written here?"),
    ),
    "count": (
        (
            "How many times is the {name} there?",
            "How often does the {name} occur?",
            "Count the {name} symbols.",
            "How many {name} symbols are there?",
        ),
        ("What is the number of {name} symbols?", "How often do you see the {name}?"),
    ),
    "word": (
        (
            "What is the {nth} word on line {row}?",
            "Which word is the {nth} one on line {row}?",
            "Line {row}, {nth} word: what does it say?",
            "Read the {nth} word on line {row}.",
        ),
        ("On line {row}, what is the {nth} word?", "What does the {nth} word of line {row} say?"),
    ),
    "entry": (
        (
            "What is on line {row}?",
            "Which item is on line {row}?",
            "What does line {row} list?",
            "Read the item on line {row}.",
        ),
        ("Name the item of line {row}.", "Line {row} is for what?"),
    ),
    "price": (
        (
            "What does the {name} cost?",
            "How much is the {name}?",
            "What is the price of the {name}?",
            "What do they ask for {name}?",
        ),
        ("How much do I pay for {name}?", "The {name} is sold at what price?"),
    ),
    "bar": (
        (
            "What is the value of {name}?",
            "How long is the bar of {name}?",
            "What value does {name} have?",
            "Read the value of {name}.",
        ),
        ("How much does {name} reach?", "Which value is shown for {name}?"),
    ),
    "beside": (
        (
            "What is to the {side} of the {name}?",
            "Which symbol is {side} of the {name}?",
            "What is directly {side} of the {name}?",
            "To the {side} of the {name}, what is there?",
        ),
        ("What stands {side} of the {name}?", "Name the {side} neighbour of the {name}."),
    ),
    "number": (
        (
            "What number is beside the {name}?",
            "What is the number of the {name}?",
            "Which number belongs to the {name}?",
            "Read the number of the {name}.",
        ),
        ("Which number does the {name} have?", "What digits follow the {name}?"),
    ),
}
