package e2e

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// etcdMember is one server of a cluster.
type etcdMember struct {
	*process
	url string
}

// leads reports whether the member says that it is the leader.
func (m *etcdMember) leads() bool {
	status, body, err := adminGet(strings.TrimPrefix(m.url, "http://"), "/metrics")
	return err == nil && status == 200 && strings.Contains(body, "\netcd_server_is_leader 1\n")
}

// TestCluster_LeaderKilled kills the leader of three etcd servers under load.
func TestCluster_LeaderKilled(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	var urls, peers, cluster []string
	for _, n := range names {
		urls = append(urls, "http://"+freeAddr(t))
		peers = append(peers, "http://"+freeAddr(t))
		cluster = append(cluster, n+"="+peers[len(peers)-1])
	}
	var members []*etcdMember
	for i, n := range names {
		members = append(members, &etcdMember{url: urls[i], process: start(t, "nanofront", "etcd", "--name", n,
			"--client-url", urls[i], "--peer-url", peers[i], "--initial-cluster", strings.Join(cluster, ","),
			"--data", filepath.Join(t.TempDir(), n), "--statsd", "", "--admin", "")})
	}
	for _, m := range members {
		m.says(t, "etcd serving")
	}
	etcd := strings.Join(urls, ",")
	routes := filepath.Join(t.TempDir(), "routes.yaml")
	writeFile(t, routes, "version: 1\nroutes:\n  - {match: {prefix: /}, service: echo}\n")
	if f := finish(t, "nanofront", "routes", "apply", routes, "--etcd", etcd); f.code != 0 {
		t.Fatalf("routes apply: exit code %d: %s", f.code, f.out)
	}
	http, admin := freeAddr(t), freeAddr(t)
	for _, n := range []string{"echo-1", "echo-2"} {
		start(t, "handler", "echo", "--instance", n, "--etcd", etcd, "--admin", "", "--statsd", "")
	}
	start(t, "terminator", "--http", http, "--admin", admin, "--etcd", etcd, "--statsd", "", "--access-log=0")
	linked(t, admin, "echo", 2)

	l := startLoad(t, http, 8, hello)
	l.more(t, 200)
	var leader *etcdMember
	testutil.Eventually(t, "a leader", func() bool {
		for _, m := range members {
			if m.leads() {
				leader = m
			}
		}
		return leader != nil
	})
	leader.signal(t, syscall.SIGKILL)
	leader.wait(t, testutil.Patience)
	late := startLate(t, etcd)
	late.found(t, etcd, admin, http)
	// Longer than a lease.
	l.during(t, 6*time.Second)
	l.stop().allOK(t)
	testutil.Eventually(t, "all three instances are registered", func() bool {
		return len(status(t, etcd, admin).Instances) == 3
	})
}
