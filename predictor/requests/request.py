"""A request: a conversation about images, its operating point and how its answer is generated."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from m3_backbone.arguments import check_kind, check_list
from m3_backbone.inference.sampling import Sampling
from predictor.requests.knobs import Knob
from predictor.requests.turns import ASSISTANT, SYSTEM, USER, ImageSource, Turn


@dataclass(frozen=True, eq=False)
class Request:
    """A conversation that is to be answered.

    Attributes:
        turns: maybe a system turn, then user and assistant in turns; the last one is a user's, and
            its text is the question that the scale is chosen for.
        knob: the operating point.
        sampling: how the answer is generated.
    """

    turns: tuple[Turn, ...]
    knob: Knob
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        """Refuse a conversation that cannot be answered.

        Raises:
            ValueError: if the order of turns is another, or there is no image.
        """
        object.__setattr__(self, "turns", tuple(check_list("turns", self.turns, Turn)))
        check_kind("knob", self.knob, Knob)
        check_kind("sampling", self.sampling, Sampling)
        roles = [turn.role for turn in self.turns]
        spoken = roles[1:] if roles[:1] == [SYSTEM] else roles
        expected = [USER, ASSISTANT] * (len(spoken) // 2) + [USER]
        if spoken != expected:
            raise ValueError(
                "a conversation is maybe a system turn, then user and assistant in turns with a "
                f"user last, got {', '.join(roles) or 'no turn'}"
            )
        if not self.pictures:
            raise ValueError("a request needs at least one image: nothing else has visual tokens")

    @classmethod
    def about(
        cls,
        images: ImageSource | Sequence[ImageSource],
        question: str,
        knob: Knob,
        sampling: Sampling | None = None,
    ) -> "Request":
        """Ask one question about an image, or about several such as the frames of a video.

        Args:
            images: what `Turn` takes, one or a list.
            question: what is asked.
            knob: the operating point.
            sampling: how the answer is generated; as `Sampling` does if left out.
        """
        shown = tuple(images) if isinstance(images, list | tuple) else (images,)
        how = Sampling() if sampling is None else sampling
        return cls((Turn(USER, question, shown),), knob, how)

    @property
    def question(self) -> str:
        """What the last user turn asks."""
        return self.turns[-1].text

    @property
    def system(self) -> str | None:
        """The text of the system turn, if there is one."""
        return self.turns[0].text if self.turns[0].role == SYSTEM else None

    @property
    def pictures(self) -> list[Image.Image]:
        """All images of the conversation, in their order."""
        return [picture for turn in self.turns for picture in turn.pictures]
