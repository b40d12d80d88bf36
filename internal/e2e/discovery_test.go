package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// startEtcd starts nanofront etcd and returns its URL.
func startEtcd(t *testing.T) string {
	t.Helper()
	url := "http://" + freeAddr(t)
	start(t, "nanofront", "etcd", "--client-url", url, "--data", filepath.Join(t.TempDir(), "etcd"), "--statsd", "", "--admin", "").says(t, "etcd serving")
	return url
}

// applyRoutes puts routes of everything to a service in force.
func applyRoutes(t *testing.T, service string, args ...string) {
	t.Helper()
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n  - {match: {prefix: /}, service: "+service+"}\n")
	if f := finish(t, "nanofront", append([]string{"routes", "apply", routes}, args...)...); f.code != 0 {
		t.Fatalf("routes apply: exit code %d: %s", f.code, f.out)
	}
}

// startTerminator starts a terminator on etcd.
func startTerminator(t *testing.T, etcd string, args ...string) (p *process, http, admin string) {
	t.Helper()
	http, admin = freeAddr(t), freeAddr(t)
	p = start(t, "terminator", append([]string{"--http", http, "--admin", admin, "--etcd", etcd, "--statsd", "", "--access-log=0"}, args...)...)
	return p, http, admin
}

// seen is what status --json says.
type seen struct {
	From struct{ Etcd, Prefix string }

	Terminators []struct {
		Instance, Admin, HTTP, Host, Error string
		Announced                          bool
	}
	Instances []struct{ Service, ID string }
}

func statusOf(t *testing.T, args ...string) (s seen) {
	t.Helper()
	f := finish(t, "nanofront", append([]string{"status", "--json"}, args...)...)
	// A line may follow, and the code be 1, while a terminator comes or goes.
	if err := json.NewDecoder(strings.NewReader(f.out)).Decode(&s); err != nil {
		t.Fatalf("status --json: exit code %d, %v; output:\n%s", f.code, err, f.out)
	}
	return s
}

// TestStatus_ShowsAllTerminators: they announce themselves, so that nobody
// has to know where their admin ports are.
func TestStatus_ShowsAllTerminators(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "echo", "--etcd", etcd)
	a, http, admin := startTerminator(t, etcd, "--instance", "front-a")
	startTerminator(t, etcd, "--instance", "front-b")
	start(t, "terminator", "--http", freeAddr(t), "--admin", "", "--etcd", etcd, "--statsd", "", "--access-log=0", "--instance", "front-c")
	names := func(s seen) string {
		var out []string
		for _, f := range s.Terminators {
			out = append(out, f.Instance)
		}
		return strings.Join(out, " ")
	}
	var s seen
	testutil.Eventually(t, "status shows three terminators", func() bool {
		s = statusOf(t, "--etcd", etcd)
		return names(s) == "front-a front-b front-c"
	})
	if f := s.Terminators[0]; f.Admin != admin || f.HTTP != http || f.Host == "" || f.Error != "" || !f.Announced {
		t.Errorf("front-a is shown as %+v", f)
	}
	if f := s.Terminators[2]; !strings.Contains(f.Error, "no admin port") {
		t.Errorf("front-c, which has no admin port, is shown as %+v", f)
	}
	// Named besides, it isn't shown twice.
	if got := names(statusOf(t, "--etcd", etcd, "--terminators", admin)); got != "front-a front-b front-c" {
		t.Errorf("with --terminators %s status shows %s", admin, got)
	}
	a.signal(t, syscall.SIGTERM)
	a.wait(t, testutil.Patience)
	if got := names(statusOf(t, "--etcd", etcd)); got != "front-b front-c" {
		t.Errorf("after the end of front-a status shows %s", got)
	}
}

