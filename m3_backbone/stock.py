"""The classes of transformers that this package takes as they are, under one name each."""

from typing import TypeAlias

from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
)

StockConfig: TypeAlias = LlavaConfig | LlavaNextConfig
StockModel: TypeAlias = LlavaForConditionalGeneration | LlavaNextForConditionalGeneration
