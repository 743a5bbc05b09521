"""Files that hold credentials: by their names, and by what cannot be read as anything else.

Few rules without heuristics: a model's configuration, vocabulary or documentation must not be taken for a secret.
Sources of the forms: gitleaks (config/gitleaks.toml), GitHub's list of secret scanning patterns, RFC 7468 (PEM), and
the manuals of the programs that read the files.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

MOST_BYTES = 1 << 20  # larger files are not read: no program keeps its credentials in them

_NAMES = {
    **dict.fromkeys((".env", ".envrc"), "a file of environment variables"),
    **dict.fromkeys((".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd"), "a file of passwords"),
    **dict.fromkeys((".git-credentials", ".pypirc", ".dockercfg", ".databrickscfg"), "a file of logins"),
    ".vault-token": "a file of logins",
    **dict.fromkeys(("credentials.json", "kaggle.json", "application_default_credentials.json"), "an account's key"),
    **dict.fromkeys(("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"), "an SSH key"),
}
_PATHS = {
    ".aws/credentials": "AWS keys",
    ".docker/config.json": "a file of logins",
    ".kube/config": "a file of logins",
    ".streamlit/secrets.toml": "a file of secrets",
    "huggingface/token": "a token of Hugging Face",
    "huggingface/stored_tokens": "tokens of Hugging Face",
}
_PATTERNS = {
    ".env.*": "a file of environment variables",
    "client_secret*.json": "an account's key",
    **dict.fromkeys(("*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk"), "a store of keys"),
    "*.kdbx": "a store of passwords",
}
_TEMPLATES = (".example", ".sample", ".template", ".dist", ".defaults")

# What is held, texts of which the content has one, and the form. To search for a text costs far less than for a form.
_MARKERS = tuple(
    (held, anchors, re.compile(form))
    for held, anchors, form in (
        (
            "a private key",
            (b"PRIVATE KEY",),
            rb"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            rb"(?:\s|\\[nr]){1,8}(?:[A-Za-z-]{1,40}: [^\n]{1,200}\n\s{0,4}){0,5}[A-Za-z0-9+/=]{16}",
        ),
        (
            "an AWS secret key",
            (b"ccess_key", b"CCESS_KEY", b"ccessKey"),
            rb"(?i:aws_?secret_?access_?key)[\"']?\s{0,4}[=:]\s{0,4}[\"']?(?![A-Za-z0-9/+]{0,40}EXAMPLE)"
            rb"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        ),
        (
            "a token of GitHub",
            (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
            rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b",
        ),
        ("a token of GitLab", (b"glpat-",), rb"\bglpat-[A-Za-z0-9_-]{20}"),
        ("a token of Hugging Face", (b"hf_",), rb"\bhf_[A-Za-z]{34}\b"),
        ("a token of Slack", (b"xox",), rb"\bxox[baprs]-[0-9]{10,13}-[0-9A-Za-z-]{20}"),
        ("a token of PyPI", (b"pypi-AgEIcHlwaS5vcmc",), rb"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50}"),
        ("a key of OpenAI", (b"T3BlbkFJ",), rb"\bsk-[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20}"),
        ("a key of Anthropic", (b"sk-ant-",), rb"\bsk-ant-[a-z0-9]{5}-[A-Za-z0-9_-]{80}"),
        ("a token of a model registry", (b"mrp_",), rb"\bmrp_[A-Za-z0-9]{40}"),
    )
)


def by_name(path: str) -> str | None:
    """What the file at *path* holds by its name, or None."""
    folded = path.casefold()
    name = folded.rpartition("/")[2]
    if held := _NAMES.get(name):
        return held
    if held := next((held for end, held in _PATHS.items() if f"/{folded}".endswith(f"/{end}")), None):
        return held
    if name.endswith(_TEMPLATES):
        return None
    return next((held for pattern, held in _PATTERNS.items() if fnmatchcase(name, pattern)), None)


def by_content(content: bytes) -> str | None:
    """What *content* holds that is a credential and nothing else, or None."""
    for held, anchors, form in _MARKERS:
        if any(anchor in content for anchor in anchors) and form.search(content):
            return held
    return None
