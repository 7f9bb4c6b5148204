"""Images of requests, from data URIs and from hosts that are allowed."""
