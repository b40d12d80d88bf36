package browser

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// Browser is a headless one.
type Browser struct {
	t   testing.TB
	pid int
	to  *os.File

	mu      sync.Mutex
	last    int
	waiting map[int]chan json.RawMessage
	faults  []string
}

// Start starts one, which ends with the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	path := testutil.Command(t, "chromium", "chromium")
	theirs, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", //nolint:gosec,noctx // a browser of the path, ended below
		"--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirEnd}
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirs.Close(), theirEnd.Close()
	b := &Browser{t: t, pid: cmd.Process.Pid, to: to, waiting: map[int]chan json.RawMessage{}}
	done := make(chan struct{})
	go func() { // ends with the browser
		defer close(done)
		r := bufio.NewReader(from)
		for {
			m, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			b.took(m[:len(m)-1])
		}
	}()
	t.Cleanup(func() {
		_, _ = to.WriteString(`{"id":1000000,"method":"Browser.close"}` + "\x00")
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		<-done
		_, _ = to.Close(), from.Close()
	})
	return b
}

// Faults are what the browser complained of: exceptions of scripts, and entries of its log. A
// server that is away is no fault of a page.
func (b *Browser) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.faults...)
}

func (b *Browser) took(m []byte) {
	var one struct {
		ID     int             `json:"id"`
		Method string          `json:"method"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
		Params json.RawMessage `json:"params"`
	}
	if json.Unmarshal(m, &one) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.waiting[one.ID]; c != nil && one.ID != 0 {
		delete(b.waiting, one.ID)
		if one.Error != nil {
			one.Result = one.Error
		}
		c <- one.Result
		return
	}
	if text := string(one.Params); (one.Method == "Runtime.exceptionThrown" || one.Method == "Log.entryAdded") && !strings.Contains(text, `"source":"network"`) {
		b.faults = append(b.faults, text)
	}
}

func (b *Browser) call(session, method string, params map[string]any) json.RawMessage {
	b.t.Helper()
	b.mu.Lock()
	b.last++
	id, c := b.last, make(chan json.RawMessage, 1)
	b.waiting[id] = c
	b.mu.Unlock()
	m := map[string]any{"id": id, "method": method, "params": params}
	if session != "" {
		m["sessionId"] = session
	}
	text, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	select {
	case r := <-c:
		return r
	case <-time.After(testutil.Patience):
		b.t.Fatalf("the browser doesn't answer %s", method)
		return nil
	}
}
