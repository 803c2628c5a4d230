FROM python:3.13-slim

# The version is that of config/version.py; a test compares them.
LABEL org.opencontainers.image.title="Scoreboard" \
    org.opencontainers.image.version="1.0.0" \
    org.opencontainers.image.licenses="MIT"

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# By number in deploy/kubernetes, which can't tell otherwise that it isn't root.
RUN useradd --system --uid 10001 --create-home --home-dir /srv/scoreboard --shell /usr/sbin/nologin scoreboard
WORKDIR /srv/scoreboard

COPY requirements.txt requirements-tracing.txt ./
RUN pip install --require-hashes -r requirements.txt -r requirements-tracing.txt

COPY Procfile ./
COPY config ./config
COPY telemetry ./telemetry
COPY db ./db
COPY app ./app
COPY tasks ./tasks
COPY workers ./workers

USER scoreboard
EXPOSE 8000
# Of web, which runs unless another command is given; docker-compose.yml has one for each of the others.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; port = os.environ.get('PORT') or 8000; r.build_opener(r.ProxyHandler({})).open(f'http://127.0.0.1:{port}/healthz', timeout=3)"]
CMD ["python", "-m", "app"]
