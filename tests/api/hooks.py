"""What schemathesis is told beside the description: streams end, and waits are short."""

import schemathesis

STREAMS = ("/watch", "/logs", "/events")


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.operation.path
    if case.method.upper() != "GET":
        return
    if path.endswith("/environments/{user}/{class}/events"):
        return
    if path.endswith(STREAMS):
        case.query = {**(case.query or {}), "timeout": 1}
    elif path.endswith(":wait"):
        case.query = {**(case.query or {}), "timeout": 1}


@schemathesis.deserializer("application/x-ndjson")
def first_line(context, response):
    """A line is an object of its own; the first one is judged."""
    import json

    return json.loads(response.content.split(b"\n", 1)[0])
