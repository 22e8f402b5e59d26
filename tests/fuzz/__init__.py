"""Schemathesis against the real API: `make fuzz`."""
