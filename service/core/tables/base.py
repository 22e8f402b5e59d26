"""What all tables share: naming, types, and the columns of a lease."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Enum, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def choice(values: type[enum.Enum], name: str | None = None) -> Enum:
    """Text and a CHECK, so that a new value is an ordinary migration.

    `name` is that of the check; a table's second column of one type needs its own.
    """
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy wants a plain dict here)
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        str: Text,
        enum.Enum: choice(enum.Enum),
    }


class Leased:
    """Work that one process at a time may own, for as long as its lease lasts.

    All times are the database's. `fence` grows with every claim, so whoever held an earlier
    claim can change nothing any more.
    """

    fence: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    rung_at: Mapped[datetime | None] = mapped_column(
        comment="when a worker was last told; null: at the next sweep"
    )


def created_at() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())
