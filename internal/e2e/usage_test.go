package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// usageCase is a command line that can't be done.
type usageCase struct {
	name    string
	program string
	args    []string
	env     []string
	code    int
	says    []string // all of it on one line
}

// TestPrograms_BadInput: whatever is wrong, one clear line says it, and the
// exit code who is to blame: 2 the command line, 1 the world.
func TestPrograms_BadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, content)
		return path
	}
	table := file("table.yaml", "version: 1\ninstances: []\nroutes:\n"+echoRoutes)
	badTable := file("bad-table.yaml", "version: 1\ninstances:\n  - {service: ECHO, id: a, address: \"tcp://127.0.0.1:1\"}\n")
	badRoutes := file("bad-routes.yaml", "version: 1\nroutes:\n  - {match: {path: /x}, service: web, color: red}\n")
	noYAML := file("no.yaml", "version: [1\n")
	busy, nobody := taken(t), freeAddr(t)
	free := func() string { return freeAddr(t) }
	up := func(args ...string) []string {
		return append([]string{"up", "--http", free(), "--admin", free(), "--dash", "", "--etcd-url", "http://" + free(), "--data", filepath.Join(dir, "data"), "--statsd", ""}, args...)
	}
	long := strings.Repeat("x", 103)
	const static, statsd, admin = "--static", "--statsd=", "--admin="

	cases := []usageCase{
		// Flags.
		{"unknown flag", "terminator", []string{"--nope"}, nil, 2, []string{"--nope"}},
		{"unknown flag", "handler", []string{"echo", "--nope"}, nil, 2, []string{"--nope"}},
		{"unknown flag", "nanofront", []string{"up", "--nope"}, nil, 2, []string{"--nope"}},
		{"not a number", "terminator", []string{"--max-in-flight", "many"}, nil, 2, []string{"--max-in-flight", "many", "1 to 131072"}},
		{"not a number", "nanofront", []string{"up", "--seed", "lots"}, nil, 2, []string{"--seed", "lots", "0 to 100000000"}},
		{"out of range", "terminator", []string{"--max-connections", "0"}, nil, 2, []string{"--max-connections", "0", "1 to 1048576"}},
		{"out of range", "handler", []string{"echo", "--window", "65537"}, nil, 2, []string{"--window", "65537", "1 to 65536"}},
		{"out of range", "nanofront", []string{"up", "--web", "0"}, nil, 2, []string{"--web", "0", "1 to 64"}},
		{"duration without unit", "terminator", []string{"--header-timeout", "5"}, nil, 2, []string{"--header-timeout", "5s", "10ms to 10m"}},
		{"negative duration", "handler", []string{"echo", "--drain-timeout=-1s"}, nil, 2, []string{"--drain-timeout", "-1s"}},
		{"share above 1", "terminator", []string{"--statsd-sample", "1.5"}, nil, 2, []string{"--statsd-sample", "1.5", "0 to 1"}},
		{"no value", "terminator", []string{"--http"}, nil, 2, []string{"--http", "value"}},
		{"not an address", "terminator", []string{"--http", "8080"}, nil, 2, []string{"--http", "8080", "host:port"}},
		{"port too large", "terminator", []string{"--admin", "127.0.0.1:65536"}, nil, 2, []string{"--admin", "65536"}},
		{"StatsD address", "handler", []string{"echo", "--statsd", "nowhere"}, nil, 2, []string{"--statsd", "nowhere", "host:port"}},
		{"etcd URL", "terminator", []string{"--etcd", "127.0.0.1:2379"}, nil, 2, []string{"--etcd", "http://host:port"}},
		{"trusted proxies", "terminator", []string{"--trusted-proxies", "10.0.0.0/99", static, table, admin, statsd}, nil, 2, []string{"--trusted-proxies", "10.0.0.0/99", "10.0.0.0/8"}},
		{"certificate without key", "terminator", []string{"--bus-cert", table}, nil, 2, []string{"--bus-cert", "--bus-key"}},
		{"no certificate", "nanofront", []string{"up", "--bus-ca", table}, nil, 2, []string{"--bus-ca", "has no certificate in PEM"}},
		{"TLS without certificate", "handler", []string{"echo", "--bus", "tls+tcp://127.0.0.1:0", static, table, admin, statsd}, nil, 2, []string{"--bus", "give --bus-cert and --bus-key"}},
		{"short secret", "handler", []string{"echo", "--bus-secret-file", file("short", "too short"), static, table, admin, statsd}, nil, 2, []string{"--bus-secret-file", "9 bytes", "16 to 4096"}},
		{"log level", "handler", []string{"web", "--log-level", "loud"}, nil, 2, []string{"--log-level", "loud", "debug, info, warn, error"}},
		{"password without user", "terminator", []string{"--etcd-password-file", table}, nil, 2, []string{"--etcd-password-file", "--etcd-user"}},
		{"certificate without key", "terminator", []string{"--etcd-cert", table}, nil, 2, []string{"--etcd-cert", "--etcd-key"}},
		{"certificate without key", "handler", []string{"echo", "--bus-cert", table}, nil, 2, []string{"--bus-cert", "--bus-key"}},
		{"password without user", "handler", []string{"profile", "--etcd-password-file", table}, nil, 2, []string{"--etcd-password-file", "--etcd-user"}},
		{"unknown role", "handler", []string{"chat"}, nil, 2, []string{"chat", "echo, profile, web"}},
		{"a version to announce", "handler", []string{"echo", "--version", "v7"}, nil, 2, []string{"--version", "--service-version"}},
		{"a version to announce", "handler", []string{"echo", "--version=v7"}, nil, 2, []string{"--version=v7", "--service-version"}},
		{"another role's flag", "handler", []string{"echo", "--seed", "7"}, nil, 2, []string{"--seed"}},
		{"bus URL", "handler", []string{"echo", "--bus", "http://127.0.0.1:1", static, table, admin, statsd}, nil, 2, []string{"--bus", "http://127.0.0.1:1", "tcp://HOST:PORT"}},
		{"advertised URL", "handler", []string{"echo", "--advertise", "tcp://:1", static, table, admin, statsd}, nil, 2, []string{"--advertise", "tcp://:1", "tcp://HOST:PORT"}},
		{"instance", "handler", []string{"echo", "--instance", "a b", static, table, admin, statsd}, nil, 2, []string{"--instance", "a b", "lower-case"}},
		{"durability", "handler", []string{"profile", "--durability", "maybe"}, nil, 2, []string{"--durability", "maybe", "sync, nosync"}},
		{"no data directory", "handler", []string{"profile", "--data", "", static, table, admin, statsd}, nil, 2, []string{"--data", "directory"}},
		{"unknown command", "nanofront", []string{"down"}, nil, 2, []string{"down", "up, etcd, status"}},
		{"unknown command", "nanofront", []string{"routes", "aply"}, nil, 2, []string{"aply", "nanofront routes", "get, apply"}},
		{"unknown shell", "nanofront", []string{"completion", "tcsh"}, nil, 2, []string{"tcsh", "bash, zsh, fish"}},
		{"etcd's own URL", "nanofront", []string{"etcd", "--client-url", "2379", statsd}, nil, 2, []string{"--client-url", "2379", "http://IP:PORT"}},
		{"a cluster without peer URL", "nanofront", []string{"etcd", "--initial-cluster", "a=http://127.0.0.1:1", "--data", filepath.Join(dir, "e"), statsd}, nil, 2, []string{"--initial-cluster", "--peer-url"}},
		{"up's etcd URL", "nanofront", up("--etcd-url", "2379"), nil, 2, []string{"--etcd-url", "2379", "http://IP:PORT"}},
		{"a sample of nothing", "nanofront", []string{"bus", "tap", "--sample", "0"}, nil, 2, []string{"--sample", "0", "0.000001 to 1"}},
		{"kind of frame", "nanofront", []string{"bus", "tap", "--kinds", "request,reply", static, table}, nil, 2, []string{"--kinds", "reply", "response"}},
		{"payload", "nanofront", []string{"bus", "tap", "--payload", "some"}, nil, 2, []string{"--payload", "some", "none, head, full"}},
		{"match without payload", "nanofront", []string{"bus", "tap", "--match", "/a", "--payload", "none", static, table}, nil, 2, []string{"--match", "--payload none"}},
		{"target of a tap", "nanofront", []string{"bus", "tap", "a/b/c", static, table}, nil, 2, []string{"a/b/c", "SERVICE/INSTANCE"}},
		{"nobody to listen to", "nanofront", []string{"bus", "tap", static, table}, nil, 1, []string{"no instance", "nanofront up"}},
		{"traces to nowhere", "terminator", []string{"--trace-sample=0.1"}, nil, 2, []string{"--trace-otlp"}},
		{"traces to no URL", "handler", []string{"echo", "--trace-otlp=127.0.0.1:4318", "--admin=", "--statsd="}, nil, 2, []string{"--trace-otlp", "127.0.0.1:4318", "http://"}},
		{"combined among other lines", "terminator", []string{"--access-log-format=combined"}, nil, 2, []string{"--access-log-file"}},
		{"traces of many calls", "nanofront", []string{"bus", "call", "echo", "/", "--trace", "--count=2"}, nil, 2, []string{"--trace", "--count"}},
		{"no path", "nanofront", []string{"bus", "call", "echo"}, nil, 2, []string{"<path>"}},
		{"timeout of a call", "nanofront", []string{"bus", "call", "echo", "/", "--timeout", "0s"}, nil, 2, []string{"--timeout", "0s", "1ms to 5m"}},
		{"revision", "nanofront", []string{"routes", "apply", badRoutes, "--revision", "x"}, nil, 2, []string{"--revision", "x"}},

		// The environment.
		{"not a number", "terminator", nil, []string{"NANOFRONT_MAX_HEADER=big"}, 2, []string{"--max-header", "NANOFRONT_MAX_HEADER", "big"}},
		{"not an address", "nanofront", []string{"up"}, []string{"NANOFRONT_HTTP=here"}, 2, []string{"--http", "NANOFRONT_HTTP", "here"}},
		{"not a duration", "handler", []string{"echo"}, []string{"NANOFRONT_STATSD_INTERVAL=often"}, 2, []string{"--statsd-interval", "NANOFRONT_STATSD_INTERVAL", "often"}},

		// Files.
		{"no table", "terminator", []string{static, filepath.Join(dir, "none.yaml"), admin, statsd}, nil, 2, []string{"--static", "none.yaml", "no such file"}},
		{"bad table", "terminator", []string{static, badTable, admin, statsd}, nil, 2, []string{"--static", "bad-table.yaml", "instances[0]", "ECHO"}},
		{"table that isn't YAML", "handler", []string{"echo", static, noYAML, admin, statsd}, nil, 2, []string{"--static", "no.yaml", "YAML"}},
		{"no routes file", "nanofront", up("--routes", filepath.Join(dir, "none.yaml")), nil, 2, []string{"--routes", "none.yaml", "no such file"}},
		{"bad routes file", "nanofront", up("--routes", badRoutes), nil, 2, []string{"--routes", "bad-routes.yaml", "line 3: routes[0]", "color"}},
		{"bad routes file", "nanofront", []string{"routes", "apply", badRoutes, "--etcd", "http://" + nobody}, nil, 1, []string{"bad-routes.yaml", "line 3: routes[0]", "color"}},
		{"no routes file", "nanofront", []string{"routes", "apply", "none.yaml", "--etcd", "http://" + nobody}, nil, 2, []string{"none.yaml", "no such file"}},
		{"no password file", "terminator", []string{"--etcd-user", "u", "--etcd-password-file", filepath.Join(dir, "none"), admin, statsd}, nil, 2, []string{"--etcd-password-file", "no such file"}},

		// Ports in use.
		{"HTTP port in use", "terminator", []string{"--http", busy, static, table, admin, statsd}, nil, 1, []string{"--http", busy, "in use"}},
		{"admin port in use", "terminator", []string{"--http", free(), "--admin", busy, static, table, statsd}, nil, 1, []string{"--admin", busy, "in use"}},
		{"admin port in use", "handler", []string{"echo", "--admin", busy, static, table, statsd}, nil, 1, []string{"--admin", busy, "in use"}},
		{"socket's path too long", "handler", []string{"echo", "--bus", "ipc:///tmp/" + long, static, table, admin, statsd}, nil, 2, []string{"--bus", long, "at most 107"}},
		{"socket's path too long", "handler", []string{"echo", "--advertise", "ipc:///tmp/" + long, static, table, admin, statsd}, nil, 2, []string{"--advertise", "at most 107"}},
		{"socket's path too long", "terminator", []string{"--handover", "/tmp/" + long, static, table, admin, statsd}, nil, 2, []string{"--handover", long, "at most 107"}},
		{"bus port in use", "handler", []string{"echo", "--bus", "tcp://" + busy, static, table, admin, statsd}, nil, 1, []string{"--bus", busy, "in use"}},
		{"client port in use", "nanofront", []string{"etcd", "--client-url", "http://" + busy, "--data", filepath.Join(dir, "e1"), statsd}, nil, 1, []string{"--client-url", busy, "in use"}},
		{"HTTP port in use", "nanofront", up("--http", busy), nil, 1, []string{"--http", busy, "in use"}},
		{"admin port in use", "nanofront", up("--admin", busy), nil, 1, []string{"--admin", busy, "in use"}},
		{"etcd's port in use", "nanofront", up("--etcd-url", "http://"+busy), nil, 1, []string{"--etcd-url", busy, "in use"}},

		// Directories.
		{"data is a file", "handler", []string{"profile", "--data", table, static, table, admin, statsd}, nil, 1, []string{"--data", "table.yaml"}},
		{"data is a file", "nanofront", []string{"etcd", "--data", table, "--client-url", "http://" + free(), statsd}, nil, 1, []string{"--data", "table.yaml"}},
		{"data is a file", "nanofront", up("--data", table), nil, 1, []string{"--data", "table.yaml"}},
		{"data below a file", "nanofront", up("--data", filepath.Join(table, "x")), nil, 1, []string{"--data", "table.yaml"}},

		// Nobody there.
		{"no etcd", "nanofront", []string{"status", "--etcd", "http://" + nobody}, nil, 1, []string{"etcd", nobody, "is it running?"}},
		{"no etcd", "nanofront", []string{"routes", "get", "--etcd", "http://" + nobody}, nil, 1, []string{"etcd", nobody, "is it running?"}},
	}
	for _, c := range cases {
		t.Run(c.program+" "+c.name, func(t *testing.T) {
			t.Parallel() // most of them wait for the start of a program
			f := finishIn(t, programs, c.env, c.program, c.args...)
			c.check(t, f)
		})
	}
}

