"""Frames and HTTP as bytes: sections 1, 2 and 12 of docs/protocol.md."""

import json
import struct
from collections import namedtuple

# path is normalised and still percent-encoded, query has no "?", client is an IP address, headers are
# (name, value) with names in lower case. body is bytes; the rest is text, a character for each byte.
# revision is that of the routes that the front has decided by, 0 if it hasn't; version is which of this
# service is meant, "" for any; variants are those of experiments, by their names.
Request = namedtuple("Request", "method scheme host path query client headers body revision version variants", defaults=(0, "", {}))


class Response(namedtuple("Response", "status headers body")):
    """What leaves. It is checked here, so that the traceback of a mistake has the author's line.

    headers are (name, value) pairs or a dict. body is bytes, text (sent as UTF-8), or a dict or
    list (sent as JSON); text and JSON get their content-type unless headers have one.
    """

    __slots__ = ()

    def __new__(cls, status=200, headers=(), body=b""):
        if type(status) is not int or not 200 <= status <= 599:
            raise ValueError(f"status {short(status)}: want a number from 200 to 599")
        kind, data = content(body)
        pairs = [field(f) for f in (headers.items() if isinstance(headers, dict) else headers)]
        if kind and not any(name == "content-type" for name, _ in pairs):
            pairs.append(("content-type", kind))
        if len(pairs) > 256:
            raise ValueError(f"{len(pairs)} header fields: at most 256 fit")
        return super().__new__(cls, status, pairs, data)


def short(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def content(body):
    """The content-type that a body implies, and its bytes."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return "", bytes(body)
    if isinstance(body, str):
        return "text/plain; charset=utf-8", body.encode()
    if isinstance(body, (dict, list)):
        return "application/json", json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    raise TypeError(f"a body {short(body)} ({type(body).__name__}): want bytes, str, dict or list")


def field(pair):
    """A header field, its name in lower case."""
    try:
        name, value = pair if isinstance(pair, (tuple, list)) else ()
        if type(value) is int:
            value = str(value)
        if not 1 <= len(name.encode("latin-1")) <= 255 or len(value.encode("latin-1")) > 65535:
            raise ValueError
        return name.lower(), value
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"header field {short(pair)}: want (name, value), Latin-1 text of 1 to 255 and up to 65,535 bytes") from None


def response(answer):
    """What a handler returned, as a Response."""
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, (str, bytes, bytearray, memoryview, dict, list)):
        return Response(body=answer)
    raise TypeError(f"returned {short(answer)} ({type(answer).__name__}): want Response, str, bytes, dict or list")


GREETING, MAX_MESSAGE = b"\0SP\0\0\x70\0\0", 1 << 20
HELLO, REQUEST, RESPONSE, CANCEL, CREDIT, EVENT, DRAINING, PING, PONG = 1, 2, 3, 5, 6, 7, 8, 9, 10
INTERNAL, OVER_WINDOW, EXPIRED, TOO_LARGE, MALFORMED, CANCELLED = 1, 3, 4, 6, 7, 8
HEADER = struct.Struct(">IBBHQ")  # length, kind, flags, reserved, correlation id


class Malformed(Exception):
    """Bytes that are not what docs/protocol.md says."""


class Cursor:
    """Takes fields off bytes, and never more than there are."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if not 0 <= n <= len(self.data) - self.at:
            raise Malformed(f"a field of {n} bytes where {len(self.data) - self.at} are left")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def text(self, size):
        return self.take(self.number(size)).decode("latin-1")


def string(size, text):
    data = text.encode("latin-1")
    return len(data).to_bytes(size, "big") + data


def frame(kind, body=b"", id=0, flags=0):
    return HEADER.pack(HEADER.size + len(body), kind, flags, 0, id) + body


def decode(payload):
    c = Cursor(payload)
    parts, count = [c.text(size) for size in (1, 1, 2, 2, 2, 1)], c.number(2)
    if count > 256:
        raise Malformed(f"{count} header fields")
    head = [*parts, [(c.text(1), c.text(2)) for _ in range(count)], c.take(c.number(4))]
    if len(payload) - c.at < 10:  # whole, load, and the length of a version
        return Request(*head, 0, "", {})
    c.take(9)
    version, c = c.text(1), Cursor(c.take(c.number(2)))
    revision, _ = c.number(8), c.take(1)
    for _ in range(c.number(1)):  # services, for whoever calls them
        c.text(1), [c.text(1) for _ in range(c.number(1))]
    return Request(*head, revision, version, {c.text(1): c.text(1) for _ in range(c.number(1))})


def encode(response):
    status, headers, body = response
    fields = b"".join(string(1, name) + string(2, value) for name, value in headers)
    return struct.pack(">HH", status, len(headers)) + fields + struct.pack(">I", len(body)) + body
