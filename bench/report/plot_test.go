package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
)

// reports that plots must stand: whole, tiny, odd.
func reports() map[string]*result.Report {
	whole := resulttest.Report(resulttest.Options{Seed: 1})
	long := resulttest.Report(resulttest.Options{Seed: 2})
	for i := range long.Runs {
		r := &long.Runs[i]
		if r.Subject == "nats gateway" {
			r.Subject = "a gateway whose name goes on and on"
		}
		r.Failed = map[string]uint64{"timeout": 12_345, "status": 3}
		for k := range r.Series {
			r.Series[k].Errors = float64(k * 100)
		}
		for k := range 30 {
			r.Events = append(r.Events, result.Event{At: float64(k), Text: "something was done that takes many words to tell, so that they don't fit into one line of a phone"})
		}
		for k := range r.Stages {
			r.Stages[k].Name += " and then some more of it, to be sure"
		}
	}
	single := &result.Report{Runs: []result.Run{{
		Scenario: "hello", Subject: "x", Driver: "weighttp", Loop: result.Closed, Round: 1, Duration: time.Second, Rate: 3,
	}}}
	zero := &result.Report{}
	for _, loop := range []string{result.Open, result.Closed} {
		for _, scenario := range []string{"hello", result.ScenarioCurve, result.ScenarioOverload} {
			for step := range 5 {
				zero.Runs = append(zero.Runs, result.Run{
					Scenario: scenario, Subject: result.Nanofront, Driver: "bench", Loop: loop, Round: 1, Step: fmt.Sprint(step), Duration: time.Second, OfferedRate: float64(step), Planned: uint64(step), NotSent: uint64(step),
					Series: make([]result.Point, 4), Stages: make([]result.Stage, 3), Processes: make([]result.Process, 2),
				})
			}
		}
	}
	return map[string]*result.Report{"whole": whole, "long": long, "single": single, "zero": zero, "empty": {}}
}

// box is what a text covers, somewhat less high than its line.
func box(s shape) (lo, hi point) {
	w := textWidth(s.text, s.size, s.bold) / safety
	x := s.points[0].x
	switch s.anchor {
	case middle:
		x -= w / 2
	case end:
		x -= w
	}
	return point{x, s.points[0].y - s.size*0.75}, point{x + w, s.points[0].y + s.size*0.15}
}

// What a person sees first of a plot is what is wrong with it: letters cut off, over each other,
// too small.
func TestPlots_LettersCanBeRead(t *testing.T) {
	for name, rep := range reports() {
		for _, p := range plotsOf(rep) {
			if p.Title == "" || p.Caption == "" || !strings.HasSuffix(p.Caption, ".") {
				t.Errorf("%s, %s: title %q, caption %q", name, p.Name, p.Title, p.Caption)
			}
			for what, d := range map[string]*drawing{
				"wide": p.draw(widthWide), "narrow": p.draw(widthNarrow), "file": p.draw(widthFile).framed(p.Title, p.Caption),
			} {
				checkLetters(t, name+", "+p.Name+", "+what, d)
			}
		}
	}
}

func checkLetters(t *testing.T, name string, d *drawing) {
	t.Helper()
	var texts []shape
	for i := range d.shapes {
		s := d.shapes[i]
		for _, p := range s.points {
			if math.IsNaN(p.x) || math.IsNaN(p.y) || p.x < -1 || p.x > d.width+1 || p.y < -1 || p.y > d.height+1 {
				t.Fatalf("%s: a point at %v, outside of %v × %v (text %q)", name, p, d.width, d.height, s.text)
			}
		}
		if s.text == "" {
			if s.closed && s.opacity == 0 {
				area := bounds(s.points)
				for _, other := range texts {
					if lo, hi := box(other); overlap(lo, hi, area[0], area[1]) {
						t.Errorf("%s: something covers %q", name, other.text)
					}
				}
			}
			continue
		}
		if s.size < sizeSmall {
			t.Errorf("%s: %q has a size of %v", name, s.text, s.size)
		}
		lo, hi := box(s)
		if lo.x < -1 || hi.x > d.width+1 || lo.y < -1 || hi.y > d.height+1 {
			t.Errorf("%s: %q at %v to %v leaves the drawing of %v × %v", name, s.text, lo, hi, d.width, d.height)
		}
		for _, other := range texts {
			olo, ohi := box(other)
			if overlap(lo, hi, olo, ohi) {
				t.Errorf("%s: %q is written over %q", name, s.text, other.text)
			}
		}
		texts = append(texts, s)
	}
}

