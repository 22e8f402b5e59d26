"""What unlearning is worth: every method beside doing nothing and beside retraining.

`python -m bench.unlearning` trains networks, deletes samples in the ways that the LAF paper and
real requests do, and measures how far each method ends from the network that was retrained without
them, the oracle. Labels train the original and the oracle, and serve these reports. No method sees
one: what a method gets is a `Problem`, which holds none.
"""
