package e2e

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// pause is between an answer and the next request of a worker. It leaves the
// programs a part of the machine, which the client could fill by itself.
const pause = 2 * time.Millisecond

// worker sends its requests one after the other. next makes the next one from
// the answer to the last (nil at first and after a failure); an error is
// counted as a failure of the load.
type worker interface {
	next(last *response) (request, error)
}

// workerFunc makes the n-th worker.
type workerFunc func(n int) worker

// each is a worker that doesn't look at answers.
type each func() request

func (f each) next(*response) (request, error) { return f(), nil }

// reading reads members, another each time.
func reading(n int) worker {
	id := n
	return each(func() request {
		id++
		return get(fmt.Sprintf("/profile/%d", id%500+1))
	})
}

// hello gets /hello.
func hello(int) worker { return each(func() request { return get("/hello") }) }

// writing reads a member of its own, changes it, and so on: each change must
// have made exactly one version.
func writing(n int) worker { return &writer{id: n + 1} }

type writer struct {
	id      int
	version int    // as last read; 0: not yet
	sent    string // method of the last request
}

func (w *writer) next(last *response) (request, error) {
	target := fmt.Sprintf("/profile/%d", w.id)
	var err error
	if last != nil && last.status == 200 {
		var version int
		if _, serr := fmt.Sscanf(last.header.Get("ETag"), `"%d"`, &version); serr != nil {
			err = fmt.Errorf("%s %s: etag %q", w.sent, target, last.header.Get("ETag"))
		}
		want := w.version
		if w.sent == "PUT" {
			want++
		}
		if err == nil && w.version != 0 && version != want {
			err = fmt.Errorf("%s %s: version %d after %d", w.sent, target, version, w.version)
		}
		w.version = version
		if w.sent == "GET" {
			w.sent = "PUT"
			return request{
				method: "PUT", target: target, header: []string{"If-Match: " + last.header.Get("ETag"), "Content-Type: application/json"},
				body: fmt.Sprintf(`{"about":"version %d"}`, version+1),
			}, err
		}
	}
	w.sent = "GET"
	return get(target), err
}

// mixed is one writer among readers in four.
func mixed(n int) worker {
	if n%4 == 0 {
		return writing(n)
	}
	return reading(n)
}

// answer is one answer in short.
type answer struct {
	status int
	at     time.Time
	took   time.Duration
	retry  string // Retry-After
}

// load is a load that runs.
type load struct {
	quit    chan struct{}
	stopped sync.Once
	workers sync.WaitGroup

	mu       sync.Mutex
	answers  []answer
	statuses map[int]int
	failures map[failing]int
	samples  []string // of failures and of answers other than 200
}

// wrong is an answer that is not what it should be.
const wrong failing = "wrong answer"

// startLoad begins a load of so many connections; it ends with stop, or the test.
func startLoad(t *testing.T, addr string, connections int, of workerFunc) *load {
	t.Helper()
	l := &load{quit: make(chan struct{}), statuses: map[int]int{}, failures: map[failing]int{}}
	for n := range connections {
		l.workers.Go(func() { l.run(addr, of(n)) })
	}
	t.Cleanup(func() { l.end() })
	return l
}

func (l *load) end() {
	l.stopped.Do(func() { close(l.quit) })
	l.workers.Wait()
}

// run is one worker; it ends with the load.
func (l *load) run(addr string, w worker) {
	c := client{addr: addr}
	defer c.close()
	var last *response
	for {
		r, err := w.next(last)
		if err != nil {
			l.failed(&failure{wrong, err}, r)
		}
		began := time.Now()
		resp, f := c.do(r)
		last = nil
		if f != nil {
			l.failed(f, r)
		} else {
			l.answered(resp, r, began)
			last = &resp
		}
		select {
		case <-l.quit:
			return
		case <-time.After(pause):
		}
	}
}

func (l *load) answered(resp response, r request, began time.Time) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = append(l.answers, answer{resp.status, now, now.Sub(began), resp.header.Get("Retry-After")})
	l.statuses[resp.status]++
	if resp.status != 200 {
		l.sample("%s %s: %d %.200q", r.method, r.target, resp.status, resp.body)
	}
}

func (l *load) failed(f *failure, r request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures[f.kind]++
	if f.kind != dialRefused {
		l.sample("%s %s: %v", r.method, r.target, f)
	}
}

func (l *load) sample(format string, args ...any) {
	if len(l.samples) < 10 {
		l.samples = append(l.samples, fmt.Sprintf(format, args...))
	}
}

// ok is how many requests got a 200 up to now.
func (l *load) ok() int { return l.count(200) }

func (l *load) count(status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statuses[status]
}

// more waits for n further 200s.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	want := l.ok() + n
	testutil.Eventually(t, fmt.Sprintf("%d more answers", n), func() bool { return l.ok() >= want })
}

// during waits for 200s that come at least so long from now: what needs time
// to show itself has had it, under load.
func (l *load) during(t *testing.T, d time.Duration) {
	t.Helper()
	until := time.Now().Add(d)
	testutil.Eventually(t, "answers after "+d.String(), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := len(l.answers)
		return n > 0 && l.answers[n-1].at.After(until)
	})
}

// stop ends the load and returns it for a look at its figures.
func (l *load) stop() *load {
	l.end()
	return l
}

// allOK fails the test unless every request was answered with 200.
func (l *load) allOK(t *testing.T) {
	t.Helper()
	l.onlyStatus(t, 200)
	l.onlyFailures(t)
}

func (l *load) onlyStatus(t *testing.T, statuses ...int) {
	t.Helper()
	for _, s := range slices.Sorted(maps.Keys(l.statuses)) {
		if !slices.Contains(statuses, s) {
			t.Errorf("%d answers of status %d among %d; samples: %q", l.statuses[s], s, len(l.answers), l.samples)
		}
	}
	if l.statuses[200] == 0 {
		t.Errorf("no request was answered with 200")
	}
}

func (l *load) onlyFailures(t *testing.T, kinds ...failing) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(l.failures)) {
		if !slices.Contains(kinds, k) {
			t.Errorf("%d failures %q beside %d answers; samples: %q", l.failures[k], k, len(l.answers), l.samples)
		}
	}
}

// of are the answers of a status, in the order of their arrival.
func (l *load) of(status int) []answer {
	var list []answer
	for _, a := range l.answers {
		if a.status == status {
			list = append(list, a)
		}
	}
	return list
}
