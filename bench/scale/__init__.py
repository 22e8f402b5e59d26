"""What a job costs as the data grow: `python -m bench.scale`."""
