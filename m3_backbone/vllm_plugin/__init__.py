"""Matryoshka models in vLLM: a plug-in that it loads by itself, and vLLM behind `M3Backbone`."""