func (c *usageCase) check(t *testing.T, f finished) {
	t.Helper()
	if f.code != c.code {
		t.Errorf("%s %q: exit code %d, want %d; output:\n%s", c.program, c.args, f.code, c.code, f.out)
	}
	if f.took > within(8*time.Second, 30*time.Second) {
		t.Errorf("%s %q: took %v", c.program, c.args, f.took)
	}
	// The message, and for a usage error where to find help: nothing else.
	lines := strings.Split(strings.TrimRight(f.out, "\n"), "\n")
	want := 1
	if c.code == 2 {
		want = 2
		if last := lines[len(lines)-1]; last != c.hint() {
			t.Errorf("%s %q: the last line is %q, want %q", c.program, c.args, last, c.hint())
		}
	}
	if len(lines) != want || !strings.HasPrefix(lines[0], c.program+": ") {
		t.Errorf("%s %q: %d lines, want %d, the first beginning with %q:\n%s", c.program, c.args, len(lines), want, c.program+": ", f.out)
	}
	for _, s := range c.says {
		if !strings.Contains(lines[0], s) {
			t.Errorf("%s %q: doesn't say %q: %s", c.program, c.args, s, lines[0])
		}
	}
}

// hint is the line that says whose --help tells more: the command's, as far as it is known.
func (c *usageCase) hint() string {
	words := []string{"run", c.program}
	for _, a := range c.args {
		if !slices.Contains([]string{"up", "etcd", "status", "bus", "tap", "call", "routes", "get", "apply", "completion", "echo", "profile", "web"}, a) {
			break
		}
		if words = append(words, a); a == "call" || a == "tap" {
			break
		}
	}
	return strings.Join(append(words, "--help"), " ")
}

