"""Which files of a model's directory a version is made of, its weights apart."""

import re

# By name, because a directory that a training has left behind may also hold what tells of the
# data: lists of samples, logs, metrics. A version keeps nothing that it does not know.
DESCRIBING = frozenset(
    {
        "config.json",
        "generation_config.json",
        # What texts are read by.
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "merges.txt",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
        # What images and sounds are read by.
        "preprocessor_config.json",
        "processor_config.json",
        # What sentence-transformers puts behind a network.
        "config_sentence_transformers.json",
        "modules.json",
    }
)
# The settings of parts of sentence-transformers, and the terms that the weights come under.
PATTERNS = (
    re.compile(r"\d+_\w+/config\.json"),
    re.compile(r"sentence_[\w-]+_config\.json"),
    re.compile(r"(LICEN[SC]E|NOTICE|COPYING)(\.(txt|md))?"),
)


def describes(name: str) -> bool:
    """Whether a file, named from the model's directory on, is kept from version to version."""
    return name in DESCRIBING or any(pattern.fullmatch(name) for pattern in PATTERNS)
