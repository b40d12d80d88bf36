"""Says when a response's head and pieces arrive: stream.py ADDRESS TARGET.

A line each: milliseconds since the request, and the bytes that came.
"""

import http.client
import sys
import time

conn = http.client.HTTPConnection(sys.argv[1], timeout=60)
began = time.monotonic()


def say(n):
    print(int((time.monotonic() - began) * 1000), n, flush=True)


conn.request("GET", sys.argv[2])
response = conn.getresponse()
say(0)
while piece := response.read1():
    say(len(piece))
conn.close()
