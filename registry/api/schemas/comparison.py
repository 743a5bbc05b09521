"""Comparisons of versions on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from registry.api.schemas.paging import PageQuery, page_of
from registry.domain.comparison import LEAST, MOST, ROWS, Absence, CellKind, Change
from registry.domain.pinned_packages import FILE_BYTES, MOST_NAMED, PACKAGES
from registry.domain.text_differences import LINES
from registry.http.fields import Choice, Instant, Listed, Strict, Text, View, about, one_of, output
from registry.rules import digests, paths, slices
from registry.rules.metric_directions import Verdict
from registry.rules.names import TAG_KEY_LENGTH
from registry.services.catalog.metric_series import KEYS_KNOWN, KEYS_MOST, RECENT, VERSIONS_MOST
from registry.services.comparison.file_comparison import FileComparisonKind

REFERENCE_LENGTH = 600  # a model's name, a mark and an alias
ALL = fields.Boolean(
    truthy={"true"}, falsy={"false"}, load_default=False, data_key="all",
    metadata=about("`true`: also the rows that are equal in all versions."),
)  # fmt: skip


class DiffQuery(Strict):
    """Extent of a comparison."""

    everything = ALL


class CompareQuery(DiffQuery):
    """The versions of a comparison."""

    texts = Listed(
        Text(least=1, most=REFERENCE_LENGTH),
        least=LEAST,
        most=MOST,
        required=True,
        data_key="v",
        metadata=about(
            "A version: `fraud:9`, `fraud@champion`, `fraud#production`, or `fraud` for the latest. Given "
            f"{LEAST} to {MOST} times; the first is the baseline."
        ),
    )


class ComparedVersionView(View):
    """A version of the comparison."""

    reference = fields.String(**output("The reference that named it."))
    model = fields.String(**output("The name of its model."))
    number = fields.Integer(**output("Its number."))
    state = fields.String(**output("Its state."))
    stage = fields.String(**output("Its stage."))
    rolled_back = fields.Boolean(**output("Whether its last time in production ended by a rollback."))
    aliases = fields.List(fields.String(), **output("The aliases that point at it."))
    manifest_digest = fields.String(
        **output("The digest of its manifest; null while the files are unknown.", null=True)
    )
    created_at = Instant(**output("When it was registered."))
    created_by = fields.String(**output("The name of the account that registered it."))


class DeltaView(View):
    """The difference of a number from that of the first version."""

    absolute = fields.Float(**output("The number less that of the first version."))
    percent = fields.Float(**output("The same in percent of the first version's; null where that is 0.", null=True))


class CellView(View):
    """The fact of one version."""

    value = fields.Raw(
        **output(
            "The value by the kind of the row; texts of more than 500 characters are cut. Null where there is none.",
            null=True,
        )
    )
    absence = fields.String(
        validate=Choice([one.value for one in Absence]),
        **output(
            "Why there is no value. `absent`: others of its kind are recorded; `not_recorded`: none is; `unknown`: the "
            "files are elsewhere, or the run had not ended; `deleted`: it is gone with the version or its bytes.",
            null=True,
        ),
    )
    change = fields.String(
        validate=Choice([one.value for one in Change]),
        **output(f"Against the first version: {one_of(Change)} (one of both is unknown)."),
    )
    delta = fields.Nested(DeltaView, **output("Of a number that differs.", null=True))
    verdict = fields.String(
        validate=Choice([one.value for one in Verdict]),
        **output(
            f"Of a metric that differs: {one_of(Verdict)} than in the first version. Null where the end of its name "
            "does not show whether higher values are better.", null=True,
        ),
    )  # fmt: skip
    address = fields.String(
        **output(
            "Of a commit that differs: the page of the commits since the first version's, at a host whose addresses "
            "are known. Null elsewhere, and for versions of two repositories.", null=True,
        ),
    )  # fmt: skip


class ComparisonRowView(View):
    """A fact in each version."""

    name = fields.String(**output("The name of the fact: a metric, a parameter, a path."))
    group = fields.String(
        **output("The part of the section: the digest that a metric was measured on, a role, `inputs`.", null=True)
    )
    slice = fields.String(**output("The slice of a metric's dataset; empty: the whole."))
    note = fields.String(**output("The name of the dataset whose digest is the group.", null=True))
    kind = fields.String(
        validate=Choice([one.value for one in CellKind]), **output(f"The kind of its values: {one_of(CellKind)}.")
    )
    cells = fields.List(fields.Nested(CellView), **output("One for each version, in their order."))


class SectionView(View):
    """The facts of one kind."""

    name = fields.String(**output("The kind of the facts, like `metrics`."))
    rows = fields.List(
        fields.Nested(ComparisonRowView),
        **output(f"Those that differ, or all; {ROWS} at most, those that differ first."),
    )
    equal = fields.Integer(**output("How many facts are equal in all versions."))
    unrecorded = fields.List(fields.String(), **output("The facts that no version has recorded."))
    unknown_facts = fields.List(fields.String(), **output("The facts that are unknown of every version."))
    omitted = fields.Integer(**output("How many further rows there are."))


class ComparisonView(View):
    """The comparison."""

    versions = fields.List(fields.Nested(ComparedVersionView), **output("The versions; the first is the baseline."))
    same = fields.Boolean(
        **output("Whether all facts but stages, states, aliases, times and accounts of registration are the same.")
    )
    sections = fields.List(fields.Nested(SectionView), **output("The facts by kind."))


class MetricSeriesQuery(PageQuery):
    """The metrics of a series, and its form."""

    keys = Listed(
        Text(least=1, most=TAG_KEY_LENGTH),
        least=1,
        most=KEYS_MOST,
        data_key="key",
        metadata=about(f"A metric, given up to {KEYS_MOST} times; without it, the first {KEYS_MOST} of `keys`."),
    )
    dataset = Text(
        least=1, most=160, rule=digests.problem,
        metadata=about("The digest of a dataset: the latest value on it; without it, on any data."),
    )  # fmt: skip
    slice = Text(
        most=2 * slices.LENGTH, rule=slices.problem, load_default="",
        metadata=about(f"The slice of the data, like `{slices.EXAMPLE}`: the latest value on it; empty: on the whole."),
    )  # fmt: skip
    format = fields.String(
        validate=Choice(["csv"]),
        metadata=about(
            f"`csv`: the latest {VERSIONS_MOST} versions as a CSV file, with a column for each metric; `limit` and "
            "`cursor` do not apply. `Accept: text/csv` means the same."
        ),
    )

    @post_load
    def _canonical(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"slice": slices.canonical(data["slice"])}


class MetricPointView(View):
    """The latest value of a metric of one version."""

    key = fields.String(**output("The name of the metric."))
    value = fields.Float(**output("The value."))
    dataset_digest = fields.String(**output("The digest of the data; null: it was not named.", null=True))
    dataset_name = fields.String(**output("The name of the data; null: it has none.", null=True))
    slice = fields.String(**output("The slice of the data; empty: the whole."))
    recorded_at = Instant(**output("When it was recorded."))


class MeasuredVersionView(View):
    """A version, and its latest values."""

    number = fields.Integer(**output("The number of the version."))
    state = fields.String(**output("Its state."))
    stage = fields.String(**output("Its stage."))
    created_at = Instant(**output("When it was registered."))
    points = fields.List(fields.Nested(MetricPointView), **output("Its values; a metric that it lacks is left out."))


MetricSeriesPage = page_of(
    MeasuredVersionView,
    "MetricSeriesPage",
    keys=fields.List(
        fields.String(), **output(f"The metrics of the latest {RECENT} versions by name, {KEYS_KNOWN} at most.")
    ),
)


class CompareFileQuery(Strict):
    """A file, and the two versions in which it is compared."""

    texts = Listed(
        Text(least=1, most=REFERENCE_LENGTH), least=2, most=2, required=True, data_key="v",
        metadata=about("A version, as of `GET /compare`. Given twice; the first is the baseline."),
    )  # fmt: skip
    path = Text(
        least=1, most=paths.PATH_BYTES, required=True, rule=paths.containment_problem,
        metadata=about("The path of the file."),
    )  # fmt: skip


class ComparedLineView(View):
    """A line of both texts or of one."""

    change = fields.String(
        validate=Choice([Change.SAME.value, Change.ADDED.value, Change.REMOVED.value]),
        **output("`same`, or `added` or `removed` against the first version."),
    )
    text = fields.String(**output("The line, without its end."))


class HunkView(View):
    """Lines around a change."""

    first = fields.Integer(**output("The number of its first line in the first version, from 1."))
    other = fields.Integer(**output("The number of its first line in the other version, from 1."))
    lines = fields.List(fields.Nested(ComparedLineView), **output("The lines."))


class ComparedPackageView(View):
    """A package that differs."""

    name = fields.String(**output("The name of the package, in lower case with hyphens."))
    first = fields.String(**output("Its version in the first version; null: it is not named.", null=True))
    other = fields.String(**output("Its version in the other version; null: it is not named.", null=True))
    change = fields.String(
        validate=Choice([Change.CHANGED.value, Change.ADDED.value, Change.REMOVED.value]),
        **output("`changed`, `added` or `removed`."),
    )


class FileComparisonView(View):
    """A file in two versions."""

    path = fields.String(**output("The path of the file."))
    references = fields.List(fields.String(), **output("The references of the request."))
    digests = fields.List(
        fields.String(allow_none=True), **output("The SHA-256 of the file in each version, in hex; null: it has none.")
    )
    kind = fields.String(
        validate=Choice([one.value for one in FileComparisonKind]),
        **output(
            "`changes`: they are listed; `same`: the bytes are equal; `binary`: it is no UTF-8 text; `large`: it has "
            "more than 64 KiB, only packages are compared; `repetitive`: its lines repeat too often to be compared."
        ),
    )
    hunks = fields.List(fields.Nested(HunkView), **output(f"The changed lines; {LINES} at most."))
    omitted = fields.Integer(**output("How many further lines there are."))
    packages = fields.List(
        fields.Nested(ComparedPackageView),
        **output(
            f"The packages that differ, {PACKAGES} at most; null for a file that is no requirements or lock file, has "
            f"more than {FILE_BYTES // 2**20} MiB, or names more than {MOST_NAMED:,} packages.",
            null=True,
        ),
    )
    omitted_packages = fields.Integer(**output("How many further packages differ."))
