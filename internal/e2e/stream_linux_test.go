package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// streamBytes is the size of the bodies. With NANOFRONT_STREAM_BYTES=2147483648
// it is the 2 GiB that are promised.
func streamBytes(t *testing.T) int64 {
	t.Helper()
	s := os.Getenv("NANOFRONT_STREAM_BYTES")
	if s == "" {
		return 128 << 20
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatalf("NANOFRONT_STREAM_BYTES=%s: want a number of bytes", s)
	}
	return n
}

// peakMemory is the most memory that the process has ever had, in bytes.
func peakMemory(t *testing.T, p *process) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// A body of any size passes, in either direction, through memory that doesn't
// grow with it.
func TestHTTP_StreamsInBoundedMemory(t *testing.T) {
	const growth = 64 << 20
	n := streamBytes(t)
	f := startFront(t, frontOptions{routes: "  - {match: {prefix: /}, service: echo, max_body: 1099511627776}\n"})
	ask(t, f.http, get("/hello")).wants(t, 200, "")
	processes := map[string]*process{"terminator": f.terminator, "handler": f.echo[0].process}
	before := map[string]int64{}
	for name, p := range processes {
		before[name] = peakMemory(t, p)
	}
	base := "http://" + f.http

	resp, err := http.Get(fmt.Sprintf("%s/echo/bytes?n=%d", base, n))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.Copy(io.Discard, resp.Body); err != nil || got != n || resp.ContentLength != n {
		t.Errorf("download: %d of %d bytes, announced %d, %v", got, n, resp.ContentLength, err)
	}
	_ = resp.Body.Close()

	for _, length := range []int64{n, -1} {
		h := sha256.New()
		body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{7}), n), h)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/echo/digest", body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		resp, err = http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Bytes  int64
			SHA256 string
		}
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Bytes != n || got.SHA256 != hex.EncodeToString(h.Sum(nil)) {
			t.Errorf("upload with length %d: status %d, %d of %d bytes, or others, %v", length, resp.StatusCode, got.Bytes, n, err)
		}
		_ = resp.Body.Close()
	}
	for name, p := range processes {
		grown := peakMemory(t, p) - before[name]
		t.Logf("%s: %d MiB more at most, for bodies of %d MiB", name, grown>>20, n>>20)
		if grown > growth {
			t.Errorf("%s grew by %d MiB for bodies of %d MiB, %d are allowed", name, grown>>20, n>>20, growth>>20)
		}
	}
}
