package embedded

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
)

// A busy disk has etcd complain of every request: that fills no log.
func TestZapLogger_Bounded(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out)
	limit := logging.NewLimiter(log, warnings, time.Hour)
	var quiet atomic.Bool
	l := zapLogger(log, &quiet, newLastWords(), limit)
	for range 50 {
		l.Warn("apply request took too long")
		l.Warn("request stats")
	}
	l.Warn("something else")
	limit.Close()
	if n := strings.Count(out.String(), `"message":"apply request took too long"`); n != warnings {
		t.Errorf("%d lines, want %d:\n%s", n, warnings, out.String())
	}
	for _, want := range []string{"something else", "47"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "request stats") {
		t.Errorf("the same is said twice:\n%s", out.String())
	}
}
