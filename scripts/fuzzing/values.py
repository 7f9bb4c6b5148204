"""Values that programs stumble over: numbers, texts, paths, JSON and bytes, drawn from a seed."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

# `int` reads the Arabic three; the half is numeric, but no number to it.
NUMBERS = (
    *"nan -nan inf -inf NaN 1e309 -1e309 1e-320 0 -0 0.0 -1 1 2 0.5 1.5 1e-9 1e9".split(),
    *"2147483648 9223372036854775808 abc 1_000 0x10 1,5 1e ٣ ½ true None 1;2 --1".split(),
    *("9" * 400, "-" + "9" * 400, "", " ", " 7", "7 "),
)
# "\ud800" cannot be encoded; "\udcff" is how a byte that is no UTF-8 arrives from the shell.
TEXTS = (
    *("", " ", "\n", "\t", "a\x00b", "\ud800", "wh\udcffat", "x" * 3000, "א\u202eב", "🦜"),
    *("$x^{$", "\\frac{1}", "*_`# [a](b)", "<b>&amp;", "%s %d {}", "\u2028\u2029\x85"),
    *("null", "NaN", "../x", "</s><image>", "- item", "1. x", "=1+1", "'; --", '"'),
)
PATHS = (
    *"/ ~ . .. /dev/null /dev/zero /dev/full /proc/self/mem nowhere/x notes.txt old.tmp".split(),
    *"pipe loop link folder-link checkpoint checkpoint.partial thesis.partial data.tmp".split(),
    *"questions.jsonl table.csv 0.png index.html report.md .hidden notes.txt/below - --".split(),
    *"runs runs/outcomes runs/router runs/imported runs/router/config.json".split(),
    *("", "x" * 300, "new\nline", "wh\udcffat", "out put"),
)
# 2**63 is just past a 64-bit integer, 10**400 past a float.
LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, -0.0, float("nan"), float("inf"), 10**18, 2**63),
    *(-(2**63), 10**400, "", "x", "1", "nan", "null", "\x00", "\ud800", "𝔘" * 20),
    *([], {}, [[]], [None], {"": 1}, [1, 2, 3], {"a": {"b": []}}, ["a", 1, None]),
    *("[]", "{}", "data:image/png;base64,AAAA"),
)


def draw_number(draw: random.Random) -> str:
    """Draw the text of a number, or of what is none."""
    if draw.random() < 0.3:
        return repr(
            draw.choice((draw.uniform(-10, 10), draw.randint(-5, 10**6), draw.gauss(0, 1e6)))
        )
    return draw.choice(NUMBERS)


def draw_text(draw: random.Random) -> str:
    """Draw a text that is hard to print, to parse or to draw."""
    if draw.random() < 0.3:
        return "".join(
            chr(draw.choice((draw.randrange(32, 127), draw.randrange(0x3000)))) for _ in range(9)
        )
    return draw.choice(TEXTS)


def draw_path(draw: random.Random) -> str:
    """Draw a path below the user's home, or one that no command should take."""
    return draw.choice(PATHS) if draw.random() < 0.8 else f"out{draw.randrange(10**6)}"


def change_json(draw: random.Random, value: Any) -> Any:
    """Change one place of a JSON value: another leaf, a key less, a key more, or much deeper."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        # Mostly inside: a change at the top is noticed by the first check.
        key = draw.choice(list(value))
        how = draw.random()
        if how < 0.15:
            return {name: item for name, item in value.items() if name != key}
        if how < 0.2:
            return {**value, draw_text(draw): draw.choice(LEAVES)}
        return {**value, key: change_json(draw, value[key])}
    if isinstance(value, list) and value and draw.random() < 0.85:
        place = draw.randrange(len(value))
        how = draw.random()
        if how < 0.1:
            return value[:place] + value[place + 1 :]
        if how < 0.2:
            return [*value, value[place]]
        return [*value[:place], change_json(draw, value[place]), *value[place + 1 :]]
    if draw.random() < 0.02:
        # Below, about and above the depth at which Python gives up.
        return deepen(draw.choice((50, 1000, 5000)))
    return draw.choice(LEAVES)


def deepen(levels: int) -> Any:
    """Nest lists."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def to_text(value: Any) -> str:
    """Write JSON as a careless program does: NaN and lone surrogates included.

    Deep values are written by hand, because the writer of the standard library gives up on them.
    """
    try:
        return json.dumps(value)
    except RecursionError:
        return "[" * 100000 + "]" * 100000


def change_bytes(draw: random.Random, content: bytes) -> bytes:
    """Damage bytes: flips, cuts, doubled and foreign parts."""
    changes: Sequence[Callable[[bytes], bytes]] = (
        lambda data: data[: draw.randrange(len(data) + 1)],
        lambda data: data[draw.randrange(len(data) + 1) :],
        lambda data: flip_bytes(draw, data),
        lambda data: data + draw.randbytes(draw.choice((1, 100, 5000))),
        lambda data: data * draw.choice((0, 2, 3)),
        lambda data: data.replace(b"\n", draw.choice((b"\r", b"\x00", b"\n\n", b""))),
        lambda data: draw.randbytes(draw.randrange(1, 300)),
        # A byte order mark.
        lambda data: b"\xef\xbb\xbf" + data,
        # Latin-1 has a character for every byte, so this always works.
        lambda data: data.decode("latin-1").encode("utf-16"),
    )
    return draw.choice(changes)(content)


def flip_bytes(draw: random.Random, data: bytes) -> bytes:
    """Change a few single bytes."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 3, 30))):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)
