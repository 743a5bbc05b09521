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
    **dict.fromkeys((".netrc", "_netrc", ".pgpass", "pgpass.conf", ".my.cnf", ".htpasswd"), "a file of passwords"),
    **dict.fromkeys((".git-credentials", ".pypirc", ".npmrc", ".databrickscfg", ".vault-token"), "a file of logins"),
    **dict.fromkeys((".dockercfg", ".dockerconfigjson", "kubeconfig", "credentials.tfrc.json"), "a file of logins"),
    **dict.fromkeys((".s3cfg", ".boto", ".passwd-s3fs", "rclone.conf"), "keys of a store"),
    **dict.fromkeys(("credentials.json", "kaggle.json", "application_default_credentials.json"), "an account's key"),
    **dict.fromkeys(("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"), "an SSH key"),
}
_PATHS = {
    ".aws/credentials": "AWS keys",
    ".azure/accesstokens.json": "tokens of Azure",
    **dict.fromkeys((".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials"), "a file of logins"),
    **dict.fromkeys((".docker/config.json", "containers/auth.json", ".kube/config"), "a file of logins"),
    ".mc/config.json": "keys of a store",
    ".streamlit/secrets.toml": "a file of secrets",
    "huggingface/token": "a token of Hugging Face",
    "huggingface/stored_tokens": "tokens of Hugging Face",
}
_PATTERNS = {
    **dict.fromkeys(("*.tfstate", "*.tfstate.*"), "a state of Terraform, which has secrets in plain text"),
    "client_secret*.json": "an account's key",
    **dict.fromkeys(("*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk"), "a store of keys"),
    "*.kdbx": "a store of passwords",
}
# prod.env and .env.local, not example.env and .env.template. Nor *.tfvars, which are settings as often as secrets.
_ENVIRONMENT = re.compile(
    r"(?!(?:.*[._-])?(?:example|sample|template|tmpl|dist|defaults)(?:[._-]|\Z))(?:\.env\..+|.+\.env)"
)
_TEMPLATES = (".example", ".sample", ".template", ".dist")

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
        ("a token of npm", (b"npm_",), rb"\bnpm_[A-Za-z0-9]{36}\b"),
        ("a token of PyPI", (b"pypi-AgEIcHlwaS5vcmc",), rb"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50}"),
        ("a key of OpenAI", (b"T3BlbkFJ",), rb"\bsk-[A-Za-z0-9_-]{20,100}T3BlbkFJ[A-Za-z0-9_-]{20}"),
        ("a key of Anthropic", (b"sk-ant-",), rb"\bsk-ant-[a-z0-9]{5}-[A-Za-z0-9_-]{80}"),
        ("a token of a model registry", (b"mrp_",), rb"\bmrp_[A-Za-z0-9]{40}"),
    )
)


def by_name(path: str) -> str | None:
    """Return the kind of credential in the file at *path* by its name, or None."""
    folded = path.casefold()
    name = folded.rpartition("/")[2]
    if kind := _NAMES.get(name):
        return kind
    if kind := next((kind for end, kind in _PATHS.items() if f"/{folded}".endswith(f"/{end}")), None):
        return kind
    if _ENVIRONMENT.fullmatch(name):
        return "a file of environment variables"
    if name.endswith(_TEMPLATES):
        return None
    return next((kind for pattern, kind in _PATTERNS.items() if fnmatchcase(name, pattern)), None)


def held_by(path: str, content: bytes) -> str | None:
    """Return the kind of credential in the file at *path* by name or *content*; None for an empty file."""
    return by_name(path) or by_content(content) if content else None


def by_content(content: bytes) -> str | None:
    """Return the kind of credential that *content* is and nothing else, or None."""
    for kind, anchors, form in _MARKERS:
        if any(anchor in content for anchor in anchors) and form.search(content):
            return kind
    return None
