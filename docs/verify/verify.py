#!/usr/bin/env python3
"""Verifies a signed message of the board, which some other system has passed on: pip install rfc8785 cryptography.

verify.py JWKS.json < message.json             # public keys, as /.well-known/jwks.json has them
SIGNING_KEY=hmac:... verify.py < message.json  # the secret that backends share
"""

import base64
import hashlib
import hmac
import json
import os
import sys

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(message, *, jwks=None, secret=None):
    """Return whether one of the keys has signed the message; `secret` is what stands behind `hmac:`, decoded."""
    signature = message.get("signature")
    if not isinstance(signature, dict):
        return False
    # The canonical form (RFC 8785) of the message without its signature.
    form = rfc8785.dumps({name: value for name, value in message.items() if name != "signature"})
    value = base64.b64decode(signature["value"])
    if signature["alg"] == "HMAC-SHA256" and secret is not None:
        key_id = hashlib.sha256(hashlib.sha256(b"scoreboard" + secret).digest()).hexdigest()[:16]
        return signature["keyId"] == key_id and hmac.compare_digest(hmac.digest(secret, form, "sha256"), value)
    keys = {key["kid"]: key for key in (jwks or {"keys": []})["keys"]}
    if signature["alg"] != "EdDSA" or signature["keyId"] not in keys:
        return False
    public = base64.urlsafe_b64decode(keys[signature["keyId"]]["x"] + "=")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(value, form)
    except InvalidSignature:
        return False
    return True


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as file:
            keys = {"jwks": json.load(file)}
    else:
        keys = {"secret": base64.b64decode(os.environ["SIGNING_KEY"].removeprefix("hmac:"))}
    right = verify(json.load(sys.stdin), **keys)
    print("signed by the service" if right else "NOT signed by the service")
    sys.exit(not right)
