"""Matryoshka visual tokens on a stock transformers LLaVA: encode once, answer at any scale."""
