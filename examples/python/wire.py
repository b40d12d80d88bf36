"""Frames and HTTP as bytes: sections 1, 2 and 12 of docs/protocol.md."""

import struct
from collections import namedtuple

# path is normalised and still percent-encoded, query has no "?", client is an IP address, headers are
# (name, value) with names in lower case. body is bytes; the rest is text, a character for each byte.
Request = namedtuple("Request", "method scheme host path query client headers body")
Response = namedtuple("Response", "status headers body", defaults=(200, (), b""))

GREETING, MAX_MESSAGE = b"\0SP\0\0\x70\0\0", 1 << 20
HELLO, REQUEST, RESPONSE, CANCEL, CREDIT, DRAINING, PING, PONG = 1, 2, 3, 5, 6, 8, 9, 10
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
    return Request(*parts, [(c.text(1), c.text(2)) for _ in range(count)], c.take(c.number(4)))


def encode(status, headers, body):
    if not 200 <= status <= 599 or len(headers) > 256 or not all(name for name, _ in headers):
        raise ValueError(f"status {status}, {len(headers)} fields: want 200 to 599, at most 256, each with a name")
    fields = b"".join(string(1, name.lower()) + string(2, value) for name, value in headers)
    return struct.pack(">HH", status, len(headers)) + fields + struct.pack(">I", len(body)) + body
