"""A program for MLflow's own Python: send a folder to an artifact location, list, download and delete it.

It writes one JSON document. Nothing of ours is imported: that Python has only MLflow.
"""

import json
import sys
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository


def main(uri: str, folder: str, target: str) -> None:
    repository = get_artifact_repository(uri)
    repository.log_artifacts(folder, "model")
    repository.log_artifact(str(Path(folder) / "MLmodel"))
    shown = {
        directory: {file.path: file.file_size for file in repository.list_artifacts(directory or None)}
        for directory in ("", "model", "model/data", "model/MLmodel", "nowhere")
    }
    Path(target).mkdir()
    repository.download_artifacts("model", target)
    repository.download_artifacts("MLmodel", target)
    repository.delete_artifacts("model/data")
    left = [file.path for file in repository.list_artifacts("model")]
    sys.stdout.write(json.dumps({"shown": shown, "left": left}))


if __name__ == "__main__":
    main(*sys.argv[1:])
