"""From rows to the parts of a plan."""

from pydantic import TypeAdapter

from service.core.tables import Dataset, Model
from workers.plan import AnyArchitecture, DataFile, DataPlan


def data_plan_of(dataset: Dataset) -> DataPlan:
    """Where a ready dataset's inputs lie. The label column is left out on purpose."""
    (given,) = dataset.inputs
    return DataPlan(
        files=[DataFile.model_validate(file) for file in dataset.files or []],
        holdout_files=[DataFile.model_validate(file) for file in dataset.holdout_files or []],
        id_column=dataset.id_column,
        column=given["column"],
        shape=given["shape"],
        scale=given["scale"],
    )


def architecture_of(model: Model) -> AnyArchitecture:
    adapter: TypeAdapter[AnyArchitecture] = TypeAdapter(AnyArchitecture)
    return adapter.validate_python(model.architecture)
