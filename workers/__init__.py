"""The Celery application, its processes and schedule, Flower."""

from telemetry import metrics_directory

metrics_directory.share()
