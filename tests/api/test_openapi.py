"""The OpenAPI document: valid, complete and readable offline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask

from registry.api import refusal_docs
from registry.api.operation_docs import records
from registry.http.access import WRITES, permission_of
from tests.api.hostile.world import World
from tests.support.api import Api

IDS = {
    "list_inventory": "GET /api/v1/inventory",
    "list_changes": "GET /api/v1/changes",
    "list_attention": "GET /api/v1/attention",
    "acknowledge_break_glass": "POST /api/v1/models/{model}/versions/{number}/break-glass/acknowledge",
    "abort_upload": "DELETE /api/v1/uploads/{upload}",
    "announce_upload": "POST /api/v1/uploads",
    "announce_uploads": "POST /api/v1/uploads/batch",
    "change_stage": "PUT /api/v1/models/{model}/versions/{number}/stage",
    "close_my_sessions": "DELETE /api/v1/me/sessions",
    "complete_filter": "GET /api/v1/search/complete",
    "complete_upload": "POST /api/v1/uploads/{upload}/complete",
    "complete_uploads": "POST /api/v1/uploads/batch/complete",
    "create_model": "POST /api/v1/models",
    "create_token": "POST /api/v1/tokens",
    "delete_alias": "DELETE /api/v1/models/{model}/aliases/{alias}",
    "delete_model": "DELETE /api/v1/models/{model}",
    "delete_version": "DELETE /api/v1/models/{model}/versions/{number}",
    "download_archive": "GET /api/v1/models/{model}/versions/{number}/archive",
    "download_evidence": "GET /api/v1/models/{model}/evidence",
    "download_file": "GET /api/v1/models/{model}/versions/{number}/files/{path}",
    "edit_model": "PATCH /api/v1/models/{model}",
    "edit_version": "PATCH /api/v1/models/{model}/versions/{number}",
    "get_alias": "GET /api/v1/models/{model}/aliases/{alias}",
    "get_audit_entry": "GET /api/v1/audit/{entry}",
    "get_checkpoint": "GET /audit/checkpoint",
    "get_import": "GET /api/v1/imports/{import_id}",
    "get_lineage": "GET /api/v1/models/{model}/versions/{number}/lineage",
    "get_reproducibility": "GET /api/v1/models/{model}/versions/{number}/reproducibility",
    "export_lineage": "GET /api/v1/models/{model}/versions/{number}/lineage/export",
    "add_lineage": "POST /api/v1/models/{model}/versions/{number}/lineage",
    "add_data_lineage": "POST /api/v1/lineage/datasets",
    "get_default_policy": "GET /api/v1/policy",
    "get_evaluation": "GET /api/v1/models/{model}/versions/{number}/gates/history/{entry}",
    "get_gates": "GET /api/v1/models/{model}/versions/{number}/gates",
    "get_policy": "GET /api/v1/models/{model}/policy",
    "get_policy_document": "GET /api/v1/policies/{digest}",
    "list_default_policies": "GET /api/v1/policy/history",
    "list_evaluations": "GET /api/v1/models/{model}/versions/{number}/gates/history",
    "list_policies": "GET /api/v1/models/{model}/policy/history",
    "remove_default_policy": "DELETE /api/v1/policy",
    "remove_policy": "DELETE /api/v1/models/{model}/policy",
    "set_default_policy": "PUT /api/v1/policy",
    "set_policy": "PUT /api/v1/models/{model}/policy",
    "test_policy": "POST /api/v1/policies/test",
    "add_event": "POST /api/v1/lineage/events",
    "open_request": "POST /api/v1/requests",
    "list_requests": "GET /api/v1/requests",
    "get_request": "GET /api/v1/requests/{request}",
    "approve_request": "POST /api/v1/requests/{request}/approve",
    "reject_request": "POST /api/v1/requests/{request}/reject",
    "withdraw_request": "POST /api/v1/requests/{request}/withdraw",
    "comment_request": "POST /api/v1/requests/{request}/comment",
    "apply_request": "POST /api/v1/requests/{request}/apply",
    "place_hold": "POST /api/v1/holds",
    "list_holds": "GET /api/v1/holds",
    "get_hold": "GET /api/v1/holds/{hold}",
    "list_held_versions": "GET /api/v1/holds/{hold}/versions",
    "release_hold": "POST /api/v1/holds/{hold}/release",
    "get_edge": "GET /api/v1/lineage/edges/{edge}",
    "put_edge": "PUT /api/v1/lineage/edges/{edge}",
    "get_log_keys": "GET /audit/keys",
    "get_me": "GET /api/v1/me",
    "get_model": "GET /api/v1/models/{model}",
    "get_rollback_targets": "GET /api/v1/models/{model}/rollback",
    "get_stage_holder": "GET /api/v1/models/{model}/stages/{stage}",
    "get_stage_options": "GET /api/v1/models/{model}/versions/{number}/stage",
    "get_stages": "GET /api/v1/models/{model}/stages",
    "get_tile": "GET /audit/tile/{tile}",
    "get_upload": "GET /api/v1/uploads/{upload}",
    "get_version": "GET /api/v1/models/{model}/versions/{number}",
    "import_version": "POST /api/v1/models/{model}/imports",
    "list_alias_history": "GET /api/v1/models/{model}/aliases/{alias}/history",
    "list_aliases": "GET /api/v1/models/{model}/aliases",
    "list_audit": "GET /api/v1/audit",
    "list_audit_chains": "GET /api/v1/audit/chains",
    "list_audit_entries": "GET /api/v1/audit/entries",
    "list_downloads": "GET /api/v1/downloads",
    "list_files": "GET /api/v1/models/{model}/versions/{number}/files",
    "list_impact": "GET /api/v1/lineage/impact",
    "list_jobs": "GET /api/v1/jobs",
    "compare_file": "GET /api/v1/compare/file",
    "compare_versions": "GET /api/v1/compare",
    "diff_versions": "GET /api/v1/models/{model}/versions/{number}/diff/{other}",
    "list_metric_series": "GET /api/v1/models/{model}/metrics",
    "list_metrics": "GET /api/v1/models/{model}/versions/{number}/metrics",
    "list_tenures": "GET /api/v1/models/{model}/tenures",
    "list_model_history": "GET /api/v1/models/{model}/history",
    "list_models": "GET /api/v1/models",
    "list_my_sessions": "GET /api/v1/me/sessions",
    "list_my_tokens": "GET /api/v1/me/tokens",
    "list_refusals": "GET /api/v1/refusals",
    "list_checks": "GET /api/v1/models/{model}/versions/{number}/checks",
    "list_notes": "GET /api/v1/models/{model}/versions/{number}/notes",
    "list_sealed_entries": "GET /api/v1/audit/sealed",
    "list_tokens": "GET /api/v1/tokens",
    "list_upload_parts": "GET /api/v1/uploads/{upload}/parts",
    "list_version_history": "GET /api/v1/models/{model}/versions/{number}/history",
    "list_versions": "GET /api/v1/models/{model}/versions",
    "measure_version": "POST /api/v1/models/{model}/versions/{number}/metrics",
    "report_check": "POST /api/v1/models/{model}/versions/{number}/checks",
    "note_version": "POST /api/v1/models/{model}/versions/{number}/notes",
    "protect_alias": "PUT /api/v1/models/{model}/aliases/{alias}/protection",
    "prove_entry": "GET /api/v1/audit/{entry}/proof",
    "purge_version": "POST /api/v1/models/{model}/versions/{number}/purge",
    "register_version": "POST /api/v1/models/{model}/versions",
    "restore_model": "POST /api/v1/models/{model}/restore",
    "restore_version": "POST /api/v1/models/{model}/versions/{number}/restore",
    "retry_job": "POST /api/v1/jobs/{job_id}/retry",
    "revoke_my_token": "DELETE /api/v1/me/tokens/{token}",
    "revoke_token": "DELETE /api/v1/tokens/{token}",
    "roll_back": "POST /api/v1/models/{model}/rollback",
    "search_models": "GET /api/v1/search/models",
    "search_models_by_body": "POST /api/v1/search/models",
    "search_versions": "GET /api/v1/search/versions",
    "search_versions_by_body": "POST /api/v1/search/versions",
    "set_alias": "PUT /api/v1/models/{model}/aliases/{alias}",
    "sign_upload_parts": "POST /api/v1/uploads/{upload}/parts",
    "unprotect_alias": "DELETE /api/v1/models/{model}/aliases/{alias}/protection",
    "verify_model_history": "GET /api/v1/models/{model}/history/verification",
}


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    document: dict[str, Any] = api.get("/openapi.json").get_json()
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of each."""
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield method.upper(), path, item[method]


def resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """*part*, or what it refers to."""
    found: Any = part
    if "$ref" in part:
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = (document if found is part else found)[step]
    return found  # type: ignore[no-any-return]  # a document


def view_of(app: Flask, operation: Mapping[str, Any]) -> Callable[..., Any]:
    (found,) = (view for name, view in app.view_functions.items() if name.endswith(f".{operation['operationId']}")
                and name.split(".")[0] == operation["tags"][0])  # fmt: skip
    return found


def described(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where, part) of all that has to have a description."""
    components = document["components"]
    for name, schema in components["schemas"].items():
        yield name, schema
        yield from ((f"{name}.{field}", part) for field, part in schema["properties"].items())
    for path, item in document["paths"].items():
        yield from ((f"{path} {parameter['name']}", parameter) for parameter in item.get("parameters", ()))
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        yield where, operation
        yield from ((f"{where} {parameter['name']}", parameter) for parameter in operation.get("parameters", ()))
        for status, reference in operation["responses"].items():
            response = resolved(document, reference)
            yield f"{where} {status}", response
            yield from ((f"{where} {status} {name}", part) for name, part in response.get("headers", {}).items())
    yield from ((f"tag {tag['name']}", tag) for tag in document["tags"])
    yield from components["securitySchemes"].items()


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator  # it imports jsonschema, which takes a second

    OpenAPIV31SpecValidator(document).validate()

    assert document["openapi"].startswith("3.1.")


def test_the_document_describes_every_address_of_the_native_api(app: Flask, document: dict[str, Any]) -> None:
    served = {
        (method, re.sub(r"<(?:[^:<>]+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/v1/", "/audit/")) and not rule.endpoint.startswith("web.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert {(method, path) for method, path, _ in operations(document)} == served


def test_every_operation_says_what_it_does_and_how_it_refuses(document: dict[str, Any]) -> None:
    assert document["security"] == [{"token": []}]
    token = document["components"]["securitySchemes"]["token"]
    assert (token["type"], token["scheme"]) == ("http", "bearer")
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        refusals = {status for status in operation["responses"] if status >= "4"}
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert operation["summary"].endswith("."), where
        assert operation["tags"], where
        assert {"400", "401", "403", "422", "429", "503"} <= refusals, where
        assert ("404" in refusals) >= ("{" in path), where
        assert not any(status.startswith("5") for status in refusals - {"503"}), where
        assert "default" not in operation["responses"], where
        assert ("415" in refusals) == ("requestBody" in operation), where
        if method in WRITES and (
            "/search/" in path or path.endswith("/policies/test")
        ):  # a read, too long for an address
            assert {"408", "413"} <= refusals, where
            assert "Idempotency-Key" not in names, where
        elif method in WRITES:
            assert {"408", "409", "413"} <= refusals, where
            assert "Idempotency-Key" in names, where
            assert ("If-Match" in names) == ("412" in refusals), where


def test_every_refusal_lists_its_codes_from_the_table_of_errors(app: Flask, document: dict[str, Any]) -> None:
    table = document["info"]["description"]
    for method, path, operation in operations(document):
        listed = set()
        for status, reference in operation["responses"].items():
            if status < "4":
                continue
            response = resolved(document, reference)
            assert set(response["content"]) == {"application/problem+json"}, f"{method} {path}"
            content = response["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/ProblemView"}
            for code, example in content["examples"].items():
                value = resolved(document, example)["value"]
                assert (value["code"], str(value["status"])) == (code, status)
                assert f"`{code}`" in response["description"]
                assert f"| {status} | `{code}` |" in table
                listed.add((int(status), code))
        assert listed == refusal_docs.codes_of(view_of(app, operation)), f"{method} {path}"


def test_operations_name_the_permission_that_the_gate_asks_for(app: Flask, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        permission = str(permission_of(view_of(app, operation)))
        assert operation["security"] == [{"token": [permission]}], f"{method} {path}"
        assert f"`{permission}`" in operation["description"], f"{method} {path}"


def test_everything_is_described(document: dict[str, Any]) -> None:
    """Every schema, field, parameter, header and response, in sentences and without the markup of docstrings."""
    bare = []
    for where, part in described(document):
        text = part.get("description", "")
        if not re.search(r"[.`]$", text) or re.search(r"``\w+``|:class:|<\w+>(?!`)", text):
            bare.append(f"{where}: {text!r}")

    assert bare == []


def test_the_document_lists_every_query_argument_that_a_view_takes(app: Flask, document: dict[str, Any]) -> None:
    """Headers were once documented in place of the query."""
    for method, path, operation in operations(document):
        taken = {
            field.data_key or name
            for record in records(view_of(app, operation), "arguments")
            if record.kwargs["location"] == "query"
            for name, field in record.args[0].load_fields.items()
        }
        listed = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
        assert listed == taken, f"{method} {path}"


def test_operations_keep_their_ids(document: dict[str, Any]) -> None:
    """Generated clients name their functions by them: one that is changed breaks all programs that call it."""
    assert {operation["operationId"]: f"{method} {path}" for method, path, operation in operations(document)} == IDS


def test_every_body_refuses_unknown_fields_in_the_document_too(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    closed = {name for name in schemas if name.endswith("Body")}

    assert closed != set()
    assert [name for name in closed if schemas[name].get("additionalProperties") is not False] == []


def test_every_operation_has_a_unique_name(document: dict[str, Any]) -> None:
    summaries = [operation["summary"] for _, _, operation in operations(document)]

    assert len(set(summaries)) == len(summaries)


def test_the_docs_are_read_without_any_other_host(world: World) -> None:
    fetched: dict[str, str] = {}
    waiting = ["/docs"]
    while waiting:
        path = waiting.pop()
        with world.client.get(path) as response:
            assert response.status_code == 200, path
            fetched[path] = response.get_data(as_text=True) if "png" not in path else ""
            policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert not re.search(r"https?:|\*|'unsafe-eval'", policy)
        if path == "/docs":
            waiting += [urljoin(path, found) for found in re.findall(r'(?:href|src)="([^"]+)"', fetched[path])]

    assert {"/docs", "/docs.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"} <= set(fetched)
    for path in ("/docs", "/docs.js"):
        assert not re.search(r"//\w", fetched[path]), path
    assert not re.search(r"url\(['\"]?(?:https?:)?//", fetched["/docs/swagger-ui.css"])
    assert 'url: "openapi.json"' in fetched["/docs.js"]
    assert "<script>" not in fetched["/docs"]
