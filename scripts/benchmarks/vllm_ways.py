"""vLLM's ways to label, to be timed beside ours: from pixels, and from tokens that we encode."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from labels.questions import format_question
from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints.conversion import save_stock
from m3_backbone.checkpoints.loading import find_folder
from m3_backbone.inference.answers import read_text
from m3_backbone.vllm_plugin.engine import VllmEngine, check_vllm
from m3_backbone.vllm_plugin.process import VllmProcess
from scripts.benchmarks.label_timing import Answers, Way, Workload, answer_by_label

STARTED_WITH = {
    # Both ways ask one vLLM, so it opens the tower as well.
    "limit_mm_per_prompt": {"image": 1},
    # The rest is for the model that the other ways ask.
    "gpu_memory_utilization": 0.5,
}


@contextmanager
def open_vllm(backbone: M3Backbone, size: str, dtype: str) -> Iterator[dict[str, Way]]:
    """Start vLLM on a benchmark's model, and give its ways to label by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = find_folder("m3-mini") if size == "mini" else Path(name)
        if size != "mini":
            model = (backbone.model, backbone.tokenizer, backbone.image_processor)
            save_stock(*model, folder)
        check_vllm(folder)
        process = VllmProcess(folder, dtype, STARTED_WITH)
        try:
            yield _list_ways(backbone, process)
        finally:
            process.close()


def _list_ways(backbone: M3Backbone, process: VllmProcess) -> dict[str, Way]:
    engine = VllmEngine(backbone.model, backbone.tokenizer, process)
    fed = backbone.with_engine(engine)

    def answer_from_tokens(work: Workload) -> Answers:
        return answer_by_label(replace(work, backbone=fed))

    def answer_from_pixels(work: Workload) -> Answers:
        keys = [(question, scale) for question in work.questions for scale in backbone.scales]
        requests: list[dict[str, Any]] = [
            {
                "prompt_token_ids": engine.prompts.tokenize(format_question(question)).with_image(
                    engine.prompts.image_token_id, 1
                ),
                "multi_modal_data": {"image": work.questions.image(question.image_id)},
                "mm_processor_kwargs": {"visual_tokens": scale},
            }
            for question, scale in keys
        ]
        # With log-probabilities, as labelling wants them.
        options = {"max_tokens": work.max_new_tokens, "logprobs": 2}
        outputs = process.read(requests, {**options, "stop_token_ids": [*engine.eos_ids]})
        return {
            (question.sample_id, scale): read_text(output.outputs[0].token_ids, backbone.tokenizer)
            for (question, scale), output in zip(keys, outputs, strict=True)
        }

    return {"vllm, tokens": answer_from_tokens, "vllm, pixels": answer_from_pixels}
