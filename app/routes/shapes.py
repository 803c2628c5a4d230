"""The answers that no type of the domain describes: routes answer with them, and OpenAPI is made from them.

Source: contract, section 4.
"""

from typing import Literal

import msgspec

from app.domain.actions import Action
from app.domain.moments import Moment
from app.domain.users import Role
from app.readiness import Checks


class Registered(msgspec.Struct, rename="camel"):
    """A new account."""

    user_id: str
    username: str


class AccessToken(msgspec.Struct, rename="camel"):
    """A token, its life in seconds, and whose it is."""

    access_token: str
    expires_in: int
    token_type: Literal["Bearer"]
    user_id: str


class OwnUser(msgspec.Struct, rename="camel"):
    """A player's own view: the total of all actions, and what of it stands on the board."""

    user_id: str
    username: str
    display_name: str | None
    email: str | None
    role: Role
    total_score: int
    score: int
    rank: int | None


class IssuerTitle(msgspec.Struct, rename="camel"):
    """An issuer of tokens that are taken here, and what people call it."""

    id: str
    title: str


class ValueBounds(msgspec.Struct, rename="camel"):
    """The smallest and the largest value of a type, and its unit, if that has a name."""

    min: int
    max: int
    unit: str | msgspec.UnsetType = msgspec.UNSET


class TypeRule(msgspec.Struct, rename="camel", kw_only=True):
    """What an action of a type is worth, and within which bounds.

    `points` are the most there are where they depend on the value. `title` is what people read, where one is given. The
    last three are there for types with a value.
    """

    type: str
    title: str | msgspec.UnsetType = msgspec.UNSET
    points: int
    min_seconds: int
    max_seconds: int | None
    per_day: int | None
    points_per_value: float | msgspec.UnsetType = msgspec.UNSET
    value: ValueBounds | msgspec.UnsetType = msgspec.UNSET
    trust_players: bool | msgspec.UnsetType = msgspec.UNSET


class ActionTypes(msgspec.Struct, rename="camel"):
    """The scoring rules in force."""

    types: list[TypeRule]


class Health(msgspec.Struct, rename="camel"):
    """The process lives."""

    status: Literal["ok"]


class Readiness(msgspec.Struct, rename="camel"):
    """Whether the process should be sent requests."""

    status: Literal["ok", "degraded", "down"]
    checks: Checks
    detail: str | msgspec.UnsetType = msgspec.UNSET


class EndedAction(Action, frozen=True, rename="camel", kw_only=True):
    """An action that has ended; only a completed one has an award and the user's total, both in points."""

    awarded_points: int | msgspec.UnsetType = msgspec.UNSET
    total_score: int | msgspec.UnsetType = msgspec.UNSET


class OwnActions(msgspec.Struct, rename="camel"):
    """A page of a player's own actions, newest first, and the cursor of the next one."""

    items: list[Action]
    next_cursor: str | None


class ExternalUser(msgspec.Struct, rename="camel"):
    """A user whom a trusted server has brought along, by the id that it knows this user by."""

    user_id: str
    external_id: str
    username: str
    display_name: str | None
    status: Literal["active", "suspended"]
    total_score: int
    created_at: Moment


class Brand(msgspec.Struct):
    """The look of whoever runs the service; `logo`: an address, or a path of this host."""

    name: str
    logo: str | msgspec.UnsetType = msgspec.UNSET
    color: str | msgspec.UnsetType = msgspec.UNSET
    welcome: str | msgspec.UnsetType = msgspec.UNSET


class About(msgspec.Struct, rename="camel"):
    """What a page needs to know to offer only what works; `url`: where people open it, if `PUBLIC_URL` says so."""

    name: str
    version: str
    registration: Literal["open", "code", "closed"]
    password_login: bool
    issuers: list[IssuerTitle]
    top_scores_auth: Literal["optional", "required"]
    ask_email: bool
    brand: Brand
    url: str | msgspec.UnsetType = msgspec.UNSET
