package page

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// browser is a headless one, driven over its pipe.
type browser struct {
	t  *testing.T
	to *os.File

	mu      sync.Mutex
	last    int
	waiting map[int]chan json.RawMessage
	faults  []string
}

// tab is a page in it.
type tab struct {
	b  *browser
	id string
}

func startBrowser(t *testing.T) *browser {
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
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirs.Close(), theirEnd.Close()
	b := &browser{t: t, to: to, waiting: map[int]chan json.RawMessage{}}
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

func (b *browser) took(m []byte) {
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
	// A server that is away is no fault of the page.
	if text := string(one.Params); (one.Method == "Runtime.exceptionThrown" || one.Method == "Log.entryAdded") && !strings.Contains(text, `"source":"network"`) {
		b.faults = append(b.faults, text)
	}
}

func (b *browser) call(session, method string, params map[string]any) json.RawMessage {
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

func (b *browser) open(url string) *tab {
	b.t.Helper()
	var made struct{ TargetID, SessionID string }
	_ = json.Unmarshal(b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "newWindow": true}), &made) // what is missing is empty
	_ = json.Unmarshal(b.call("", "Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}), &made)
	p := &tab{b, made.SessionID}
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(p.id, domain+".enable", nil)
	}
	b.call(p.id, "Page.navigate", map[string]any{"url": url})
	return p
}

// eval is the value of an expression, as text.
func (p *tab) eval(expression string) string {
	p.b.t.Helper()
	var r struct{ Result struct{ Value any } }
	_ = json.Unmarshal(p.b.call(p.id, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}), &r)
	return fmt.Sprint(r.Result.Value)
}

func (p *tab) sized(width, height int, scheme string) {
	p.b.call(p.id, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
	p.b.call(p.id, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
}

const sentenceOf = `document.querySelector("#sentence").textContent`

// TestPage_InABrowser looks at it at four sizes and both themes. With $NANOFRONT_SHOTS, a folder,
// pictures stay there.
func TestPage_InABrowser(t *testing.T) {
	s := serve(t, watched(t, "b"), "", "")
	b := startBrowser(t)
	p := b.open(s.URL + "/")
	testutil.Eventually(t, "the page has figures", func() bool {
		return strings.HasPrefix(p.eval(sentenceOf), "all normal: ") && p.eval(`document.querySelectorAll("#processes tbody tr").length`) == "4"
	})
	for _, size := range []struct {
		width, height int
		scheme        string
	}{{420, 900, "light"}, {420, 900, "dark"}, {800, 900, "dark"}, {1280, 800, "light"}, {1280, 800, "dark"}, {1920, 1080, "light"}} {
		name := fmt.Sprintf("%d-%s", size.width, size.scheme)
		p.sized(size.width, size.height, size.scheme)
		testutil.Eventually(t, name+": it is laid out", func() bool { return p.eval("innerWidth") == fmt.Sprint(size.width) })
		testutil.Eventually(t, name+": nothing is wider than the page", func() bool {
			return p.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth") == "true"
		})
		if size.width >= 1280 {
			if bottom := p.eval(`Math.max(...["#where", "#what"].map(s => document.querySelector(s).getBoundingClientRect().bottom)) <= innerHeight`); bottom != "true" {
				t.Errorf("%s: services and what changed are not in sight without scrolling", name)
			}
		}
		var shot struct{ Data string }
		_ = json.Unmarshal(b.call(p.id, "Page.captureScreenshot", map[string]any{"format": "png"}), &shot)
		png, err := base64.StdEncoding.DecodeString(shot.Data)
		if err != nil || len(png) < 5000 {
			t.Errorf("%s: no picture: %d bytes, %v", name, len(png), err)
		}
		if dir := os.Getenv("NANOFRONT_SHOTS"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A moment that is kept is in the address, and one in the address is shown.
	p.eval(`dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"}))`)
	testutil.Eventually(t, "the cursor's moment is in the address", func() bool { return strings.HasPrefix(p.eval("location.hash"), "#t=20") })
	again := b.open(s.URL + "/" + p.eval("location.hash"))
	testutil.Eventually(t, "the moment is shown to somebody else", func() bool {
		return again.eval(`document.querySelector("#moment").hidden`) == "false" && again.eval(`document.querySelector("#moment").textContent`) == p.eval(`document.querySelector("#moment").textContent`)
	})
	p.eval(`dispatchEvent(new KeyboardEvent("keydown", {key: "w"}))`)
	testutil.Eventually(t, "only what is wrong is shown", func() bool {
		return strings.Contains(p.eval(`document.querySelector("#services tbody").textContent`), "nothing is wrong")
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(b.faults, "\n"))
	}
}

// TestPage_EightTabs: a browser's tabs share one stream, and all of them go on.
func TestPage_EightTabs(t *testing.T) {
	s := serve(t, watched(t, "b"), "", "")
	b := startBrowser(t)
	var tabs []*tab
	for range 8 {
		tabs = append(tabs, b.open(s.URL+"/"))
	}
	age := `document.querySelector("#age").textContent + document.body.className`
	for round := range 2 {
		for i, p := range tabs {
			testutil.Eventually(t, fmt.Sprintf("tab %d is up to date, %d", i, round), func() bool {
				text := p.eval(age)
				return strings.HasPrefix(text, "data 0.") && !strings.Contains(text, "stale") && strings.HasPrefix(p.eval(sentenceOf), "all normal")
			})
		}
	}
	if most := s.most.Load(); most != 1 {
		t.Errorf("eight tabs had %d streams at once, want 1", most)
	}
}

// TestPage_ServerRestarts: while its server is away the page says that what it shows is old; of
// another one it begins anew.
func TestPage_ServerRestarts(t *testing.T) {
	c := watched(t, "b1")
	s := serve(t, c, "", "")
	addr := s.Listener.Addr().String()
	b := startBrowser(t)
	p := b.open("http://" + addr + "/")
	testutil.Eventually(t, "the page has figures", func() bool { return strings.HasPrefix(p.eval(sentenceOf), "all normal: ") })
	s.stop()
	testutil.Eventually(t, "the page says that it has no news", func() bool {
		return strings.HasPrefix(p.eval(sentenceOf), "No news for ") && p.eval(`document.body.classList.contains("stale")`) == "true"
	})
	serve(t, watched(t, "b2"), addr, "")
	testutil.Eventually(t, "the page goes on", func() bool {
		return strings.HasPrefix(p.eval(sentenceOf), "all normal: ") && p.eval(`document.body.classList.contains("stale")`) == "false"
	})
}
