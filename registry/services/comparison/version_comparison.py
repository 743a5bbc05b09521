"""Comparison of two to six versions, of one model or of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import and_, or_, select

from registry.db.base import Rows
from registry.db.models import Version, VersionFile
from registry.db.records import VersionRecord
from registry.db.session import look_up, reading
from registry.domain import compared_facts
from registry.domain.compared_facts import ComparedVersion
from registry.domain.comparison import LEAST, MOST, Line, Section, compare_lines
from registry.domain.errors import Invalid
from registry.rules.references import Reference
from registry.services.comparison import references

FETCHED = 1000  # rows of files at a time


@dataclass(frozen=True, slots=True)
class VersionComparison:
    """Versions, of which the first is the baseline, and the sections of their differences or of all facts."""

    versions: Sequence[ComparedVersion]
    sections: Sequence[Section]

    @property
    def same(self) -> bool:
        """True if the versions have the same files and facts, except for the time and the actor of registration."""
        return all(section.is_same for section in self.sections if section.name not in compared_facts.INCIDENTAL)


def compare(texts: Sequence[str], *, everything: bool = False) -> VersionComparison:
    """Compare the versions that the references *texts* name with the first of them.

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
    elif sum(record.file_count for record in records) <= FETCHED:
        lines = _file_lines(look_up(_files_of(records)), records)
        files = compare_lines(compared_facts.FILES, lines, everything=everything)
    else:
        with reading(snapshot=True) as session:  # the files are read through a cursor
            statement = _files_of(records).execution_options(yield_per=FETCHED)
            with session.execute(statement) as rows:
                files = compare_lines(compared_facts.FILES, _file_lines(rows, records), everything=everything)
    return VersionComparison(versions, compared_facts.sections(versions, files, everything=everything))


def _files_of(versions: Sequence[VersionRecord]) -> Rows:
    """Return the selection of the files of the versions, by path."""
    keys = {(version.model_id, version.number) for version in versions}
    wanted = or_(*(and_(Version.model_id == model, Version.number == number) for model, number in sorted(keys)))
    columns = (VersionFile.path, Version.model_id, Version.number, VersionFile.sha256, VersionFile.size)
    files = select(*columns).join(Version, Version.id == VersionFile.version_id)
    return files.where(wanted).order_by(VersionFile.path)


def _file_lines(rows: Iterable[Any], versions: Sequence[VersionRecord]) -> Iterator[Line]:
    """Yield each path of any of the versions, in order, with the file of each version."""
    missing = [compared_facts.file_absence(version) for version in versions]
    for path, same_path in groupby(rows, lambda row: row.path):
        held = {(row.model_id, row.number): (row.sha256, row.size) for row in same_path}
        files = [held.get((version.model_id, version.number)) for version in versions]
        yield compared_facts.file_line(path, [file or why for file, why in zip(files, missing, strict=True)])
