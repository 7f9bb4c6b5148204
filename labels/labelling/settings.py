"""The settings of a labelling run; `m3scale label` makes its options from the fields.

Nothing heavy is imported here, so that `m3scale label --help` is quick.
"""

from dataclasses import dataclass, field, fields

from labels.outcomes.manifest import Setting
from m3_backbone.inference.sampling import MAX_TEMPERATURE
from m3_backbone.scales import EXTRAS
from m3_backbone.serialization import show


@dataclass(frozen=True)
class LabelSettings:
    """How to label; a run can only be resumed with the same settings.

    What a field means is its help. `images_per_part` has none, and so no option: outcomes of this
    many images are written together, and at most these are lost when a run is killed.
    """

    suffix: str = field(default="", metadata={"help": "Instruction after an open question."})
    choice_suffix: str = field(
        default="", metadata={"help": "Instruction after a multiple-choice question."}
    )
    scales: tuple[int, ...] = field(
        default=(),
        metadata={"option": "--scale", "help": "Answer at this scale only; repeatable."},
    )
    max_new_tokens: int = field(
        default=16, metadata={"help": "Longest answer, in tokens.", "min": 1}
    )
    images_per_part: int = field(default=32, metadata={"min": 1})
    images_per_batch: int = field(
        default=32,
        metadata={
            "option": "--batch",
            "help": "Images that are encoded together and kept for all scales.",
            "min": 1,
        },
    )
    token_budget: int = field(
        default=16384,
        metadata={
            "help": "Tokens that the language model reads at once, answers and padding included; "
            "halved when memory runs out.",
            "min": 1,
        },
    )
    first_token: bool = field(
        default=False,
        metadata={
            "help": "Take a first token that is an option's letter, Yes or No as the whole answer."
        },
    )
    losses: bool = field(
        default=False,
        metadata={
            "help": "Also measure the negative log-likelihood of the right answer at each scale, "
            "for m3scale oracle."
        },
    )
    extras: tuple[str, ...] = field(
        default=(),
        metadata={
            "option": "--extra",
            "help": "Also measure these features of every question, for routers that use them: "
            "pixels, statistics of the image; state, the model's state at the end of the prompt "
            "at the second smallest scale. Repeatable.",
            "choices": EXTRAS,
        },
    )

    repeats: int = field(
        default=1,
        metadata={
            "help": "Times that each question is asked at each scale, to tell what of its outcomes "
            "is luck: first as it stands, then in other words, about the image moved by a few "
            "pixels, in other batches. Takes so many times as long.",
            "min": 1,
        },
    )
    jitter: int = field(
        default=2,
        metadata={
            "help": "Pixels that repeats move an image at most, across and down.",
            "min": 0,
        },
    )
    sample_temperature: float = field(
        default=0.0,
        metadata={
            "help": "Draw the answers of repeats with this temperature, up to 2; at 0 they are the "
            "most probable ones. The first time always has these, as a router learns from it.",
            "min": 0,
        },
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: if a number is below its minimum, an extra is not known, or answers are to
                be drawn that are not asked for.
        """
        if not set(self.extras) <= set(EXTRAS):
            raise ValueError(f"extras must be some of {EXTRAS}, got {self.extras}")
        for one in fields(LabelSettings):
            value = getattr(self, one.name)
            least = one.metadata.get("min")
            if least is not None and value < least:
                raise ValueError(f"{one.name} must be at least {least}, got {value}")
        if not 0 <= self.sample_temperature <= MAX_TEMPERATURE:  # so for NaN
            raise ValueError(
                f"sample_temperature must be a number from 0 to {MAX_TEMPERATURE:g}, got "
                f"{show(self.sample_temperature)}"
            )
        if self.sample_temperature > 0 and self.repeats == 1:
            raise ValueError(
                "--sample-temperature needs --repeats, at least 2: the first answer is never drawn"
            )

    def to_manifest(self) -> dict[str, Setting]:
        """Give the settings as a manifest has them: switches as 0 or 1, extras as one string.

        What repeats are made of is named only where there are some, so that other runs keep their
        id.

        >>> settings = LabelSettings(scales=(1, 9), first_token=True).to_manifest()
        >>> settings["scales"], settings["first_token"], settings["max_new_tokens"]
        ([1, 9], 1, 16)
        """
        values = {one.name: getattr(self, one.name) for one in fields(LabelSettings)}
        if self.repeats == 1:
            del values["repeats"], values["jitter"]
        if self.sample_temperature == 0:
            del values["sample_temperature"]
        return {
            **values,
            "scales": list(self.scales),
            "first_token": int(self.first_token),
            "losses": int(self.losses),
            "extras": ",".join(self.extras),
        }


@dataclass(frozen=True)
class Workers:
    """How many processes label, and on which machines; what a field means is its help."""

    workers: int = field(
        default=1,
        metadata={"help": "Processes that share the work, by Ray if not one.", "min": 1},
    )
    ray: str | None = field(
        default=None,
        metadata={"help": "Cluster of Ray, such as auto; else it is started on this machine."},
    )
    gpus_per_worker: float | None = field(
        default=None,
        metadata={"help": "GPUs of each, such as 0.5.  [default: 1 with --device cuda]", "min": 0},
    )

    @property
    def need_ray(self) -> bool:
        """Whether they are actors, and not this process."""
        return self.workers > 1 or self.ray is not None
