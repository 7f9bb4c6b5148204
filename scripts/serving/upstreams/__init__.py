"""vLLM servers behind the gateway: which are up, and what they are sent."""
