"""The Celery application, its processes and schedule, Flower."""

from config import metrics_directory

metrics_directory.share()
