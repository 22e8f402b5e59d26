"""What can be said about an unlearned model with no labels and no retrained model to compare with.

This file starts nothing: import `audit` and `gate` from their modules.
"""
