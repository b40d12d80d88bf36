"""What the handler did for traced requests: docs/tracing.md, and the events in section 9 of docs/protocol.md."""

import json
import os
import random
import re
import sys
import time
from collections import deque
from urllib import parse, request

KEEP, SPANS = "nanofront.trace.keep", "nanofront.trace.spans"
RING = 16384  # requests that are remembered, for whoever asks for the trace of one
WANTED = 30  # seconds for which a trace that was asked for is waited for
BATCH = 4096  # spans that wait for the collector; more are dropped
PARENT = re.compile("(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?=-|$)")


class Span:
    """The work on one request. received is a time of day in seconds, queued and worked are durations."""

    def __init__(self, trace, parent, sampled):
        self.trace, self.parent, self.id, self.sampled, self.sent = trace, parent, f"{random.getrandbits(64) or 1:016x}", sampled, False
        self.method, self.status, self.received, self.queued, self.worked = "", 0, 0, 0, 0

    def parts(self, service, instance, offset):
        """As section 9 has them: the whole, and the wait for a worker. offset is in µs, None if it isn't known."""
        start = int(self.received * 1e9) - (offset or 0) * 1000
        began = start + int(self.queued * 1e9)
        facts = {"http.request.method": self.method, "http.response.status_code": self.status}
        if offset is None:
            facts["nanofront.clock"] = "unknown"
        common = {"trace_id": self.trace, "instance": instance, "start_unix_ns": start}
        part = f"{(int(self.id, 16) + 0x9E3779B97F4A7C15) % 2**64 or 1:016x}"
        return [
            {**common, "span_id": self.id, "parent_span_id": self.parent, "name": f"{self.method} {service}", "error": self.status >= 500,
             "end_unix_ns": began + int(self.worked * 1e9), "attributes": facts},
            {**common, "span_id": part, "parent_span_id": self.id, "name": "handler_queue", "end_unix_ns": began, "attributes": {}},
        ]


class Recorder:
    """Used on the loop's thread alone, but for begin and post."""

    def __init__(self, url, service, instance):
        self.url = url if parse.urlsplit(url).path.strip("/") else url.rstrip("/") + "/v1/traces"
        self.service, self.instance, self.ring, self.wanted, self.out, self.failed = service, instance, deque(maxlen=RING), {}, [], False

    def begin(self, request):
        """The span of a request that is traced, and the request as the handler sees it: with that span in traceparent."""
        found = [value for name, value in request.headers if name == "traceparent"]
        m = PARENT.match(found[0]) if len(found) == 1 else None
        if not m or len(found[0]) > 55 and found[0].startswith("00"):
            return None, request
        span = Span(m[1], m[2], int(m[3], 16) & 1)
        span.method = request.method
        mine = f"00-{span.trace}-{span.id}-0{span.sampled}"
        return span, request._replace(headers=[(name, mine if name == "traceparent" else value) for name, value in request.headers])

    def end(self, span):
        self.ring.append(span)
        if span.sampled:
            self.export(span, 0)
        elif span.trace in self.wanted:
            self.give(span)

    def asked(self, c, link):
        """An event of KEEP: c is behind its topic."""
        report, now, news = c.number(1) & 1, time.monotonic(), set()
        self.wanted = {trace: want for trace, want in self.wanted.items() if want[0] > now}
        while len(c.data) - c.at >= 33:
            trace, _, offset, name = c.take(16).hex(), c.take(8), int.from_bytes(c.take(8), "big", signed=True), c.text(1)
            known = name == self.instance and offset != -(2**63)
            if trace not in self.wanted and len(self.wanted) < 4096:
                self.wanted[trace] = now + WANTED, offset if known else None, link if report else None
                news.add(trace)
        for span in list(self.ring) if news else ():
            if span.trace in news:
                self.give(span)

    def give(self, span):
        _, offset, link = self.wanted[span.trace]
        if span.sent:
            return
        if link is None:
            self.export(span, offset)
        else:
            span.sent = True
            link.publish(SPANS, json.dumps(span.parts(self.service, self.instance, offset)).encode())

    def export(self, span, offset):
        span.sent = True
        if len(self.out) < BATCH:
            self.out += span.parts(self.service, self.instance, offset)

    def take(self):
        """What is to be posted."""
        out, self.out = self.out, []
        return out

    def post(self, spans):
        """Takes spans to the collector, as OTLP in JSON. What it doesn't take is lost."""
        if not spans:
            return
        attributes = lambda facts: [{"key": k, "value": {"intValue" if type(v) is int else "stringValue": str(v)}} for k, v in facts.items()]
        body = {"resourceSpans": [{
            "resource": {"attributes": attributes({"service.name": self.service, "service.instance.id": self.instance})},
            "scopeSpans": [{"scope": {"name": "nanofront"}, "spans": [{
                "traceId": s["trace_id"], "spanId": s["span_id"], "parentSpanId": s["parent_span_id"], "name": s["name"],
                "kind": 1 if s["name"] == "handler_queue" else 2, "startTimeUnixNano": str(s["start_unix_ns"]),
                "endTimeUnixNano": str(s["end_unix_ns"]), "attributes": attributes(s["attributes"]), "status": {"code": 2} if s.get("error") else {},
            } for s in spans]}],
        }]}
        extra = os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
        headers = {k.strip(): parse.unquote(v.strip()) for k, _, v in (pair.partition("=") for pair in extra.split(",") if "=" in pair)}
        try:
            request.urlopen(request.Request(self.url, json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}), timeout=5).close()
            self.failed = False
        except (OSError, ValueError) as e:
            if not self.failed:
                print(f"spans are lost: {self.url}: {e}", file=sys.stderr, flush=True)
            self.failed = True


def recorder(service, instance):
    """One if NANOFRONT_TRACE_OTLP names a collector."""
    url = os.environ.get("NANOFRONT_TRACE_OTLP")
    return Recorder(url, service, instance) if url else None
