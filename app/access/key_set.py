"""The public keys of a token issuer: read from its JWKS (RFC 7517), and found by what a token's header says."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MOST_KEYS = 100
RSA_BITS = range(2048, 8192 + 1)
"""A shorter key can be broken; a longer one makes each check slow."""

_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_KINDS: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The type and the curve of the key that each algorithm needs."""

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class Key(NamedTuple):
    """One public key: its name, what it is for, and itself."""

    kid: str | None
    alg: str | None
    kind: tuple[str, str | None]
    public: PublicKey
    members: bytes
    """What it is made of: equal for equal keys."""

    def fits(self, alg: str) -> bool:
        """Return whether signatures of an algorithm can be checked with it."""
        return (self.alg is None or self.alg == alg) and self.kind == _KINDS.get(alg)


class KeySet:
    """The keys of one JWKS."""

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str | None, alg: str) -> Key | None:
        """Return the key that a token's header names; a header without a name means the only one that fits."""
        fitting = [key for key in self._keys if (kid is None or key.kid == kid) and key.fits(alg)]
        return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None

    def lacks_any_of(self, other: "KeySet") -> bool:
        """Return whether a key of another set is not in this one."""
        return not {key.members for key in other._keys} <= {key.members for key in self._keys}


def parse(document: Any) -> KeySet:
    """Read a JWKS; keys that are of no use for signatures, or unknown, are left out.

    Raises:
        ValueError: when it is no JWKS, holds too many keys, or none of use.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("is no JWKS")
    if len(listed) > MOST_KEYS:
        raise ValueError(f"has more than {MOST_KEYS} keys")
    keys = [key for it in listed if isinstance(it, dict) and (key := _key(it)) is not None]
    if not keys:
        raise ValueError("has no key that checks signatures")
    return KeySet(keys)


def _key(jwk: Mapping[str, Any]) -> Key | None:
    kty, kid, alg, operations = jwk.get("kty"), jwk.get("kid"), jwk.get("alg"), jwk.get("key_ops", ["verify"])
    if not isinstance(kty, str) or kty not in _PUBLIC or jwk.get("use", "sig") != "sig":
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if not all(it is None or isinstance(it, str) for it in (kid, alg)):
        return None
    # The public members alone: a private key that was published by mistake is none of ours.
    members = {name: jwk.get(name) for name in ("kty", *_PUBLIC[kty])}
    kind = (kty, members.get("crv"))
    if kind not in _KINDS.values():
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[kty]
    try:
        public = jwt.get_algorithm_by_name(algorithm).from_jwk(members)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size not in RSA_BITS:
        return None
    return Key(kid, alg, kind, public, msgspec.json.encode(members, order="deterministic"))
