package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nanofront/internal/testutil"
	"nanofront/internal/testutil/browser"
)

// looks are those of the page: sizes, from a phone's to a wall's, and themes.
var looks = []struct {
	width, height int
	theme         string
}{{420, 900, "light"}, {768, 1024, "dark"}, {1280, 800, "light"}, {1920, 1080, "dark"}}

const sentenceOf = `document.querySelector("#sentence").textContent`

// TestDash_FiveFaultsUnderLoad: at 30,000 requests a second, four browser windows show for each fault
// within three seconds who is to blame. $NANOFRONT_SHOTS names a folder for pictures.
func TestDash_FiveFaultsUnderLoad(t *testing.T) {
	if !full {
		testutil.Skip(t, "NANOFRONT_BENCH_FULL=1 puts 30,000 requests a second on a machine that has nothing else to do")
	}
	s := startWatched(t, "512")
	start(t, "bench", "load", "http://"+s.http+helloSlowly, "--rate", "30000", "--duration", "1h", "--max-errors", "1")
	t.Cleanup(keepAsking(s.http, "/profile/42", 2, 10*time.Millisecond))
	b := browser.Start(t)
	var tabs []*browser.Tab
	for _, l := range looks {
		p := b.Open("http://" + s.dash + "/")
		p.Size(l.width, l.height, l.theme)
		tabs = append(tabs, p)
	}
	t.Cleanup(func() {
		if t.Failed() {
			v := lookAt(t, s.dash)
			t.Logf("at last, %s: %s; %+v", v.Level, v.Sentence, v.Problems)
		}
	})
	// all waits until all of them show it, and tells how long that took since then.
	all := func(what string, since time.Time, shown func(*browser.Tab) bool) time.Duration {
		for i, p := range tabs {
			testutil.Eventually(t, fmt.Sprintf("%s, at %d pixels", what, looks[i].width), func() bool { return shown(p) })
		}
		return time.Since(since)
	}
	shoot := func(name string) {
		for i, p := range tabs {
			at := fmt.Sprintf("%s-%d-%s", name, looks[i].width, looks[i].theme)
			p.Shot(at)
			p.WholeShot(at + "-whole")
			p.Grey(true)
			p.Shot(at + "-grey")
			p.Grey(false)
			if p.Eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth") != "true" {
				t.Errorf("%s: the page is wider than its window", at)
			}
		}
	}
	normal := func(p *browser.Tab) bool { // but for what somebody has wanted so
		level := p.Eval(`document.querySelector("#strip").dataset.level`)
		return level == "normal" || level == "intended"
	}
	all("all is normal", time.Now(), normal)
	testutil.Eventually(t, "there is some history", func() bool { return lookAt(t, s.dash).Total.Usual.RateLow.Known() })
	shoot("0-normal")
	saturate := func() func() {
		p := start(t, "bench", "load", "http://"+s.http+"/echo/sleep?ms=1000", "--rate", "2000", "--connections", "4000", "--duration", "1h", "--max-errors", "1", "--timeout", "5s")
		return func() { p.end(t) }
	}
	for i, f := range s.faults(t, saturate) {
		since := time.Now()
		undo := f.make()
		made := time.Since(since)
		took := all(f.name, since, func(p *browser.Tab) bool { return strings.Contains(p.Eval(sentenceOf), f.says) })
		t.Logf("%s: %.1f s, %.1f of them to make it so: %s", f.name, took.Seconds(), made.Seconds(), tabs[0].Eval(sentenceOf))
		if took-made > 3*time.Second {
			t.Errorf("%s: the page said so after %v", f.name, took-made)
		}
		shoot(fmt.Sprintf("%d-%s", i+1, strings.ReplaceAll(f.name, " ", "-")))
		undo()
		all(f.name+" is over", time.Now(), normal)
	}
	if faults := b.Faults(); len(faults) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(faults, "\n"))
	}
}
