"""When a deletion request is complete, over all that its dataset's models can do."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import completion
from service.core.completion import NO_MODEL, Standing, outcome
from service.core.tables import Dataset, DeletionRequest, Event, Model, ModelState, RequestState
from tests import factories


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([], "completed"),
        ([Standing(5, 0)], "completed"),
        ([Standing(9, 0)], "completed"),
        ([Standing(5, 9)], "completed"),
        ([Standing(4, 0)], None),
        ([Standing(4, 4)], None),
        ([Standing(4, 5)], "failed"),
        ([Standing(4, 6), Standing(0, 5)], "failed"),
        ([Standing(5, 0), Standing(5, 0)], "completed"),
        ([Standing(5, 0), Standing(4, 0)], None),
        ([Standing(5, 0), Standing(4, 5)], "partially_completed"),
        ([Standing(4, 5), Standing(4, 0)], None),
        ([Standing(5, 0), Standing(4, 5), Standing(4, 4)], None),
    ],
)
def test_the_outcome_of_a_request_with_clock_5(
    models: list[Standing], expected: RequestState | None
) -> None:
    assert outcome(5, models) == expected


@pytest.fixture
def digits(session: Session) -> Dataset:
    return factories.dataset(session)


def reach(session: Session, model: Model, tv: int) -> None:
    """As if the model had published a version with this clock."""
    factories.head(session, model).tv = tv
    session.flush()


def settle(session: Session, of: Dataset) -> None:
    completion.settle(session, of.id)
    session.commit()


def kinds(session: Session, request: DeletionRequest) -> list[str]:
    query = select(Event.kind).where(Event.request_id == request.id).order_by(Event.id)
    return list(session.scalars(query))


def test_a_request_waits_for_the_last_of_its_models(session: Session, digits: Dataset) -> None:
    quick, slow = (factories.model(session, digits, name) for name in ("quick", "slow"))
    request = factories.request(session, ["s-1"])

    reach(session, quick, 1)
    settle(session, digits)
    assert (request.state, request.unlearned, request.completed_at) == ("staged", False, None)

    reach(session, slow, 1)
    settle(session, digits)
    assert (request.state, request.unlearned) == ("completed", True)
    assert request.completed_at is not None


def test_settling_again_changes_nothing_and_records_nothing(
    session: Session, digits: Dataset
) -> None:
    reach(session, factories.model(session, digits), 1)
    request = factories.request(session, ["s-1"])
    settle(session, digits)
    completed_at = request.completed_at

    settle(session, digits)

    assert request.completed_at == completed_at
    assert kinds(session, request) == ["request.accepted", "request.completed"]


def test_only_requests_up_to_the_models_clock_complete(session: Session, digits: Dataset) -> None:
    model = factories.model(session, digits)
    early, late = (factories.request(session, [f"s-{n}"]) for n in range(2))

    reach(session, model, 1)
    settle(session, digits)

    assert (early.state, late.state) == ("completed", "staged")


def test_a_request_fails_with_its_only_model_and_completes_when_that_catches_up(
    session: Session, digits: Dataset
) -> None:
    model = factories.model(session, digits)
    request = factories.request(session, ["s-1"])
    model.failed_tv = 1
    settle(session, digits)
    assert (request.state, request.completed_at) == ("failed", None)

    reach(session, model, 1)
    settle(session, digits)

    assert (request.state, request.unlearned) == ("completed", True)
    assert kinds(session, request)[1:] == ["request.failed", "request.completed"]


def test_a_request_is_partially_completed_when_one_model_made_it_and_one_gave_up(
    session: Session, digits: Dataset
) -> None:
    good, bad = (factories.model(session, digits, name) for name in ("good", "bad"))
    request = factories.request(session, ["s-1"])
    bad.failed_tv = 1
    settle(session, digits)
    assert request.state == "staged"

    reach(session, good, 1)
    settle(session, digits)
    assert (request.state, request.unlearned) == ("partially_completed", False)

    reach(session, bad, 1)
    settle(session, digits)
    assert (request.state, request.unlearned) == ("completed", True)


def test_a_request_fails_when_the_model_that_made_it_turns_out_invalid(
    session: Session, digits: Dataset
) -> None:
    """A model under validation counts with the clock that it was registered with."""
    bad, new = factories.model(session, digits, "bad"), factories.model(session, digits, "new")
    request = factories.request(session, ["s-1"])
    factories.unpublish(session, new)
    new.registered_tv, bad.failed_tv = 1, 1
    settle(session, digits)
    assert request.state == "partially_completed"

    new.state = ModelState.INVALID
    settle(session, digits)

    assert request.state == "failed"


@pytest.mark.usefixtures("digits")
def test_without_a_model_a_request_completes_at_once_and_is_not_called_unlearned(
    session: Session,
) -> None:
    request = factories.request(session, ["s-1"])

    assert (request.state, request.detail) == ("completed", NO_MODEL)
    assert (request.unlearned, request.staged, request.tv) == (False, 1, 1)


def test_a_model_registered_late_makes_it_unlearned_once_it_has_caught_up(
    session: Session, digits: Dataset
) -> None:
    request = factories.request(session, ["s-1"])
    late = factories.model(session, digits, tv=0)
    settle(session, digits)
    assert (request.state, request.unlearned, request.detail) == ("completed", False, NO_MODEL)

    reach(session, late, 1)
    settle(session, digits)

    assert (request.state, request.unlearned, request.detail) == ("completed", True, None)
    assert kinds(session, request) == ["request.accepted", "request.completed"]


def test_a_model_that_obeyed_the_clock_from_the_start_is_not_waited_for(
    session: Session, digits: Dataset
) -> None:
    behind = factories.model(session, digits, "behind")
    request = factories.request(session, ["s-1"])
    factories.model(session, digits, "obedient", tv=1)

    reach(session, behind, 1)
    settle(session, digits)

    assert request.state == "completed"


@pytest.mark.parametrize(
    ("state", "expected"),
    [(ModelState.VALIDATING, "staged"), (ModelState.INVALID, "completed")],
)
def test_a_model_in_validation_is_waited_for_and_an_invalid_one_is_not(
    session: Session, digits: Dataset, state: ModelState, expected: str
) -> None:
    ready = factories.model(session, digits, "ready")
    other = factories.model(session, digits, "other")
    other.state = state
    factories.head(session, other).state = "superseded"  # type: ignore[assignment]
    session.commit()
    request = factories.request(session, ["s-1"])

    reach(session, ready, 1)
    settle(session, digits)

    assert request.state == expected


def test_requests_of_another_dataset_are_left_alone(session: Session, digits: Dataset) -> None:
    letters = factories.dataset(session, "letters")
    factories.model(session, letters)
    request = factories.request(session, ["s-1"], of="letters")

    settle(session, digits)

    assert request.state == "staged"


def test_a_cancelled_request_stays_cancelled(session: Session, digits: Dataset) -> None:
    model = factories.model(session, digits)
    request = factories.request(session, ["s-1"])
    request.move_to(RequestState.CANCELLED)
    session.commit()

    reach(session, model, 1)
    settle(session, digits)

    assert request.state == "cancelled"


def test_a_request_for_deleted_samples_completes_with_their_holder(
    session: Session, digits: Dataset
) -> None:
    model = factories.model(session, digits)
    factories.request(session, ["s-1"])
    second = factories.request(session, ["s-1"])
    assert second.state == "staged"

    reach(session, model, 1)
    settle(session, digits)

    assert (second.state, second.unlearned) == ("completed", False)
