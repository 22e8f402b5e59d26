"""Which files of a model's directory a version is made of, and which stay behind."""

import re

# By name, because a directory that a training has left behind may also hold what tells of the
# data: lists of samples, logs, metrics. A version keeps nothing that it does not know.
DESCRIBING = frozenset(
    {
        "config.json",
        "generation_config.json",
        # What texts are read by: every file that a tokenizer of transformers names.
        "added_tokens.json",
        "bpe.codes",
        "byte_maps.json",
        "chat_template.jinja",
        "chat_template.json",
        "dict.txt",
        "emoji.json",
        "entity_vocab.json",
        "merges.txt",
        "normalizer.json",
        "prophetnet.tokenizer",
        "sentencepiece.bpe.model",
        "sentencepiece.model",
        "source.spm",
        "special_tokens_map.json",
        "spiece.model",
        "spm.model",
        "spm_char.model",
        "target.spm",
        "target_vocab.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab-src.json",
        "vocab-tgt.json",
        "vocab.json",
        "vocab.txt",
        "word_pronunciation.json",
        "word_shape.json",
        # What images and sounds are read by.
        "preprocessor_config.json",
        "processor_config.json",
        "video_preprocessor_config.json",
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
# Weights of parts of sentence-transformers.
PART_WEIGHTS = re.compile(r"\d+_\w+/model\.safetensors")
# Weights and arrays, pickled or not: a part of the model may lie in such a file.
BINARY = re.compile(
    r".*\.(bin|ckpt|dill|h5|hdf5|joblib|keras|model|msgpack|npy|npz|onnx|ot|pb|pickle|pkl|pt|pth"
    r"|safetensors|skops|spm|tflite)"
)
# What no library needs to load the weights beside it: states of a training, and the same weights
# once more for other libraries, which would still be those of the parent.
LEFT_BEHIND = tuple(
    re.compile(pattern)
    for pattern in (
        # Folders of logs, of checkpoints and of other forms.
        r"(runs|logs|wandb|mlruns|lightning_logs|eval|onnx|openvino|coreml|gguf)/.*",
        r"checkpoint-\d+/.*",
        r"(.*/)?\..*",
        # The state of a training that might go on.
        r"training_args\.bin|(optimizer|scheduler|scaler)\.(pt|bin)|rng_state(_\d+)?\.pth",
        # The same weights.
        r"(model|pytorch_model)(\.[\w-]+)?(-\d{5}-of-\d{5})?\.(bin|safetensors|onnx)",
        r"tf_model(-\d{5}-of-\d{5})?\.h5|flax_model(-\d{5}-of-\d{5})?\.msgpack|rust_model\.ot",
        r"consolidated(\.\d+)?\.(pth|safetensors)|original/.*",
        r"\d+_\w+/pytorch_model\.bin",
    )
)


def describes(name: str) -> bool:
    """Whether a file, named from the model's directory on, is kept from version to version."""
    return name in DESCRIBING or any(pattern.fullmatch(name) for pattern in PATTERNS)


def may_be_a_part(name: str) -> bool:
    """Whether a file may hold a part of the model, and is none that is known to be left out."""
    known = describes(name) or PART_WEIGHTS.fullmatch(name)
    left = any(pattern.fullmatch(name) for pattern in LEFT_BEHIND)
    return BINARY.fullmatch(name) is not None and not known and not left
