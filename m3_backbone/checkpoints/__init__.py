"""Checkpoints on disk: opened, placed, fingerprinted, converted."""
