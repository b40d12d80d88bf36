"""Serves a handler on the bus, as docs/protocol.md says, with nothing but Python's standard library (3.9 or later)."""

import asyncio
import inspect
import os
import signal
import struct
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import spans
from wire import *  # its names are those of the document

WINDOW = 1024  # requests taken at once, divided among the callers: 1 to 65,536
WORKERS = 32  # threads that run the handler
DRAIN = 10  # seconds that requests at work may take to finish after SIGTERM
MAX_LINKS = 256
HELPERS = [os.path.join(os.path.dirname(os.path.abspath(__file__)), name) for name in ("nanofront.py", "spans.py", "wire.py")]


def say(text):
    """For the log. That nobody reads it any more ends no request."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass


def place(handle):
    """The file and line of a handler."""
    function = inspect.unwrap(getattr(handle, "func", handle))
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(handle)


def blame(handle, error):
    """An error, the author's file and line first, and the calls that led there."""
    what = "".join(traceback.format_exception_only(type(error), error)).strip()
    calls = traceback.extract_tb(error.__traceback__)[1:]
    if not calls or os.path.abspath(calls[0].filename) in HELPERS:  # it returned what can't be sent
        return f"{place(handle)}: {what}"
    folder = os.path.dirname(os.path.abspath(calls[0].filename))
    own = [f for f in calls if os.path.abspath(f.filename).startswith(folder) and os.path.abspath(f.filename) not in HELPERS]
    return f"{own[-1].filename}:{own[-1].lineno}: {what}\n" + "".join(traceback.format_list(calls)).rstrip()


class Job:
    """A request that is not answered yet. Whatever becomes of it, one response leaves."""

    def __init__(self, link, id, body):
        self.link, self.id, self.cancelled, self.span = link, id, False, None
        self.received, self.arrived = time.time(), time.monotonic()
        self.deadline, self.payload = self.arrived + Cursor(body).number(4) / 1e6, body[4:]

    def run(self):  # on a worker
        began = time.monotonic()
        code, answer = self.work(began)
        self.link.server.loop.call_soon_threadsafe(self.answer, code, answer, began)

    def work(self, began):
        if self.cancelled or began >= self.deadline:
            return CANCELLED if self.cancelled else EXPIRED, b""
        try:
            request = decode(self.payload)
        except Malformed as e:
            return MALFORMED, str(e).encode()
        handle, recorder = self.link.server.handle, self.link.server.recorder
        if recorder:
            self.span, request = recorder.begin(request)
        try:
            answer = response(handle(request))
            if self.span:
                self.span.status = answer.status
            answer = encode(answer)
        except BaseException as e:  # what it was is for the log and not for the caller
            say(f"{request.method} {request.path}: {blame(handle, e)}")
            return INTERNAL, b""
        if len(answer) > MAX_MESSAGE - 64:
            say(f"{request.method} {request.path}: {place(handle)}: a response of {len(answer)} bytes, {MAX_MESSAGE - 64} fit")
            return TOO_LARGE, b""
        return 0, answer

    def answer(self, code, answer, began):
        self.link.jobs.discard(self)
        queued, worked = max(began - self.arrived, 0), time.monotonic() - began
        if self.span:
            self.span.received, self.span.queued, self.span.worked = self.received, queued, worked
            self.span.status = 500 if code else self.span.status
            self.link.server.recorder.end(self.span)
        times = (max(int(t * 1e6), 0) for t in (self.received, queued, worked))
        answer = struct.pack(">HH", code, len(answer)) + answer if code else answer
        self.link.send(frame(RESPONSE, struct.pack(">QII", *times) + answer, self.id, 1 if code else 0))


class Link:
    """A connection with one caller."""

    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.jobs, self.out, self.window, self.seconds, self.silent = set(), [], 0, 0, 0
        self.greeted, self.calls, self.acked, self.topics = False, True, False, []

    async def run(self):
        self.writer.write(GREETING)
        if await self.reader.readexactly(8) != GREETING:
            raise Malformed("the peer doesn't speak SP's BUS")
        self.server.greet(self)
        while True:
            if self.server.ipc and await self.reader.readexactly(1) != b"\1":
                raise Malformed("not SP over ipc")
            size = int.from_bytes(await self.reader.readexactly(8), "big")
            if size > MAX_MESSAGE:
                raise Malformed(f"a message of {size} bytes")
            c, self.silent = Cursor(await self.reader.readexactly(size)), 0
            while c.at < size:
                length, kind, flags, _, id = HEADER.unpack(c.take(HEADER.size))
                self.receive(kind, flags, id, c.take(length - HEADER.size))
            await self.writer.drain()  # who doesn't read isn't read

    def receive(self, kind, flags, id, body):
        c = Cursor(body)
        if kind == HELLO:
            version, traits, _ = struct.unpack(">HHI", c.take(8))
            name = [c.text(1) for _ in range(3)]
            topics = c.number(1)
            if version != 1 or topics > 64:
                raise Malformed(f"{name}: version {version}, {topics} topics")
            self.topics = [c.text(1) for _ in range(topics)]
            self.greeted, self.calls = True, not traits & 1
            self.server.share()
        elif kind == REQUEST and self.greeted:
            job = Job(self, id, body)
            if len(self.jobs) >= WINDOW:
                job.answer(OVER_WINDOW, b"", job.arrived)
            else:
                self.jobs.add(job)
                self.server.pool.submit(job.run)
        elif kind == EVENT and self.server.recorder and c.text(1) == spans.KEEP:
            self.server.recorder.asked(c, self)
        elif kind == CANCEL:
            for job in self.jobs:
                job.cancelled = job.cancelled or job.id == id
        elif kind == DRAINING and flags & 1:
            self.acked = True
        elif kind == DRAINING:
            self.send(frame(DRAINING, flags=1))
        elif kind == PING:
            self.send(frame(PONG, c.take(8) + struct.pack(">Q", int(time.time() * 1e6))))
        # All else is not for a handler, or of a later revision.

    def publish(self, topic, payload):  # to a peer that wants it; a large one is of no use to it
        if topic in self.topics and len(payload) < MAX_MESSAGE - 64 and self in self.server.links:
            self.send(frame(EVENT, string(1, topic) + payload))

    def send(self, data):
        if not self.out:  # what one turn of the loop sends leaves in one write
            self.server.loop.call_soon(self.flush)
        self.out.append((b"\1" if self.server.ipc else b"") + len(data).to_bytes(8, "big") + data)

    def flush(self):
        out, self.out = b"".join(self.out), []
        if not self.writer.is_closing():
            self.writer.write(out)


