"""Heads that do not simply end in one linear layer over a pooled state."""
