"""The service: API, dispatcher and command line. Nothing here imports torch or the workers."""
