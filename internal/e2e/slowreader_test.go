package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestSlowReader_Lives: who is slow, but takes 64 KiB in the write timeout, gets all.
func TestSlowReader_Lives(t *testing.T) {
	t.Parallel()
	bothWays(t, frontOptions{terminator: []string{"--write-timeout", "2s"}}, func(t *testing.T, f *front) {
		for _, request := range []string{
			get("/echo/bytes?n=600000", "Connection: close").wire(),
			get("/echo/stream?pieces=60&bytes=10000&length=1", "Connection: close").wire(),
			"POST /echo/bytes?n=600000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		} {
			t.Run(request[:strings.IndexByte(request, '?')], func(t *testing.T) {
				t.Parallel()
				s := dialSlow(t, f.http, 200*time.Millisecond) // 16 KiB each: 80 KiB/s
				s.send(t, request)
				err := s.read(-1)
				list, cut := s.answers()
				if err != nil || cut != nil || len(list) != 1 || len(list[0].body) != 600_000 {
					t.Errorf("%d bytes, then %v; %v", s.got.Len(), err, cut)
				}
			})
		}
	})
}
