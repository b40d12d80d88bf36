package cli

import (
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nanofront/internal/admin"
	"nanofront/metrics"
)

func keepStandardLog(t *testing.T) {
	flags, prefix, writer := stdlog.Flags(), stdlog.Prefix(), stdlog.Writer()
	t.Cleanup(func() {
		stdlog.SetFlags(flags)
		stdlog.SetPrefix(prefix)
		stdlog.SetOutput(writer)
	})
}

func TestCommon_StartsAndEndsAll(t *testing.T) {
	keepStandardLog(t)
	statsd, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = statsd.Close() }()
	c := Common{Admin: "127.0.0.1:0", Statsd: statsd.LocalAddr().String(), StatsdInterval: time.Minute, LogLevel: "off"}
	b, err := c.Start("terminator", "t1", func() []string { return []string{"not yet"} })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	b.Metrics.Counter(metrics.HTTPRequests).Add(9)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.Admin.Addr()+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || string(body) != "not yet\n" {
		t.Errorf("/readyz = %d %q", resp.StatusCode, body)
	}

	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	// The interval is a minute, so this is the report at the end.
	if err := statsd.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	n, _, err := statsd.ReadFrom(buf)
	if err != nil || !strings.Contains(string(buf[:n]), "nanofront.terminator.t1.http.requests:9|c") {
		t.Errorf("StatsD got %q, %v", buf[:n], err)
	}
}

func TestCommon_AllTurnedOff(t *testing.T) {
	keepStandardLog(t)
	b, err := (&Common{LogLevel: "off"}).Start("handler", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.Admin != nil {
		t.Error("there is an admin server")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestCommon_StartFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	used := ln.Addr().String()
	if _, err := (&Common{Admin: used}).Start("x", "", nil); !errors.Is(err, admin.ErrListen) || !strings.Contains(err.Error(), used+" is in use: choose another with --admin") {
		t.Errorf("a port in use gives %v", err)
	}
	for name, c := range map[string]Common{
		"level":    {LogLevel: "x"},
		"interval": {StatsdInterval: time.Nanosecond},
		"statsd":   {Statsd: "x"},
	} {
		var usage *UsageError
		if _, err := c.Start("x", "", nil); !errors.As(err, &usage) {
			t.Errorf("a wrong %s gives %v, want a UsageError", name, err)
		}
	}
}

// A process without a name of its own goes by a number in StatsD, which a restart gets again.
func TestCommon_NamesInStatsd(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	nameOf := func(c Common) (name string, give func()) {
		c.Statsd = "127.0.0.1:8125"
		name, slot, err := c.statsdName("terminator-x-abcdefgh")
		if err != nil {
			t.Fatal(err)
		}
		return name, func() {
			if slot != nil {
				_ = slot.Close()
			}
		}
	}
	var drawn Common
	drawn.NameBySlot("terminator")
	first, give := nameOf(drawn)
	second, _ := nameOf(drawn)
	give()
	again, _ := nameOf(drawn)
	if first != "terminator-"+host+"-1" || second != "terminator-"+host+"-2" || again != first {
		t.Errorf("names %q, %q, and after a restart %q", first, second, again)
	}
	if name, _ := nameOf(Common{}); name != "terminator-x-abcdefgh" {
		t.Errorf("with --instance: %q", name)
	}
	told := drawn
	told.StatsdName = "front-7"
	if name, _ := nameOf(told); name != "front-7" {
		t.Errorf("with --statsd-name: %q", name)
	}
}