class Server:
    """Everything that the links share."""

    def __init__(self, handle, address, service, instance):
        self.handle, self.service, self.instance = handle, service, instance
        self.scheme, _, self.where = address.partition("://")
        self.ipc, self.links, self.pool = self.scheme == "ipc", set(), ThreadPoolExecutor(WORKERS)
        self.recorder, self.posting = spans.recorder(service, instance), None

    def greet(self, link):
        link.window = self.part()
        names = b"".join(string(1, name) for name in (self.service, "", self.instance))
        topics = b"\1" + string(1, spans.KEEP) if self.recorder else b"\0"
        link.send(frame(HELLO, struct.pack(">HHI", 1, 0, link.window) + names + topics))

    def part(self):
        return max(WINDOW // max(sum(link.calls for link in self.links), 1), 1)

    def share(self):  # the number of callers has changed
        for link in self.links:
            if link.window and link.calls and link.window != self.part():
                link.window = self.part()
                link.send(frame(CREDIT, link.window.to_bytes(4, "big")))

    async def accepted(self, reader, writer):
        link = Link(self, reader, writer)
        if len(self.links) >= MAX_LINKS:
            writer.transport.abort()
            return
        self.links.add(link)
        try:
            await link.run()
        except (Malformed, OSError, asyncio.IncompleteReadError) as e:
            say(f"link closed: {e}")
        finally:
            self.links.discard(link)
            self.share()
            for job in link.jobs:
                job.cancelled = True
            writer.transport.abort()

    def tick(self):  # each second: a ping, or the end of a link on which nothing came for five of them
        for link in list(self.links):
            link.seconds, link.silent = link.seconds + 1, link.silent + 1
            if link.silent > 5 or link.seconds > 5 and not link.greeted:
                link.writer.transport.abort()
            elif link.greeted:
                link.send(frame(PING, struct.pack(">Q", int(time.time() * 1e6))))
        if self.recorder and (self.posting is None or self.posting.done()):
            self.posting = self.loop.run_in_executor(None, self.recorder.post, self.recorder.take())
        self.loop.call_later(1, self.tick)

    async def run(self):
        self.loop, ending = asyncio.get_running_loop(), asyncio.Event()
        if self.ipc:
            server = await asyncio.start_unix_server(self.accepted, self.where)
        else:
            host, _, port = self.where.rpartition(":")
            server = await asyncio.start_server(self.accepted, host.strip("[]"), int(port))
        for s in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(s, lambda: os._exit(1) if ending.is_set() else ending.set())
        self.tick()
        print("serving", flush=True)
        await ending.wait()
        server.close()
        for link in self.links:
            link.send(frame(DRAINING))
        until = time.monotonic() + DRAIN
        while time.monotonic() < until and any(k.jobs or k.out or k.greeted and k.calls and not k.acked for k in self.links):
            await asyncio.sleep(0.01)
        for link in list(self.links):
            link.writer.close()  # what was written is sent first
            await asyncio.wait([asyncio.ensure_future(link.writer.wait_closed())], timeout=1)
        if self.recorder:
            self.recorder.post(self.recorder.take())
        if any(link.jobs for link in self.links):
            os._exit(1)  # a handler that doesn't come back


def serve(handle, address, service, instance):
    """Answer requests with handle(request) until SIGTERM.

    It returns a Response, or what is to be its body with status 200: str, bytes, dict or list.
    """
    if not address.startswith(("tcp://", "ipc:///")):
        sys.exit(f"address {address!r}: want tcp://HOST:PORT or ipc:///PATH")
    if address.startswith("ipc://") and len(address.encode()) > 6 + 107:
        sys.exit(f"address {address!r}: a socket's path has at most 107 bytes")
    asyncio.run(Server(handle, address, service, instance).run())
