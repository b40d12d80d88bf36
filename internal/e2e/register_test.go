package e2e

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// goesTo gives a running system a route.
func (s *system) goesTo(t *testing.T, prefix, service string) {
	t.Helper()
	if f := s.nanofront(t, "routes", "add", prefix, service); f.code != 0 {
		t.Fatalf("routes add: exit code %d: %s", f.code, f.out)
	}
}

// leaves waits until no instance of the service is registered.
func (s *system) leaves(t *testing.T, service string) {
	t.Helper()
	testutil.Eventually(t, "the record of "+service+" is gone", func() bool {
		for _, in := range status(t, s.etcd, s.admin).Instances {
			if in.Service == service {
				return false
			}
		}
		return true
	})
}

// register is the command line that registers a handler of examples/ and runs it.
func (l *language) register(etcd, address string, flags ...string) []string {
	args := append([]string{"register", "greeter", address, "--instance", "greeter-" + l.name, "--etcd", etcd, "--statsd="}, flags...)
	args = append(append(args, "--", l.program), l.args...)
	return append(args, address, "greeter", "greeter-"+l.name)
}

// TestEtcd_Registered: a handler that knows nothing of etcd is registered in a stock server of it,
// and again by itself when that server has lost its data.
func TestEtcd_Registered(t *testing.T) {
	t.Parallel()
	server := found(t, "etcd", "etcd-server", "--version", "--name=x")
	l := languages["python"](t)
	etcd, peer, address := "http://"+freeAddr(t), "http://"+freeAddr(t), "tcp://"+freeAddr(t)
	startEtcd := func() *process {
		p := startIn(t, filepath.Dir(server), nil, filepath.Base(server), "--data-dir", filepath.Join(t.TempDir(), "etcd"),
			"--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peer,
			"--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
		testutil.Eventually(t, "etcd answers", func() bool {
			status, _, err := adminGet(strings.TrimPrefix(etcd, "http://"), "/version")
			return err == nil && status == 200
		})
		if f := finish(t, "nanofront", "routes", "add", "/", "greeter", "--etcd", etcd); f.code != 0 {
			t.Fatalf("routes add: exit code %d: %s", f.code, f.out)
		}
		return p
	}
	first := startEtcd()
	l.start(t, address) // by somebody else
	front, admin := freeAddr(t), freeAddr(t)
	start(t, "terminator", "--http", front, "--admin", admin, "--etcd", etcd, "--statsd", "", "--access-log=0")
	r := start(t, "nanofront", "register", "greeter", address, "--instance", "greeter-python", "--etcd", etcd, "--statsd=",
		"--service-version", "v7", "--window", "99", "--weight", "50")
	r.says(t, `"registered"`)
	linked(t, admin, "greeter", 1)
	ask(t, front, get("/")).wants(t, 200, "GET / of what is registered")
	instances := status(t, etcd, admin).Instances
	if len(instances) != 1 || instances[0].ID != "greeter-python" {
		t.Errorf("registered: %+v", instances)
	}
	if out := finish(t, "nanofront", "status", "--json", "--etcd", etcd, "--terminators", admin).out; !strings.Contains(out, `"version": "v7"`) ||
		!strings.Contains(out, `"window": 99`) || !strings.Contains(out, `"weight": 50`) {
		t.Errorf("version, window and weight are not announced: %s", out)
	}
	first.end(t)
	startEtcd()
	testutil.Eventually(t, "it is registered again", func() bool { return len(status(t, etcd, admin).Instances) == 1 })
	r.signal(t, syscall.SIGTERM)
	if code := r.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.out.tail())
	}
	if f := finish(t, "nanofront", "status", "--json", "--etcd", etcd, "--terminators", admin); !strings.Contains(f.out, `"instances": []`) {
		t.Errorf("what it has left: %s", f.out)
	}
}

// TestRegister_JoinsUp: each language's handler joins what nanofront up runs, without an etcd
// client, and leaves it under load without costing a request.
func TestRegister_JoinsUp(t *testing.T) {
	t.Parallel()
	s := startUp(t, "--web", "1")
	s.goesTo(t, "/hello", "echo") // there already
	s.goesTo(t, "/greet", "greeter")
	if f := s.nanofront(t, "routes", "add", "/greet", "echo"); f.code != 1 || !strings.Contains(f.out, "/greet already goes to greeter") {
		t.Errorf("a prefix of another service: exit code %d: %s", f.code, f.out)
	}
	for _, name := range []string{"python", "node", "c"} {
		t.Run(name, func(t *testing.T) {
			l := languages[name](t)
			address := "tcp://" + freeAddr(t)
			r := startIn(t, programs, l.env, "nanofront", l.register(s.etcd, address)...)
			r.says(t, `"registered"`)
			linked(t, s.admin, "greeter", 1)
			ask(t, s.http, get("/greet")).wants(t, 200, "GET /greet of what is registered")
			load := startLoad(t, s.http, 4, func(int) worker { return each(func() request { return get("/greet") }) })
			load.more(t, 100)
			r.signal(t, syscall.SIGTERM)
			if code := r.wait(t, testutil.Patience); code != 0 {
				t.Errorf("exit code %d:\n%s", code, r.out.tail())
			}
			load.stop()
			load.onlyStatus(t, 200, 503) // 503 when it has left
			load.onlyFailures(t)
			s.leaves(t, "greeter")
			if said := r.out.String(); strings.Index(said, `"deregistered"`) < strings.Index(said, `"registered"`) {
				t.Errorf("it has not deregistered:\n%s", said)
			}
		})
	}
}

