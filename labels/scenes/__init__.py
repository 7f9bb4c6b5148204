"""Nested scenes, the built-in benchmark."""
