"""What can go wrong while unlearning."""


class UnlearningError(RuntimeError):
    """A run cannot go on. The message names no sample and holds no data."""


class DoesNotFitError(UnlearningError):
    """One sample does not fit into the device's memory."""


class ParameterError(ValueError):
    """A method has no such parameter, or a parameter may not have this value."""


class RanksError(RuntimeError):
    """One of several processes cannot go on, so that none can."""
