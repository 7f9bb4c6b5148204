"""The entry point that vLLM calls in each of its processes (group `vllm.general_plugins`).

The models are imported only when vLLM asks for one, and without vLLM nothing is. To serve with its
own classes beside an installed m3scale, set its variable VLLM_PLUGINS to an empty string.
"""

MODELS = {
    "LlavaForConditionalGeneration": "MatryoshkaLlava",
    "LlavaNextForConditionalGeneration": "MatryoshkaLlavaNext",
}
"""Architecture as a checkpoint's config.json names it -> class in `models.py`."""


def register() -> None:
    """Let vLLM open LLaVA and LLaVA-NeXT with a number of visual tokens for each request."""
    from vllm import ModelRegistry

    from m3_backbone.vllm_plugin.payloads import refuse_other_bytes

    refuse_other_bytes()
    for architecture, name in MODELS.items():
        ModelRegistry.register_model(architecture, f"m3_backbone.vllm_plugin.models:{name}")
