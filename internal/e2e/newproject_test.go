package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// TestNew_JoinsUp: what nanofront new writes passes its own test, joins what nanofront up runs, and
// answers through it.
func TestNew_JoinsUp(t *testing.T) {
	t.Parallel()
	tool := testutil.Command(t, "make", "make")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := startUp(t, "--web", "1")
	for _, lang := range []string{"go", "python", "node"} {
		t.Run(lang, func(t *testing.T) {
			if prepare := languages[lang]; prepare != nil {
				prepare(t) // skips without the tools
			}
			name := "my-" + lang
			dir := filepath.Join(t.TempDir(), "project")
			args := []string{"new", name, "--lang", lang, "--dir", dir, "--nanofront", root}
			if f := finish(t, "nanofront", args...); f.code != 0 || !strings.Contains(f.out, "make run") {
				t.Fatalf("new: exit code %d: %s", f.code, f.out)
			}
			again := finish(t, "nanofront", args...)
			if again.code != 1 || !strings.Contains(again.out, "Makefile, README.md") || !strings.Contains(again.out, "nothing was written") {
				t.Errorf("again: exit code %d: %s", again.code, again.out)
			}
			env := []string{"NANOFRONT_ETCD=" + s.etcd, "NANOFRONT_STATSD=", "PYTHONDONTWRITEBYTECODE=1"}
			if f := finishIn(t, filepath.Dir(tool), env, filepath.Base(tool), "-C", dir, "test"); f.code != 0 {
				t.Fatalf("make test: exit code %d: %s", f.code, f.out)
			}
			p := startIn(t, filepath.Dir(tool), env, filepath.Base(tool), "-C", dir, "run", "ADDRESS=tcp://"+freeAddr(t))
			linked(t, s.admin, name, 1)
			r := ask(t, s.http, get("/"+name+"?name=Ann"))
			r.wants(t, 200, "GET of the new handler")
			if want := "Hello Ann, says " + name + ".\n"; r.body != want {
				t.Errorf("answered %q, want %q", r.body, want)
			}
			p.signal(t, syscall.SIGTERM) // make passes it on
			p.wait(t, testutil.Patience)
			s.leaves(t, name)
		})
	}
}

// TestNew_SaysWhatIsWrong: names and languages that there are not.
func TestNew_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"new Greeter --lang go":                   `"Greeter" is not the name of a service: want 1 to 63 lower-case letters`,
		"new ../up --lang go":                     `"../up" is not the name of a service`,
		"new web --lang go":                       `"web" is a service of nanofront up: choose another name`,
		"new greeter --lang cobol":                "--lang",
		"new greeter":                             "--lang",
		"new greeter --lang go --nanofront /proc": "--nanofront: /proc is not the source of the module nanofront",
	} {
		if f := finish(t, "nanofront", strings.Fields(args)...); f.code != 2 || !strings.Contains(f.out, want) {
			t.Errorf("%s: exit code %d, no %q in: %s", args, f.code, want, f.out)
		}
	}
	f := finish(t, "nanofront", "new", "greeter", "--lang", "go") // far from any source
	if f.code != 0 || !strings.Contains(f.out, "go mod edit -replace nanofront=PATH") {
		t.Errorf("without the source: exit code %d: %s", f.code, f.out)
	}
}
