"""What a harness asks, in the words of `predictor.requests`.

Harnesses differ in how they write conversations and settings; what they have in common is here.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from m3_backbone.inference.sampling import Sampling
    from predictor.requests.turns import ImageSource, Turn


def read_turn(role: str, texts: Sequence[str], images: "Sequence[ImageSource]") -> "Turn":
    """Make a turn of its parts; the images stand in front, texts are joined by line breaks.

    Args:
        role: who says it; a ValueError names those that there are.
        texts: its texts.
        images: its images.
    """
    from predictor.requests.turns import Turn, join_texts

    return Turn(role, join_texts(texts), tuple(images))  # type: ignore[arg-type]  # checked there


def read_sampling(settings: Mapping[str, Any], longest: int) -> "Sampling":
    """Read how answers are generated, in the names of transformers; None is no setting.

    Args:
        settings: `max_new_tokens`, `until`, `temperature`, `top_p`, `do_sample`, `num_beams`,
            `seed`; others, which tasks have for other models, are passed over.
        longest: most tokens of an answer where they do not say.

    Returns:
        The same, with a ValueError for what is out of range.

    Raises:
        ValueError: if answers are to be searched for.
    """
    from m3_backbone.inference.sampling import Sampling

    given = {name: value for name, value in settings.items() if value is not None}
    if given.get("num_beams", 1) != 1:
        raise ValueError(f"m3scale does not search: num_beams must be 1, got {given['num_beams']}")
    # As transformers has it: without a word about drawing, it is the temperature that says so.
    drawn = given.get("do_sample", "temperature" in given)
    heat = given.get("temperature", 1.0) if drawn else 0.0
    until = given.get("until", ())
    listed = until if isinstance(until, list | tuple) else (until,)
    return Sampling(
        max_new_tokens=given.get("max_new_tokens", longest),
        temperature=heat,
        # Many tasks have one that means nothing without a temperature.
        top_p=given.get("top_p", 1.0) if heat else 1.0,
        seed=given.get("seed"),
        stop=tuple(text for text in listed if text != ""),
    )