// TestPrograms_Bare: a program that needs a command says which there are, and that
// it was not given one.
func TestPrograms_Bare(t *testing.T) {
	for command, want := range map[string][]string{
		"handler": {"echo", "profile", "web"}, "nanofront": {"up", "status", "routes apply", "completion"}, "nanofront routes": {"get", "apply"},
		"bench": {"run", "load", "compare"},
	} {
		words := strings.Fields(command)
		f := finish(t, words[0], words[1:]...)
		if f.code != 2 || !strings.HasPrefix(f.out, "Usage: "+command+" COMMAND") {
			t.Errorf("%s: exit code %d, want 2 and its usage:\n%s", command, f.code, f.out)
		}
		for _, w := range want {
			if !strings.Contains(f.out, "\n  "+w+" ") {
				t.Errorf("%s: the usage doesn't list %s:\n%s", command, w, f.out)
			}
		}
	}
}

// TestPrograms_HelpIsTheCommands: its own flags come first, those of other roles not at all,
// and nothing is wider than the terminal.
func TestPrograms_HelpIsTheCommands(t *testing.T) {
	for _, c := range []struct {
		command     string
		first, also []string
		not         []string
	}{
		{"handler echo", []string{"--bus", "--instance"}, []string{"--etcd", "--statsd", "--bus-ca"}, []string{"--seed", "--data", "--durability"}},
		{"handler profile", []string{"--data", "--seed"}, []string{"--etcd", "--bus"}, nil},
		{"nanofront up", []string{"--http", "--admin"}, []string{"--bus-ca"}, []string{"--static"}},
		{"nanofront status", []string{"--terminators", "--json"}, []string{"--etcd"}, []string{"--statsd"}},
		{"terminator", []string{"--http"}, []string{"--etcd", "--access-log"}, nil},
		{"bench load", []string{"--rate"}, nil, []string{"--etcd"}},
	} {
		words := strings.Fields(c.command)
		f := finishIn(t, programs, []string{"COLUMNS=72"}, words[0], append(words[1:], "--help")...)
		at := func(flag string) int { return strings.Index(f.out, " "+flag) }
		for _, first := range c.first {
			for _, also := range append(c.also, "--help") {
				if at(first) < 0 || at(also) < 0 || at(first) > at(also) {
					t.Errorf("%s --help: %s isn't before %s:\n%s", c.command, first, also, f.out)
				}
			}
		}
		for _, not := range c.not {
			if at(not) >= 0 {
				t.Errorf("%s --help has %s:\n%s", c.command, not, f.out)
			}
		}
		for line := range strings.Lines(f.out) {
			if utf8.RuneCountInString(line) > 73 {
				t.Errorf("%s --help in 72 columns: %q", c.command, line)
			}
		}
	}
}

