"""The ordinary things with http.client: ordinary.py ADDRESS."""

import http.client
import json
import sys


class Done:
    count = 0


def check(what, got, want):
    Done.count += 1
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def ask(conn, method, target, body=None, headers=None, **how):
    conn.request(method, target, body=body, headers=headers or {}, **how)
    response = conn.getresponse()
    return response, response.read()


address = sys.argv[1]
conn = http.client.HTTPConnection(address, timeout=30)

# One connection for all of them: http.client would make another without a word.
conn.connect()
conn.auto_open = 0
for _ in range(50):
    response, body = ask(conn, "GET", "/hello")
    check("GET /hello", (response.status, response.version, len(body)), (200, 11, 512))
response, body = ask(conn, "HEAD", "/hello")
check("HEAD /hello", (response.status, response.getheader("Content-Length"), body), (200, "512", b""))
response, body = ask(conn, "GET", "/nothing")
check("GET /nothing", (response.status, "error" in json.loads(body)), (404, True))
response, body = ask(conn, "POST", "/echo", "käse".encode(), {"Content-Type": "text/plain"})
check("POST /echo", (response.status, json.loads(body)["body"]), (200, "käse"))
response, body = ask(conn, "POST", "/echo", (b"x" * 1000 for _ in range(100)), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
check("POST /echo in chunks", (response.status, json.loads(body)["body_bytes"]), (200, 100_000))
response, body = ask(conn, "GET", "/echo/bytes?n=3000000")
check("GET /echo/bytes", (response.status, len(body)), (200, 3_000_000))
response, body = ask(conn, "GET", "/echo/stream?pieces=10&bytes=1000")
check("GET /echo/stream", (response.status, response.getheader("Transfer-Encoding"), len(body)), (200, "chunked", 10_000))
response, body = ask(conn, "OPTIONS", "*")
check("OPTIONS *", response.status // 100, 2)

response, body = ask(conn, "GET", "/profile/101")
tag = response.getheader("ETag")
check("GET /profile/101", (response.status, json.loads(body)["member"]["id"]), (200, 101))
response, body = ask(conn, "GET", "/profile/101", headers={"If-None-Match": tag})
check("GET with If-None-Match", (response.status, body), (304, b""))
response, body = ask(conn, "PUT", "/profile/101", json.dumps({"about": "by Python"}), {"If-Match": tag, "Content-Type": "application/json"})
check("PUT /profile/101", (response.status, json.loads(body)["member"]["about"]), (200, "by Python"))
response, body = ask(conn, "GET", "/profile/101")
check("GET after PUT", json.loads(body)["member"]["about"], "by Python")

response, body = ask(conn, "GET", "/hello", headers={"Connection": "close"})
check("the last", (response.status, response.getheader("Connection"), len(body)), (200, "close", 512))
conn.close()
print(Done.count, "things done")
