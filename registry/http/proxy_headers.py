"""Headers that proxies, load balancers and content delivery networks add to a request."""

from __future__ import annotations

from collections.abc import Iterable

# Lower case. A program on this machine that calls the service directly sends none of them.
NAMES = frozenset(
    {
        # RFC 9110, RFC 7239, RFC 8586, and what became custom: nginx, HAProxy, Squid, WebLogic, Varnish.
        "via", "forwarded", "cdn-loop", "max-forwards", "proxy-connection", "proxy-client-ip", "wl-proxy-client-ip",
        "x-real-ip", "x-real-port", "client-ip", "x-client-ip", "x-client-host", "x-remote-ip", "x-remote-addr",
        "x-cluster-client-ip", "x-proxyuser-ip", "x-originating-ip", "x-host", "x-scheme", "x-varnish",
        "surrogate-capability", "x-request-start", "connect-time", "total-route-time", "x-bluecoat-via",
        # Of networks and platforms without a separate prefix.
        "true-client-ip", "fastly-client-ip", "fastly-ff", "fastly-ssl", "do-connecting-ip", "incap-client-ip",
        "x-sucuri-clientip", "x-nf-client-connection-ip", "x-arr-log-id", "x-arr-ssl", "x-amzn-trace-id",
        "x-amz-cf-id", "x-cloud-trace-context", "x-replit-user-id", "ngrok-skip-browser-warning",
    }
)  # fmt: skip
PREFIXES = (
    "x-forwarded", "x-original-", "x-http-forwarded", "x-envoy-", "x-rewrite-", "cf-", "cloudfront-", "akamai-",
    "x-akamai-", "x-azure-", "x-appengine-", "x-vercel-", "fly-", "fastly-", "tailscale-",
)  # fmt: skip


def first_of(names: Iterable[str]) -> str | None:
    """Return the first of the header *names* that a proxy adds; None when there is none."""
    return next((name for name in names if name.lower() in NAMES or name.lower().startswith(PREFIXES)), None)
