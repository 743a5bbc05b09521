"""Forms of lineage: what is added to a version, where data comes from, and whether an edge is retracted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from registry.domain.errors import Invalid
from registry.domain.lineage import BaseModel, DataJob, Dataset, DatasetRole, Derivation, Parent
from registry.http.fields import Text
from registry.rules import digests, lineage_limits, references
from registry.services.lineage.additions import DataLineage, VersionLineage
from registry.web import forms
from registry.web.editing import ReasonForm
from registry.web.stage_forms import Reason

EVALUATED = "evaluated_on"  # beside the roles: the data that a version was evaluated on later
_MOST_DIGESTS = 8
_DIGEST_LENGTH = 160


class Digests(fields.Field["tuple[str, ...]"]):
    """Digests separated by spaces or line ends, in the spellings that people copy; none for an empty field."""

    def __init__(self) -> None:
        super().__init__(load_default=())

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        texts = str(value).split()
        if len(texts) > _MOST_DIGESTS:
            raise ValidationError(f"must be at most {_MOST_DIGESTS} digests")
        try:
            found = tuple(dict.fromkeys(map(digests.stored, texts)))
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if any(len(one) > _DIGEST_LENGTH for one in found):
            raise ValidationError(f"must have at most {_DIGEST_LENGTH} characters each")
        return found


class ParentReference(fields.Field["Parent | None"]):
    """A version as ``fraud:3``; None for an empty field."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = str(value).strip()
        if not text:
            return None
        try:
            reference = references.parse(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if reference.version is None:
            raise ValidationError("must be MODEL:NUMBER, for example fraud:3")
        return Parent(reference.model, reference.version)


def _line(most: int) -> Text:
    return Text(load_default="", most=most)


class AdditionForm(ReasonForm):
    """What is added to the lineage of a version: data, a parent, a base model, or several of them."""

    data_name = _line(lineage_limits.DATASET_NAME_LENGTH)
    data_digests = Digests()
    data_uri = _line(lineage_limits.URI_LENGTH)
    role = fields.String(
        load_default=DatasetRole.TRAIN.value, validate=validate.OneOf([*map(str, DatasetRole), EVALUATED])
    )
    parent = ParentReference(load_default=None)
    base_uri = _line(lineage_limits.URI_LENGTH)
    base_digests = Digests()
    derivation = fields.String(load_default="", validate=validate.OneOf(["", *map(str, Derivation)]))


class DataForm(ReasonForm):
    """Where data comes from: other data, the whole that it is a part of, the job that made it, or several of them."""

    name = _line(lineage_limits.DATASET_NAME_LENGTH)
    digests = Digests()
    uri = _line(lineage_limits.URI_LENGTH)
    from_name = _line(lineage_limits.DATASET_NAME_LENGTH)
    from_digests = Digests()
    from_uri = _line(lineage_limits.URI_LENGTH)
    whole_name = _line(lineage_limits.DATASET_NAME_LENGTH)
    whole_digests = Digests()
    whole_uri = _line(lineage_limits.URI_LENGTH)
    job = _line(2 * lineage_limits.REPO_LENGTH + 1)
    job_url = _line(lineage_limits.URI_LENGTH)


class EdgeForm(forms.WebForm):
    """Whether an edge is retracted, and why."""

    retracted = fields.String(required=True, validate=validate.OneOf(["yes", "no"]))
    reason = Reason()


def additions_of(form: Mapping[str, Any]) -> VersionLineage:
    """Return what a form adds to a version. Raises Invalid for one that adds nothing."""
    is_evaluated = form["role"] == EVALUATED
    role = DatasetRole.OTHER if is_evaluated else DatasetRole(form["role"])
    data = _named_data(form, "data_", role)
    relation = Derivation(form["derivation"]) if form["derivation"] else None
    parents = (Parent(form["parent"].model, form["parent"].version, relation),) if form["parent"] else ()
    uri = form["base_uri"].strip()
    bases = (BaseModel(uri or None, form["base_digests"], relation),) if uri or form["base_digests"] else ()
    if relation and not (parents or bases):
        raise Invalid.field("derivation", "is how the version derives from a parent or a base model: name one of them")
    if not (data or parents or bases):
        raise Invalid.field("data_digests", "must be given, or a parent, or a base model")
    used, evaluated_on = ((), data) if is_evaluated else (data, ())
    return VersionLineage(used, evaluated_on, parents, bases)


def data_of(form: Mapping[str, Any]) -> DataLineage:
    """Return what a form states about data. Raises Invalid for one that states nothing."""
    own = _named_data(form, "")
    if not own:
        raise Invalid.field("digests", "must be given: they identify the data")
    sources, wholes, job = _named_data(form, "from_"), _named_data(form, "whole_"), _job_of(form)
    if not (sources or wholes or job):
        raise Invalid.field("from_digests", "must be given, or a whole, or a job")
    return DataLineage(own[0], wholes, sources, job)


def _named_data(form: Mapping[str, Any], prefix: str, role: DatasetRole = DatasetRole.OTHER) -> tuple[Dataset, ...]:
    name, found, uri = (form[f"{prefix}{part}"] for part in ("name", "digests", "uri"))
    if found:
        return (Dataset(name.strip() or found[0], found, uri.strip() or None, role),)
    if name.strip() or uri.strip():
        raise Invalid.field(f"{prefix}digests", "must be given: they identify the data")
    return ()


def _job_of(form: Mapping[str, Any]) -> DataJob | None:
    text, url = form["job"].strip(), form["job_url"].strip()
    if not text:
        if url:
            raise Invalid.field("job", "must be given: the address is of a job")
        return None
    namespace, _, name = text.rpartition("/")
    longest = max(len(namespace), len(name))
    if not (namespace and name) or longest > lineage_limits.REPO_LENGTH:
        raise Invalid.field("job", f"must be NAMESPACE/NAME, each of 1 to {lineage_limits.REPO_LENGTH} characters")
    return DataJob(namespace, name, url or None)
