"""How people ask about pictograms, by what they ask; see `phrases` beside this."""

COUNTED = (
    "how many {names}",
    "how many {names} (are there|do you see|can you see|can you count|are in there)",
    "how many {names} are in (it|the picture|the image|this picture|this one)",
    "how many {names} (have we got|in total|all together|does it have)",
    "(count|add up) the {names} (|for me)",
    "number of {names}",
    "what('s|s| is) the number of {names}",
    "(can|could) you count the {names}",
    "the {names}, how many",
    "(total|) number of {names} (in the picture|here|please)",
    "how many {names} (are here|you see)",
    "tell me how many {names} (there are|you see)",
    "the {name} count",
    "how many {names} (show up|appear)",
    "how many {names} (are|) in the (grid|list|picture)",
)

PICTURED = {
    "none": COUNTED,
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
        "is {a_name} (anywhere|somewhere) in (this|the) (picture|image)",
        "(does|do) I see {a_name} here",
        "{a_name}, is there one",
    ),
    "single": (
        "what('s|s| is) this",
        "what('s|s| is) (that|it)",
        "what('s|s| is) (shown|drawn|pictured) (here|)",
        "what do you see (|here)",
        "which (thing|symbol|object) is (this|it|shown|in the picture)",
        "name (the|this) (thing|object)",
        "(what|which thing) is this (a|an|the) (picture|image|drawing|photo) of",
        "what does (it|the picture|the image|this) show",
        "what (thing|object) is (this|here|there)",
    ),
    "has coloured": (
        "is there {a_colour} {name} (|here|in it)",
        "any {colour} {names} (|here|in there|in this one)",
        "do you see {a_colour} {name}",
        "are there {colour} {names}",
        "is there (any|some) {colour} {name}",
        "do you see any {colour} {names}",
        "can I find {a_colour} {name} (here|in it)",
    ),
    "count": COUNTED,
    "coloured count": (
        "how many {colour} {names} (|are there|do you see)",
        "number of {colour} {names}",
        "count the {colour} {names}",
        "how many {colour} {names} (are here|can you see|can you count|have we got)",
        "tell me how many {colour} {names} there are",
        "(can|could) you count the {colour} {names}",
        "(what|whats|what is) the number of {colour} {names}",
        "{colour} {names}, how many",
        "how many of the {names} are {colour}",
    ),
    "colour count": (
        (
            "how many {colour} (things|shapes|symbols|objects|ones) (|are there|are here|do "
            "you see|can you see|can you count)"
        ),
        "how many (things|shapes|symbols|objects) are {colour}",
        "number of {colour} (things|shapes|objects|symbols)",
        "count (the|all|all the) {colour} (things|shapes|objects|ones|symbols)",
        "how many are {colour}",
        "(what|whats|what is) the number of {colour} (things|objects)",
        "how much {colour} stuff is there",
        "how many of the (things|symbols|signs|shapes) are {colour}",
        "how many {colour} (signs|symbols) (|are there)",
    ),
    "has colour": (
        "is there (anything|something) {colour} (|here|in it|in the picture)",
        "(anything|something) {colour} (|here|in there)",
        "are there (any|) {colour} (things|shapes|objects|symbols) (|here|in it)",
        "any {colour} (things|shapes|objects|symbols)",
        "is (anything|something|any of them|one of them) {colour}",
        "do you see (anything|something) {colour}",
    ),
    "kinds": (
        (
            "how many (different|distinct) (things|shapes|symbols|objects|kinds of things) "
            "(|are there|do you see)"
        ),
        "how many (kinds|types|sorts) of (things|shapes|symbols|objects) (|are there|do you see)",
    ),
    "colours": (
        "how many (|different) (colors|colours) (|are there|do you see|can you see)",
        "how many (|different) (colors|colours) do the (things|shapes|symbols) have",
        "number of (|different) (colors|colours)",
    ),
    "are more": (
        "(are there|do you see) more {names} than {others}",
        "more {names} than {others}",
        "is the number of {names} (larger|higher|greater) than that of {others}",
    ),
    "more of": (
        "are there more {names} or {others}",
        "more {names} or (|more) {others}",
        "(what|which) are there more of, {names} or {others}",
        "(which|what) is there more often, {the_options}",
    ),
    "colour at": (
        "what (color|colour) is the {name} (in|at) the {place}",
        "the {name} (in|at) the {place}, (what|which) (color|colour) (is it|)",
        "(color|colour) of the (thing|symbol|{name}) (in|at) the {place}",
        "what('s|s| is) the (color|colour) of the {name} (in|at) the {place}",
    ),
    "colour beside": (
        "what (color|colour) is the (thing|symbol|one) {where} the {name}",
        "(color|colour) of the (thing|symbol|one) (just|directly|) {where} the {name}",
        "what (color|colour) is {where} the {name}",
    ),
    "total": (
        "how many (things|symbols|little pictures|signs|shapes) are there (|in total|all together)",
        "how many (things|symbols|shapes) (do you see|can you count)",
        "count (everything|all of them|all the things)",
        (
            "(what is the|the|) number of (things|objects|shapes|symbols) (|here|in the "
            "picture|in the image|in it)"
        ),
        "how many objects (|are there|are in the picture|do you see|can you see)",
        "how many (things|objects|shapes) does (it|the picture|this image) (show|have)",
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
        "which (color|colour) has the {name} (|got)",
        "(color|colour) of (|that|this) {name}",
        "what (color|colour) does (the|that) {name} have",
        "{name}: (|which|what) (color|colour)",
        "what is the {name}'s (color|colour)",
        "what (color|colour) do you see for the {name}",
    ),
    "is colour": (
        "is the {name} {colour}",
        "is that {name} (really|actually|) {colour}",
        "is it {a_colour} {name}",
        "is the (color|colour) of the {name} {colour}",
        "the {name} is {colour}, (right|correct|yes or no)",
        "does the {name} look {colour}",
    ),
    "either colour": (
        "is the {name} {options}",
        "{options}, what is the {name}",
        "is the {name} (rather|more) {options}",
        "what (color|colour) is the {name}, {options}",
        "the {name}, is it {options}",
    ),
    "same colour": (
        "(do|have) the {name} and the {other} (have|got|) the same (color|colour)",
        "(are|is) the {name} and the {other} (of|in|) the same (color|colour)",
        "is the {name} the same (color|colour) as the {other}",
    ),
    "only": (
        "what('s|s| is) the (only|one) {colour} thing",
        "which (thing|sign|symbol|shape) is {colour}",
        "what('s|s| is) {colour} (here|in this picture)",
        "what('s|s| is) that {colour} thing",
        (
            "(what|which) {colour} (thing|object|symbol|shape) (is there|is here|do you "
            "see|can you see|is it)"
        ),
        "what('s|s| is) the {colour} (thing|object|one|symbol)",
        "which (object|one) is {colour}",
        "what is there in {colour}",
        "name the {colour} (thing|object|one)",
        "what do you see in {colour}",
        "which (thing|object) has the (color|colour) {colour}",
    ),
    "most": (
        "which (thing|shape|symbol|sign) is the most (common|frequent) (|here)",
        "what do you see most (|often)",
        "which (thing|shape|symbol) is there most often",
        "what('s|s| is) the most common (thing|shape|symbol)",
        "(which|what) (thing|shape|symbol|object) (occurs|appears|is there) the most",
        "what is there most of",
    ),
    "where": (
        "where('s|s| is) the {name}",
        "where can I find the {name}",
        "where (has|did) the {name} (gone|go)",
        "(the|) {name}, where is it",
        "which (part|corner|side) is the {name} in",
        "where in the (picture|image) is (the|that) {name}",
        "where (exactly|) is it, the {name}",
        "in (which|what) (part|corner|area) (|of the picture|of the image) is the {name}",
        "the {name} is in which (part|corner)",
    ),
    "at": (
        "what('s|s| is) (in|at) the {place}",
        "what('s|s| is) (in|at) the {place} (part|area|corner)",
        "which (thing|symbol|shape) is (in|at) the {place}",
        "what do you see (in|at) the {place}",
        "what('s|s| is) that (thing|) in the {place}",
        "{place}, what is it",
        "(say|tell me) the (thing|symbol) (that's|) in the {place} (|corner)",
        (
            "(what|which) (thing|object|symbol|shape) (do you see|is there|is shown|is) "
            "(in|at) the {place} (|corner|of the picture|of the image)"
        ),
        "what('s|s| is) there (in|at) the {place}",
        "what (object|thing) is placed (in|at) the {place}",
        "(what|which) (sign|symbol|thing) is (in|at) the {place} (corner|part) of the grid",
        "what('s|s| is) (in|at) the {place} (corner|part) (of the grid|of this picture|)",
    ),
    "after": (
        "what comes (right|) after the {name}",
        "which (thing|symbol) (comes after|follows) the {name}",
        "what('s|s| is) next to the {name} on the right",
        "what('s|s| is) (just|right|directly|immediately|) to the right of the {name}",
        (
            "(what|which) (sort of thing|kind of thing|thing|object|shape) is "
            "(just|right|directly|) (right of|to the right of) the {name}"
        ),
        "what('s|s| is) on the right (side|) of the {name}",
        (
            "what (stands|lies|can be found|do you see) (right of|to the right of) the "
            "{name} (|, right next to it)"
        ),
        "which (thing|object|symbol) is the right (neighbor|neighbour) of the {name}",
        "thing (just|right|) to the right of the {name}",
    ),
    "before": (
        "what comes (right|just|) before the {name}",
        "what('s|s| is) next to the {name} on the left",
        "what('s|s| is) (just|right|directly|immediately|) to the left of the {name}",
        (
            "(what|which) (sort of thing|kind of thing|thing|object|shape) is "
            "(just|right|directly|) (left of|to the left of) the {name}"
        ),
        "what('s|s| is) on the left (side|) of the {name}",
        (
            "what (stands|lies|can be found|do you see) (left of|to the left of) the {name} "
            "(|, right next to it)"
        ),
        "which (thing|object|symbol) is the left (neighbor|neighbour) of the {name}",
        "thing (just|right|) to the left of the {name}",
    ),
    "above": (
        "what('s|s| is) (right|directly|just|) above the {name}",
        "which (thing|symbol) is (above|over|on top of) the {name}",
        (
            "(what|which) (sort of thing|thing|object|shape) is "
            "(just|right|directly|immediately|) (above|over) the {name}"
        ),
        "(thing|symbol|object) (just|right|directly|) above the {name}",
        "what (stands|lies|can be found|do you see) (right|just|directly|) above the {name}",
        "what('s|s| is) on top of the {name}",
    ),
    "below": (
        "what('s|s| is) (right|directly|just|) (below|under) the {name}",
        "which (thing|symbol) is (below|under|beneath) the {name}",
        (
            "(what|which) (sort of thing|thing|object|shape) is "
            "(just|right|directly|immediately|) (below|under|underneath|beneath) the {name}"
        ),
        "(thing|symbol|object) (just|right|directly|) (below|under) the {name}",
        (
            "what (stands|lies|can be found|do you see) (right|just|directly|) (below|under) "
            "the {name}"
        ),
        "what('s|s| is) (right|just|directly|) (underneath|beneath) the {name}",
    ),
    "side": (
        "is the {name} on the (left or right|right or left) (|side)",
        "is the {name} (left or right|right or left)",
        "(on|at) (which|what) side is the {name}, (left or right|right or left)",
        "is the {name} on the {on_options}",
        "is the {name} on the {the_options} (side|)",
        "(which|what) side is the {name} on, {options}",
        "on (which|what) side (|of the picture|of the image) (is|do you see) the {name}",
        "the {name}, {options}",
        "{options}: the {name}",
        "is the {name} in the left or right (half|part)",
    ),
    "height": (
        "is the {name} at the {at_options} (|of the picture|of the image)",
        "is the {name} at the {options}",
        "is the {name} in the {options} (half|part|)",
        "the {name}, {options}",
        "is the {name} {options}",
        "is the {name} at the {the_options}",
        "(which|what) part is the {name} in, {options}",
    ),
    "corner": (
        "is the {name} in the {the_options} (|corner)",
        "is the {name} in the {options} (|corner)",
        "(which|what) corner is the {name} in, {options}",
        "is the {name} at the {options}",
        "the {name}, {options}",
        "{options}, where is the {name}",
    ),
    "biggest": (
        (
            "what('s|s| is) the (biggest|largest) (thing|object|shape|symbol|one) (|here|in "
            "the picture)"
        ),
        "(which|what) (thing|object|shape|symbol|one) is (the|) (biggest|largest)",
        "(biggest|largest) (thing|object|shape)",
        "which one is the (biggest|largest)",
    ),
    "biggest colour": (
        "what (color|colour)('s| is) the (biggest|largest) {name}",
        "(color|colour) of the (biggest|largest) {name}",
        "which (color|colour) (is|has) the (biggest|largest) {name}",
        "what('s|s| is) the (color|colour) of the (biggest|largest) {name}",
        "the (biggest|largest) {name}, what (color|colour) is it",
    ),
    "smallest": (
        (
            "what('s|s| is) the (smallest|tiniest) (thing|object|shape|symbol|one) (|here|in "
            "the picture)"
        ),
        "(which|what) (thing|object|shape|symbol|one) is (the|) (smallest|tiniest)",
        "(smallest|tiniest) (thing|object|shape)",
        "which one is the (smallest|tiniest)",
    ),
    "smallest colour": (
        "what (color|colour)('s| is) the (smallest|tiniest) {name}",
        "(color|colour) of the (smallest|tiniest) {name}",
        "which (color|colour) (is|has) the (smallest|tiniest) {name}",
        "what('s|s| is) the (color|colour) of the (smallest|tiniest) {name}",
        "the (smallest|tiniest) {name}, what (color|colour) is it",
    ),
    "is bigger": (
        "is the {name} (bigger|larger) than the {other}",
        "is the {other} smaller than the {name}",
    ),
    "which bigger": (
        "(which|what) is (bigger|larger), the {the_options}",
        "(which|what) is (bigger|larger), {options}",
        "which one is (bigger|larger), {options}",
        "{options}, which is (bigger|larger)",
    ),
    "is left": (
        "is the {name} (to the left of|left of|on the left of) the {other}",
        "is the {other} (to the right of|right of|on the right of) the {name}",
        "the {name} is (to the|) left of the {other}, (right|correct|yes or no)",
    ),
    "is above": (
        "is the {name} (above|higher than|higher up than|over) the {other}",
        "is the {other} (below|under|lower than|lower down than) the {name}",
    ),
    "useful": (
        "(what|which thing|which symbol) (can|could|would|do) (I|you|we|people) use to {use}",
        "(what|which thing) do (I|you|we|people) need to {use}",
        "(what|which thing) (here|in this picture|in it) (is used|could be used) to {use}",
        "I want to {use}: (what|which thing) helps me",
        "which (thing|one) (lets|would let) (me|you|somebody) {use}",
    ),
    "sides": (
        "how many (sides|corners|edges) does (the|a|this) {name} have",
        "how many (sides|corners|edges) (are there on|has) the {name}",
        "number of (sides|corners) (of|on) the {name}",
    ),
    "columns": ("how many columns (|are there|does it have|do you see)", "number of columns"),
    "row start": (
        "what('s|s| is) the first (thing|symbol|one) in (row {row}|the {row_nth} row)",
        "what does row {row} (start|begin) with",
        "(which|what) (thing|symbol|object) (begins|starts) row {row}",
        "{row_nth} row, first (thing|symbol|one)",
    ),
    "row end": (
        "what('s|s| is) the last (thing|symbol|one) in (row {row}|the {row_nth} row)",
        "what does row {row} end with",
        "(which|what) (thing|symbol|object) ends row {row}",
        "{row_nth} row, last (thing|symbol|one)",
    ),
}