// TestPrefix_TwoSystemsOnOneEtcd: staging's handler gets none of production's
// requests.
func TestPrefix_TwoSystemsOnOneEtcd(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	admins := map[string]string{}
	https := map[string]string{}
	systems := []string{"prod", "staging"}
	for _, name := range systems {
		args := []string{"--etcd", etcd, "--etcd-prefix", "/" + name}
		applyRoutes(t, "echo", args...)
		start(t, "handler", append([]string{"echo", "--instance", "echo-" + name, "--admin", "", "--statsd", ""}, args...)...)
		_, https[name], admins[name] = startTerminator(t, etcd, args[2:]...)
	}
	for _, name := range systems {
		linked(t, admins[name], "echo", 1)
		ask(t, https[name], get("/hello")).wants(t, 200, "GET /hello of "+name)
		if got := links(t, admins[name], "echo"); len(got) != 1 || got[0] != "echo-"+name {
			t.Errorf("%s sends its requests to %v", name, got)
		}
		s := statusOf(t, "--etcd", etcd, "--etcd-prefix", "/"+name)
		if len(s.Instances) != 1 || len(s.Terminators) != 1 || s.From.Prefix != "/"+name || s.From.Etcd != etcd {
			t.Errorf("%s: status shows %+v", name, s)
		}
	}
	if f := finish(t, "nanofront", "status", "--etcd", etcd, "--etcd-prefix", "/prod"); !strings.Contains(f.out, "etcd "+etcd+", prefix /prod") {
		t.Errorf("status doesn't show its prefix:\n%s", f.out)
	}
	if f := finish(t, "nanofront", "status", "--etcd", etcd, "--etcd-prefix", "prod"); f.code != 2 || !strings.Contains(f.out, "--etcd-prefix") {
		t.Errorf("--etcd-prefix prod: exit code %d: %s", f.code, f.out)
	}
}

// TestProxy_IsNotForOurOwn: etcd and admin ports are in the network of those
// who ask them, whatever HTTP_PROXY says of the world outside.
func TestProxy_IsNotForOurOwn(t *testing.T) {
	t.Parallel()
	ip := ownAddress(t) // the loopback address is never reached through a proxy
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	asked := make(chan string, 1)
	go func() { // ends with the listener
		for {
			c, err := proxy.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			select {
			case asked <- line:
			default:
			}
			_ = c.Close()
		}
	}()
	url := "http://" + proxy.Addr().String()
	env := []string{"HTTP_PROXY=" + url, "HTTPS_PROXY=" + url, "http_proxy=" + url, "https_proxy=" + url, "ALL_PROXY=" + url, "NO_PROXY=", "no_proxy="}
	on := func(addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return net.JoinHostPort(ip, port)
	}
	etcd := "http://" + on(freeAddr(t))
	startIn(t, programs, env, "nanofront", "etcd", "--client-url", etcd, "--data", filepath.Join(t.TempDir(), "etcd"), "--statsd", "", "--admin", "").says(t, "etcd serving")
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n  - {match: {prefix: /}, service: echo}\n")
	if f := finishIn(t, programs, env, "nanofront", "routes", "apply", routes, "--etcd", etcd); f.code != 0 {
		t.Errorf("routes apply: exit code %d: %s", f.code, f.out)
	}
	admin := on(freeAddr(t))
	startIn(t, programs, env, "handler", "echo", "--etcd", etcd, "--admin", on(freeAddr(t)), "--statsd", "")
	startIn(t, programs, env, "terminator", "--http", freeAddr(t), "--admin", admin, "--etcd", etcd, "--statsd", "", "--access-log=0")
	linked(t, admin, "echo", 1)
	var f finished
	testutil.Eventually(t, "status asks the terminator", func() bool {
		f = finishIn(t, programs, env, "nanofront", "status", "--etcd", etcd)
		return f.code == 0 && strings.Contains(f.out, "serving ")
	})
	select {
	case line := <-asked:
		t.Errorf("the proxy was asked: %s", line)
	default:
	}
}

// ownAddress is an address of the machine that isn't the loopback's.
func ownAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	testutil.Skip(t, "the machine has no IPv4 address besides the loopback's: add a network interface")
	return ""
}

