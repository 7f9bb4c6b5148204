"""How people ask, by what they ask; data only.

"(a|b)" is a choice, an empty one included. {name} and {other} are things or words, {names} more
than one of them and {a_name} one with its article; {colour}, {place}, {row}, {nth}, {price},
{number} and {options} stand for themselves. No phrase holds a word or a whole pattern that
`labels.scenes.wide.grammar` keeps from training.
"""

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
    "kind": (
        "what is this",
        "what('s|s| is) this picture",
        "what kind of (picture|image) am I looking at",
        "what sort of (picture|image|photo|drawing) is this",
        "what type of (image|picture) do we have here",
        "is (this|it) a {options}",
    ),
}

PICTURED = {
    "has": (
        "any {names} (here|in this one|in it|in there|around|in this picture|in here)",
        "is there (any|a single|some) {name} (|here|in here|in this picture|in this image)",
        "are there (any|some) {names} (|here|in it|in this picture)",
        "(do|can) you see (any|some) {names}",
        "do you see {a_name} (in there|in here|anywhere)",
        "is there {a_name} (anywhere|somewhere|in this image|in here|in this one)",
        "(has|does) it (got|have) {a_name}",
        "can I find {a_name} (|in this|in here)",
        "{a_name} in (it|there|here)",
        "{names} (here|in there|in it)",
    ),
    "has coloured": (
        "is there {a_colour} {name} (|here|in it)",
        "any {colour} {names} (|here|in there|in this one)",
        "do you see {a_colour} {name}",
        "are there {colour} {names}",
    ),
    "count": (
        "how many {names}",
        "how many {names} (are there|do you see|can you see|can you count|are in there)",
        "how many {names} are in (it|the picture|the image|this picture|this one)",
        "how many {names} (have we got|in total|all together|does it have)",
        "(count|add up) the {names} (|for me)",
        "number of {names}",
        "what('s|s| is) the number of {names}",
        "(can|could) you count the {names}",
        "the {names}, how many",
    ),
    "coloured count": (
        "how many {colour} {names} (|are there|do you see)",
        "number of {colour} {names}",
        "count the {colour} {names}",
    ),
    "total": (
        "how many (things|symbols|little pictures|signs|shapes) are there (|in total|all together)",
        "how many (things|symbols|shapes) (do you see|can you count)",
        "count (everything|all of them|all the things)",
    ),
    "colour": (
        "{name} (color|colour)",
        "what('s|s| is) the (color|colour) of the {name}",
        "what (color|colour)('s| is) the {name}",
        "which (color|colour)('s| is) the {name}",
        "the {name}, what (color|colour) is it",
        "what (color|colour) is that {name}",
        "(color|colour) of the {name}",
        "what (color|colour) do you see on the {name}",
        "(say|tell me) what (color|colour) (that|the) {name} is",
    ),
    "is colour": ("is the {name} {colour}", "is that {name} (really|actually|) {colour}"),
    "either colour": ("is the {name} {options}", "{options}, what is the {name}"),
    "only": (
        "what('s|s| is) the (only|one) {colour} thing",
        "which (thing|sign|symbol|shape) is {colour}",
        "what('s|s| is) {colour} (here|in this picture)",
        "what('s|s| is) that {colour} thing",
    ),
    "most": (
        "which (thing|shape|symbol|sign) is the most (common|frequent) (|here)",
        "what do you see most (|often)",
        "which (thing|shape|symbol) is there most often",
        "what('s|s| is) the most common (thing|shape|symbol)",
    ),
    "where": (
        "where('s|s| is) the {name}",
        "where can I find the {name}",
        "where (has|did) the {name} (gone|go)",
        "(the|) {name}, where is it",
        "which (part|corner|side) is the {name} in",
    ),
    "at": (
        "what('s|s| is) (in|at) the {place}",
        "what('s|s| is) (in|at) the {place} (part|area|corner)",
        "which (thing|symbol|shape) is (in|at) the {place}",
        "what do you see (in|at) the {place}",
        "what('s|s| is) that (thing|) in the {place}",
        "{place}, what is it",
        "(say|tell me) the (thing|symbol) (that's|) in the {place} (|corner)",
    ),
    "after": (
        "what comes (right|) after the {name}",
        "which (thing|symbol) (comes after|follows) the {name}",
        "what('s|s| is) next to the {name} on the right",
    ),
    "before": (
        "what comes (right|just|) before the {name}",
        "what('s|s| is) next to the {name} on the left",
    ),
    "above": (
        "what('s|s| is) (right|directly|just|) above the {name}",
        "which (thing|symbol) is (above|over|on top of) the {name}",
    ),
    "below": (
        "what('s|s| is) (right|directly|just|) (below|under) the {name}",
        "which (thing|symbol) is (below|under|beneath) the {name}",
    ),
    "columns": ("how many columns (|are there|does it have|do you see)", "number of columns"),
    "row start": (
        "what('s|s| is) the first (thing|symbol|one) in (row {row}|the {row_nth} row)",
        "what does row {row} (start|begin) with",
    ),
    "row end": (
        "what('s|s| is) the last (thing|symbol|one) in (row {row}|the {row_nth} row)",
        "what does row {row} end with",
    ),
}

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
    ),
    "whose": (
        "(what|which symbol|which thing) has (the|) number {number}",
        "{number} belongs to (what|which thing)",
        "which (sign|thing|symbol) stands by {number}",
    ),
    "first digit": (
        "(what|which) (number|digit) comes (right|) after the {name}",
        "what('s|s| is) the first digit (of|by|after) the {name}",
    ),
    "last digit": (
        "what('s|s| is) the last (digit|number) (in the row with|of|by|after) the {name}",
        "what digit does the {name}'s number end with",
    ),
    "at line": (
        "what('s|s| is) the (symbol|thing|sign) in the {row_nth} row",
        "which (thing|symbol) is in row {row}",
    ),
    "line number": (
        "what('s|s| is) the number in (row {row}|the {row_nth} row)",
        "which number is on line {row}",
    ),
}

