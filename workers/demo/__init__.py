"""The worker's half of `unlearnd demo`: data, a trained network, and a report that reads labels.

The service's half, `service.cli.demo`, starts these as processes and talks to the API.
"""
