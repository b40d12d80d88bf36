package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"nanofront/internal/testutil"
)

// Tab is a page in a browser.
type Tab struct {
	b  *Browser
	id string
}

// Open opens a page.
func (b *Browser) Open(url string) *Tab {
	b.t.Helper()
	var made struct{ TargetID, SessionID string }
	_ = json.Unmarshal(b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "newWindow": true}), &made) // what is missing is empty
	_ = json.Unmarshal(b.call("", "Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}), &made)
	p := &Tab{b, made.SessionID}
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(p.id, domain+".enable", nil)
	}
	b.call(p.id, "Page.navigate", map[string]any{"url": url})
	return p
}

// Eval is the value of an expression, as text. A promise is waited for.
func (p *Tab) Eval(expression string) string {
	p.b.t.Helper()
	var r struct{ Result struct{ Value any } }
	_ = json.Unmarshal(p.b.call(p.id, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}), &r)
	return fmt.Sprint(r.Result.Value)
}

// Size gives the page so many pixels, and a theme, light or dark; and waits until it is laid out
// for them.
func (p *Tab) Size(width, height int, theme string) {
	p.b.t.Helper()
	p.b.call(p.id, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
	p.b.call(p.id, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": theme}}})
	testutil.Eventually(p.b.t, fmt.Sprintf("the page is %d pixels wide", width), func() bool { return p.Eval("innerWidth") == fmt.Sprint(width) })
	p.Eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
}

// Grey shows the page without colour, or with it again.
func (p *Tab) Grey(on bool) {
	p.b.t.Helper()
	kind := "none"
	if on {
		kind = "achromatopsia"
	}
	p.b.call(p.id, "Emulation.setEmulatedVisionDeficiency", map[string]any{"type": kind})
}

// BeforeAll runs a script in each page that the tab opens from now on, before the page's own.
func (p *Tab) BeforeAll(script string) {
	p.b.t.Helper()
	p.b.call(p.id, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": script})
}

// Navigate opens another page in the tab.
func (p *Tab) Navigate(url string) {
	p.b.t.Helper()
	p.b.call(p.id, "Page.navigate", map[string]any{"url": url})
}

// Heap is how many bytes the page's scripts hold, after garbage was collected.
func (p *Tab) Heap() (bytes float64) {
	p.b.t.Helper()
	p.b.call(p.id, "HeapProfiler.collectGarbage", nil)
	var r struct{ UsedSize float64 }
	_ = json.Unmarshal(p.b.call(p.id, "Runtime.getHeapUsage", nil), &r)
	return r.UsedSize
}

// Shot takes a picture of what is in sight, as PNG. It stays in the folder $NANOFRONT_SHOTS, if
// that is set.
func (p *Tab) Shot(name string) []byte { return p.shot(name, map[string]any{"format": "png"}) }

// WholeShot takes a picture of the whole page, however long it is.
func (p *Tab) WholeShot(name string) []byte {
	return p.shot(name, map[string]any{"format": "png", "captureBeyondViewport": true, "clip": map[string]any{
		"x": 0, "y": 0, "scale": 1, "width": json.Number(p.Eval("document.documentElement.clientWidth")), "height": json.Number(p.Eval("document.documentElement.scrollHeight")),
	}})
}

func (p *Tab) shot(name string, params map[string]any) []byte {
	p.b.t.Helper()
	var shot struct{ Data string }
	_ = json.Unmarshal(p.b.call(p.id, "Page.captureScreenshot", params), &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil || len(png) == 0 {
		p.b.t.Fatalf("%s: no picture: %d bytes, %v", name, len(png), err)
	}
	if dir := os.Getenv("NANOFRONT_SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
			p.b.t.Fatal(err)
		}
	}
	return png
}
