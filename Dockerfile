FROM python:3.13-slim

# The version is that of config/version.py; a test compares them.
LABEL org.opencontainers.image.title="Scoreboard" \
    org.opencontainers.image.version="1.0.0" \
    org.opencontainers.image.licenses="MIT"

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --system --create-home --home-dir /srv/scoreboard --shell /usr/sbin/nologin scoreboard
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
CMD ["python", "-m", "app"]
