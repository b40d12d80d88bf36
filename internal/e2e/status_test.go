package e2e

import (
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// TestStatus_States: what status says of an instance is what becomes of requests
// for it, from the moment on in which that changes.
func TestStatus_States(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	handler := func(name string, args ...string) *process {
		return start(t, "handler", append([]string{"echo", "--instance", name, "--statsd", "", "--etcd", etcd}, args...)...)
	}
	named := handler("named")
	bare := handler("bare", "--admin", "")
	state := func(name, admin string) (string, int) {
		var o overview
		f := finish(t, "nanofront", "status", "--json", "--etcd", etcd, "--terminators", admin)
		decode(t, f.out[:strings.LastIndexByte(f.out, '}')+1], &o)
		for _, in := range o.Instances {
			if in.ID == name {
				return in.State, in.PID
			}
		}
		return "", 0
	}
	is := func(name, admin, want string) {
		t.Helper()
		testutil.Eventually(t, name+" is "+want, func() bool { got, _ := state(name, admin); return got == want })
	}

	// Nobody is linked with them yet; and that no terminator answers is an error.
	nobody := freeAddr(t)
	is("named", nobody, "registered")
	is("bare", nobody, "registered")
	if f := finish(t, "nanofront", "status", "--etcd", etcd, "--terminators", nobody); f.code != 1 || !strings.Contains(f.out, "nanofront: terminator "+nobody+": no answer: ") ||
		!strings.Contains(f.out, "registered  announced and alive, but nobody is linked with it") {
		t.Errorf("status without a terminator: exit code %d:\n%s", f.code, f.out)
	}

	_, _, admin := startTerminator(t, etcd)
	linked(t, admin, "echo", 2)
	is("named", admin, "serving")
	is("bare", admin, "serving")
	if _, pid := state("named", admin); pid != named.pid() {
		t.Errorf("the pid is %d, want %d", pid, named.pid())
	}
	if o := status(t, etcd, admin); len(o.Terminators) != 1 || o.Terminators[0].PID == 0 {
		t.Errorf("terminators: %+v", o.Terminators)
	}

	// Killed, they are gone at once, long before etcd's lease ends.
	for _, h := range []struct {
		*process
		name string
	}{{named, "named"}, {bare, "bare"}} {
		h.signal(t, syscall.SIGKILL)
		<-h.done
		testutil.Eventually(t, "the terminator notices", func() bool {
			for _, name := range links(t, admin, "echo") {
				if name == h.name {
					return false
				}
			}
			return true
		})
		f := finish(t, "nanofront", "status", "--etcd", etcd)
		line := lineWith(f.out, " "+h.name+" ")
		if f.code != 1 || !strings.Contains(line, " gone ") || !strings.Contains(f.out, "gone        its process has ended") {
			t.Errorf("%s after SIGKILL: exit code %d:\n%s", h.name, f.code, f.out)
		}
		if strings.Contains(f.out, "\x1b[") {
			t.Errorf("colours into a pipe: %q", f.out)
		}
	}
}

// lineWith is the line of a text that has a part in it.
func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// TestRoutes_Mistakes: each on a line of its own, with its line in the file.
func TestRoutes_Mistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := dir + "/routes.yaml"
	writeFile(t, file, "version: 1\nroutes:\n  - match: {path: nowhere}\n    service: Echo\n\n  - match: {path: /a}\n    service: web\n    timeout: 5\n")
	mistakes := []string{`  line 3: routes[0]: match.path: "nowhere"`, `  line 4: routes[0]: service: "Echo"`, "  line 8: routes[1]: timeout: 5 is a number"}
	table := dir + "/table.yaml"
	writeFile(t, table, "version: 1\ninstances:\n  - {service: ECHO, id: a, address: \"tcp://127.0.0.1:1\"}\nroutes:\n  - {match: {path: x}, service: web}\n")
	for _, c := range []struct {
		program string
		args    []string
		code    int
		heading string
		want    []string
	}{
		{"nanofront", []string{"routes", "apply", file, "--dry-run"}, 1, file + ": 3 mistakes", mistakes},
		{"nanofront", []string{"up", "--routes", file}, 2, "--routes " + file + ": 3 mistakes", mistakes},
		{"terminator", []string{"--static", table, "--admin=", "--statsd="}, 2, "--static: " + table + ": 2 mistakes", []string{
			`  line 3: instances[0] "a": service: "ECHO"`, `  line 5: routes[0]: match.path: "x"`,
		}},
	} {
		f := finish(t, c.program, c.args...)
		lines := strings.Split(f.out, "\n")
		if f.code != c.code || !strings.Contains(lines[0], c.heading) || len(lines) < len(c.want)+2 {
			t.Errorf("%s %q: exit code %d, want %d and %q:\n%s", c.program, c.args, f.code, c.code, c.heading, f.out)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i+1], want) {
				t.Errorf("%s %q: %q, want %q", c.program, c.args, lines[i+1], want)
			}
		}
	}
}

// TestRoutes_GetIsInTheOrderOfPrecedence, whatever that of the file.
func TestRoutes_GetIsInTheOrderOfPrecedence(t *testing.T) {
	t.Parallel()
	table := t.TempDir() + "/table.yaml"
	writeFile(t, table, "version: 1\ninstances: []\nroutes:\n  - {match: {prefix: /}, service: web}\n  - {match: {prefix: /a/long}, service: web, max_body: 1000, hash: client}\n"+
		"  - {match: {prefix: /a}, service: web}\n  - {match: {path: /a}, service: web}\n  - {match: {prefix: /, host: \"*.example.com\"}, service: web}\n  - {match: {prefix: /, host: www.example.com}, service: web}\n"+
		"  - {match: {path: /a, methods: [PUT]}, service: ghost}\n")
	f := finish(t, "nanofront", "routes", "get", "--static", table)
	var got []string
	for line := range strings.Lines(f.out) {
		if strings.Contains(line, "web  ") || strings.Contains(line, "ghost") && !strings.Contains(line, "warning") {
			got = append(got, strings.Fields(strings.Replace(line, "PUT /a", "PUT_/a", 1))[0])
		}
	}
	if want := "www.example.com/* *.example.com/* PUT_/a /a /a/long/* /a/* /*"; strings.Join(got, " ") != want || f.code != 0 {
		t.Errorf("got %q, want %q:\n%s", got, want, f.out)
	}
	for _, want := range []string{"256 KiB", "1,000 B", "client", "the first here is taken", `warning: no instance of "ghost" is registered`} {
		if !strings.Contains(f.out, want) {
			t.Errorf("no %q in\n%s", want, f.out)
		}
	}
}
