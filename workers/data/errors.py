"""What can be wrong with a dataset."""


class DatasetError(ValueError):
    """The files are not what was registered. The message names no sample."""


class UnknownTokenError(DatasetError):
    """A text becomes a token that the model's network does not know."""
