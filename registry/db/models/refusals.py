"""Failed logins, which limit further ones, what was refused and what was downloaded: counts that are deleted later."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.base import Base


class LoginFailure(Base):
    """The number of failed logins in a period: from one ``address``, or with one ``token`` id, as ``kind`` states.

    ``period`` is its beginning, in seconds since 1970.
    """

    __tablename__ = "login_failures"
    __table_args__ = (Index("ix_login_failures_period", "period"),)

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    period: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    failures: Mapped[int] = mapped_column(BigInteger)


class Refusal(Base):
    """Count of refusals of one action to one actor at one address for one reason in an hour.

    ``key`` is a digest of all of these. Without an actor the request had no valid credential. The
    actor is no foreign key: by the time of the write, a restore may have removed the account.
    """

    __tablename__ = "refusals"
    __table_args__ = (Index("ix_refusals_hour", "hour", "key"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    hour: Mapped[datetime]
    actor_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(32))
    count: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime]


class Download(Base):
    """The number of downloads of one version by one actor at one address in an hour, in one ``way``.

    ``key`` is a digest of all of these. ``model`` is the name in the request, empty for counts beyond a process's
    bound. As in ``refusals``, the actor is no foreign key.
    """

    __tablename__ = "downloads"
    __table_args__ = (Index("ix_downloads_hour", "hour", "key"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    hour: Mapped[datetime]
    actor_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    address: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(Text)
    number: Mapped[int | None]
    way: Mapped[str] = mapped_column(String(16))
    count: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime]
