"""Settings that would have a library open a file which is none of the model's directory."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers.artifacts import ArtifactError

TOKENIZER, SPECIAL_TOKENS = "tokenizer_config.json", "special_tokens_map.json"
PREPROCESSORS = (
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)
REWRITING = "byte_maps.json"
# Of a tokenizer: what transformers hands to the class as it stands, and the class opens. What ends
# like a file's name is ordinary in tokenizer_config.json, where the directory's own files win.
OPENED = frozenset({"gguf_file", "init_inputs", "merges", "vocab"})
FILES = ("_file", "_spm", "_codes")
# Of sentencepiece, and of image processors.
MODEL_OF_PIECES, CLASSES = "model_file", "class_info_file"
# Which tokenizer.json is for which version of transformers.
BY_VERSION, ORDINARY = "fast_tokenizer_files", "tokenizer.json"
# The same settings as arguments, which win over those in tokenizer_config.json.
NO_FILES: dict[str, None] = {"vocab_file": None, "merges_file": None}


def refuse_references(directory: Path) -> None:
    """Look at the settings of the tokenizer and the processors of a fetched model.

    Raises:
        ArtifactError: one names a file; the message says which one does.
    """
    for name in (TOKENIZER, SPECIAL_TOKENS, REWRITING, *PREPROCESSORS):
        if (directory / name).is_file():
            said = json.loads((directory / name).read_text(encoding="utf-8"))
            setting = next(_references(name, said), None)
            if setting is not None:
                raise ArtifactError(
                    f"{name} sets {setting}, which names another file: only the files of the "
                    f"model's own directory are read, by their usual names. Leave {setting} out."
                )


def _references(name: str, said: dict[str, Any]) -> Iterator[str]:
    for setting, value in said.items():
        if not value:
            continue
        if name == REWRITING:
            refused = isinstance(value, str)
        elif name in PREPROCESSORS:
            refused = setting == CLASSES
        elif setting == BY_VERSION:
            refused = value != [ORDINARY]
        else:
            refused = setting in OPENED
            refused |= name == SPECIAL_TOKENS and setting.endswith(FILES)
        if refused:
            yield setting
        elif isinstance(value, dict) and name != REWRITING:
            yield from (inner for inner in value if inner in (MODEL_OF_PIECES, CLASSES))
