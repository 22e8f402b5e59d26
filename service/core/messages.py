"""The whole contract between the dispatcher and the workers: names, queues, payloads.

A message is a doorbell: it says which row is due, and the row says the rest. Losing one costs a
sweep, and ringing twice costs nothing. It carries a key of ours, never a sample ID.
"""

from typing import ClassVar, Literal
from uuid import UUID

from celery import Celery
from pydantic import BaseModel, ConfigDict

from service.core.settings import Settings

Queue = Literal["gpu", "cpu"]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    task: ClassVar[str]
    queue: ClassVar[Queue]


class RunJob(Message):
    task = "unlearnd.run_job"
    queue = "gpu"
    job_id: UUID


class IndexDataset(Message):
    task = "unlearnd.index_dataset"
    queue = "cpu"
    dataset_id: int


class ValidateModel(Message):
    task = "unlearnd.validate_model"
    queue = "cpu"
    model_id: int


def celery_app(settings: Settings, redis_url: str) -> Celery:
    """The Celery application, set for jobs of many hours (`docs/decisions`, 0002).

    Messages are acknowledged early and leave no result: a lost job is found by its lease, in the
    database, and polls are answered from there.
    """
    app = Celery("unlearnd", broker=redis_url)
    app.conf.update(
        task_ignore_result=True,
        result_backend=None,
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        # The parameters of a task are keys of ours; the log still need not repeat them.
        worker_soft_shutdown_timeout=30,
        broker_connection_retry_on_startup=True,
        broker_connection_retry=True,
        broker_connection_max_retries=None,
        # A Redis that is full, or loads its data, refuses: else that would end the worker.
        broker_channel_error_retry=True,
        broker_transport_options={
            "global_keyprefix": settings.redis_prefix,
            "visibility_timeout": 3600,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        # The dispatcher rings again by itself: it must not hang on a broker that is away.
        task_publish_retry_policy={
            "max_retries": 1,
            "interval_start": 0.1,
            "interval_step": 0.1,
            "interval_max": 0.2,
        },
        accept_content=["json"],
        task_serializer="json",
        task_default_queue="cpu",
        enable_utc=True,
    )
    return app


def send(app: Celery, message: Message) -> None:
    """Ring. Raises what kombu raises where the broker cannot be reached."""
    app.send_task(message.task, args=[message.model_dump(mode="json")], queue=message.queue)
