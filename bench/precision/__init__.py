"""What fewer bits save, and what they change: `python -m bench.precision`."""
