"""Reading a dataset for the index, in a process of its own: `python -m workers.indexing`.

It takes a directory with a plan, and its supervisor's process ID. It imports no torch, and knows
no database.
"""
