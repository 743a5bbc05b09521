"""Comparison of two to six versions, of one model or of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from registry.db.models import Version, VersionFile
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.domain import compared_facts
from registry.domain.compared_facts import ComparedVersion
from registry.domain.comparison import LEAST, MOST, Absence, Line, Section, compare_lines
from registry.domain.errors import Invalid
from registry.rules.references import Reference
from registry.services.comparison import references

FETCHED = 1000  # rows of files at a time


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """Versions, of which the first is the baseline, and the sections of what differs or of everything."""

    versions: Sequence[ComparedVersion]
    sections: Sequence[Section]

    @property
    def same(self) -> bool:
        """True if the versions have the same files and the same facts, but for when and by whom they were made."""
        return all(section.is_same for section in self.sections if section.name not in compared_facts.INCIDENTAL)


def compare(texts: Sequence[str], *, everything: bool = False) -> VersionComparison:
    """Return the comparison of the versions that the references *texts* name, with the first.

    With *everything* it has the rows that are equal, too. Raises Invalid for fewer than two references, for more than
    six, or for one that cannot be read; NotFound for one that names no version.
    """
    if not LEAST <= len(texts) <= MOST:
        raise Invalid.field(
            "v", f"must be given {LEAST} to {MOST} times, once for each version, not {len(texts)} times"
        )
    named = [references.parsed(text, parameter="v") for text in texts]
    return _compare([(text, references.version_of(one)) for text, one in zip(texts, named, strict=True)], everything)


def diff(model: str, first: int, second: int, *, everything: bool = False) -> VersionComparison:
    """Return the comparison of two versions of a model as :func:`compare` does. Raises NotFound."""
    named = [Reference(model, version=number) for number in (first, second)]
    return _compare([(str(one), references.version_of(one)) for one in named], everything)


def _compare(named: Sequence[tuple[str, VersionRecord]], everything: bool) -> VersionComparison:
    records = [record for _, record in named]
    versions = [compared_facts.compared(text, record) for text, record in named]
    if not everything and len({record.manifest_digest for record in records}) == 1:
        files = Section(compared_facts.FILES, (), equal=records[0].file_count)
    else:
        with reading(snapshot=True) as session:  # the files are read through a cursor
            files = compare_lines(compared_facts.FILES, _file_lines(session, records), everything=everything)
    return VersionComparison(versions, compared_facts.sections(versions, files, everything=everything))


def _file_lines(session: Session, versions: Sequence[VersionRecord]) -> Iterator[Line]:
    """Yield each path of any of the versions, in order, with the file of each version."""
    keys = {(version.model_id, version.number) for version in versions}
    wanted = or_(*(and_(Version.model_id == model, Version.number == number) for model, number in sorted(keys)))
    ids = {(row.model_id, row.number): row.id for row in session.execute(_IDS.where(wanted))}
    owners = [ids.get((version.model_id, version.number)) for version in versions]
    missing = [compared_facts.file_absence(version) for version in versions]
    files = _FILES.where(VersionFile.version_id.in_(sorted(ids.values()))).execution_options(yield_per=FETCHED)
    path, held = None, dict[int, tuple[str, int]]()
    with session.execute(files) as rows:
        for row in rows:
            if row.path != path and path is not None:
                yield _file_line(path, owners, held, missing)
                held = {}
            path = row.path
            held[row.version_id] = (row.sha256, row.size)
    if path is not None:
        yield _file_line(path, owners, held, missing)


_IDS = select(Version.id, Version.model_id, Version.number)
_FILES = select(VersionFile.path, VersionFile.version_id, VersionFile.sha256, VersionFile.size).order_by(
    VersionFile.path
)


def _file_line(
    path: str, owners: Sequence[int | None], held: dict[int, tuple[str, int]], missing: Sequence[Absence]
) -> Line:
    files = [held.get(owner) if owner is not None else None for owner in owners]
    return compared_facts.file_line(path, [file or why for file, why in zip(files, missing, strict=True)])