WRITTEN = {
    "says": (
        "what does it say",
        "what('s|s| is) written (here|there|on it)",
        "which (word|food) is (written|) (on it|here)",
        "read it (|to me|for me)",
        "what can you read",
    ),
    "has word": (
        "(can|may) I (get|order|have|buy) {name} (|here)",
        "do they (sell|have|serve|offer) {name}",
        "is {name} (on the (list|menu|page|paper|picture)|one of the words|written on it|in it)",
        "is there (any|) {name} (|here|on it|on this page)",
        "do you see (the word|) {name}",
        "does it (say|list|show|have) {name} (|anywhere|somewhere)",
        "(any|is the word) {name} (on it|here|in there)",
        "can you see the word {name}",
    ),
    "first": (
        "what('s|s| is) the (very|) first (word|item|thing|one)",
        "first (word|item)",
        "what does (it|the text|the page|the list) (start|begin) with",
        "what('s|s| is) (at|on|written at) the (very|) top",
        "what('s|s| is) the top (word|item|one)",
        "which (word|item) (comes|is) first",
    ),
    "last": (
        "what('s|s| is) the (very|) last (word|item|thing|one)",
        "last (word|item)",
        "what does (it|the text|the page|the list) end with",
        "what('s|s| is) (at|on|written at) the (very|) bottom (|of the list|of the page)",
        "what('s|s| is) the bottom (word|item|one)",
        "which (word|item) (comes|is) last",
    ),
    "line": (
        "{row_nth} (word|item|line)",
        "what('s|s| is) the {row_nth} (word|item|thing) (|down|from the top|from above)",
        "(read|say) (|me) (the {row_nth} line|line {row}|line number {row})",
        "what('s|s| is) written (on|in) (line {row}|the {row_nth} line|line number {row})",
        "what('s|s| is) in (row {row}|the {row_nth} row)",
        "line {row}",
    ),
    "line start": (
        "{row_nth} line, first word",
        "what('s|s| is) the first word (of|in|on) (line {row}|the {row_nth} line|row {row})",
        "what does line {row} (start|begin) with",
    ),
    "line end": (
        "{row_nth} line, last word",
        "what('s|s| is) the last word (of|in|on) (line {row}|the {row_nth} line|row {row})",
        "what does line {row} end with",
    ),
    "follows": (
        "(which|what) (word|item|one) (comes|is) (right|directly|just|) after {name}",
        "what comes after {name}",
        "what follows {name}",
    ),
    "precedes": (
        "(which|what) (word|item|one) (comes|is) (right|directly|just|) before {name}",
        "what comes before {name}",
    ),
    "over": (
        "(what|which|what word|which word) is (right|directly|just|) above {name}",
        "(what|which) (word|item) stands above {name}",
        "the word just above {name}",
    ),
    "under": (
        "(what|which|what word|which word) is (right|directly|just|) (below|under) {name}",
        "(what|which) (word|item) stands (below|under) {name}",
        "the word just below {name}",
    ),
    "between": (
        "(what|which word|which one) (stands|is) between {name} and {other}",
        "between {name} and {other} there is what",
    ),
    "words": (
        "how many words (are there|are written here|do you count|do you see|can you read)",
        "number of words",
        "how many different words (|are there)",
    ),
    "lines": (
        "how many lines (|of text|of words|are written|can you count|can you see|do you count)",
        "number of (lines|rows)",
        "how many rows (|of text|of words|of numbers|do you see|do you count)",
    ),
    "times": (
        "how (often|many times) (does it say|do you read|can you read) {name}",
        "how many times (does {name} (appear|occur)|is {name} there)",
        "number of times it says {name}",
    ),
}

