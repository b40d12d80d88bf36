package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	stdlog "log"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/internal/testutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is a bytes.Buffer for several goroutines.
type buffer = testutil.Buffer

func open(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLog_WritesJSONAndFlushes(t *testing.T) {
	var out buffer
	l := open(t, Options{Out: &out})
	log := l.Logger()
	log.Debug().Msg("hidden")
	log.Info().Str(Service, "web").Int(Status, 200).Msg("shown")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Level, Time, Service, Message string
		Status                        int
	}
	if err := json.Unmarshal([]byte(out.String()), &line); err != nil {
		t.Fatalf("%v: %q", err, out.String())
	}
	if line.Level != "info" || line.Service != "web" || line.Status != 200 || line.Message != "shown" {
		t.Errorf("the line is %q", out.String())
	}
	if at, err := time.Parse(time.RFC3339, line.Time); err != nil || time.Since(at) > time.Minute || !strings.Contains(line.Time, ".") {
		t.Errorf("the time is %q: want RFC 3339 with milliseconds, now (%v)", line.Time, err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	log.Info().Msg("after Close") // must not panic
}

func TestLog_ConsoleWithoutColoursOnAFile(t *testing.T) {
	var out buffer
	l := open(t, Options{Out: &out, Format: "console"})
	log := l.Logger()
	log.Warn().Str(Addr, "x:1").Msg("text")
	_ = l.Close()
	if got := out.String(); !strings.HasSuffix(got, "WRN text addr=x:1\n") || strings.Contains(got, "\x1b") {
		t.Errorf("the line is %q", got)
	}
}

func TestLog_AutoIsJSONWhereThereIsNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	l := open(t, Options{Out: f, Format: "auto"})
	log := l.Logger()
	log.Info().Msg("x")
	_ = l.Close()
	content, err := os.ReadFile(f.Name())
	if err != nil || !json.Valid(content) {
		t.Errorf("a file got %q, %v", content, err)
	}
	if _, err := f.WriteString("still open"); err != nil {
		t.Errorf("Close has closed the file: %v", err)
	}
}

func TestLog_Levels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "": 3, "warn": 2, "error": 1, "off": 0} {
		var out buffer
		l := open(t, Options{Out: &out, Level: level})
		log := l.Logger()
		log.Debug().Msg("")
		log.Info().Msg("")
		log.Warn().Msg("")
		log.Error().Msg("")
		_ = l.Close()
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %q lets %d of 4 lines pass, want %d", level, got, want)
		}
	}
}

func TestNew_Refuses(t *testing.T) {
	for want, o := range map[string]Options{
		`--log-level: "loud" is not one of debug, info, warn, error, off`: {Level: "loud"},
		`--log-format: "xml" is not one of auto, json, console`:           {Format: "xml"},
	} {
		if _, err := New(o); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v) = %v, want %q", o, err, want)
		}
	}
}

// stuck is a writer that takes nothing until it is released.
type stuck struct {
	release chan struct{}
	lines   atomic.Int64
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	s.lines.Add(1)
	return len(p), nil
}

type count struct{ atomic.Uint64 }

func (c *count) Add(n uint64) { c.Uint64.Add(n) }

func TestLog_DropsRatherThanBlocks(t *testing.T) {
	out := &stuck{release: make(chan struct{})}
	var dropped count
	l := open(t, Options{Out: out, Dropped: &dropped})
	log := l.Logger()
	const lines = 3 * ringLines
	for range lines { // would never end if it blocked
		log.Info().Msg("x")
	}
	close(out.release)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := uint64(out.lines.Load()) + dropped.Load(); got != lines || dropped.Load() == 0 {
		t.Errorf("%d lines written and %d dropped, want %d together", out.lines.Load(), dropped.Load(), lines)
	}
}

func TestLog_CloseGivesUp(t *testing.T) {
	out := &stuck{release: make(chan struct{})}
	l := open(t, Options{Out: out})
	log := l.Logger()
	log.Info().Msg("x")
	if err := l.Close(); !errors.Is(err, ErrNotFlushed) {
		t.Errorf("Close = %v, want ErrNotFlushed", err)
	}
	close(out.release)
}

func TestLog_TakeStandard(t *testing.T) {
	flags, prefix, writer := stdlog.Flags(), stdlog.Prefix(), stdlog.Writer()
	defer func() {
		stdlog.SetFlags(flags)
		stdlog.SetPrefix(prefix)
		stdlog.SetOutput(writer)
	}()
	var out buffer
	l := open(t, Options{Out: &out})
	l.TakeStandard()
	stdlog.Printf("from a library: %d", 7)
	_ = l.Close()
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"level":"warn"`) || !strings.Contains(got, `"message":"from a library: 7"`) {
		t.Errorf("the log is %q", got)
	}
}

// breaking is a writer that fails from time to time, in the middle of a line if torn.
type breaking struct {
	buffer
	fail func(line int) (written int, err error)
	line int
}

func (b *breaking) Write(p []byte) (int, error) {
	b.line++
	n, err := b.fail(b.line)
	if err == nil {
		n = len(p)
	}
	_, _ = b.buffer.Write(p[:n])
	return n, err
}

// What can't be written is counted, and the next line begins at the start of a line.
func TestLog_CountsWhatCannotBeWritten(t *testing.T) {
	for name, written := range map[string]int{"nothing of a line": 0, "a part of a line": 7} {
		t.Run(name, func(t *testing.T) {
			out := &breaking{fail: func(line int) (int, error) {
				if line >= 2 && line <= 4 {
					n := written
					if line > 2 {
						n = 0
					}
					return n, syscall.EPIPE
				}
				return 0, nil
			}}
			var dropped count
			l := open(t, Options{Out: out, Dropped: &dropped})
			log := l.Logger()
			for range 6 {
				log.Info().Msg("x")
			}
			_ = l.Close()
			if dropped.Load() != 3 {
				t.Errorf("%d lines counted as dropped, want 3", dropped.Load())
			}
			whole := 0
			for line := range strings.Lines(out.String()) {
				if json.Valid([]byte(line)) {
					whole++
				}
			}
			if whole != 3 {
				t.Errorf("%d whole lines, want 3, in\n%s", whole, out.String())
			}
		})
	}
}

// What a library says before it ends the process is read.
func TestLog_StandardFatal(t *testing.T) {
	const variable = "NANOFRONT_TEST_FATAL"
	if how := os.Getenv(variable); how != "" {
		l := open(t, Options{})
		l.TakeStandard()
		switch how {
		case "Fatal":
			stdlog.Fatal("no way on")
		case "Fatalf":
			stdlog.Fatalf("no way %s", "on")
		case "Logger":
			stdlog.Default().Fatalln("no way on")
		}
	}
	for _, how := range []string{"Fatal", "Fatalf", "Logger"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLog_StandardFatal$")
		cmd.Env = append(os.Environ(), variable+"="+how)
		var out bytes.Buffer
		cmd.Stderr = &out
		_ = cmd.Run() // the code says it all
		if code := cmd.ProcessState.ExitCode(); code != 1 || strings.Count(out.String(), "no way on") != 1 || !strings.Contains(out.String(), `"level":"error"`) {
			t.Errorf("%s: exit code %d, the log is %q", how, code, out.String())
		}
	}
}
