package page

import (
	"fmt"
	"strings"
	"testing"

	"nanofront/internal/dash/view"
	"nanofront/internal/testutil"
	"nanofront/internal/testutil/browser"
)

const sentenceOf = `document.querySelector("#sentence").textContent`

// TestPage_InABrowser looks at it at four sizes and both themes. With $NANOFRONT_SHOTS, a folder,
// pictures stay there.
func TestPage_InABrowser(t *testing.T) {
	c := watched(t, "b")
	s := serve(t, c, "", "")
	b := browser.Start(t)
	p := b.Open(s.URL + "/")
	testutil.Eventually(t, "the page has figures", func() bool {
		return strings.HasPrefix(p.Eval(sentenceOf), "all normal: ") && p.Eval(`document.querySelectorAll("#processes tbody tr").length`) == "4"
	})
	for _, size := range []struct {
		width, height int
		scheme        string
	}{{420, 900, "light"}, {420, 900, "dark"}, {800, 900, "dark"}, {1280, 800, "light"}, {1280, 800, "dark"}, {1920, 1080, "light"}} {
		name := fmt.Sprintf("%d-%s", size.width, size.scheme)
		p.Size(size.width, size.height, size.scheme)
		testutil.Eventually(t, name+": nothing is wider than the page", func() bool {
			return p.Eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth") == "true"
		})
		if size.width >= 1280 {
			if bottom := p.Eval(`Math.max(...["#where", "#what"].map(s => document.querySelector(s).getBoundingClientRect().bottom)) <= innerHeight`); bottom != "true" {
				t.Errorf("%s: services and what changed are not in sight without scrolling", name)
			}
		}
		if png := p.Shot(name); len(png) < 5000 {
			t.Errorf("%s: no picture: %d bytes", name, len(png))
		}
	}
	// A moment that is kept is in the address, and one in the address is shown.
	p.Eval(`dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"}))`)
	testutil.Eventually(t, "the cursor's moment is in the address", func() bool { return strings.HasPrefix(p.Eval("location.hash"), "#t=20") })
	again := b.Open(s.URL + "/" + p.Eval("location.hash"))
	testutil.Eventually(t, "the moment is shown to somebody else", func() bool {
		return again.Eval(`document.querySelector("#moment").hidden`) == "false" && again.Eval(`document.querySelector("#moment").textContent`) == p.Eval(`document.querySelector("#moment").textContent`)
	})
	p.Eval(`dispatchEvent(new KeyboardEvent("keydown", {key: "w"}))`)
	testutil.Eventually(t, "only what is wrong is shown", func() bool {
		return strings.Contains(p.Eval(`document.querySelector("#services tbody").textContent`), "nothing is wrong")
	})
	if hidden := p.Eval(`document.querySelector("#rollout").hidden`); hidden != "true" {
		t.Errorf("releases and toggles are shown where there are none: %s", hidden)
	}
	c.Rollout.SetReleases([]view.Release{{ID: "web-1", Service: "web", Version: "42", State: "running", Step: 2, Steps: 4, Shares: "41 75 %, 42 25 %", Level: view.Intended}})
	c.Rollout.SetToggles([]view.Toggle{{Name: "look", Value: "plum", Revision: 1234}})
	testutil.Eventually(t, "releases and toggles are shown", func() bool {
		return strings.Contains(p.Eval(`document.querySelector("#releases tbody").textContent`), "web-1web 42step 2 of 4, 41 75 %, 42 25 %") &&
			strings.Contains(p.Eval(`document.querySelector("#toggles tbody").textContent`), "lookplum1,234") && p.Eval(`document.querySelector("#rollout").hidden`) == "false"
	})
	p.Size(420, 900, "light")
	testutil.Eventually(t, "nothing is wider than the page with them", func() bool {
		return p.Eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth") == "true"
	})
	if faults := b.Faults(); len(faults) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(faults, "\n"))
	}
}

// TestPage_EightTabs: a browser's tabs share one stream, and all of them go on.
func TestPage_EightTabs(t *testing.T) {
	s := serve(t, watched(t, "b"), "", "")
	b := browser.Start(t)
	var tabs []*browser.Tab
	for range 8 {
		tabs = append(tabs, b.Open(s.URL+"/"))
	}
	age := `document.querySelector("#age").textContent + document.body.className`
	for round := range 2 {
		for i, p := range tabs {
			testutil.Eventually(t, fmt.Sprintf("tab %d is up to date, %d", i, round), func() bool {
				text := p.Eval(age)
				return strings.HasPrefix(text, "data 0.") && !strings.Contains(text, "stale") && strings.HasPrefix(p.Eval(sentenceOf), "all normal")
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
	b := browser.Start(t)
	p := b.Open("http://" + addr + "/")
	testutil.Eventually(t, "the page has figures", func() bool { return strings.HasPrefix(p.Eval(sentenceOf), "all normal: ") })
	s.stop()
	testutil.Eventually(t, "the page says that it has no news", func() bool {
		return strings.HasPrefix(p.Eval(sentenceOf), "No news for ") && p.Eval(`document.body.classList.contains("stale")`) == "true"
	})
	serve(t, watched(t, "b2"), addr, "")
	testutil.Eventually(t, "the page goes on", func() bool {
		return strings.HasPrefix(p.Eval(sentenceOf), "all normal: ") && p.Eval(`document.body.classList.contains("stale")`) == "false"
	})
}
