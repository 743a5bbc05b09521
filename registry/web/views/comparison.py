"""The comparison of versions side by side, and the choice of versions to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response
from marshmallow import fields

from registry.domain.access import Permission
from registry.domain.compared_facts import ComparedVersion
from registry.domain.comparison import LEAST, MOST, Cell, CellKind, Change, ComparisonRow, RowName, Section
from registry.domain.errors import RegistryError
from registry.domain.pinned_packages import COMPARED_FILES, is_named
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.http.downloads import note
from registry.http.fields import Text
from registry.rules import names, paths
from registry.rules.references import Reference
from registry.services.catalog import versions
from registry.services.comparison import file_comparison, references, version_comparison
from registry.services.comparison.file_comparison import FileComparison
from registry.services.usage.downloads import Way
from registry.web import errors, forms
from registry.web.addresses import command, has_page, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import comparison_words

ROWS = 100  # of one section on a page
CHOICES = 50  # versions to choose from
COLUMNS = ("number", "state", "stage", "aliases", "created_at")


class ComparedQuery(forms.WebQuery):
    """The versions of a comparison, the model to choose from, and whether equal facts are shown."""

    v = fields.List(fields.String(), load_default=[])
    model = Text(load_default=None, most=names.MODEL_NAME_LENGTH)
    all = fields.String(load_default=None)


class ChoicePage(WebPage):
    """The choice of versions: those of a model, or any by reference."""

    template = "compare_choice.html"
    title = "Choose versions to compare"

    def __init__(self, texts: Sequence[str], model: str | None) -> None:
        self.texts = texts
        self.model = model
        self.crumbs = (_models(), *_of_model(model), Crumb("Compare"))

    @cached_property
    def candidates(self) -> Sequence[Mapping[str, Any]]:
        """Return the latest versions of the model, each with the reference that names it; empty without a model."""
        if self.model is None:
            return ()
        listed: Sequence[Any] = versions.list_(self.model, limit=CHOICES, field_names=COLUMNS).items
        return [{**one, "reference": str(Reference(self.model, version=one["number"]))} for one in listed]


class ComparisonPage(WebPage):
    """Versions in columns, with the facts that differ from the first, or all, in rows."""

    template = "compare.html"
    words = comparison_words

    def __init__(self, texts: Sequence[str], *, everything: bool) -> None:
        self.texts = texts
        self.everything = everything
        compared = version_comparison.compare(texts, everything=everything)
        self.versions = compared.versions
        self.same = compared.same
        self.sections = [section for section in compared.sections if section.rows]
        self.equal = [
            comparison_words.SECTIONS[section.name]
            for section in compared.sections
            if not section.rows and section.equal
        ]
        self.unrecorded = _fact_names(compared.sections, "unrecorded")
        self.unknown = _fact_names(compared.sections, "unknown_facts")
        models = {version.model for version in self.versions}
        self.is_one_model = len(models) == 1
        self.title = self._title()
        self.crumbs = (_models(), *_of_model(self.versions[0].model if self.is_one_model else None), Crumb("Compare"))
        options = (["--all"] if everything else []) + (["--"] if any(text.startswith("-") for text in texts) else [])
        self.command = command("registry", "diff", *options, *texts)
        self.api = "/compare?" + _versions_query(texts, all="true" if everything else None)

    def _title(self) -> str:
        if self.is_one_model:
            return f"{self.versions[0].model}: " + " → ".join(f"v{one.number}" for one in self.versions)
        return " → ".join(f"{one.model}:{one.number}" for one in self.versions)

    @property
    def may_read(self) -> bool:
        """Return whether the caller may see the content of files."""
        return Permission.FILE_DOWNLOAD in current_actor().permissions

    @property
    def can_add(self) -> bool:
        return len(self.texts) < MOST

    @property
    def toggled(self) -> str:
        """Return the address of the same versions with all facts, or with the differences only."""
        return _comparison_address(self.texts, everything=not self.everything)

    def based_on(self, place: int) -> str:
        """Return the address with another version as the baseline."""
        others = [text for index, text in enumerate(self.texts) if index != place]
        return _comparison_address([self.texts[place], *others], everything=self.everything)

    def without(self, place: int) -> str | None:
        """Return the address without a version; None while there are two."""
        others = [text for index, text in enumerate(self.texts) if index != place]
        return _comparison_address(others, everything=self.everything) if len(others) >= LEAST else None

    def shown(self, section: Section) -> Sequence[ComparisonRow]:
        return section.rows[:ROWS]

    def hidden(self, section: Section) -> int:
        """Return how many rows of the section the page leaves out."""
        return section.omitted + max(len(section.rows) - ROWS, 0)

    @cached_property
    def environments(self) -> Sequence[FileComparison]:
        """Return the comparisons of changed requirements and lock files of two versions that name other packages.

        A caller who must not read files, and files that cannot be read, have none. Reads the store.
        """
        if len(self.texts) != LEAST or not self.may_read:
            return ()
        rows = [row for section in self.sections if section.name == "files" for row in section.rows]
        changed = [row.name for row in rows if row.cells[1].change is Change.CHANGED and is_named(row.name)]
        return [*filter(None, map(self._packages_of, changed[:COMPARED_FILES]))]

    def _packages_of(self, path: str) -> FileComparison | None:
        try:
            file = file_comparison.compare_file(self.texts, path, store=store())
        except RegistryError:
            return None
        for model, number in file.read:
            note(model, number, Way.PREVIEW)
        return file if file.packages else None

    def file_changes(self, row: ComparisonRow, place: int) -> str | None:
        """Return the address of the changes of a file since the baseline; None where they cannot be shown."""
        if row.kind is not CellKind.FILE or place == 0 or not self.may_read:
            return None
        cells = (row.cells[0], row.cells[place])
        sizes = [_size(cell) for cell in cells]
        if cells[1].change is not Change.CHANGED or not file_comparison.is_comparable(row.name, sizes):
            return None
        return url_for("compare_file", v=[self.texts[0], self.texts[place]], path=row.name)


class FileComparedQuery(forms.WebQuery):
    """A file, and the two versions in which it is compared."""

    v = fields.List(fields.String(), load_default=[])
    path = Text(required=True, least=1, most=paths.PATH_BYTES, rule=paths.containment_problem)


class FileComparisonPage(WebPage):
    """The lines, and the packages, that differ in a file between two versions."""

    template = "compare_file.html"
    words = comparison_words

    def __init__(self, texts: Sequence[str], path: str) -> None:
        self.file = file_comparison.compare_file(texts, path, store=store())
        self.title = f"{path}: {' → '.join(texts)}"
        self.comparison = _comparison_address(texts, everything=False)
        self.crumbs = (_models(), Crumb("Compare", self.comparison), Crumb(path))
        options = ["--"] if any(text.startswith("-") for text in texts) else []
        self.command = command("registry", "diff", "--file", path, *options, *texts)
        self.api = "/compare/file?" + _versions_query(texts, path=path)


@blueprint.get("/compare")
@requires(Permission.MODEL_READ)
def compare() -> Response:
    """Show versions side by side, or the choice of them."""
    query = forms.query(ComparedQuery)
    texts = [text for text in query["v"] if text.strip()]
    if len(texts) < LEAST:
        return page(ChoicePage(texts, query["model"] or _model_of(texts)))
    try:
        shown: WebPage = ComparisonPage(texts, everything=query["all"] is not None)
    except RegistryError as error:
        shown = ChoicePage(texts, None)
        shown.refusal = errors.refusal_of(error)
        return page(shown, status=shown.refusal.status)
    return page(shown)


def _model_of(texts: Sequence[str]) -> str | None:
    return references.parsed(texts[0], parameter="v").model if texts else None


def _comparison_address(texts: Sequence[str], *, everything: bool) -> str:
    return url_for("compare", v=list(texts), **({"all": ""} if everything else {}))


def _versions_query(texts: Sequence[str], **others: str | None) -> str:
    pairs = [*(("v", text) for text in texts), *((name, value) for name, value in others.items() if value)]
    return urlencode(pairs, quote_via=quote, safe="")


def _models() -> Crumb:
    return Crumb("Models", url_for("models") if has_page("models") else None)


def _of_model(model: str | None) -> Sequence[Crumb]:
    return () if model is None else (Crumb(model, url_for("model", model=model)),)


def _fact_names(sections: Sequence[Section], kind: str) -> Sequence[str]:
    return [
        f"{comparison_words.SECTIONS[section.name].lower()} {comparison_words.fact_name(section.name, name)}"
        for section in sections
        for name in getattr(section, kind)
    ]


def _fact(version: ComparedVersion, section: str, name: str) -> Any:
    fact = version.facts[section].facts.get(RowName("", name))
    return fact and fact.value


def _size(cell: Cell) -> int:
    return int(cell.value["size"]) if cell.value else 0


@blueprint.get("/compare/file")
@requires(Permission.FILE_DOWNLOAD)
def compare_file() -> Response:
    """Show the differences of a file between two versions."""
    query = forms.query(FileComparedQuery)
    shown = FileComparisonPage(query["v"], query["path"])
    for model, number in shown.file.read:
        note(model, number, Way.PREVIEW)
    return page(shown)
