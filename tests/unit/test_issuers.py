"""The file that names other issuers, and claims as these write them."""

from typing import Any

import pytest

from app.domain.claims import claim, holds
from app.domain.issuers import origin_of, parse

GOOD = {"issuer": "https://login.example.com/realms/staff", "audience": "scoreboard", "title": "Example Ltd"}


def table(**changes: Any) -> dict[str, Any]:
    return {"issuers": {"staff": {name: it for name, it in {**GOOD, **changes}.items() if it is not None}}}


def test_parse_takes_any_number_and_fills_in_the_rest() -> None:
    assert parse({}, production=True) == ()
    (staff,) = parse(table(), production=True)
    assert (staff.id, staff.algorithms, staff.username_claim) == ("staff", ("RS256",), "preferred_username")
    assert (staff.private_network, staff.admin_claim, staff.client_id) == (False, None, None)
    two = {"issuers": {"a": GOOD, "b": {**GOOD, "issuer": "http://localhost:3000", "algorithms": ["EdDSA", "PS512"]}}}
    assert [it.id for it in parse(two, production=False)] == ["a", "b"]


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "another table": ({"issuer": {}}, "issuer"),
    "no tables": ({"issuers": 7}, "issuers"),
    "no table": ({"issuers": {"staff": 7}}, "issuers.staff"),
    "no id": ({"issuers": {"Staff!": GOOD}}, "issuers.Staff!"),
    "unknown key": (table(jwks="https://a"), "jwks"),
    "the id as a key": (table(id="x"), "issuers.staff.id"),
    "no issuer": (table(issuer=None), "issuer"),
    "no audience": (table(audience=None), "audience"),
    "an empty audience": (table(audience=""), "issuers.staff.audience"),
    "no title": (table(title=None), "title"),
    "a shared secret": (table(algorithms=["RS256", "HS256"]), "issuers.staff.algorithms[1]"),
    "no signature": (table(algorithms=["none"]), "issuers.staff.algorithms[0]"),
    "no algorithm": (table(algorithms=[]), "issuers.staff.algorithms"),
    "http": (table(issuer="http://login.example.com"), "issuers.staff.issuer"),
    "http for keys": (table(jwks_url="http://login.example.com/keys"), "issuers.staff.jwks_url"),
    "no address": (table(token_endpoint="login.example.com"), "issuers.staff.token_endpoint"),
    "a policy of its own": (table(token_endpoint="https://a.com/;script-src"), "issuers.staff.token_endpoint"),
    "a password in it": (table(issuer="https://me:secret@a.com"), "issuers.staff.issuer"),
    "a port too high": (table(issuer="https://a.com:99999"), "issuers.staff.issuer"),
    "a claim without its value": (table(admin_claim="groups"), "issuers.staff.admin_value"),
    "a value without its claim": (table(admin_value="x"), "issuers.staff.admin_claim"),
    "no boolean": (table(private_network="yes"), "issuers.staff.private_network"),
    "twice the same": ({"issuers": {"a": GOOD, "b": GOOD}}, "issuers.b.issuer"),
}


@pytest.mark.parametrize(("malformed", "key"), MALFORMED.values(), ids=MALFORMED)
def test_parse_names_the_key_that_is_wrong(malformed: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(malformed, production=True)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parse_takes_plain_http_where_it_is_no_production() -> None:
    assert parse(table(issuer="http://127.0.0.1:3000"), production=False)[0].issuer == "http://127.0.0.1:3000"


def test_origin_of_an_address() -> None:
    assert origin_of("https://login.example.com:8443/a/b?c=d") == "https://login.example.com:8443"


def test_claim_is_found_by_name_or_by_path() -> None:
    claims = {"groups": ["a"], "realm_access": {"roles": ["b"]}, "https://x.com/roles": "c"}
    assert claim(claims, "groups") == ["a"]
    assert claim(claims, "realm_access.roles") == ["b"]
    assert claim(claims, "https://x.com/roles") == "c"
    for missing in ("roles", "groups.0", "realm_access.roles.x", ""):
        assert claim(claims, missing) is None


@pytest.mark.parametrize(
    ("value", "wanted", "held"),
    [
        ("ops", "ops", True),
        (["staff", "ops"], "ops", True),
        ("ops-team", "ops", False),
        (["ops-team"], "ops", False),
        (True, True, True),
        ("true", True, False),
        (1, True, False),
        (True, 1, False),
        ({"ops": True}, "ops", False),
        ([["ops"]], "ops", False),
        (None, "ops", False),
    ],
)
def test_claim_holds_a_value_of_its_own_type_alone(value: Any, wanted: Any, held: bool) -> None:
    assert holds(value, wanted) is held
