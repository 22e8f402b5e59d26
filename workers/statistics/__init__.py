"""Pure functions on tensors that methods and evaluation both need: shares, intervals, agreement.

Nothing here knows a method, an audit or a sample. This file starts nothing: import from modules.
"""
