package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"nanofront/etcd"
	"nanofront/internal/testutil"
	"nanofront/metrics"
	"nanofront/registry"
)

// TestProcesses_AllKindsAnnounceThemselves: up, terminators and handlers are
// found with what is needed to look at them, and their figures say which start
// they are of.
func TestProcesses_AllKindsAnnounceThemselves(t *testing.T) {
	t.Parallel()
	s := startUp(t, "--system", "shop", "--web", "1", "--dash", "")
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	c, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{s.etcd}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	var list []registry.Process
	testutil.Eventually(t, "five processes are announced", func() bool {
		list, err = c.Processes(t.Context())
		return err == nil && len(list) == 5
	})
	var names []string
	for _, p := range list {
		names = append(names, strings.TrimPrefix(p.Kind+" "+p.Service+" "+p.Name, " "))
		if p.System != "shop" || p.Host != machine || p.PID == 0 || p.StartID == "" || p.Version == "" || p.Started.IsZero() {
			t.Errorf("%s %s says too little: %+v", p.Kind, p.Name, p)
		}
		if p.Kind == registry.KindUp {
			continue // it has no admin port
		}
		code, body, err := adminGet(p.AdminFrom(machine), "/metrics.json")
		var r metrics.Report
		if err == nil {
			err = json.Unmarshal([]byte(body), &r)
		}
		if err != nil || code != 200 || r.StartID != p.StartID || r.PID != p.PID || r.UptimeNS <= 0 || r.Now.IsZero() {
			t.Errorf("%s %s: /metrics.json %d, %v: start %q for %q, pid %d for %d, uptime %d, now %v",
				p.Kind, p.Name, code, err, r.StartID, p.StartID, r.PID, p.PID, r.UptimeNS, r.Now)
		}
	}
	if got, want := strings.Join(names, ", "), "handler echo echo-1, handler profile profile-1, handler web web-1, terminator  terminator-1, up  up"; got != want {
		t.Errorf("processes %s, want %s", got, want)
	}
}

// TestAdminAnnounce: what is announced is what others can reach, and the admin
// port answers to that name.
func TestAdminAnnounce(t *testing.T) {
	t.Parallel()
	url := startEtcd(t)
	_, port, _ := net.SplitHostPort(freeAddr(t))
	start(t, "handler", "echo", "--instance", "echo-1", "--admin", "127.0.0.1:"+port, "--admin-announce", "echo.example", "--statsd", "", "--etcd", url)
	c, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	want := "echo.example:" + port
	testutil.Eventually(t, "process and instance are announced at "+want, func() bool {
		list, err := c.Processes(t.Context())
		instances, ierr := c.Instances(t.Context())
		return err == nil && ierr == nil && len(list) == 1 && list[0].Admin == want && len(instances) == 1 && instances[0].Admin == want
	})
	for host, code := range map[string]int{want: 200, "evil.example:" + port: 421} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != code {
			t.Errorf("Host %s: %d, want %d", host, resp.StatusCode, code)
		}
	}
	for args, complaint := range map[string]string{
		"--admin-announce=a:b:c":           `--admin-announce: "a:b:c" is not HOST or HOST:PORT`,
		"--admin= --admin-announce=a.test": "--admin-announce a.test: there is no admin port to announce",
		"--system=A":                       `--system: "A" is not a name`,
	} {
		f := finish(t, "handler", append([]string{"echo", "--statsd", "", "--etcd", url}, strings.Fields(args)...)...)
		if f.code != 2 || !strings.Contains(f.out, complaint) {
			t.Errorf("%s: exit code %d: %s", args, f.code, f.out)
		}
	}
}
