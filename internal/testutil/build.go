package testutil

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BuildC copies a folder with a Makefile and C sources to a temporary one, makes the
// target there, and returns its path. It skips the test, and names the Debian
// package, if there is no make, no C compiler or no such header. flags go into
// CFLAGS.
func BuildC(t testing.TB, folder, target, header, pkg string, flags ...string) string {
	t.Helper()
	for command, pkg := range map[string]string{"make": "make", "cc": "gcc"} {
		Command(t, command, pkg)
	}
	if out, err := compile(t, "#include <"+header+">\n", "-E"); err != nil {
		Missing(t, "%s is not there: apt-get install %s (%.100s)", header, pkg, out)
	}
	dir := t.TempDir()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "Makefile" && filepath.Ext(e.Name()) != ".c" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, e.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	flags = append([]string{"-O2", "-g", "-Werror"}, flags...)
	cmd := exec.CommandContext(ctx, "make", "-C", dir, "CC=cc", "CFLAGS="+strings.Join(flags, " "), target)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s in %s: %v\n%s", target, folder, err, out)
	}
	return filepath.Join(dir, target)
}

// Sanitizers are the flags with which the C compiler finds what must not happen
// in memory, and undefined behaviour, while a program runs; none if it can't.
func Sanitizers(t testing.TB) []string {
	t.Helper()
	flags := []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
	if out, err := compile(t, "int main(void) { return 0; }\n", append(flags, "-o", filepath.Join(t.TempDir(), "try"))...); err != nil {
		t.Logf("no sanitizers: %.100s", out)
		return nil
	}
	return flags
}

func compile(t testing.TB, source string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "cc", append(args, "-x", "c", "-")...)
	cmd.Stdin = strings.NewReader(source)
	var out bytes.Buffer
	cmd.Stderr = &out
	err := cmd.Run()
	return out.String(), err
}
