package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain_ExitCodesAndMessages(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		code   int
		stderr string
	}{
		{"nil", nil, 0, ""},
		{"done", ErrDone, 0, ""},
		{"error", errors.New("etcd: no answer"), 1, "prog: etcd: no answer\n"},
		{"several", errors.Join(errors.New("one"), errors.New("two")), 1, "prog: one; two\n"},
		{"usage", Usagef("--window: %q is bad", "x"), 2, "prog: --window: \"x\" is bad\nrun prog --help\n"},
		{"wrapped usage", fmt.Errorf("setup: %w", Usagef("bad")), 2, "prog: setup: bad\nrun prog --help\n"},
		{"cancelled without a signal", context.Canceled, 1, "prog: context canceled\n"},
	} {
		var errOut bytes.Buffer
		p := process{name: "prog", args: []string{"a", "b"}, std: IO{Out: io.Discard, Err: &errOut}}
		code := p.run(func(_ context.Context, args []string, _ IO) error {
			if len(args) != 2 {
				t.Errorf("args = %q", args)
			}
			return tc.err
		})
		if code != tc.code || errOut.String() != tc.stderr {
			t.Errorf("%s: exit code %d and %q, want %d and %q", tc.name, code, errOut.String(), tc.code, tc.stderr)
		}
	}
}

func TestMain_PanicIsALineAndAStack(t *testing.T) {
	var errOut bytes.Buffer
	p := process{name: "prog", std: IO{Err: &errOut}}
	code := p.run(func(context.Context, []string, IO) error { panic("oops") })
	if got := errOut.String(); code != 1 || !strings.HasPrefix(got, "prog: internal error: oops\n") || !strings.Contains(got, "main_test.go") {
		t.Errorf("exit code %d and %q", code, got)
	}
}

func TestMain_FirstSignalDrains(t *testing.T) {
	signals := make(chan os.Signal, 1)
	p := process{name: "prog", std: IO{Err: io.Discard}, signals: signals, exit: func(int) { t.Error("exit was called") }}
	signals <- syscall.SIGTERM
	code := p.run(func(ctx context.Context, _ []string, _ IO) error {
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, SignalError{syscall.SIGTERM}) || cause.Error() != "signal: terminated" {
			t.Errorf("the cause is %v", cause)
		}
		return fmt.Errorf("serve: %w", ctx.Err())
	})
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestMain_SecondSignalExits(t *testing.T) {
	for _, tc := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		signals := make(chan os.Signal, 2)
		exited := make(chan int, 1)
		p := process{name: "prog", std: IO{Err: io.Discard}, signals: signals, exit: func(code int) { exited <- code }}
		p.run(func(ctx context.Context, _ []string, _ IO) error {
			signals <- syscall.SIGTERM
			<-ctx.Done()
			signals <- tc.signal
			if code := <-exited; code != tc.code { // a drain that never ends
				t.Errorf("exit code %d after %s, want %d", code, tc.signal, tc.code)
			}
			return nil
		})
	}
}

// A terminal that is closed sends two.
func TestMain_SecondHangupIsNone(t *testing.T) {
	signals := make(chan os.Signal, 2)
	p := process{name: "prog", std: IO{Err: io.Discard}, signals: signals, exit: func(int) { t.Error("exit was called") }}
	code := p.run(func(ctx context.Context, _ []string, _ IO) error {
		signals <- syscall.SIGHUP
		<-ctx.Done()
		for range 2 * cap(signals) { // all of them are taken
			signals <- syscall.SIGHUP
		}
		return nil
	})
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// blocked is a writer that takes nothing.
type blocked struct{ until chan struct{} }

func (b blocked) Write(p []byte) (int, error) { <-b.until; return len(p), nil }

// Last words that nobody takes keep no process.
func TestMain_EndsThoughNobodyReads(t *testing.T) {
	b := blocked{make(chan struct{})}
	defer close(b.until)
	p := process{name: "prog", std: IO{Err: b}}
	done := make(chan int, 1)
	go func() { done <- p.run(func(context.Context, []string, IO) error { return errors.New("no luck") }) }()
	select {
	case code := <-done:
		if code != ExitError {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it hangs")
	}
}

const childVariable = "NANOFRONT_TEST_CHILD"

// The test binary as a program: real signals, real exit codes.
func TestMain_AsAProcess(t *testing.T) {
	if mode := os.Getenv(childVariable); mode != "" {
		child(mode)
	}
	run := func(mode string, signals ...syscall.Signal) (int, string) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMain_AsAProcess$")
		if mode == "nohup" {
			cmd = exec.Command("nohup", cmd.Args...)
		}
		cmd.Env = append(os.Environ(), childVariable+"="+mode)
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timeout := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer timeout.Stop()
		buf := make([]byte, 1)
		for _, s := range signals {
			if _, err := io.ReadFull(out, buf); err != nil { // it says when it is ready for one
				t.Fatalf("%s: %v: %s", mode, err, errOut.String())
			}
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // the code says it all
		return cmd.ProcessState.ExitCode(), errOut.String()
	}
	for _, tc := range []struct {
		mode    string
		signals []syscall.Signal
		code    int
		stderr  string
	}{
		{"usage", nil, 2, "child: bad flag\nrun child --help\n"},
		{"error", nil, 1, "child: no luck\n"},
		{"panic", nil, 1, "child: internal error: oops\n"},
		{"drain", []syscall.Signal{syscall.SIGTERM}, 0, ""},
		{"drain", []syscall.Signal{syscall.SIGINT}, 0, ""},
		{"drain", []syscall.Signal{syscall.SIGHUP}, 0, ""},
		{"hang", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, 130, ""},
		{"hang", []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, 143, ""},
		{"hang", []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}, 143, ""},
		{"nohup", []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}, 0, ""},
		{"outlive", []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM}, 0, ""},
	} {
		if signal.Ignored(syscall.SIGHUP) && tc.mode != "nohup" && slices.Contains(tc.signals, syscall.SIGHUP) {
			t.Logf("%s, %v: left out, as whoever runs this has SIGHUP ignored", tc.mode, tc.signals)
			continue
		}
		code, stderr := run(tc.mode, tc.signals...)
		if code != tc.code || !strings.HasPrefix(stderr, tc.stderr) {
			t.Errorf("%s, %v: exit code %d and %q, want %d and %q", tc.mode, tc.signals, code, stderr, tc.code, tc.stderr)
		}
	}
}

func child(mode string) {
	Main("child", func(ctx context.Context, _ []string, std IO) error {
		ready := func() { _, _ = io.WriteString(std.Out, ".") }
		switch mode {
		case "usage":
			return Usagef("bad flag")
		case "error":
			return errors.New("no luck")
		case "panic":
			panic("oops")
		case "hang":
			ready()
			<-ctx.Done()
			ready()
			select {}
		case "nohup":
			ready()
			ready()
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, SignalError{syscall.SIGTERM}) {
				panic(cause)
			}
			return nil
		case "outlive":
			Outlive()
			ready()
			ready()
		}
		ready()
		<-ctx.Done()
		return ctx.Err()
	})
}
