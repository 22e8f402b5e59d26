"""From rows to the parts of a plan."""

from pydantic import TypeAdapter

from service.core.tables import Dataset, Model
from workers.data.specs import spec_of
from workers.plan import AnyArchitecture, DataFile, DataPlan


def data_plan_of(dataset: Dataset) -> DataPlan:
    """Where a ready dataset's inputs lie. The label column is left out on purpose."""
    return DataPlan(
        files=[DataFile.model_validate(file) for file in dataset.files or []],
        holdout_files=[DataFile.model_validate(file) for file in dataset.holdout_files or []],
        id_column=dataset.id_column,
        inputs=[spec_of(given) for given in dataset.inputs],
    )


def architecture_of(model: Model) -> AnyArchitecture:
    adapter: TypeAdapter[AnyArchitecture] = TypeAdapter(AnyArchitecture)
    return adapter.validate_python(model.architecture)
