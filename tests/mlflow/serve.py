"""A server of models, run by MLflow's Python on a machine that knows the registry's address and nothing else.

``python serve.py REGISTRY URI…`` loads each; prints, as JSON, its C and the SHA-256 of each of its files by URI.
"""

import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import mlflow  # noqa: E402 -- after the warnings it would begin with

registry, *uris = sys.argv[1:]
mlflow.set_registry_uri(registry)
loaded = {}
for uri in uris:
    with tempfile.TemporaryDirectory() as folder:
        files = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        digests = {
            str(file.relative_to(files)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files.rglob("*")
            if file.is_file() and file.name != "registered_model_meta"  # the client's own note beside them
        }
    loaded[uri] = {"C": mlflow.sklearn.load_model(uri).C, "files": digests}
sys.stdout.write(json.dumps(loaded) + "\n")
