package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"nanofront/internal/testutil"
)

// ledgers are handlers that write down what they have done (handlers/ledger), behind a front.
type ledgers struct {
	*front
	dir      string
	buses    []string
	handlers []*process
}

func startLedgers(t *testing.T, n int) *ledgers {
	t.Helper()
	l := &ledgers{dir: t.TempDir(), handlers: make([]*process, n)}
	o := frontOptions{echo: -1, routes: "  - {name: all, match: {prefix: /}, service: ledger, timeout: 5s}\n"}
	for i := range n {
		l.buses = append(l.buses, "tcp://"+freeAddr(t))
		o.table = append(o.table, fmt.Sprintf("ledger ledger-%d %s", i+1, l.buses[i]))
	}
	l.front = startFront(t, o)
	for i := range n {
		l.start(t, i)
	}
	linked(t, l.admin, "ledger", n)
	return l
}

func (l *ledgers) start(t *testing.T, i int) {
	t.Helper()
	l.handlers[i] = start(t, "handler", "ledger", "--instance", fmt.Sprintf("ledger-%d", i+1), "--bus", l.buses[i],
		"--ledger", l.dir, "--static", l.front.table, "--admin", "", "--statsd", "")
}

// done is how often each number is in the ledgers.
func (l *ledgers) done(t *testing.T) map[string]int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(l.dir, "*.ledger"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no ledgers in %s: %v", l.dir, err)
	}
	times := map[string]int{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			times[strings.TrimSuffix(line, "\n")]++
		}
	}
	return times
}

// TestKeyed_DoneOnce writes with keys while handlers are killed and stopped. Clients repeat what
// failed, and the front what it may: nothing is done twice, and what was answered was done.
func TestKeyed_DoneOnce(t *testing.T) {
	l := startLedgers(t, 3)
	var numbers, repeats, answered atomic.Int64
	var mu sync.Mutex
	fate := map[string]int{} // the last status, by number
	quit := make(chan struct{})
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			c := client{addr: l.http}
			defer c.close()
			for {
				select {
				case <-quit:
					return
				default:
				}
				number := fmt.Sprint(numbers.Add(1))
				r := request{method: "POST", target: "/write/" + number, header: []string{`Idempotency-Key: "write-` + number + `"`}}
				status := 0
				for try := 0; try < 5 && status != 200 && status != 409; try++ {
					if try > 0 {
						repeats.Add(1)
					}
					if got, f := c.do(r); f == nil {
						status = got.status
					}
				}
				if status == 200 {
					answered.Add(1)
				}
				mu.Lock()
				fate[number] = status
				mu.Unlock()
			}
		})
	}
	stop := sync.OnceFunc(func() { close(quit); workers.Wait() })
	t.Cleanup(stop)
	more := func(n int64) {
		t.Helper()
		was := answered.Load()
		testutil.Eventually(t, fmt.Sprintf("%d more are answered", n), func() bool { return answered.Load() >= was+n })
	}
	more(300)
	for i := range 3 {
		l.handlers[i].signal(t, syscall.SIGKILL)
		l.handlers[i].wait(t, testutil.Patience)
		more(200)
		l.start(t, i)
		linked(t, l.admin, "ledger", 3)
		more(200)
	}
	l.handlers[1].signal(t, syscall.SIGSTOP)
	t.Cleanup(func() { _ = syscall.Kill(l.handlers[1].pid(), syscall.SIGCONT) })
	// What nobody answers in time, as its process is stopped, is answered elsewhere.
	testutil.Eventually(t, "a write of the stopped handler is sent elsewhere", func() bool { return copies(t, l.front) > 0 })
	more(100)
	l.handlers[1].signal(t, syscall.SIGCONT)
	more(300)
	stop()

	times := l.done(t)
	statuses := map[int]int{}
	for number, status := range fate {
		statuses[status]++
		switch n := times[number]; {
		case n > 1:
			t.Errorf("number %s was done %d times", number, n)
		case n == 0 && status == 200:
			t.Errorf("number %s was answered and not done", number)
		}
	}
	t.Logf("%d writes, answered %v, repeated by their clients %d times; retries by the front %d, copies %d",
		len(fate), statuses, repeats.Load(), counter(t, l.admin, "http.retries"), copies(t, l.front))
	if unknown := len(fate) - statuses[200]; unknown > 16*8 { // those at work with what was killed
		t.Errorf("%d of %d have no answer: %v", unknown, len(fate), statuses)
	}
}