// TestNames_TwoHandlersOfOneName: the earlier one gets nothing any more, so it
// isn't ready, and says who has its name. Names that nobody gives differ.
func TestNames_TwoHandlersOfOneName(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	handler := func(args ...string) (p *process, admin string) {
		admin = freeAddr(t)
		return start(t, "handler", append([]string{"echo", "--etcd", etcd, "--admin", admin, "--statsd", ""}, args...)...), admin
	}
	readyz := func(admin string, want int, text string) {
		t.Helper()
		testutil.Eventually(t, fmt.Sprintf("/readyz says %d and %q", want, text), func() bool {
			code, body, err := adminGet(admin, "/readyz")
			return err == nil && code == want && strings.Contains(body, text)
		})
	}
	_, first := handler("--instance", "echo-1")
	readyz(first, 200, "ok")
	second, admin := handler("--instance", "echo-1")
	readyz(admin, 200, "ok")
	readyz(first, 503, "superseded: a process at tcp://127.0.0.1:")
	if code, body, err := adminGet(first, "/readyz"); err != nil || code != 503 || !strings.Contains(body, "--instance") {
		t.Errorf("/readyz of the first doesn't say what to do: %d %q %v", code, body, err)
	}
	// When the later one goes, the earlier one has the name again.
	second.signal(t, syscall.SIGTERM)
	second.wait(t, testutil.Patience)
	readyz(first, 200, "ok")

	for range 3 {
		_, a := handler()
		readyz(a, 200, "ok")
	}
	names := map[string]bool{}
	for _, in := range statusOf(t, "--etcd", etcd).Instances {
		names[in.ID] = true
	}
	if len(names) != 4 {
		t.Errorf("instances are called %v, want four names", names)
	}
}

// TestReadiness_NotRegistered: a handler that can't register says why.
func TestReadiness_NotRegistered(t *testing.T) {
	t.Parallel()
	etcd := "http://" + freeAddr(t)
	admin := freeAddr(t)
	start(t, "handler", "echo", "--etcd", etcd, "--admin", admin, "--statsd", "")
	testutil.Eventually(t, "/readyz says that etcd is missing", func() bool {
		code, body, err := adminGet(admin, "/readyz")
		return err == nil && code == 503 && strings.Contains(body, "not registered: etcd: no answer from "+etcd)
	})
}

// TestOwner_TwoProfilesWithADirectoryEach: the second is refused and says by
// whom; one with the first's directory, which was killed, takes its place.
func TestOwner_TwoProfilesWithADirectoryEach(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	applyRoutes(t, "profile", "--etcd", etcd)
	data := filepath.Join(t.TempDir(), "one")
	profile := func(data string) *process {
		return start(t, "handler", "profile", "--etcd", etcd, "--data", data, "--seed", "50", "--durability", "nosync", "--admin", "", "--statsd", "")
	}
	first := profile(data)
	_, http, admin := startTerminator(t, etcd)
	linked(t, admin, "profile", 1)

	second := profile(filepath.Join(t.TempDir(), "two"))
	if code := second.wait(t, testutil.Patience); code != 1 || !second.out.has("the service has another owner: profile/profile-") {
		t.Errorf("the second one: exit code %d, want 1 and the reason:\n%s", code, second.out.tail())
	}
	same := profile(data)
	if code := same.wait(t, testutil.Patience); code != 1 || !same.out.has("is in use by another process") || same.out.has("name another directory") {
		t.Errorf("one with the same directory: exit code %d, want 1 and what to do:\n%s", code, same.out.tail())
	}
	for range 20 {
		ask(t, http, get("/profile/50")).wants(t, 200, "GET /profile/50 of the only profile")
	}

	first.signal(t, syscall.SIGKILL)
	first.wait(t, testutil.Patience)
	third := profile(data)
	third.says(t, "serving")
	testutil.Eventually(t, "its successor serves", func() bool {
		c := client{addr: http}
		defer c.close()
		r, failed := c.do(get("/profile/50"))
		return failed == nil && r.status == 200
	})
	if n := len(statusOf(t, "--etcd", etcd).Instances); n != 1 {
		t.Errorf("%d instances are registered, want 1", n)
	}
}
