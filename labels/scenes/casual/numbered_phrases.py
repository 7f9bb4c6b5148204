"""How people ask about the numbers of a list; see `phrases` beside this."""

NUMBERED = {
    "number": (
        "{name} number",
        "(read|give|tell) me the (digits|number) (next to|after|behind|by|for) the {name}",
        "what('s|s| is) (written|) (next to|after|behind|by) the {name}",
        "which (digits|number) (stand|stands|is|are) (by|behind|after|next to) the {name}",
        "number (for|by|of|next to) the {name}",
        "what('s|s| is) the {name}'s number",
        "the {name} has which number",
        "what number do you see by the {name}",
        "what number (belongs|goes) (to|with) the {name}",
        "which number (stands|is|is written) (beside|next to|near|at|with) the {name}",
        "number (at|beside|with|behind) the {name}",
        "(please|) read the number (in the row with|beside|of|next to|behind) the {name}",
        (
            "(I'd like to know|I want to know|give me|can you read) the number (next "
            "to|of|beside|by) the {name}"
        ),
        "what('s|s| is) the number (next to|beside|behind|at|by) the {name}",
        "what number does the {name} have",
        "{name}: (which|what) number",
        "the number in the {name}'s (row|line)",
        "what does the row with the {name} say",
        "read the {name}'s number",
        "(which|what) number is to the right of the {name}",
        "what are the (four|) digits (next to|beside|after|of|behind) the {name}",
        "(which|what) (four|) digits are (next to|beside|behind|by) the {name}",
        "(which|what) four digits (follow|come after|belong to) the {name}",
    ),
    "whose": (
        "(what|which symbol|which thing) has (the|) number {number}",
        "{number} belongs to (what|which thing)",
        "which (sign|thing|symbol) stands by {number}",
        (
            "(what|which) (shape|symbol|thing|object) has (the number|) {number} (next "
            "to it|beside it|behind it|)"
        ),
        "what('s|s| is) (next to|beside|in front of|left of|to the left of) {number}",
        "(what|which) (thing|shape|symbol) (belongs|goes) (to|with) (the number|) {number}",
        "{number}: (which|what) (thing|symbol|shape)",
        "(what|which) (thing|symbol) is (beside|next to) the number {number}",
        "whose number is {number}",
        "(what|which) (thing|symbol) (stands|comes) before (the number|) {number}",
        "(what|which) (thing|symbol) is (in front of|left of) (the number|) {number}",
        "(what|which) (thing|symbol) (is|stands) (in|at the start of) the (row|line) with {number}",
    ),
    "number colour": (
        (
            "(what|which) (color|colour) (has|is) the (thing|symbol|shape|one) with (the "
            "number|) {number}"
        ),
        "(color|colour) of the (thing|symbol|shape|one) (with|next to|beside) {number}",
        "what (color|colour) is (next to|beside) {number}",
        (
            "what('s|s| is) the (color|colour) of the (thing|symbol) (with|next "
            "to|beside|by) (the number|) {number}"
        ),
    ),
    "has number": (
        "is the number {number} (|here|in the list|there|in it)",
        "is {number} (there|in the list|one of the numbers|in it)",
        "do you see (the number|) {number} (|anywhere|somewhere)",
        "does it (have|list|show) (the number|) {number}",
        "can you (see|find|read) {number} (|here)",
    ),
    "first digit": (
        "(what|which) (number|digit) comes (right|) after the {name}",
        "what('s|s| is) the first digit (of|by|after) the {name}",
        "what('s|s| is) the first digit in the (row|line) (with|of) the {name}",
    ),
    "last digit": (
        "what('s|s| is) the last (digit|number) (in the row with|of|by|after) the {name}",
        "what digit does the {name}'s number end with",
        "what('s|s| is) the last digit in the (row|line) (with|of) the {name}",
    ),
    "digits": (
        "how many digits (does|do) (each|every) (number|line) have",
        "how many digits (are in|has) (each|every) (number|line)",
        "how many digits in (each|every|a) (number|line)",
        "how long are the numbers",
    ),
    "at line": (
        "what('s|s| is) the (symbol|thing|sign) in the {row_nth} row",
        "which (thing|symbol) is in row {row}",
        "(thing|symbol) in (row {row}|the {row_nth} row)",
        "what('s|s| is) the {row_nth} (thing|symbol) (|from the top|in the list)",
    ),
    "line number": (
        "what('s|s| is) the number in (row {row}|the {row_nth} row)",
        "which number is on line {row}",
        "(read|give me|tell me) the {row_nth} number",
        "what('s|s| is) the {row_nth} number (|from the top|in the list)",
    ),
}
