"""What a request's `detail` says: who failed it and why, and who came too late for it."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from service.core import attempts, completion
from service.core.tables import Dataset, JobReason, JobState, Model, VersionState
from service.registry import review
from tests import factories
from tests.service.calls import REQUESTS, accepted, fetched


def detail(client: TestClient, request: dict[str, Any], status: str) -> str | None:
    shown = fetched(client, request["links"]["self"])
    assert shown["status"] == status
    listed = fetched(client, REQUESTS)["items"]
    assert [item["detail"] for item in listed if item["id"] == shown["id"]] == [shown["detail"]]
    text: str | None = shown["detail"]
    return text


def unlearn(session: Session, model: Model, *, tv: int) -> None:
    """What a published job leaves."""
    factories.publish(session, model, tv=tv)
    completion.settle(session, model.dataset_id)
    session.commit()


def fail(session: Session, model: Model, reason: str, *, tv: int) -> None:
    job = factories.job(
        session, model, factories.head(session, model), tv=tv, state=JobState.RUNNING
    )
    attempts.fail(session, job, JobReason.REFUSED, reason)
    session.commit()


def test_a_model_that_was_registered_later_is_named_until_it_has_caught_up(
    client: TestClient, session: Session, digits: Dataset, cnn: Model
) -> None:
    request = accepted(client, ["s-1"])
    unlearn(session, cnn, tv=1)
    assert detail(client, request, "completed") is None

    late = factories.model(session, digits, "late-1")

    assert detail(client, request, "completed") == (
        "late-1 was registered later and has not been unlearned up to this request yet."
    )
    factories.model(session, digits, "late-2", tv=1)
    other = factories.model(session, digits, "late-0")
    assert detail(client, request, "completed") == (
        "late-0 and late-1 were registered later and have not been unlearned up to this request "
        "yet."
    )
    unlearn(session, other, tv=1)
    unlearn(session, late, tv=1)
    assert detail(client, request, "completed") is None


def test_of_many_late_models_the_first_five_are_named(
    client: TestClient, session: Session, digits: Dataset, cnn: Model
) -> None:
    request = accepted(client, ["s-1"])
    unlearn(session, cnn, tv=1)
    for number in range(7):
        factories.model(session, digits, f"late-{number}")

    said = detail(client, request, "completed")

    assert said is not None
    assert said.startswith("late-0, late-1, late-2, late-3, late-4 and 2 others were registered")


def test_a_request_that_was_complete_without_a_model_names_the_first_one_as_well(
    client: TestClient, session: Session, digits: Dataset
) -> None:
    request = accepted(client, ["s-1"])
    factories.model(session, digits, "late-1")

    said = detail(client, request, "completed")

    assert said is not None
    assert said.startswith("No model is trained on this dataset")
    assert "late-1 was registered later" in said


@pytest.mark.usefixtures("cnn")
def test_nothing_is_asked_about_late_models_for_a_request_that_waits(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    request = accepted(client, ["s-1"])
    sent: list[str] = []
    event.listen(
        client.app.state.database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_rest: sent.append(statement),
    )

    assert detail(client, request, "staged") is None
    assert not [one for one in sent if "coalesce(model_versions.tv" in one]


def test_a_failed_request_says_why_its_job_failed(
    client: TestClient, session: Session, cnn: Model
) -> None:
    request = accepted(client, ["s-1"])
    fail(session, cnn, "The weights do not fit.", tv=1)

    assert detail(client, request, "failed") == "cnn: The weights do not fit."

    unlearn(session, cnn, tv=1)
    assert detail(client, request, "completed") is None


def test_a_request_that_some_models_failed_names_only_these(
    client: TestClient, session: Session, digits: Dataset, cnn: Model
) -> None:
    request = accepted(client, ["s-1"])
    mlp = factories.model(session, digits, "mlp")
    fail(session, mlp, "Out of memory. It was tried 3 times.", tv=1)
    unlearn(session, cnn, tv=1)

    assert detail(client, request, "partially_completed") == (
        "mlp: Out of memory. It was tried 3 times."
    )


def test_a_request_whose_version_was_rejected_says_so_and_why_it_waited(
    client: TestClient, session: Session, cnn: Model
) -> None:
    request = accepted(client, ["s-1"])
    job = factories.job(
        session,
        cnn,
        factories.head(session, cnn),
        tv=1,
        state=JobState.NEEDS_REVIEW,
        reason="Agreement is 0.9; at least 0.97 is wanted.",
    )
    staged = factories.version(session, cnn, number=2, tv=1, state=VersionState.STAGING)
    staged.job_id = job.id
    session.commit()

    review.reject(session, "cnn", 2)
    session.commit()

    assert detail(client, request, "failed") == (
        "cnn: version 2 was rejected. Agreement is 0.9; at least 0.97 is wanted."
    )


def test_a_request_that_is_tried_again_says_when_to_look_again(
    client: TestClient, session: Session, cnn: Model
) -> None:
    request = accepted(client, ["s-1"])
    fail(session, cnn, "The weights do not fit.", tv=1)

    answer = client.post(f"{request['links']['self']}:retry")

    assert (answer.status_code, answer.json()["detail"]) == (202, None)
    assert int(answer.headers["retry-after"]) >= 1
