"""Requests to `AdaptiveM3`: conversations with images, each with its own operating point."""
