package process

import (
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// Threads and workers that begin meanwhile count too.
func TestCalls_CountsWorkers(t *testing.T) {
	p := shell(t, newGroup(), `echo ready; while :; do sleep 0.01; done`, time.Second)
	testutil.Eventually(t, "it runs", func() bool { return strings.Contains(p.Output(), "ready") })
	c, err := p.CountCalls()
	if err != nil {
		testutil.Skip(t, "%v", err)
	}
	defer c.Stop()
	before := p.Usage().CPU
	testutil.Eventually(t, "it works", func() bool { return p.Usage().CPU > before+0.01 })
	if n := c.Stop(); n < 50 {
		t.Errorf("%d system calls of a shell that has started program after program", n)
	}
	if n := c.Stop(); n != 0 {
		t.Errorf("%d after the end", n)
	}
}
