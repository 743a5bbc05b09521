"""The lists of models and versions, the search box, and what it completes: on both databases."""

from __future__ import annotations

from urllib.parse import urlencode

from flask.testing import FlaskClient

from registry.services.lineage.impact import SoughtKind
from tests.support.pages import Seen, browse
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.web.world import MARKUP, TEXT

DIGEST = f"sha256:{'ab' * 32}"
HOSTILE = [MARKUP, TEXT, "\x00", "'", "stage = '", "\ufffd", "name ILIKE '%'" * 999, "x" * 30_000, "(" * 500, "tags.`",
           "\u202e = 5", "name = 'a' AND", "%" * 50, "a:1:2@x#production"]  # fmt: skip


def at(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}"


def rows(seen: Seen) -> list[str]:
    """The first cell of each row of the page's table."""
    return [" ".join("".join(head.itertext()).split()) for head in seen.all("th", scope="row")]


def jump(visitor: FlaskClient, text: str) -> str | None:
    response = visitor.get(at("/search/versions", q=text), headers={"Accept": "text/html"})
    return response.headers.get("Location") if response.status_code == 302 else f"{response.status_code}"


def test_models_are_listed_filtered_ordered_and_paged(site: RegistryBuilder, visitor: FlaskClient) -> None:
    for number in range(51):
        site.create_model(f"m{number:02}", tags={"team": "risk"} if number % 2 else {})
    fraud = site.model("fraud")
    fraud.version("production")
    fraud.version("staging")
    fraud.version("staging")

    first = browse(visitor, "/models")
    following = next(link for link in first.links if "cursor=" in link)
    second = browse(visitor, following)
    backwards = browse(visitor, at("/models", order_by="name DESC"))
    part = browse(visitor, at("/models", filter="RAU"))
    serving = browse(visitor, at("/models", filter="stage = 'production'"))
    not_serving = browse(visitor, at("/models", filter="NOT stage = 'production' AND tags.team = 'risk'"))
    wrong = browse(visitor, at("/models", filter="name = 5"), status=422)
    unknown = browse(visitor, at("/models", filter="tags.tema = 'risk'"), status=400)

    assert rows(first)[:2] == ["fraud", "m00"]
    assert "Keys of filters alias a text in quotes" in first.text
    assert (
        "lineage.missing code, clean, environment"
        in browse(visitor, at("/search/versions", filter="version_number = 99")).text
    )
    assert len(rows(first)) == 50
    assert rows(second) == ["m49", "m50"]
    assert rows(backwards)[0] == "m50"
    assert backwards.one("th", aria_sort="descending") is not None
    assert rows(part) == rows(serving) == ["fraud"]
    assert len(rows(not_serving)) == 25
    assert "v1 v3 +1 v3" in part.text
    assert (wrong.one("mark").text, "column 8: expected a text in quotes, not 5" in wrong.text) == ("5", True)
    assert wrong.one("input", id="filter").get("value") == "name = 5"
    assert "did you mean 'tags.team'?" in unknown.text
    assert rows(browse(visitor, at("/models", deleted="true"))) == []


def test_versions_of_all_models_are_found(site: RegistryBuilder, visitor: FlaskClient) -> None:
    for auc in (0.5, 0.9):
        site.model("fraud").version(metrics={"auc": auc, "a": 1, "b": 1, "c": 1})

    found = browse(visitor, at("/search/versions", filter="metrics.auc > 0.1", order_by="metrics.auc"))

    assert rows(found) == ["fraud v1", "fraud v2"]
    assert [head.text for head in found.all("th", class_="num")] == ["auc", "a", "b"]
    assert "registry search --order-by metrics.auc 'metrics.auc > 0.1'" in found.whole_text
    assert "No version matches." in browse(visitor, at("/search/versions", filter="stage = 'staging'")).text


