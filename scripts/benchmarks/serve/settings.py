"""Options of the benchmark; what a field means is its help."""

from dataclasses import dataclass, field

from scripts.stages.run_folder import DEFAULT_RUN, RunFolder


@dataclass(frozen=True)
class ServeBenchSettings:
    """The load, and the two servers that have to bear it."""

    model: str = field(default="m3-mini", metadata={"help": "Checkpoint that answers."})
    router: str = field(
        default=str(RunFolder(DEFAULT_RUN).router), metadata={"help": "Its saved router."}
    )
    source: str = field(
        default="scenes:test", metadata={"help": "Questions, see m3scale label --source."}
    )
    device: str = field(default="cpu", metadata={"help": "Torch device."})
    dtype: str = field(
        default="float32",
        metadata={"help": "Number format.", "choices": ("float32", "bfloat16", "float16")},
    )
    budget: float = field(
        default=72.0, metadata={"help": "Mean visual tokens of the adaptive server.", "min": 1}
    )
    questions: int = field(default=500, metadata={"help": "Questions of a round.", "min": 1})
    clients: int = field(default=64, metadata={"help": "Clients that ask at once.", "min": 1})
    rounds: int = field(default=2, metadata={"help": "Rounds of each server, in turns.", "min": 1})
    max_new_tokens: int = field(default=16, metadata={"help": "Longest answer.", "min": 1})
