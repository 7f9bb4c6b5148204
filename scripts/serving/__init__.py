"""The parts of `m3scale serve`: an OpenAI-compatible endpoint in front of `AdaptiveM3`."""
