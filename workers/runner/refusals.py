"""Errors that another attempt would only repeat. Their messages name no sample."""

from workers.architectures import ArchitectureError
from workers.artifacts import ArtifactError
from workers.data.errors import DatasetError
from workers.device import DeviceError
from workers.unlearning.base import ParameterError
from workers.unlearning.registry import UnknownMethodError
from workers.unlearning.tap import TapError

REFUSALS = (
    ArchitectureError,
    ArtifactError,
    DatasetError,
    DeviceError,
    ParameterError,
    TapError,
    UnknownMethodError,
)
