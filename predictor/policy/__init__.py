"""From probabilities to a scale: budgets, prices, certificates."""
