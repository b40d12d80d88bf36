package program_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/program"
	"nanofront/internal/freeport"
	"nanofront/internal/testutil"
	"nanofront/registry/static"
)

// The program is this test binary again, with the variable set.
const programVariable = "NANOFRONT_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		program.Main("greeter", handlers.HandlerFunc(greet))
	}
	os.Exit(m.Run())
}

func greet(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
	if string(req.Path) == "/slow" {
		fmt.Fprintln(os.Stderr, "at work")
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	fmt.Fprint(resp, "Hello!")
	return nil
}

// output is what a program has written up to now.
type output = testutil.Buffer

func command(t *testing.T, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	cmd, out := exec.CommandContext(t.Context(), os.Args[0], args...), &output{}
	cmd.Env = append(os.Environ(), programVariable+"=1")
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

func TestMain_CommandLine(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--help", 0, "--drain-timeout"},
		{"--version", 0, "greeter"},
		{"--bus nowhere", 2, `greeter: --bus: "nowhere" is not tcp://HOST:PORT`},
		{"--instance=a/b", 2, "greeter: --instance"},
	} {
		cmd, out := command(t, strings.Fields(c.args)...)
		_ = cmd.Run() // the code says it all
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: exit code %d, no %q in\n%s", c.args, code, c.want, out)
		}
	}
}

// A program as an operator runs it: announced, ready, asked, told to end with a request at work.
func TestMain_Serves(t *testing.T) {
	bus, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "table.yaml")
	table := fmt.Appendf(nil, "version: 1\ninstances:\n  - {service: greeter, id: only, address: \"tcp://%s\"}\n", bus)
	if err := os.WriteFile(file, table, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, out := command(t, "--bus", "tcp://"+bus, "--instance", "only", "--static", file, "--admin", admin, "--statsd=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the program
		defer close(done)
		_ = cmd.Wait() // the code says it all
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-done
	})
	testutil.Eventually(t, "it is ready", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+admin+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})

	source, err := static.Open(t.Context(), static.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	asker, err := handlers.New(handlers.Options{Service: "asker", Discovery: source, Calls: []string{"greeter"}})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Start(t, "asker", func(ctx context.Context) error { return asker.Run(ctx, handlers.HandlerFunc(greet)) })
	testutil.Eventually(t, "it is linked", func() bool { return asker.Ready() == nil })
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	c := handlers.AcquireCall()
	defer c.Release()
	c.Request.Method, c.Request.Path = []byte("GET"), []byte("/slow")
	answered := make(chan error, 1)
	go func() { answered <- asker.Client("greeter").Do(ctx, c) }()
	testutil.Eventually(t, "it is at work", func() bool { return strings.Contains(out.String(), "at work") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil || c.Response.Status != 200 || string(c.Response.Body) != "Hello!" {
		t.Errorf("the request at work: %v, %d %q", err, c.Response.Status, c.Response.Body)
	}
	select {
	case <-done:
	case <-time.After(testutil.Patience):
		t.Fatal("it doesn't end")
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(out.String(), `"draining"`) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
