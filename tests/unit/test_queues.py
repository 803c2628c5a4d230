"""What the broker's address says of TLS, as Celery is told it."""

import pytest

from config.queues import broker_tls


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://h/0", None),
        ("rediss://:p@h:6380/1", {"ssl_cert_reqs": "required"}),
        ("rediss://h?ssl_cert_reqs=none", {"ssl_cert_reqs": "none"}),
        (
            "rediss://h?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem",
            {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"},
        ),
        ("rediss://h?ssl_check_hostname=false", {"ssl_cert_reqs": "required", "ssl_check_hostname": False}),
    ],
)
def test_certificates_are_verified_unless_the_url_says_otherwise(url: str, told: dict[str, object] | None) -> None:
    assert broker_tls(url) == told
