"""Which questions are read together: batches by the tokens they take, halved where memory ends.

Plans only; `prefill.py` makes the rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from m3_backbone.inference.prompts import TokenizedPrompt

TOKEN_BUDGET = 16384
"""Tokens in the cache of one batch: 8 GiB for a language model of 7B parameters in bfloat16."""

LONGEST_PACK = 2048
"""Tokens of the questions in one packed row: each is compared with each, so a row must end."""

LONG_BEGINNING = 400
"""Visual tokens that are read by themselves even for one question."""

PASS_TOKENS = {"cpu": 50}
PASS_TOKENS_ELSEWHERE = 1000
"""Tokens that are read in the time that one pass takes however little it reads.

Measured on two CPU cores: 11 for m3-mini, 104 for a shape of 0.3B. On an accelerator a pass waits
for the launch of its kernels, or for the weights of 7B parameters, some 25 ms of an H100.
"""

LIKELY_ANSWER = 16
"""Passes that an answer is planned with, where it may have more tokens."""

Pays = Callable[[int, int], bool]
"""(questions of an image, its visual tokens) -> whether they share its reading."""


@dataclass(frozen=True)
class Row:
    """One line of a batch: an image and the questions that are read behind it.

    Attributes:
        image: number of the image.
        places: numbers of its questions.
        packed: whether the beginning of the prompt is read once for all of them.
        visual: visual tokens of the image.
        size: tokens that it takes in the cache, with all answers at their longest.
    """

    image: int
    places: tuple[int, ...]
    packed: bool
    visual: int
    size: int


def sharing_pays(n_questions: int, visual: int) -> bool:
    """Tell whether to read the beginning of the prompt by itself, once for all questions.

    `scripts.benchmarks.label --prefix` measures where it does: from two questions on at every
    scale, and for one where the beginning is long, as it needs no mask there and less of the last
    layer.

    Args:
        n_questions: questions of the image.
        visual: visual tokens of the image, if all images have as many, else 0: a packed batch holds
            images of one number only, and a question alone is better off in a full batch.
    """
    return n_questions > 1 or visual >= LONG_BEGINNING


def plan_rows(
    prompts: Sequence[Sequence[TokenizedPrompt]],
    visual: Sequence[int],
    max_new_tokens: int,
    token_budget: int,
    pays: Pays,
) -> list[Row]:
    """Spread the questions of images over rows.

    Args:
        prompts: the prompts of each image.
        visual: visual tokens of each image.
        max_new_tokens: most tokens of an answer.
        token_budget: tokens of a batch; a packed row has no more, unless one question alone has.
        pays: whether questions share a row, see `sharing_pays`.
    """
    # With uneven counts packed rows would split into a batch for each count.
    even = len(set(visual)) == 1
    rows = []
    for image, group in enumerate(prompts):
        if not group or not pays(len(group), visual[image] if even else 0):
            # A row for each question, which reads the image again.
            for place, prompt in enumerate(group):
                size = prompt.text_tokens() + visual[image] + max_new_tokens
                rows.append(Row(image, (place,), False, visual[image], size))
            continue
        # As few rows as the limits allow, each of which reads the image once.
        beginning = len(group[0].before) + visual[image]
        sizes = [len(prompt.after) + max_new_tokens for prompt in group]
        for places in _cut(sizes, min(LONGEST_PACK, token_budget - beginning)):
            size = beginning + sum(sizes[place] for place in places)
            rows.append(Row(image, places, True, visual[image], size))
    return rows


def fill_batches(rows: Sequence[Row], token_budget: float) -> Iterator[list[Row]]:
    """Gather rows of like size, packed ones with equally many visual tokens.

    A batch of rows of one scale has at most `token_budget` tokens, padding included, or one row.
    """

    def kind(row: Row) -> tuple[bool, int]:
        return row.packed, row.visual if row.packed else 0

    batch: list[Row] = []
    # Sorted by kind first, so that a change of kind ends a batch only once.
    for row in sorted(rows, key=lambda row: (kind(row), row.size)):
        # The last row is the largest, and the others are padded to it.
        full = (len(batch) + 1) * row.size > token_budget
        if batch and (full or kind(row) != kind(batch[0])):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def count_pass_tokens(device_type: str, max_new_tokens: int) -> float:
    """Count the tokens that could be read in the time that a batch takes for itself.

    One pass reads the prompts and gives the first token, and each further one takes its own.
    """
    passes = min(max_new_tokens, LIKELY_ANSWER)
    return passes * PASS_TOKENS.get(device_type, PASS_TOKENS_ELSEWHERE)


def split_batches(lengths: Sequence[int], batch_size: int, pass_tokens: float) -> list[list[int]]:
    """Split rows into the batches that take least time, whatever the scale of each row.

    A batch takes as long as its tokens do, padding included, and something for itself. Where that
    is much, as on a GPU, short rows are better padded to long ones than read apart.

    Args:
        lengths: tokens of each row.
        batch_size: most rows of a batch.
        pass_tokens: time that a batch takes for itself [tokens read].

    Returns:
        Row numbers, the shortest rows first.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    # Of the first n rows the least cost, and where the last batch of that begins.
    costs, begins = [0.0], [0]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        first = max(end - batch_size, 0)
        each = [costs[n] + (end - n) * longest + pass_tokens for n in range(first, end)]
        costs.append(min(each))
        begins.append(first + each.index(costs[-1]))
    batches = []
    end = len(order)
    while end:
        batches.append(order[begins[end] : end])
        end = begins[end]
    return batches[::-1]


def count_tokens(batch: Sequence[Row]) -> int:
    """Count the tokens in the cache of a batch, padding included."""
    return len(batch) * max(row.size for row in batch)


def _cut(sizes: Sequence[int], limit: int) -> Iterator[tuple[int, ...]]:
    """Cut a sequence into runs whose sizes add up to no more than a limit, if they can."""
    run: list[int] = []
    for place, size in enumerate(sizes):
        # A run is never empty: one item above the limit stands alone.
        if run and sum(sizes[i] for i in run) + size > limit:
            yield tuple(run)
            run = []
        run.append(place)
    if run:
        yield tuple(run)
