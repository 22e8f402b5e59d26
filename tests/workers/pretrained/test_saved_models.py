"""What today's tools save is read, or refused for its reason: the table in docs/models.md."""

from pathlib import Path

import pytest

from service.core.settings import Settings
from tests.workers.data.media import digits, write
from tests.workers.pretrained.data import images, texts
from tests.workers.pretrained.parents import Runs
from tests.workers.pretrained.tools import hugging_face, others
from tests.workers.pretrained.tools.case import Case
from tests.workers.runner.plans import registration
from workers.data.specs import ArraySpec
from workers.plan import DataFile, DataPlan, ValidatePlan
from workers.runner.refusals import REFUSALS

DOCS = Path(__file__).parents[3] / "docs" / "models.md"
CASES: list[Case] = [*hugging_face.CASES, *others.CASES]
READ = [case for case in CASES if case.is_read]
REFUSED = [case for case in CASES if not case.is_read]


def named(case: Case) -> str:
    return f"{case.tool}: {case.what}"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataPlan]:
    """A dataset of each kind, indexed."""
    place = tmp_path_factory.mktemp("datasets")
    pixels = digits()[:20].reshape(-1, 64).tolist()
    file = write(place / "digits.parquet", pixels=pixels)
    arrays = DataPlan(
        files=[DataFile(uri=file.uri, rows=file.rows, digest=file.digest)],
        holdout_files=[],
        id_column="sample_id",
        inputs=[ArraySpec("pixels", (1, 8, 8), 1 / 255)],
    )
    return {
        "digits": arrays,
        "texts": texts().plan(place / "texts"),
        "images": images().plan(place / "images"),
    }


def plan_of(case: Case, directory: Path, data: DataPlan, staging: Path) -> ValidatePlan:
    return registration(directory.as_uri(), case.architecture, data, staging)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    settings = Settings(device="cpu", threads=1, module_factories="tests.")
    (tmp_path / "first").mkdir()
    return Runs(tmp_path, settings)


def test_the_table_in_the_docs_has_a_row_for_each_case_and_no_other() -> None:
    section = DOCS.read_text("utf-8").partition("## What today's tools save\n")[2]
    lines = section.partition("\n##")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]

    assert rows == [case.row for case in CASES]
    assert len(set(rows)) == len(rows)
    assert all(case.answer.startswith("read" if case.is_read else "refused: ") for case in CASES)


@pytest.mark.parametrize("case", READ, ids=named)
def test_what_is_read_becomes_version_1(
    case: Case, datasets: dict[str, DataPlan], runs: Runs
) -> None:
    directory, first = runs.place / "model", runs.place / "first"
    case.save(directory)

    runs.validated(plan_of(case, directory, datasets[case.given], first))

    case.check(directory, first)


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_what_is_refused_is_refused_for_its_reason(
    case: Case, datasets: dict[str, DataPlan], runs: Runs
) -> None:
    case.save(runs.place / "model")
    plan = plan_of(case, runs.place / "model", datasets[case.given], runs.place / "first")

    with pytest.raises(REFUSALS) as caught:
        runs.validated(plan)

    assert case.refusal in str(caught.value)


@pytest.mark.parametrize("kept", [False, True])
def test_a_card_is_served_as_it_is_only_where_its_owner_says_so(
    datasets: dict[str, DataPlan], runs: Runs, kept: bool
) -> None:
    case = next(case for case in READ if "and a card" in case.what)
    directory, first = runs.place / "model", runs.place / "first"
    case.save(directory)
    plan = plan_of(case, directory, datasets["texts"], first)

    runs.validated(plan.model_copy(update={"keep_card": kept}))

    card, served = (place / "README.md" for place in (directory, first))
    assert (served.read_bytes() == card.read_bytes()) is kept
    assert ("Marked sentence" in served.read_text("utf-8")) is kept
