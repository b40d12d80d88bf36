"""Uploads with http.client, which sends a whole body before it reads.

Each line of standard input is METHOD TARGET BYTES HOW, where HOW is how the
body is announced: length, chunked, expect, or miracles (an expectation that
nobody can meet). For each a line is printed: the status, or what went wrong.
"""

import http.client
import sys

PIECE = b"x" * 65536


def pieces(n):
    while n > 0:
        yield PIECE[:n]
        n -= len(PIECE)


def upload(address, method, target, n, how):
    conn = http.client.HTTPConnection(address, timeout=60)
    try:
        headers = {"Content-Length": str(n)}
        if how == "chunked":
            headers = {"Transfer-Encoding": "chunked"}
        elif how == "expect":
            headers["Expect"] = "100-continue"
        elif how == "miracles":
            headers["Expect"] = how
        conn.request(method, target, body=pieces(n), headers=headers, encode_chunked=how == "chunked")
        response = conn.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException) as e:
        return repr(e)
    finally:
        conn.close()


for line in sys.stdin:
    method, target, n, how = line.split()
    print(upload(sys.argv[1], method, target, int(n), how), flush=True)
