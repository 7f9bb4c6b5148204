"""LLaVA's own checkpoint format, read and written."""