// TestPrograms_DirectoryTaken starts second programs on the data of the first.
func TestPrograms_DirectoryTaken(t *testing.T) {
	t.Parallel()
	s := startUp(t)
	table := filepath.Join(t.TempDir(), "table.yaml")
	writeFile(t, table, "version: 1\ninstances: []\nroutes:\n"+echoRoutes)
	for _, c := range []usageCase{
		{program: "handler", args: []string{"profile", "--data", filepath.Join(s.data, "profile"), "--static", table, "--admin=", "--statsd="}},
		{program: "nanofront", args: []string{"etcd", "--data", filepath.Join(s.data, "etcd"), "--client-url", "http://" + freeAddr(t), "--statsd="}},
	} {
		c.code, c.says = 1, []string{"in use", s.data}
		c.check(t, finish(t, c.program, c.args...))
	}
	f := finish(t, "nanofront", "up", "--http", freeAddr(t), "--admin", freeAddr(t), "--etcd-url", "http://"+freeAddr(t), "--data", s.data, "--statsd=")
	if f.took > within(4*time.Second, 30*time.Second) {
		t.Errorf("a second up on the same data noticed after %v", f.took)
	}
	last := f.out[strings.LastIndexByte(strings.TrimRight(f.out, "\n"), '\n')+1:]
	if f.code != 1 || !strings.Contains(f.out, "in use") || !strings.HasPrefix(last, "nanofront: ") {
		t.Errorf("a second up on the same data: exit code %d:\n%s", f.code, f.out)
	}
	ask(t, s.http, get("/profile/42")).wants(t, 200, "the first system afterwards")
}

