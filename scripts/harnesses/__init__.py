"""Plug-ins for evaluation harnesses, which find them by the entry points of setup.cfg."""
