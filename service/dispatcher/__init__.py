"""Finds what is due by a query, and rings for it. Any number of dispatchers may run."""