// TestUp_Alone: the program without those that it starts.
func TestUp_Alone(t *testing.T) {
	dir := t.TempDir()
	content, err := os.ReadFile(filepath.Join(programs, "nanofront"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nanofront"), content, 0o700); err != nil {
		t.Fatal(err)
	}
	c := usageCase{program: "nanofront", args: []string{"up"}, code: 1, says: []string{"terminator", "make build"}}
	c.check(t, finishIn(t, dir, nil, c.program, c.args...))
}

// TestPrograms_Help: help and version go to standard output and are no error.
func TestPrograms_Help(t *testing.T) {
	for _, c := range [][]string{
		{"terminator", "--help"},
		{"terminator", "--version"},
		{"handler", "--help"},
		{"handler", "--version"},
		{"handler", "version"},
		{"handler", "profile", "--version"},
		{"handler", "--version", "profile"},
		{"handler", "web", "--help"},
		{"nanofront", "--help"},
		{"nanofront", "--version"},
		{"nanofront", "version"},
		{"nanofront", "completion", "zsh"},
		{"nanofront", "up", "--help"},
		{"nanofront", "routes", "apply", "--help"},
		{"nanofront", "bus", "tap", "--help"},
		{"nanofront", "bus", "call", "--help"},
	} {
		f := finish(t, c[0], c[1:]...)
		if f.code != 0 || !strings.Contains(f.out, c[0]) {
			t.Errorf("%v: exit code %d: %.200q", c, f.code, f.out)
		}
	}
}
