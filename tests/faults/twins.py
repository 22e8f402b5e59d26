"""A second dataset with a model of its own, copied in a moment from the registered ones."""

import shutil

from sqlalchemy import select, text

from service.core.tables import Alias, Dataset, DatasetState, Model, ModelVersion, VersionState
from tests.faults.stack import Stack

DATASET = ("uri", "holdout_uri", "id_column", "label_column", "inputs", "rows", "holdout_rows")
FILES = ("files", "holdout_files")
MODEL = ("source_uri", "representation", "method", "method_parameters", "policy", "state")
VERSION = ("number", "digest", "tv", "files")

SAMPLES = """
    INSERT INTO samples (dataset_id, sample_id, row_position)
    SELECT :copy, sample_id, row_position FROM samples WHERE dataset_id = :original
"""


def add_twin(stack: Stack, name: str = "twin") -> None:
    """The same data and network under another name. Its runs obey no orders of a drill."""
    with stack.session() as session:
        original = session.scalars(select(Dataset)).one()
        dataset = Dataset(name=name, state=DatasetState.READY)
        for column in DATASET + FILES:
            setattr(dataset, column, getattr(original, column))
        session.add(dataset)
        session.flush()
        partition = f"samples_{dataset.id} PARTITION OF samples FOR VALUES IN ({dataset.id})"
        session.execute(text(f"CREATE TABLE {partition}"))
        session.execute(text(SAMPLES), {"copy": dataset.id, "original": original.id})
        known = session.scalars(select(Model)).one()
        factory = {"kind": "module", "factory": "workers.zoo:digits_cnn", "kwargs": {}}
        model = Model(name=name, dataset_id=dataset.id, architecture=factory)
        for column in MODEL:
            setattr(model, column, getattr(known, column))
        session.add(model)
        session.flush()
        first = session.scalars(select(ModelVersion)).one()
        version = ModelVersion(model_id=model.id, state=VersionState.PUBLISHED)
        for column in VERSION:
            setattr(version, column, getattr(first, column))
        session.add(version)
        session.flush()
        session.add(Alias(model_id=model.id, name="champion", version_id=version.id))
    models = stack.storage / "models"
    shutil.copytree(models / known.name, models / name)
