# syntax=docker/dockerfile:1

# ---- build: the locked dependencies and the package, in one virtual environment ----
FROM python:3.12.12-slim-trixie AS build

RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9

# The modules are compiled now, because the finished image never writes to its root. The interpreter is the image's own:
# the environment is copied into a stage that has the same one at the same path.
ENV UV_PROJECT_ENVIRONMENT=/opt/venv \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_PYTHON=/usr/local/bin/python3

WORKDIR /src

# Dependencies change seldom and have a layer of their own; `--frozen` takes exactly what the lock file names, by hash.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --all-extras --no-extra mlflow --no-install-project

COPY README.md LICENSE ./
COPY registry registry
COPY migrations migrations
COPY deploy/gunicorn.conf.py deploy/gunicorn.conf.py
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --all-extras --no-extra mlflow --no-editable


# ---- the image that runs ----
FROM python:3.12.12-slim-trixie

LABEL org.opencontainers.image.title="model-registry" \
      org.opencontainers.image.description="A model registry service: immutable versions, enforced stages, rollback, lineage and an audit log." \
      org.opencontainers.image.licenses="Apache-2.0"

# pg_dump and pg_restore for backups: of PostgreSQL 17, which reads servers up to 17. Its own directory is on the path, in
# place of Debian's wrapper. Debian's security updates replace it, so that no version is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client-17 \
 && rm -rf /var/lib/apt/lists/*

# A fixed number, so that Kubernetes can prove `runAsNonRoot` and a volume can be given to it. Only /data and /backups are its own.
RUN groupadd --gid 10001 registry \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin registry \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data /backups

COPY --from=build /opt/venv /opt/venv
COPY deploy/healthcheck.py /opt/healthcheck.py
COPY deploy/backup /opt/backup

# In a container the service must listen on the container's address; what reaches it is decided by published ports.
ENV PATH=/opt/venv/bin:/usr/lib/postgresql/17/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    REGISTRY_BIND=0.0.0.0:5000 \
    REGISTRY_DATA_DIR=/data

USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 5000

HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "/opt/healthcheck.py"]

ENTRYPOINT ["registry"]
CMD ["serve"]
