"""OpenAPI 3.1, built from the operations and the types that requests are read as."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from app.description.operation import JSON, Operation
from app.description.operations import OPERATIONS
from app.http.answers import Problem

_REF = "#/components/schemas/{name}"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}

# What a request meets before its endpoint looks at it, by who may call it and whether there is a body.
_WITH_TOKEN = (401, 429, 503)
_WITH_BODY = (400, 413, 415, 503)

_TIMES = {401: "A missing, invalid or expired token.", 429: "Too many requests.", 503: "Try again shortly."}
_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`."}},
    429: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
    201: {"Location": {"schema": {"type": "string"}, "description": "The address of what was created."}},
    304: {"ETag": {"schema": {"type": "string"}, "description": "The current version."}},
}
_LIMITED = {
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": 'The tightest bucket: `"complete";q=30;w=60`.'},
    "RateLimit": {"schema": {"type": "string"}, "description": 'What is left in it: `"complete";r=29;t=2`.'},
}
_REQUEST_ID = {"X-Request-ID": {"schema": {"type": "string"}, "description": "The client's own, if well-formed."}}


def document(version: str, root_path: str = "") -> dict[str, Any]:
    """Build the description of every operation."""
    types = [it for operation in OPERATIONS.values() for it in _types(operation)]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    by_type = {id(type_): schema for type_, schema in zip([*types, Problem], schemas, strict=True)}
    # An action that has ended goes along with the conflict that says so.
    components["Problem"]["properties"]["action"] = {"$ref": _REF.format(name="Action")}
    # The older way to say it is only told in words: of a choice between two forms generated clients make nothing.
    del components["EndBody"]["properties"]["started"]
    components["EndBody"]["required"] = ["status"]
    bodies = {operation.body.__name__ for operation in OPERATIONS.values() if operation.body is not None}
    for name, component in components.items():
        _without_defaults(component, is_body=name in bodies)
    paths: dict[str, dict[str, Any]] = {}
    for (path, method), operation in OPERATIONS.items():
        described = paths.setdefault(public(path), {})
        described[method.lower()] = _operation(path, operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Scoreboard",
            "version": version,
            "description": "Players start and complete actions; the server scores and vets them; the top ten is live.",
        },
        "servers": [{"url": root_path or "/"}],
        "tags": [{"name": group} for group in dict.fromkeys(it.group for it in OPERATIONS.values())],
        "paths": _explicit(paths),
        "components": {
            "schemas": _explicit(components),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _without_defaults(component: dict[str, Any], *, is_body: bool) -> None:
    """Say what a default means: a member of a body may be left out, one of an answer is always there.

    Some generators take a member with a default for one that is always there, in bodies too.
    """
    for name, member in component.get("properties", {}).items():
        if "default" not in member:
            continue
        default = member.pop("default")
        if not is_body:
            component.setdefault("required", []).append(name)
        elif default:
            member["description"] = f"Unless given: {msgspec.json.encode(default).decode()}."


def _explicit(schema: Any) -> Any:
    """Write out what JSON Schema takes for granted and generators don't: types of enums, and open objects."""
    if isinstance(schema, list):
        return [_explicit(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    written = {key: _explicit(it) for key, it in schema.items()}
    if isinstance(written.get("enum"), list) and all(isinstance(it, str) for it in written["enum"]):
        written["type"] = "string"
    if written.get("type") == "object" and "properties" not in written:
        written.setdefault("additionalProperties", True)
    return written


def _types(operation: Operation) -> list[Any]:
    types = [operation.body] if operation.body is not None else []
    for shape in operation.answers.values():
        if shape is not None and not isinstance(shape, str):
            types.append(shape)
    return types


def public(path: str) -> str:
    """Write a route's path as the contract does: `/users/{userId}`, without what the router needs besides."""
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), path.replace(":path}", "}"))


def _operation(path: str, operation: Operation, by_type: Mapping[int, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.group],
        "responses": {
            **{str(status): _answer(operation, status, it, by_type) for status, it in operation.answers.items()},
            **{str(status): _error(status) for status in _errors(operation) if status not in operation.answers},
        },
    }
    if operation.about:
        described["description"] = operation.about
    parameters = [
        {"name": public(name), "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": query.schema, "description": query.about}
        | ({"required": True} if query.required else {})
        for name, query in operation.query.items()
    ]
    parameters += [
        {"name": name, "in": "header", "schema": header.schema, "description": header.about}
        for name, header in operation.headers.items()
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {"schema": by_type[id(operation.body)]}
        if operation.example is not None:
            content["example"] = operation.example
        described["requestBody"] = {"required": not operation.or_nothing, "content": {JSON: content}}
    if operation.who != "anyone":
        described["security"] = [{"bearer": []}, {}] if operation.who == "anyone or a token" else [{"bearer": []}]
    return described


def _errors(operation: Operation) -> list[int]:
    statuses = set(operation.errors)
    if operation.who in ("player", "admin"):
        statuses |= set(_WITH_TOKEN)
    if operation.who == "admin":
        statuses.add(403)
    if operation.body is not None:
        statuses |= set(_WITH_BODY)
    return sorted(statuses)


def _answer(operation: Operation, status: int, shape: Any, by_type: Mapping[int, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    headers = {**_HEADERS.get(status, {}), **_REQUEST_ID}
    if operation.who in ("player", "admin"):
        headers |= _LIMITED
    answer["headers"] = headers
    if isinstance(shape, str):
        answer["content"] = {shape: {"schema": {"type": "string"}}}
    elif shape is not None:
        answer["content"] = {operation.media_type: {"schema": by_type[id(shape)]}}
    return answer


def _error(status: int) -> dict[str, Any]:
    return {
        "description": _TIMES.get(status, f"{HTTPStatus(status).phrase}."),
        "headers": {**_HEADERS.get(status, {}), **_REQUEST_ID},
        "content": _PROBLEM,
    }
