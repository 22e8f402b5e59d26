"""Deletion requests: accepting them, and telling what became of them."""
