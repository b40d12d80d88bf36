package targets

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"nanofront/internal/fleet"
	"nanofront/internal/wholefile"
	"nanofront/registry"
)

// maxFile bounds the file of the last known list.
const maxFile = 64 << 20

// group is one process as Prometheus takes it.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// list is what is known of the processes.
type list struct {
	from   string // the machine that asks them, by its name
	system string // of processes that say none
	file   string // of the last known list; empty: none

	mu        sync.Mutex
	known     bool
	processes []registry.Process
	since     time.Time // when the list was heard
	left      map[string]bool
}

// set takes a list, and saves it. The error is that of saving.
func (l *list) set(now []registry.Process) error {
	l.mu.Lock()
	l.known, l.processes, l.since = true, now, time.Now()
	l.mu.Unlock()
	if l.file == "" {
		return nil
	}
	return wholefile.Write(l.file, func(w io.Writer) error { return json.NewEncoder(w).Encode(now) })
}

// read takes the list that was saved.
func (l *list) read() error {
	raw, err := wholefile.Read(l.file, maxFile)
	if err != nil {
		return err
	}
	var processes []registry.Process
	if err := json.Unmarshal(raw, &processes); err != nil {
		return fmt.Errorf("%s is no list of processes: %w: remove it", l.file, err)
	}
	info, err := os.Stat(l.file)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.processes, l.since = true, processes, info.ModTime()
	return nil
}

// json is the list for Prometheus; ok tells that there is one.
func (l *list) json() (body []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	groups := []group{}
	for _, p := range l.processes {
		if addr, _ := fleet.Reach(p, l.from); addr != "" {
			groups = append(groups, group{[]string{addr}, l.labels(p)})
		}
	}
	body, err := json.MarshalIndent(groups, "", "  ")
	if err != nil {
		panic(err) // texts alone
	}
	return append(body, '\n'), l.known
}

// labels are what a process' series have in addition to their own. None is
// named as one of those is, which Prometheus would call exported_service then.
func (l *list) labels(p registry.Process) map[string]string {
	labels := map[string]string{"instance": p.Name, "kind": p.Kind, "system": p.System}
	if p.System == "" {
		labels["system"] = l.system
	}
	for name, v := range map[string]string{"role": p.Service, "version": p.Version, "host": p.Host} {
		if v != "" {
			labels[name] = v
		}
	}
	return labels
}

// unreachable says which processes are left out though they have an admin
// port, each once.
func (l *list) unreachable() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, p := range l.processes {
		_, why := fleet.Reach(p, l.from)
		if p.Admin == "" || why == "" {
			continue
		}
		text := fmt.Sprintf("%s %s on %s is left out: %s", p.Kind, p.Name, p.Host, why)
		if l.left == nil {
			l.left = map[string]bool{}
		}
		if !l.left[text] {
			l.left[text] = true
			out = append(out, text)
		}
	}
	return out
}

// ServeHTTP answers with the last known list. As long as none was ever known
// that is a 503, at which Prometheus keeps the one that it has.
func (l *list) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "want GET", http.StatusMethodNotAllowed)
		return
	}
	body, ok := l.json()
	if !ok {
		http.Error(w, "etcd has not answered since the start, and there is no list from before (--last-known)", http.StatusServiceUnavailable)
		return
	}
	l.mu.Lock()
	age := time.Since(l.since)
	l.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Age", strconv.Itoa(int(age.Seconds())))
	_, _ = w.Write(body) // a client that went away
}
