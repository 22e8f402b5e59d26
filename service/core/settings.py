"""Settings, read once from the environment (`UNLEARND_…`)."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.core.sources import SourceError, Sources, of_path, prefix_of

ALWAYS_ALLOWED_FACTORY = "workers.zoo:"
# What `unlearnd up` and `unlearnd demo` keep in a home, beside the folders that have a setting.
IN_A_HOME = ("admin.key", "demo", "log", "postgres", "redis", "run.json")
FOLDERS_OF_A_HOME = ("storage", "uploads", "work")


DATABASE_SCHEMES = ("postgresql", "postgresql+psycopg")
REDIS_SCHEMES = ("redis", "rediss", "redis+socket")


def is_url_of(text: str, schemes: tuple[str, ...]) -> bool:
    """Whether this is a URL of one of these schemes, as far as can be told without connecting."""
    scheme, separator, _ = text.partition("://")
    try:
        port = urlsplit(text).port
    except ValueError:
        return False
    return bool(separator) and scheme in schemes and port != 0


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="UNLEARND_", extra="ignore", frozen=False, hide_input_in_errors=True
    )

    home: Path = Field(
        default=Path("~/.unlearnd"),
        description="Everything that this installation keeps on local disk.",
    )
    database_url: str | None = Field(
        default=None,
        description="PostgreSQL 15 or later. Unset: an embedded server under the home.",
    )
    database_patience_seconds: float = Field(
        default=30,
        ge=1,
        description="When API and dispatchers give up a statement, or a server that is silent.",
    )
    redis_url: str | None = Field(
        default=None,
        description="Redis 6.2 or later, or Valkey. Unset: an embedded server under the home.",
    )
    redis_prefix: str = Field(
        default="unlearnd:", description="Put before every key, so that a Redis can be shared."
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    connections: int = Field(
        default=1000,
        ge=1,
        description="Callers of one API process. One more, and the longest idle one has to go.",
    )
    head_seconds: float = Field(
        default=10, gt=0, description="How long the head of a request may take."
    )
    idle_seconds: float = Field(
        default=30, gt=0, description="How long a connection stays open between two requests."
    )
    silent_seconds: float = Field(
        default=30, gt=0, description="How long a caller may pause while sending a body."
    )
    body_bytes_per_second: float = Field(
        default=500, gt=0, description="The least rate of a body, after its first pause."
    )
    crowded_bytes_per_second: float = Field(
        default=16 * 1024,
        gt=0,
        description="The same, as long as others wait for the place that it takes.",
    )
    unread_seconds: float = Field(
        default=120, gt=0, description="How long a caller may leave an answer unread."
    )
    storage: Path | None = Field(
        default=None, description="Where published versions are kept. Unset: `storage` in the home."
    )
    work_dir: Path | None = Field(
        default=None, description="Scratch space of running jobs. Unset: `work` in the home."
    )
    sources: Annotated[list[str] | None, NoDecode] = Field(
        default=None,
        description="Prefixes of URLs that datasets and models may have, by commas. Unset: the "
        "home, without what the service keeps there.",
    )
    module_factories: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Prefixes of `package.module:function` that may build a model, by commas.",
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads of one run. Unset: its cores, 16 at the most."
    )
    processes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Processes of one job. Unset: one for each GPU that the worker sees, or one.",
    )
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = Field(
        default="auto",
        description="What networks compute in. auto: bfloat16 where a device has it, else float32.",
    )
    compile: Literal["auto", "never"] = Field(
        default="auto", description="auto: long training on a GPU is compiled by torch."
    )
    lease_seconds: float = Field(
        default=30, ge=1, description="How long a silent worker keeps what it has claimed."
    )
    dispatch_interval_seconds: float = Field(default=1, gt=0)
    ring_again_seconds: float = Field(
        default=30, gt=0, description="When a message is taken for lost, and is sent again."
    )
    max_attempts: int = Field(default=3, ge=1)
    job_time_limit_seconds: float = Field(default=24 * 3600, gt=0)
    job_memory_limit_mib: int | None = Field(
        default=None,
        ge=1,
        description="Memory of one run, all its processes together. Unset: no limit.",
    )
    registrations_at_once: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Datasets and models that one worker of the queue cpu reads at a time.",
    )
    registration_time_limit_seconds: float = Field(
        default=1800,
        gt=0,
        description="How long the reading of one dataset, or the trial of one model, may take.",
    )
    registration_memory_limit_mib: int = Field(
        default=4096,
        ge=1,
        description="Memory of one registration, all its processes together.",
    )
    save_interval_seconds: float = Field(
        default=60,
        ge=0,
        description="How much work a run that is killed has to do again, where it can go on.",
    )
    max_fraction: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="The share of a dataset that one request may delete, where no model says less.",
    )
    idempotency_key_hours: float = Field(
        default=24, gt=0, description="How long an Idempotency-Key is known, at least."
    )
    max_body_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        description="Room for 10,000 IDs of 255 characters, at up to 12 bytes each in JSON.",
    )
    upload_dir: Path | None = Field(
        default=None,
        description="Where uploads lie until they are stored. Unset: `uploads` in the home.",
    )
    max_upload_bytes: int = Field(
        default=1024**3,
        ge=1024,
        description="Room for 28 million UUIDs, or 1 million IDs of 255 characters.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("module_factories", "sources", mode="before")
    @classmethod
    def split_commas(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("sources")
    @classmethod
    def are_prefixes(cls, value: list[str] | None) -> list[str] | None:
        for prefix in value or ():
            try:
                prefix_of(prefix)
            except SourceError as error:
                raise ValueError(f"each one is a URL such as file:///data: {error}") from None
        return value

    @field_validator("database_url", "redis_url", mode="before")
    @classmethod
    def empty_is_unset(cls, value: Any) -> Any:
        return value or None

    @field_validator("database_url")
    @classmethod
    def is_of_postgresql(cls, value: str | None) -> str | None:
        if value is not None and not is_url_of(value, DATABASE_SCHEMES):
            raise ValueError("write postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE")
        return value

    @field_validator("redis_url")
    @classmethod
    def is_of_redis(cls, value: str | None) -> str | None:
        if value is not None and not is_url_of(value, REDIS_SCHEMES):
            raise ValueError(
                "write redis://:PASSWORD@HOST:PORT/DB, rediss://... with TLS, or "
                "redis+socket:///PATH for a Unix socket"
            )
        return value

    @field_validator("home", "storage", "work_dir", "upload_dir")
    @classmethod
    def can_be_resolved(cls, value: Path | None) -> Path | None:
        try:
            if value is not None:
                value.expanduser().resolve()
        except (OSError, RuntimeError):
            raise ValueError("no such user, or links in a circle: name a folder") from None
        return value

    @property
    def home_dir(self) -> Path:
        return self.home.expanduser().resolve()

    @property
    def storage_dir(self) -> Path:
        return self._under_home(self.storage, "storage")

    @property
    def scratch_dir(self) -> Path:
        return self._under_home(self.work_dir, "work")

    @property
    def spool_dir(self) -> Path:
        return self._under_home(self.upload_dir, "uploads")

    @property
    def admin_key_file(self) -> Path:
        return self.home_dir / "admin.key"

    @property
    def allowed_sources(self) -> Sources:
        """What datasets and models may be read from."""
        as_given = Path(os.path.abspath(self.home.expanduser()))  # noqa: PTH100 (keeps its links)
        homes = {self.home_dir, as_given}
        kept = [home / name for home in homes for name in (*IN_A_HOME, *FOLDERS_OF_A_HOME)]
        named = None if self.sources is None else tuple(map(prefix_of, self.sources))
        return Sources(
            prefixes=tuple(map(of_path, sorted(homes))) if named is None else named,
            own=tuple(
                of_path(path)
                for path in (*kept, self.storage_dir, self.scratch_dir, self.spool_dir)
            ),
        )

    def _under_home(self, given: Path | None, name: str) -> Path:
        return given.expanduser().resolve() if given else self.home_dir / name

    def allows_factory(self, factory: str) -> bool:
        """Whether an operator allowed this factory to be imported and called."""
        return factory.startswith((ALWAYS_ALLOWED_FACTORY, *self.module_factories))
