"""Traces by OpenTelemetry, on request: one span a request, one a statement below it, sent by OTLP.

Nothing of OpenTelemetry is imported before :func:`start`, which is to be called in the process that serves, after any
fork: the exporter has a thread. Its standard variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER, …) apply.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request
from sqlalchemy import Engine, event

from registry.telemetry.requests import PROBES

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

SERVICE = "model-registry"
_STARTED = "registry_span"


class _Tracing:
    """``tracer`` is None until the process has started to trace."""

    tracer: Tracer | None = None


def start() -> None:
    """Trace from now on in this process."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create({**named, "process.pid": os.getpid()}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _Tracing.tracer = provider.get_tracer(SERVICE)


def register(app: Flask, *engines: Engine) -> None:
    """Put a span around each request of *app*, and one around each statement that it sends to *engines*."""
    app.before_request_funcs.setdefault(None, []).insert(0, _begin_span)
    app.after_request_funcs.setdefault(None, []).append(_describe)
    app.teardown_request(_detach_span)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", _before_statement)
        event.listen(engine, "after_cursor_execute", _after_statement)
        event.listen(engine, "handle_error", _failed_statement)


def _begin_span() -> None:
    """Continue the trace that the caller's ``traceparent`` names, or begin one. The probes make none."""
    if _Tracing.tracer is None or request.path in PROBES:
        return
    from opentelemetry import context, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {name.lower(): value for name, value in request.headers if name.lower() in {"traceparent", "tracestate"}}
    route = request.url_rule.rule if request.url_rule is not None else "unmatched"
    span = _Tracing.tracer.start_span(
        f"{request.method} {route}",
        context=TraceContextTextMapPropagator().extract(carrier),
        kind=trace.SpanKind.SERVER,
        attributes={"http.request.method": request.method, "http.route": route},
    )
    g.span, g.span_token = span, context.attach(trace.set_span_in_context(span))
    g.trace_id = f"{span.get_span_context().trace_id:032x}"


def _describe(response: Response) -> Response:
    if (span := g.get("span")) is not None:
        from opentelemetry.trace import StatusCode

        span.set_attribute("http.response.status_code", response.status_code)
        for name, value in (("registry.request_id", g.get("request_id")), *_subject()):
            if value is not None:
                span.set_attribute(name, value)
        if response.status_code >= 500:
            span.set_status(StatusCode.ERROR)
    return response


def _subject() -> list[tuple[str, Any]]:
    named = request.view_args or {}
    return [("registry.model", named.get("model")), ("registry.version", named.get("number"))]


def _detach_span(_error: BaseException | None) -> None:
    if (span := g.pop("span", None)) is not None:
        from opentelemetry import context

        context.detach(g.pop("span_token"))
        span.end()


def _before_statement(connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
    """Start a span for a statement. Its text has no values: those are bound."""
    if _Tracing.tracer is None or context is None:
        return
    from opentelemetry import trace

    if not trace.get_current_span().is_recording():
        return  # of no request: the pool's own, a worker's
    setattr(context, _STARTED, _Tracing.tracer.start_span(
        statement.split(None, 1)[0].upper(), kind=trace.SpanKind.CLIENT,
        attributes={"db.system.name": connection.dialect.name, "db.query.text": statement},
    ))  # fmt: skip


def _after_statement(_connection: Any, _cursor: Any, _sql: str, _values: Any, context: Any, _many: bool) -> None:
    failure = getattr(context, "failure", None)  # of a batch
    _end_span(context, error=type(failure).__name__ if failure else None)


def _failed_statement(failure: Any) -> None:
    _end_span(failure.execution_context, error=type(failure.original_exception).__name__)


def _end_span(context: Any, *, error: str | None = None) -> None:
    span: Span | None = getattr(context, _STARTED, None)
    if span is None:
        return
    if error is not None:
        from opentelemetry.trace import StatusCode

        span.set_status(StatusCode.ERROR, error)
    span.end()
    setattr(context, _STARTED, None)
