"""Weights in fewer bits than can be trained, recognised by how their tools save them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open

from workers.artifacts import ArtifactError
from workers.quoting import name_in, of_files
from workers.weight_files import weight_files

ADVICE = (
    "unlearning trains floating-point weights. Register the ones that it was made from, or what "
    "dequantize() and save_pretrained make of it, and quantise each version again."
)
# Tensors that lie beside a quantised matrix, and who puts them there.
BESIDE = {
    r".*\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..+)": "bitsandbytes",
    r".*\.(SCB|weight_format)": "bitsandbytes",
    r".*\.(qweight|qzeros|g_idx)": "GPTQ or AWQ",
    r".*\.(weight_packed|weight_zero_point|weight_global_scale)": "compressed-tensors",
    r".*[._]weight_(qdata|scale_inv)": "fp8 or torchao",
}
# As safetensors names types; what is no matrix may be a mask or a table of such numbers.
FEW_BITS = re.compile(r"F8_.*|F6_.*|F4(_.*)?|[IU][48]")


def quantised_by(said: dict[str, Any]) -> str | None:
    """Why the configuration says that the weights are quantised, and by what; None if not."""
    given = said.get("quantization_config")
    if not given:
        return None
    method = given.get("quant_method") if isinstance(given, dict) else None
    by = f" by {name_in(method)}" if isinstance(method, str) else ""
    return f"Its weights are quantised{by}, as quantization_config says: {ADVICE}"


def refuse_quantised(directory: Path, *, by_name: bool) -> None:
    """Look at the names and types of all tensors, without reading them.

    Names count only where they are those of a library (`by_name`), and not of a factory.

    Raises:
        ArtifactError: a tensor is quantised, or lies beside one that is.
    """
    for name, kind, dimensions in _tensors(directory):
        tools = [tool for mark, tool in BESIDE.items() if by_name and re.fullmatch(mark, name)]
        if tools:
            raise ArtifactError(f"Its weights are quantised by {tools[0]} ({name}): {ADVICE}")
        if dimensions >= 2 and FEW_BITS.fullmatch(kind) and name.endswith("weight"):
            raise ArtifactError(f"Its weights are quantised ({name} is of type {kind}): {ADVICE}")


def _tensors(directory: Path) -> Iterator[tuple[str, str, int]]:
    """The name, type and number of dimensions of each tensor.

    Raises:
        ArtifactError: a file is missing or cannot be read.
    """
    for file in weight_files(directory):
        try:
            with safe_open(directory / file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118
                    part = tensors.get_slice(name)
                    yield name, str(part.get_dtype()), len(part.get_shape())
        except ArtifactError:
            raise
        except Exception as error:
            raise ArtifactError(f"{file} cannot be read: {of_files(error)}") from error
