"""Certificates where the truth is known, and what no certificate can do better."""
