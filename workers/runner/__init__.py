"""One run in a process of its own: `python -m workers.runner WORKDIR PARENT_PID`.

A fresh process a job gives a fresh CUDA context and a fresh random state, survives running out
of memory, and makes cancelling certain.
"""