// TestRegister_EndsWithItsCommand: the command's exit code is that of register, and its record goes
// at once.
func TestRegister_EndsWithItsCommand(t *testing.T) {
	t.Parallel()
	l := languages["python"](t)
	s := startUp(t, "--web", "1", "--echo", "0")
	address := "tcp://" + freeAddr(t)
	r := startIn(t, programs, l.env, "nanofront", l.register(s.etcd, address)...)
	r.says(t, `"registered"`)
	var child []int
	testutil.Eventually(t, "its command runs", func() bool {
		child = descendants(t, r.pid())
		return len(child) == 1
	})
	if err := syscall.Kill(child[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := r.wait(t, testutil.Patience); code != 137 || !r.out.has("the command has ended: signal: killed") {
		t.Errorf("exit code %d:\n%s", code, r.out.tail())
	}
	s.leaves(t, "greeter")

	for command, want := range map[string]int{"exit 7": 7, "exit 0": 0, "kill -USR1 $$": 128 + int(syscall.SIGUSR1)} {
		f := finish(t, "nanofront", "register", "greeter", address, "--etcd", s.etcd, "--statsd=", "--", "sh", "-c", command)
		if f.code != want || strings.Contains(f.out, `"registered"`) {
			t.Errorf("sh -c %q: exit code %d, want %d: %s", command, f.code, want, f.out)
		}
	}
	// It is told what it is registered as; and what doesn't end in time is killed, with what it has
	// started.
	hangs := start(t, "nanofront", "register", "greeter", address, "--instance=g.1", "--etcd", s.etcd, "--statsd=", "--drain-timeout=100ms", "--",
		"sh", "-c", `trap "" TERM; echo "$NANOFRONT_SERVICE $NANOFRONT_INSTANCE $NANOFRONT_BUS"; sleep 1000`)
	hangs.says(t, "greeter g.1 "+address)
	hangs.signal(t, syscall.SIGTERM)
	if code := hangs.wait(t, testutil.Patience); code != 1 || !hangs.out.has("didn't end within 100ms of SIGTERM and was killed") {
		t.Errorf("exit code %d:\n%s", code, hangs.out.tail())
	}
}

// TestRegister_SaysWhatIsWrong: what won't get better by itself ends it, what may is tried on, with
// the reason.
func TestRegister_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	bus, err := net.Listen("tcp", "127.0.0.1:0") // greets
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	for l, greeting := range map[net.Listener]string{silent: "HTTP/1.1 400 Bad Request\r\n", bus: "\x00SP\x00\x00\x70\x00\x00"} {
		go func() { // ends with the listener
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, greeting) // it may have gone
				_ = conn.Close()
			}
		}()
	}
	nobody, busAt, silentAt := "tcp://"+freeAddr(t), "tcp://"+bus.Addr().String(), "tcp://"+silent.Addr().String()
	away := "http://" + freeAddr(t)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"greeter " + nobody + " --answer-timeout=1s", 1, "doesn't answer at " + nobody + " within 1s (--answer-timeout): dial tcp"},
		{"greeter " + silentAt + " --answer-timeout=1s", 1, "doesn't speak the bus protocol: it greets with 48 54"},
		{"greeter " + nobody + " --answer-timeout=1s -- sleep 1000", 1, "doesn't answer at " + nobody},
		{"greeter " + busAt + " -- sleep 1000", 1, busAt + " already answers before the command has started: end whatever listens there"},
		{"greeter " + nobody + " -- ./missing", 1, "the command can't be started: fork/exec ./missing"},
		{"Greeter " + nobody, 2, `service: "Greeter" is not a name`},
		{"greeter 127.0.0.1:1", 2, `address: "127.0.0.1:1"`},
		{"greeter " + nobody + " --static=t.yaml", 2, "this command changes etcd"},
	} {
		f := finish(t, "nanofront", append([]string{"register", "--etcd=" + away, "--statsd="}, strings.Fields(c.args)...)...)
		if f.code != c.code || !strings.Contains(f.out, c.want) {
			t.Errorf("%s: exit code %d, no %q in: %s", c.args, f.code, c.want, f.out)
		}
	}
	r := start(t, "nanofront", "register", "greeter", busAt, "--etcd", away, "--statsd=")
	r.says(t, "etcd: not connected, retrying")
	r.signal(t, syscall.SIGTERM)
	if code := r.wait(t, testutil.Patience); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.out.tail())
	}
}
