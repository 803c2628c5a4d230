"""The secrets of webhooks: made at random, told once, kept encrypted, since each message is signed with the secret.

The key is made of SECRET_KEY. What a retired one has encrypted is still read, and encrypted anew when it is used.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

PREFIX = "whsec_"
"""How the secrets of Standard Webhooks begin."""
_PURPOSE = b"webhook secrets"


class SecretLost(Exception):
    """No key that is left has encrypted this secret."""


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class Box:
    """Encrypts and decrypts with keys that are made of `secret_keys`, the one in use first."""

    def __init__(self, secret_keys: tuple[str, ...]) -> None:
        fernets = [Fernet(_key(it)) for it in secret_keys]
        self._newest, self._all = fernets[0], MultiFernet(fernets)

    def close(self, secret: str) -> str:
        """Encrypt a secret."""
        return self._newest.encrypt(secret.encode()).decode()

    def open(self, closed: str) -> str:
        """Decrypt a secret.

        Raises:
            SecretLost: when none of the keys fits.
        """
        try:
            return self._all.decrypt(closed.encode()).decode()
        except InvalidToken:
            raise SecretLost from None

    def renewed(self, closed: str) -> str | None:
        """Return a secret that a retired key has encrypted as the newest one does; None when that has done it.

        Raises:
            SecretLost: when none of the keys fits.
        """
        try:
            self._newest.decrypt(closed.encode())
        except InvalidToken:
            return self.close(self.open(closed))
        return None


def _key(secret_key: str) -> bytes:
    return base64.urlsafe_b64encode(hmac.digest(secret_key.encode(), _PURPOSE, hashlib.sha256))
