"""Routers that estimate which token scale answers a question, and the policy that picks one."""