def test_the_search_box_jumps_to_what_a_text_names(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model("fraud").version("production", aliases=["champion"])

    places = {text: jump(visitor, text) for text in (
        "fraud:1", "fraud@champion", "fraud#production", "fraud:latest", "models:/fraud/Production", DIGEST, "fraud",
        "lifecycle = 'open'", "stage = 'production'", "absent#production",
    )}  # fmt: skip

    assert places == {
        "fraud:1": "/models/fraud/versions/1",
        "fraud@champion": "/models/fraud/versions/1",
        "fraud#production": "/models/fraud/versions/1",
        "fraud:latest": "/models/fraud",
        "models:/fraud/Production": "/models/fraud/versions/1",
        DIGEST: f"/lineage/impact?digest={DIGEST}",
        "fraud": "/models?filter=fraud",
        "lifecycle = 'open'": "/models?filter=lifecycle+%3D+'open'",
        "stage = 'production'": "200",
        "absent#production": "404",
    }


def test_no_text_in_a_box_breaks_a_page(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model("fraud").version()
    statuses = set()
    for text in HOSTILE:
        for path, field in (("/models", "filter"), ("/models", "order_by"), ("/search/versions", "filter"),
                            ("/lineage/impact", "digest")):  # fmt: skip
            response = visitor.get(at(path, **{field: text}), headers={"Accept": "text/html"})
            statuses.add(response.status_code)
            if response.status_code in {200, 400, 422}:
                assert "<script>alert" not in response.get_data(as_text=True)
                browse(visitor, at(path, **{field: text}), status=response.status_code)
        for kind in SoughtKind:
            statuses.add(visitor.get(at("/lineage/impact", by=kind, text=text)).status_code)
        assert visitor.get(at("/search/complete", q=text)).status_code in {200, 422}
    assert statuses <= {200, 302, 400, 404, 422}


def test_the_box_is_completed_with_models_and_words(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model("fraud").version(tags={"framing": "x"})
    site.create_model("fr<b>")

    found = visitor.get(at("/search/complete", q="fra", of="versions")).get_json()
    key = visitor.get(at("/search/complete", q="stage = 'pro")).get_json()

    assert [(item["kind"], item["text"]) for item in found["items"]] == [
        ("model", "fraud"), ("key", "framework"), ("key", "tags.framing"),
    ]  # fmt: skip
    assert found["items"][0]["href"] == "/models/fraud"
    assert key == {"start": 8, "end": 12, "items": [{"text": "'production'", "kind": "value"}]}


def test_the_best_versions_by_a_metric_on_a_dataset_are_listed(site: RegistryBuilder, visitor: FlaskClient) -> None:
    data = {"name": "test.csv", "digests": [DIGEST], "role": "test"}
    for number, (value, in_germany) in enumerate(((0.91, 0.7), (0.95, 0.6), (0.93, 0.8)), start=1):
        site.model("fraud").version("staging", datasets=[data])
        for part, one in (("", value), ("country=DE", in_germany)):
            body = {"metrics": {"auc": one}, "dataset_digest": DIGEST, "slice": part}
            expect(201, site.client.post(f"/models/fraud/versions/{number}/metrics", body))
    site.model("fraud").move(3, "archived")

    def best(status: int = 200, **query: str) -> Seen:
        return browse(visitor, at("/search/versions", best="auc", **query), status=status)

    whole, sliced = best(on="test.csv"), best(on=DIGEST, slice=" country=DE", direction="min")
    staging = best(on=DIGEST, filter="stage = 'staging'")
    explored = browse(visitor, at("/models/fraud/metrics", key="auc", dataset=DIGEST, slice="country=DE"))

    assert rows(whole) == ["fraud v2", "fraud v3", "fraud v1"]
    assert "auc, the highest value first" in whole.text
    assert "fraud v2 0.95" in whole.text
    assert rows(sliced) == ["fraud v2", "fraud v1", "fraud v3"]
    assert "auc on country=DE, the lowest value first" in sliced.text
    assert "slice country=DE" in explored.text
    assert rows(staging) == ["fraud v2", "fraud v1"]
    assert staging.one("input", name="on", type="hidden").get("value") == DIGEST
    for field, wrong in (("on", best(422)), ("slice", best(422, on=DIGEST, slice="DE")),
                         ("filter", best(422, on=DIGEST, filter="stage ="))):  # fmt: skip
        assert [one.get("name") for one in wrong.root.iter() if one.get("aria-invalid") == "true"] == [field]
    assert "Unknown value." in best(400, on=DIGEST, slice="country=FR").text
    for text in HOSTILE:
        for name in ("best", "on", "slice", "direction"):
            response = visitor.get(at("/search/versions", **{"best": "auc", "on": DIGEST, name: text}))
            assert response.status_code in {200, 302, 400, 422}, (name, text)


def test_lineage_is_a_picture_and_a_list(site: RegistryBuilder, visitor: FlaskClient) -> None:
    data = {"name": "train.csv", "digests": [DIGEST], "role": "train"}
    run = {"system": "ci", "id": "41", "url": "https://ci.test/41"}
    site.model("fraud").version(datasets=[data], run=run)
    site.model("fraud").version(parents=[{"model": "fraud", "version": 1}])

    seen = browse(visitor, "/models/fraud/versions/1/lineage")
    bare = browse(visitor, at("/models/fraud/versions/2/lineage", depth="3"))

    assert "used (train) dataset train.csv" in seen.text
    assert "produced by run ci/41" in seen.text
    assert "Derived versions version fraud:2" in seen.text
    boxes = [one for one in seen.root.iter() if str(one.tag).endswith("}a")]
    assert len(boxes) == 4
    assert "https://ci.test/41" in {anchor.get("href") for anchor in seen.all("a")}
    assert "version fraud:1" in bare.text
    browse(visitor, at("/models/fraud/versions/1/lineage", depth="4"), status=422)
    browse(visitor, "/models/fraud/versions/9/lineage", status=404)


def test_the_versions_that_used_data_are_listed_and_exported(site: RegistryBuilder, visitor: FlaskClient) -> None:
    data = {"name": "train.csv", "digests": [DIGEST], "role": "train"}
    for stage in ("none", "production"):
        site.model("fraud").version(stage, datasets=[data])

    seen = browse(visitor, at("/lineage/impact", digest=DIGEST))
    staging = browse(visitor, at("/lineage/impact", digest=DIGEST, stage="staging"))
    export = visitor.get(next(link for link in seen.links if "format=csv" in link))

    assert rows(seen) == ["fraud v2", "fraud v1"]
    assert "No version depends on it." in staging.text
    assert [line.split(",")[1] for line in export.get_data(as_text=True).splitlines()[1:]] == ["2", "1"]
    assert export.content_type == "text/csv; charset=utf-8"
    assert "Enter the digest" in browse(visitor, "/lineage/impact").text
    assert rows(browse(visitor, at("/lineage/impact", by="dataset", text="train.csv"))) == ["fraud v2", "fraud v1"]
    browse(visitor, at("/lineage/impact", by="dataset", text="test.csv"), status=404)
    browse(visitor, at("/lineage/impact", by="version", text="fraud"), status=422)


def test_impact_shows_the_way_to_a_version(site: RegistryBuilder, visitor: FlaskClient) -> None:
    site.model("base").version(base_models=[{"uri": "hf://org/name@1", "relation": "finetune"}])
    site.model("fraud").version(parents=[{"model": "base", "version": 1}])

    seen = browse(visitor, at("/lineage/impact", model="hf://org/name"))
    lineage = browse(visitor, at("/models/fraud/versions/1/lineage", depth="3"))

    assert rows(seen) == ["fraud v1", "base v1"]
    assert "hf://org/name@1 › base:1" in seen.text
    assert "derived from (finetune) model hf://org/name@1" in lineage.text


def test_deleted_models_have_a_list_with_separate_cursors_and_no_filter(
    site: RegistryBuilder, visitor: FlaskClient
) -> None:
    for number in range(51):
        name = f"gone-{number:02}"
        site.create_model(name)
        site.client.delete(f"/models/{name}")
    first = browse(visitor, "/models?deleted=true")
    (following,) = [link for link in first.links if "cursor=" in link]

    assert "gone-50" in browse(visitor, following).text
    assert "does not apply to deleted models" in browse(visitor, "/models?deleted=true&filter=name", status=422).text
    crossed = browse(visitor, following.replace("deleted=true&", "").replace("&deleted=true", ""), status=400)
    assert "gone-50" not in crossed.text