MENU = {
    "price": (
        "how much is (the|a|one|) {name}",
        "how much does (the|a|one|) {name} cost",
        "what('s|s| is) the price of (the|a|one|) {name}",
        "what does (the|a|one|) {name} cost (|here)",
        "{name} price",
        "price (of|for) (the|) {name}",
        "how expensive is the {name}",
        "what will I pay for (the|a|one|) {name}",
        "if I (buy|order|take) {name}, how much is (that|it)",
        "what('s|s| is) the {name} going for",
        "what('s|s| is) the number (next to|by|behind|after) {name}",
    ),
    "dearest": (
        "what('s|s| is) the most expensive (|thing|item|one)",
        "which (item|thing|one|food) (is the most expensive|costs the most|has the highest price)",
    ),
    "cheapest": (
        "what('s|s| is) the cheapest (|thing|item|one)",
        "which (item|thing|one|food) (is the cheapest|costs the least|has the lowest price)",
    ),
    "costs": (
        "(what|which item|which thing|which one) costs {price}",
        "what can I (get|buy|have) for {price}",
        "which one is {price}",
    ),
    "items": (
        "how many (items|things|foods|dishes) are (there|on it|listed|on the menu|on the list)",
        "how many (items|things|foods) (can I order|do they have|do they sell)",
        "number of items",
    ),
    "is cheaper": ("is {name} cheaper than {other}", "is {name} less than {other}"),
    "which cheaper": (
        "(which|what) is cheaper, {options}",
        "which one costs less, {options}",
    ),
}

CHART = {
    "bar": (
        "how (high|far|long|much|big) (is|does) (the|) {name} (|go|reach up to)",
        "how (high|far) does (the|) {name} (bar|) go",
        "what('s|s| is) the value (for|at|of) {name}",
        "value (for|of) {name}",
        "{name} value",
        "what does {name} have",
        "what('s|s| is) {name} at",
        "how many does {name} have",
    ),
    "bar colour": (
        "what (color|colour)('s| is) {name}",
        "what (color|colour) is the {name} bar",
        "{name} bar (color|colour)",
        "what('s|s| is) the (color|colour) of (the|) {name} bar",
    ),
    "coloured bar": (
        "(which|what) (food|word|one|bar) (has the {colour} bar|is {colour})",
        "what is the {colour} bar (|for)",
        "whose bar is {colour}",
    ),
    "longest": (
        "(which|what) (bar|one|food) is (the|) (longest|biggest|highest|largest)",
        "what has the (largest|biggest|highest) value",
        "which bar is the longest one",
    ),
    "shortest": (
        "(which|what) (bar|one|food) is (the|) (shortest|smallest|lowest)",
        "what has the (smallest|lowest) value",
        "which bar is the shortest one",
    ),
    "reaches": (
        "(which|what) (bar|one|food) (has|is at|goes to|reaches) {price}",
        "what has the value {price}",
    ),
    "bars": ("how many bars (|are there|do you see|does it have|does this chart have)",),
    "is more": ("is {name} (more|higher|longer|bigger) than {other}",),
    "which more": ("(which|what) is (more|higher|longer|bigger), {options}",),
}

# Kind of fact -> how it is asked for.
PHRASES = {**ANYWHERE, **PICTURED, **NUMBERED, **WRITTEN, **MENU, **CHART}
