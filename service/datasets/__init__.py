"""Training sets: registering, looking up, and the export of their tombstones."""
