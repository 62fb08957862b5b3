"""What schemathesis is told beside the description: streams end, waits are short, and a chain of calls has something to stand on.

What is changed here is right before and after, so that no wrong call becomes a right one.
"""

import itertools
import json
import re

import schemathesis
from schemathesis import GenerationMode

STREAMS = ("/watch", "/logs", "/api/v1/events")
ENVIRONMENT = "/environments/{user}/{class}"
SHIPPED = {"integration", "staging", "production", "production-2"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
KEY = re.compile(r"[!-~]{1,100}")
NUMBERS = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    path, method = case.operation.path, case.method.upper()
    if method == "GET" and (path.endswith(STREAMS) or path.endswith(":wait")):
        case.query = {**(case.query or {}), "timeout": 1}
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    # A key belongs to one request, and short keys are made again and again.
    for name, value in list((case.headers or {}).items()):
        if name.lower() == "idempotency-key" and isinstance(value, str) and KEY.fullmatch(value):
            case.headers[name] = f"{value}-{next(NUMBERS)}"
    body = case.body if isinstance(case.body, dict) else None
    # The classes that were shipped stay while somebody uses them.
    if path.endswith("/environments:delete") and body and isinstance(body.get("dryRun", False), bool):
        case.body = {**body, "dryRun": True}
    # No schema says which parameters a class takes.
    if path.endswith(ENVIRONMENT) and method == "PUT" and body and (case.path_parameters or {}).get("class") in SHIPPED:
        given = body.get("parameters", {})
        right = isinstance(given, dict) and all(
            NAME.fullmatch(name) and isinstance(value, str) and len(value) <= 1024 for name, value in given.items()
        )
        if right:
            case.body = {**body, "parameters": {"TAG_FRONT": "1", "TAG_ASSETS": "7", "VERSION": "3"}}


@schemathesis.deserializer("application/x-ndjson")
def first_line(context, response):
    """Each line is an object of its own; the first one is judged."""
    return json.loads(response.content.split(b"\n", 1)[0])
