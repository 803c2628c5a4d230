"""The connection of worker and beat to the broker."""

from typing import Any

from kombu import Connection


class PatientConnection(Connection):
    """Reconnects every second while the broker is away; kombu's own connection backs off to half a minute."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(
            *args, **{"interval_start": 1, "interval_step": 0, "interval_max": 1, **kwargs}
        )
