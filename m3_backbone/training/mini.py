"""Builds m3-mini, the small stock LLaVA that this project trains; every size is here."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from m3_backbone.checkpoints.official.tokenizer import wrap_tokenizer
from m3_backbone.scales import TOKEN_SCALES

IMAGE_SIDE = 192
PATCH_PIXELS = 8
WIDTH = 192
VOCABULARY = 896
POSITION_SCALE = 0.2

INITIALIZER_RANGE = 0.06
"""About one over the root of the width: the usual 0.02 is made for widths of thousands."""

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<image>", "<unk>")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% else %} ASSISTANT: {{ message['content'][0]['text'] }}</s>{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def train_tokenizer(turns: Iterable[tuple[str, str]]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on the benchmark's own questions and answers.

    Args:
        turns: (question, answer) pairs of the training generator.

    Returns:
        A fast tokenizer whose digits stay single tokens and which starts every text with `<s>`.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    # So that an accent typed as two characters is the same word.
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # With the words around the question, so that the template costs few tokens.
    texts = (f"USER: \n{question} ASSISTANT: {answer}" for question, answer in turns)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    fast = wrap_tokenizer(tokenizer, {"pad_token": "<pad>", "unk_token": "<unk>"})
    fast.chat_template = CHAT_TEMPLATE
    return fast


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Join tokenizer and CLIP preprocessing into the stock LLaVA processor."""
    images = CLIPImageProcessorPil(
        size={"height": IMAGE_SIDE, "width": IMAGE_SIDE}, do_center_crop=False, resample=3
    )
    join: Any = LlavaProcessor
    processor: LlavaProcessor = join(
        images,
        tokenizer,
        patch_size=PATCH_PIXELS,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )
    return processor


def build_config(tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    """Give the stock LLaVA configuration of m3-mini with its trained scales."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        image_size=IMAGE_SIDE,
        patch_size=PATCH_PIXELS,
        projection_dim=WIDTH,
    )
    text = LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=3,
        vocab_size=len(tokenizer),
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        initializer_range=INITIALIZER_RANGE,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=SPECIAL_TOKENS.index("<image>"),
        projector_hidden_act="gelu",
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=(IMAGE_SIDE // PATCH_PIXELS) ** 2,
        tie_word_embeddings=False,
    )
    config.update({"matryoshka_vis_token_scale": list(TOKEN_SCALES)})
    return config


def build_mini(tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> LlavaForConditionalGeneration:
    """Make m3-mini with fresh weights.

    Args:
        tokenizer: what `train_tokenizer` made.
        seed: seed of the initial weights.

    Returns:
        An untrained stock model in float32.
    """
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(build_config(tokenizer))
    place_positions(model.model.vision_tower)
    return model


def place_positions(tower: CLIPVisionModel) -> None:
    """Start the position embeddings from two-dimensional sines and cosines.

    CLIP's own start is so small that a tower trained briefly hardly learns where a patch is.
    """
    table = tower.embeddings.position_embedding.weight  # [1 + N, D], the class token first
    side = IMAGE_SIDE // PATCH_PIXELS
    quarter = table.shape[1] // 4
    # Geometric from 1 down to about 1 / 100 [D / 4].
    frequencies = torch.exp(-torch.arange(quarter) / quarter * math.log(100.0))
    waves = torch.arange(side)[:, None] * frequencies  # [side, D / 4]
    axis = torch.cat([waves.sin(), waves.cos()], dim=1)  # [side, D / 2]
    rows = axis[:, None].expand(side, side, -1)
    columns = axis[None].expand(side, side, -1)
    with torch.no_grad():
        # Row's half beside column's half [N, D]; the class token keeps its own start.
        table[1:] = POSITION_SCALE * torch.cat([rows, columns], dim=-1).reshape(side * side, -1)
