"""The Celery application: `celery -A workers.app worker`, `celery -A workers.app beat`."""

import gc
import logging
import signal
import sys
from functools import partial
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)
from kombu import Exchange, Queue

from app.domain import board_rules, fraud, scoring
from config import queues, rules, settings
from config.version import VERSION
from tasks import resources, webhooks
from telemetry import logs, tracing
from workers import metrics, shutdown
from workers.broker import PatientConnection

config = settings.load_or_exit()
scoring_rules = rules.load_or_exit("SCORING_FILE", config.scoring_file, scoring.parse)
boards = rules.load_or_exit("BOARDS_FILE", config.boards_file, partial(board_rules.parse, known_types=scoring_rules))
fraud_rules = rules.load_or_exit("FRAUD_FILE", config.fraud_file, fraud.parse)
resources.configure(config, boards, scoring_rules, fraud_rules)
webhooks.configure(config)

app = Celery(
    "scoreboard", broker=config.broker_url, include=["tasks.settle", "tasks.sweep", "tasks.audit", "tasks.webhooks"]
)
app.amqp.Connection = PatientConnection
app.conf.update(
    task_routes=queues.ROUTES,
    task_default_queue=queues.SETTLE_QUEUE,
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in queues.QUEUES],
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    result_expires=None,  # there are no results, and so nothing to clean up each night
    task_store_errors_even_if_ignored=False,
    # Early: outbox and sweep are the redelivery. Late ones repeat a task that kills its process in a tight loop.
    task_acks_late=False,
    # Says nothing about tasks that are acknowledged early, but unsaid it is warned of whenever Redis drops.
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_prefetch_multiplier=1,
    worker_pool="workers.pool:PromptPool",
    worker_consumer="workers.consumer:LateEventsConsumer",
    worker_hijack_root_logger=False,
    worker_send_task_events=True,
    task_send_sent_event=False,
    # No pool: Flower asks in eight threads at once as it starts, and would keep all of their connections for ever.
    broker_pool_limit=0,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A Redis without memory refuses what is noted of a message that was taken: no reason for the worker to end.
    broker_channel_error_retry=True,
    broker_transport_options=queues.broker_options(socket_timeout=5),
    broker_use_ssl=queues.broker_tls(config.broker_url),
    beat_scheduler="workers.schedule:BoundedScheduler",
    beat_max_loop_interval=1,
    beat_schedule={
        "sweep": {"task": queues.SWEEP, "schedule": queues.SWEEP_EVERY},
        "audit": {"task": queues.AUDIT, "schedule": queues.AUDIT_EVERY},
        "webhooks": {"task": queues.WEBHOOKS, "schedule": queues.WEBHOOKS_EVERY},
    },
)


@setup_logging.connect
def set_up_logging(**_: Any) -> None:
    logs.set_up(config.log_level, json=config.production)
    # Each task's reception and success would be two lines every two seconds that say nothing.
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[config.log_level]))
    logging.getLogger("celery.beat").addFilter(_in_one_line)


def _in_one_line(record: logging.LogRecord) -> bool:
    # What beat logs every other second, with its stack and a traceback, is a broker that is away.
    record.msg, record.args, record.exc_info = record.getMessage().partition("\n")[0], (), None
    return True


@worker_ready.connect
def log_worker(**_: Any) -> None:
    logs.started("worker", VERSION)


@beat_init.connect
def log_beat(**_: Any) -> None:
    logs.started("beat", VERSION)


@worker_init.connect
def serve_metrics(**_: Any) -> None:
    metrics.serve(config)


@worker_process_init.connect
def set_up_process(**_: Any) -> None:
    # A SIGTERM to the whole group must still let the parent drain this child.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.setswitchinterval(0.001)
    tracing.set_up("worker", config.traces_endpoint)
    gc.freeze()  # imported modules are never freed


@worker_process_shutdown.connect
def close_process(**_: Any) -> None:
    webhooks.close()
    resources.close()
    tracing.shut_down()
    logs.flush()  # such a process ends without Python's own farewell


shutdown.watch()