func bounds(points []point) [2]point {
	lo, hi := points[0], points[0]
	for _, p := range points {
		lo = point{min(lo.x, p.x), min(lo.y, p.y)}
		hi = point{max(hi.x, p.x), max(hi.y, p.y)}
	}
	return [2]point{lo, hi}
}

func overlap(alo, ahi, blo, bhi point) bool {
	return alo.x < bhi.x && blo.x < ahi.x && alo.y < bhi.y && blo.y < ahi.y
}

func TestPlotsOf_ShowsWhatThereIs(t *testing.T) {
	got := make(map[string]bool)
	for _, p := range plotsOf(reports()["whole"]) {
		if got[p.Name] {
			t.Errorf("two plots are called %s", p.Name)
		}
		got[p.Name] = true
	}
	for _, want := range []string{"throughput-wrk", "latency-hello-bench-open", "rate-latency-curve-bench", "overload-bench", "stages-profile-bench-open", "time-restart-bench-open", "cpu-hello-wrk-closed"} {
		if !got[want] {
			t.Errorf("no plot %s among %v", want, got)
		}
	}
	if n := len(plotsOf(&result.Report{})); n != 0 {
		t.Errorf("%d plots of nothing", n)
	}
}

func TestPlots_WritesFilesThatOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	rep := reports()["whole"]
	rep.Runs[0].Subject = `<script>&"`
	files, err := Plots(dir, rep)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(plotsOf(rep)) {
		t.Errorf("%d files for %d plots", len(files), len(plotsOf(rep)))
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		checkSVG(t, name, f)
		f.Close()
	}
	if _, err := Plots(files[0], rep); err == nil {
		t.Error("made a folder of a file")
	}
}

func checkSVG(t *testing.T, name string, r io.Reader) {
	t.Helper()
	seen := make(map[string]int)
	dec := xml.NewDecoder(r)
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if e, ok := tok.(xml.StartElement); ok {
			seen[e.Name.Local]++
		}
	}
	if seen["svg"] != 1 || seen["title"] == 0 || seen["desc"] != 1 || seen["style"] != 1 || seen["path"] == 0 || seen["text"] == 0 || seen["script"] != 0 {
		t.Errorf("%s: elements %v", name, seen)
	}
}

// luminance is that of WCAG 2.1.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var c [3]uint8
	if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &c[0], &c[1], &c[2]); err != nil {
		t.Fatalf("colour %q: %v", hex, err)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func TestPalette_HasContrast(t *testing.T) {
	var on shade
	for _, p := range palette {
		if p.name == surface {
			on = p.shade
		}
	}
	for _, p := range palette {
		if p.name == surface || p.name == rule {
			continue
		}
		// All of them carry letters: as ink, or under letters in the colour of the surface.
		for _, c := range [][2]string{{p.light, on.light}, {p.dark, on.dark}} {
			a, b := luminance(t, c[0]), luminance(t, c[1])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want 4.5", p.name, c[0], c[1], ratio)
			}
		}
	}
	names := make(map[paint]bool)
	for _, p := range palette {
		names[p.name] = true
	}
	if len(names) != len(palette) {
		t.Error("two paints have one name")
	}
}

func TestScales(t *testing.T) {
	for _, hi := range []float64{0, 1e-9, 0.3, 1, 7, 133_000, 1e12, math.NaN(), math.Inf(1)} {
		s, ticks := linear(hi, 5)
		if !(s.hi >= hi) && hi < 1e300 || len(ticks) < 2 || len(ticks) > 12 || ticks[0] != 0 || ticks[len(ticks)-1] != s.hi {
			t.Errorf("linear(%v): to %v, ticks %v", hi, s.hi, ticks)
		}
	}
	for _, c := range [][2]float64{{1, 1}, {0.3, 0.4}, {1.7, 115}, {0.001, 60_000}, {0, 5}, {math.Inf(1), 0}, {5, math.NaN()}} {
		s, ticks := logarithmic(c[0], c[1])
		if c[0] > 0 && c[0] < 1e300 && s.lo > c[0]*(1+1e-9) || s.hi < c[1]*(1-1e-9) || !(s.hi > s.lo) || len(ticks) < 2 || len(ticks) > 14 {
			t.Errorf("logarithmic(%v): %v to %v, ticks %v", c, s.lo, s.hi, ticks)
		}
	}
}
