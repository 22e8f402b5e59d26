"""Unlearning jobs: how far they are, and what they measured."""
