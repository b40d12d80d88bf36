package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// command is a client's command line, to which the rest is added.
type command []string

// script is the path of a client in testdata.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "clients", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// python runs a client in Python.
func python(t *testing.T, name string) command {
	t.Helper()
	return command{found(t, "python3", "python3", "import sys; sys.exit(sys.version_info < (3, 9))", "-c"), "-B", script(t, name)}
}

// node runs a client in JavaScript.
func node(t *testing.T, name string) command {
	t.Helper()
	return command{found(t, "node", "nodejs", "process.exit(process.versions.node.split('.')[0] < 18 ? 1 : 0)", "-e"), script(t, name)}
}

// java runs a client in Java, which is compiled first, for all tests together.
func java(t *testing.T, class string) command {
	t.Helper()
	run, compile := testutil.Command(t, "java", "openjdk-17-jdk-headless"), testutil.Command(t, "javac", "openjdk-17-jdk-headless")
	javaClasses.once.Do(func() {
		dir := filepath.Join(programs, "java")
		sources, err := filepath.Glob(filepath.Join("testdata", "clients", "*.java"))
		if err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // for all tests: that of none
			defer cancel()
			var out []byte
			out, err = exec.CommandContext(ctx, compile, append([]string{"-Xlint:all", "-d", dir, "--release", "11"}, sources...)...).CombinedOutput()
			javaClasses.said = string(out)
		}
		javaClasses.dir, javaClasses.err = dir, err
	})
	if javaClasses.err != nil {
		t.Fatalf("javac: %v\n%s", javaClasses.err, javaClasses.said)
	}
	// What it would spend on being fast is more than what it has to do.
	return command{run, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", javaClasses.dir, class}
}

var javaClasses struct {
	once      sync.Once
	dir, said string
	err       error
}

// run runs a client to its end, and returns what it printed to standard output.
// It fails the test if the client fails.
func (c command) run(t *testing.T, in string, args ...string) string {
	t.Helper()
	out, said, err := c.try(t, in, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", c.name(), strings.Join(args, " "), err, out, said)
	}
	return out
}

// try is run for a client that may fail.
func (c command) try(t *testing.T, in string, args ...string) (out, said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*testutil.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c[0], append(append([]string{}, c[1:]...), args...)...)
	// No proxy of the environment stands between.
	cmd.Env = environment("http_proxy=", "HTTP_PROXY=", "ALL_PROXY=", "all_proxy=", "no_proxy=*")
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader(in)
	var stdout, stderr output
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	return stdout.String(), stderr.String(), err
}

func (c command) name() string { return filepath.Base(c[0]) }

// fileOf is a file of so many bytes.
func fileOf(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err == nil {
		_, err = io.WriteString(f, patternBytes(n))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// patternBytes are what /echo/bytes answers.
func patternBytes(n int) string {
	const line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n"
	return strings.Repeat(line, n/len(line)+1)[:n]
}
