"""Device placement and quantization."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeAlias

import torch
from transformers import BitsAndBytesConfig

from m3_backbone.foreign import third_party

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

QUANTIZATIONS = ("8bit", "4bit")

MAPPINGS = ("auto", "balanced", "balanced_low_0", "sequential")
"""Maps that accelerate works out itself."""

DeviceMap: TypeAlias = str | dict[str, int | str]
"""One of `MAPPINGS`, a device for all, or a device for each module by name."""


@dataclass(frozen=True)
class Placement:
    """How to load a model, checked before its weights are read.

    Attributes:
        device: torch device, such as `cpu` or `cuda`; not looked at where there is a device map.
        dtype: one of `DTYPES`; where weights are quantized, the type of what is computed.
        device_map: where each part of the model goes; None puts it all on `device`.
        quantize: one of `QUANTIZATIONS`, or None to store the weights as `dtype`.
    """

    device: str
    dtype: str
    device_map: DeviceMap | None = None
    quantize: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"unknown dtype {self.dtype!r}: choose one of {', '.join(DTYPES)}")
        if self.device_map is None:
            find_device(self.device)
        else:
            _check_map(self.device_map)
        if self.quantize is not None:
            _check_quantization(self.quantize)
            if self.device_map is None and not self.device.startswith("cuda"):
                raise ValueError(
                    f"quantize puts weights on a GPU: choose device cuda or a device_map, got "
                    f"device {self.device!r}"
                )

    @property
    def load_options(self) -> dict[str, Any]:
        """What `from_pretrained` of transformers takes; nothing if the model is moved later."""
        options: dict[str, Any] = {}
        if self.device_map is not None or self.quantize is not None:
            options["device_map"] = self.device if self.device_map is None else self.device_map
        if self.quantize is not None:
            options["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
                load_in_8bit=self.quantize == "8bit",
                load_in_4bit=self.quantize == "4bit",
                bnb_4bit_compute_dtype=DTYPES[self.dtype],
            )
        return options


def name_numbers(model: Any) -> str:
    """Name how a model's weights are stored: its dtype, or one of `QUANTIZATIONS`."""
    # The marks that transformers leaves when it loads through bitsandbytes.
    few = [bits for bits in QUANTIZATIONS if getattr(model, f"is_loaded_in_{bits}", False)]
    return few[0] if few else str(model.dtype).removeprefix("torch.")


def find_device(device: str) -> torch.device:
    """Find a torch device that can be used, such as `cpu` or `cuda`; any other is a ValueError."""
    with third_party(f"device {device!r} cannot be used here"):
        place = torch.device(device)
        # A device has a name even where it is absent, and `meta` never computes: only using it
        # tells. Absent ones raise AssertionError, ModuleNotFoundError and more.
        torch.zeros(1, device=place).add(1).item()
    return place


def _check_map(device_map: DeviceMap) -> None:
    if find_spec("accelerate") is None:
        raise ValueError(
            "a device_map needs the package accelerate: pip install accelerate, or choose a device"
        )
    if isinstance(device_map, str) and device_map not in MAPPINGS:
        find_device(device_map)


def _check_quantization(quantize: str) -> None:
    if quantize not in QUANTIZATIONS:
        raise ValueError(
            f"unknown quantization {quantize!r}: choose one of {', '.join(QUANTIZATIONS)}"
        )
    lacking = [name for name in ("accelerate", "bitsandbytes") if find_spec(name) is None]
    if lacking or not torch.cuda.is_available():
        raise ValueError(
            f"quantize={quantize!r} needs a CUDA GPU and the packages accelerate and bitsandbytes; "
            f"here is {'a' if torch.cuda.is_available() else 'no'} GPU, and "
            f"{' and '.join(lacking) or 'no package'} is missing"
        )
