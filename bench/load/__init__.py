"""What the service takes on one machine: `python -m bench.load`."""
