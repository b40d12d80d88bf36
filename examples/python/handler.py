#!/usr/bin/env python3
"""A backend of nanofront in Python: change handle().

    python3 handler.py tcp://127.0.0.1:7401 greeter greeter-py
"""

import sys
import time
from urllib.parse import parse_qs

from nanofront import Response, serve


def handle(request):
    """Answer one request with a Response, text, or a dict or list as JSON.

    Runs on a thread and may block. An exception becomes a 500, and its line goes to the log.
    """
    if request.path.endswith("/fail"):
        raise RuntimeError("asked to fail")
    wait = parse_qs(request.query).get("wait", ["0"])[0]
    time.sleep(min(int(wait), 5000) / 1000)
    lines = [f"{request.method} {request.path}?{request.query} from {request.client}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    text = "\n".join(lines).encode("latin-1") + b"\n\n" + request.body
    return Response(200, [("content-type", "text/plain; charset=utf-8"), ("x-handler", "python")], text)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: handler.py tcp://HOST:PORT|ipc:///PATH SERVICE INSTANCE")
    serve(handle, *sys.argv[1:])
