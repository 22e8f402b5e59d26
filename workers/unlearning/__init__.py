"""Label-free unlearning methods. This file imports nothing: take what you need from the modules.

To add a method, add one package here, `workers/unlearning/<name>/`, whose `__init__` imports a
class that is decorated with `workers.unlearning.registry.register`. It is found by looking through
the packages of this folder, so nothing else has to be changed. Its method card, with its formulae,
knobs and limits, is `docs/methods/<name>.md`.
"""
