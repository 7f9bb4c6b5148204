"""The conversation `vicuna_v1` of LLaVA's own code as a chat template."""

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
"""Source: the conversation `vicuna_v1`, with which M3 was trained and evaluated."""

VICUNA_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] %}{% set turns = messages[1:] %}"
    "{% else %}{% set system = '" + SYSTEM.replace("'", "\\'") + "' %}{% set turns = messages %}"
    "{% endif %}"
    "{% if system is not string %}{% set system = system[0]['text'] %}{% endif %}"
    "{{ system + ' ' }}"
    "{% for turn in turns %}"
    "{% set parts = turn['content'] %}"
    "{% if parts is string %}{% set parts = [{'type': 'text', 'text': parts}] %}{% endif %}"
    "{{ 'USER: ' if turn['role'] == 'user' else 'ASSISTANT: ' }}"
    "{% for part in parts if part['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in parts if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{{ ' ' if turn['role'] == 'user' else '</s>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% else %}{{ '' }}{% endif %}"
)
"""The conversation `vicuna_v1`: images first, each on a line of its own."""
