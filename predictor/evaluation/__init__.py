"""From trained routers to results.json."""
