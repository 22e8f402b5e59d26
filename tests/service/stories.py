"""What happens to one model and its requests, told in short steps that commit nothing."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.policy import Policy
from service.core.tables import (
    Dataset,
    DeletionRequest,
    Job,
    JobReason,
    JobState,
    Model,
    ModelVersion,
    VersionState,
)
from service.deletion_requests import service as deletion_requests
from service.dispatcher import queries
from service.dispatcher.service import make_job
from service.registry import review
from tests import factories
from workers.lifecycle import jobs, publishing
from workers.plan import Unlearned


class Story:
    """`ask`, `queue`, `claim`; then `publish`, `hold` for review, `fail`, `stop` or `requeue`.

    A version or a request is named by its number: `approve 2`, `refuse 2`, `retry 1`, `withdraw 1`.
    """

    def __init__(self, session: Session, of: Dataset, model: Model) -> None:
        self.session = session
        self.dataset = of
        self.model = model

    def tell(self, steps: str) -> None:
        """Take steps that are separated by commas."""
        for step in steps.split(","):
            verb, *numbers = step.split()
            getattr(self, verb)(*map(int, numbers))
            self.session.flush()

    def requests(self) -> list[DeletionRequest]:
        query = select(DeletionRequest).where(DeletionRequest.dataset_id == self.dataset.id)
        return list(self.session.scalars(query.order_by(DeletionRequest.tv)))

    def states(self) -> list[str]:
        return [str(request.state) for request in self.requests()]

    def live_job(self) -> Job | None:
        live = Job.state.in_((JobState.QUEUED, JobState.RUNNING))
        return self.session.scalar(select(Job).where(Job.model_id == self.model.id, live))

    def waiting(self) -> list[ModelVersion]:
        query = select(ModelVersion).where(
            ModelVersion.model_id == self.model.id, ModelVersion.state == VersionState.STAGING
        )
        return list(self.session.scalars(query.order_by(ModelVersion.number)))

    def is_behind(self) -> bool:
        return self.model.id in queries.models_behind(self.session)

    def position(self) -> tuple[Any, ...]:
        """All that what comes next depends on."""
        job = self.live_job()
        return (
            (self.model.held_tv, self.model.failed_tv, factories.head(self.session, self.model).tv),
            tuple(version.tv for version in self.waiting()),
            job and (job.tv, job.state),
            tuple((request.tv, request.state) for request in self.requests()),
        )

    def ask(self) -> None:
        factories.accept(self.session, [f"s-{len(self.requests())}"], self.dataset.name)

    def queue(self) -> None:
        if self.is_behind():
            make_job(self.session, self.model.id)

    def claim(self) -> None:
        job = self.live_job()
        assert job is not None
        job.run_after = None
        self.session.flush()
        jobs.claim(self.session, job.id, "worker", 60)

    def _claimed(self) -> jobs.ClaimedJob:
        job = self.live_job()
        assert job is not None
        return jobs.ClaimedJob(
            id=job.id,
            fence=job.fence,
            attempt=job.attempt,
            held_since=0.0,
            job=job,
            model=job.model,
            parent=job.parent,
            dataset=self.dataset,
            policy=Policy(),
        )

    def _end(self, outcome: Unlearned) -> None:
        publishing.publish(self.session, self._claimed(), outcome)

    def publish(self) -> None:
        self._end(factories.unlearned())

    def hold(self) -> None:
        self._end(factories.unlearned("It agrees too little."))

    def fail(self) -> None:
        jobs.fail(self.session, self._claimed(), JobReason.REFUSED, "The files have changed.")

    def stop(self) -> None:
        jobs.cancel(self.session, self._claimed())

    def requeue(self) -> None:
        jobs.put_back(self.session, self._claimed(), JobReason.CRASHED, "It crashed.", 99)

    def approve(self, number: int) -> None:
        review.approve(self.session, self.model.name, number)

    def refuse(self, number: int) -> None:
        review.reject(self.session, self.model.name, number)

    def retry(self, number: int) -> None:
        deletion_requests.retry(self.session, self.requests()[number - 1].id)

    def withdraw(self, number: int) -> None:
        deletion_requests.cancel(self.session, self.requests()[number - 1].id)
