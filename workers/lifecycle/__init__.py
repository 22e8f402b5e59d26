"""Claim, heartbeat, publish, fail: the only SQL in `workers`. Every transaction here is short.

What is claimed carries a fence. Whoever comes with an older one changes nothing, and is told so.
"""
