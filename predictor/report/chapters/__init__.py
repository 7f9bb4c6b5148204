"""The chapters of a report: text and tables together."""
