"""The classes of transformers that this package takes as they are, under one name each."""

from typing import TypeAlias

from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
)

StockConfig: TypeAlias = LlavaConfig | LlavaNextConfig | LlavaOnevisionConfig | PaliGemmaConfig
StockModel: TypeAlias = (
    LlavaForConditionalGeneration
    | LlavaNextForConditionalGeneration
    | LlavaOnevisionForConditionalGeneration
    | PaliGemmaForConditionalGeneration
)
