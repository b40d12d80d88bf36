package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
)

func terminalText(t *testing.T, rep *result.Report, width int, colour bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := Terminal(&b, rep, width, colour); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTerminal_Fits(t *testing.T) {
	for name, rep := range reports() {
		for _, width := range []int{60, 80, 100, 120, 200} {
			text := terminalText(t, rep, width, false)
			for line := range strings.Lines(text) {
				if n := letters(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("%s, width %d: %d columns in %q", name, width, n, line)
				}
			}
			// What went wrong is never left out.
			if name != "empty" && (!strings.Contains(text, "refused") || !strings.Contains(text, "failed")) {
				t.Errorf("%s, width %d: no refused or failed in\n%s", name, width, text)
			}
			if strings.ContainsRune(text, 0x1b) {
				t.Errorf("%s, width %d: colours that nobody asked for", name, width)
			}
		}
	}
}

func TestTerminal_SaysWhatCounts(t *testing.T) {
	rep := reports()["whole"]
	narrow, full := terminalText(t, rep, 80, false), terminalText(t, rep, 140, false)
	if !strings.HasPrefix(narrow, rep.Headline[:40]) {
		t.Errorf("the headline isn't on top:\n%.200s", narrow)
	}
	for _, want := range []string{"× plain", "± %", "p99", "CPU µs", "Closed loop: ", "Open loop: ", "not sent 43,200", "3 rounds", "note: haproxy"} {
		if !strings.Contains(narrow, want) {
			t.Errorf("no %q at 80 columns", want)
		}
	}
	for _, want := range []string{"p99.9", "CPU × plain", "late", "offered/s"} {
		if !strings.Contains(full, want) {
			t.Errorf("no %q at 140 columns", want)
		}
	}
	for _, want := range []string{"of best", "p99 sent", "p99 refused", "normal after", "1 s"} {
		if !strings.Contains(full, want) {
			t.Errorf("no %q of the overload", want)
		}
	}
	for _, want := range []string{"× nginx", "switches", "% of a core", "switches/s", "Idle: "} {
		if !strings.Contains(narrow, want) {
			t.Errorf("no %q of the cost", want)
		}
	}
	if colour := terminalText(t, rep, 80, true); !strings.Contains(colour, "\x1b[1m") {
		t.Error("no colours though they were asked for")
	} else if plain := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colour, ""); strings.Join(strings.Fields(plain), " ") != strings.Join(strings.Fields(narrow), " ") {
		t.Error("colours change more than the colour")
	}
}

// A name from a file must not reach a terminal as an order to it.
func TestTerminal_ObeysNoName(t *testing.T) {
	rep := reports()["single"]
	rep.Headline = "a\x1b]0;title\x07b"
	rep.Runs[0].Subject = "evil\x1b[2J\nname"
	rep.Notes = []string{"c\u009bd"}
	for _, r := range terminalText(t, rep, 80, false) {
		if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			t.Errorf("control character %q", r)
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestReport_TellsThatWritingFails(t *testing.T) {
	rep := reports()["single"]
	if err := Terminal(brokenWriter{}, rep, 80, false); !errors.Is(err, errBroken) {
		t.Errorf("Terminal: %v", err)
	}
	if err := HTML(brokenWriter{}, rep); !errors.Is(err, errBroken) {
		t.Errorf("HTML: %v", err)
	}
}

func page(t *testing.T, rep *result.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, rep); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTML_NeedsNothingElse(t *testing.T) {
	for name, rep := range reports() {
		text := page(t, rep)
		text = strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, "")
		for _, not := range []string{"http://", "https://", "src=", "url(", "@import", "<link", "<script"} {
			if strings.Contains(text, not) {
				t.Errorf("%s: the page has %q in it", name, not)
			}
		}
		for _, want := range []string{"prefers-color-scheme:dark", "max-width:760px", `name="viewport"`, "closed loop"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page has no %q", name, want)
			}
		}
	}
}

func TestHTML_ShowsAll(t *testing.T) {
	rep := reports()["whole"]
	text := page(t, rep)
	for _, want := range []string{
		"43,200", "What each process used", "voluntary switches", "frames per message out", "AMD EPYC 7B13", "bin/bench run --rounds 3 --json bench.json",
		"haproxy 2.6 was found", "Noise of the machine", "7a57c2a0b1d2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	plots := len(plotsOf(rep))
	if n := strings.Count(text, "<svg "); n != 2*plots {
		t.Errorf("%d drawings for %d plots, want a wide and a narrow one of each", n, plots)
	}
	ids := make(map[string]bool)
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if ids[m[1]] {
			t.Errorf("two elements have the id %q", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(` (?:href="#|aria-labelledby=")([^"]*)"`).FindAllStringSubmatch(text, -1) {
		for id := range strings.FieldsSeq(m[1]) {
			if !ids[id] {
				t.Errorf("something refers to %q, which isn't there", id)
			}
		}
	}
}

// The appendices are folded, each table scrolls in a box of its own, and nothing else is wider than
// a phone.
func TestHTML_FitsAPhone(t *testing.T) {
	for name, rep := range reports() {
		text := page(t, rep)
		for _, id := range []string{"processes", "counters", "environment", "words"} {
			if _, section, ok := strings.Cut(text, `<section id="`+id+`">`); ok && !strings.HasPrefix(section, "\n<details><summary>") {
				t.Errorf("%s: section %s isn't folded", name, id)
			}
		}
		if n, boxes := strings.Count(text, "<table>"), strings.Count(text, `<div class="scroll" tabindex="0" role="region"`); n != boxes {
			t.Errorf("%s: %d tables in %d boxes that scroll", name, n, boxes)
		}
		if open, closed := strings.Count(text, "<details>"), strings.Count(text, "</details>"); open != closed {
			t.Errorf("%s: %d details begin and %d end", name, open, closed)
		}
		for _, want := range []string{".scroll{overflow-x:auto", "pre{overflow-x:auto", "svg{display:block;width:100%", "overflow-wrap:anywhere"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in the style", name, want)
			}
		}
	}
}

// What wasn't measured is a dash, neither 0 nor nothing at all.
func TestReport_DashesWhereNothingWasMeasured(t *testing.T) {
	rep := &result.Report{Runs: []result.Run{{
		Scenario: "hello", Subject: result.Nanofront, Driver: "bench", Loop: result.Closed, Round: 1, Duration: time.Second, Planned: 5,
		Failed: map[string]uint64{"timeout": 5}, Processes: []result.Process{{Name: "terminator-1", Role: "terminator"}},
	}}}
	cells := regexp.MustCompile(`<td[^>]*>([^<]*)</td>`).FindAllStringSubmatch(page(t, rep), -1)
	dashes := 0
	for _, c := range cells {
		if c[1] == "" {
			t.Error("an empty cell")
		}
		if c[1] == "–" {
			dashes++
		}
	}
	if dashes != 7+6 { // ±, × plain, three latencies, CPU, CPU × plain; and all of the process but its name
		t.Errorf("%d dashes in %v", dashes, cells)
	}
	text := terminalText(t, rep, 140, false)
	if !regexp.MustCompile(`(?m)^nanofront +0 +– +– +– +– +– +– +– +0 +5$`).MatchString(text) {
		t.Errorf("the terminal has\n%s", text)
	}
}

func TestHTML_TakesNamesForText(t *testing.T) {
	rep := reports()["whole"]
	const evil = `<img onerror="x">`
	rep.Name, rep.Headline, rep.Notes, rep.Commands = evil, evil, []string{evil}, []string{evil}
	rep.Environment.CPU = evil
	for i := range rep.Runs {
		r := &rep.Runs[i]
		r.Subject, r.Scenario, r.Step, r.Driver = r.Subject+evil, r.Scenario+evil, r.Step+evil, r.Driver+evil
		for k := range r.Stages {
			r.Stages[k].Name, r.Stages[k].Hop = evil, evil
		}
		for k := range r.Processes {
			r.Processes[k].Name = evil
		}
		r.Counters = map[string]float64{evil: 1}
		r.Events = []result.Event{{At: 1, Text: evil}}
		r.Failed = map[string]uint64{evil: 1}
	}
	if text := page(t, rep); strings.Contains(text, "<img") {
		t.Error("a name became an element")
	}
}

func TestHeadline(t *testing.T) {
	rep := resulttest.Report(resulttest.Options{Seed: 1})
	if got := Headline(rep); got != rep.Headline {
		t.Errorf("headline %q, want the report's own", got)
	}
	rep.Headline = ""
	if got := Headline(rep); !regexp.MustCompile(`^two hops: 7\d,\d00 req/s in a closed loop, 1\.\d × nginx's one hop, p99 4\.\d\d ms at 50,000 req/s offered, none lost; one hop: 10\d,\d00 req/s in a closed loop, 1\.\d × nginx, .*; knee at 70,000 req/s$`).MatchString(got) {
		t.Errorf("headline %q", got)
	}
	over := reports()["whole"]
	over.Headline = ""
	over.Runs = slices.DeleteFunc(over.Runs, func(r result.Run) bool { return r.Scenario != result.ScenarioOverload })
	if got := Headline(over); got != "overload: at 288,000 req/s offered, nanofront gives 86 % of its best" {
		t.Errorf("of an overload: %q", got)
	}
	if got := Headline(&result.Report{}); got != "nothing was measured" {
		t.Errorf("headline of nothing %q", got)
	}
}

func TestClaim_InPlainWords(t *testing.T) {
	run := func(scenario, subject, loop string, offered, rate, p99 float64) result.Run {
		return result.Run{
			Scenario: scenario, Subject: subject, Driver: "wrk", Loop: loop, Round: 1, Duration: time.Second, Rate: rate, OfferedRate: offered,
			Planned: uint64(rate), Latency: result.FromDigest(result.Digest{Count: 1, P99: p99}),
		}
	}
	rep := &result.Report{Runs: []result.Run{
		run("hello", result.Plain, result.Closed, 0, 130_000, 8),
		run("hello", result.Nanofront, result.Closed, 0, 100_000, 5),
		run("hello", "nginx", result.Closed, 0, 62_500, 9),
		run("hello", "haproxy", result.Closed, 0, 60_000, 9),
		run("profile", result.Nanofront, result.Closed, 0, 71_000, 6),
		run("profile", result.Nanofront, result.Open, 50_000, 50_000, 6.1),
	}}
	got := Claim(rep, "the goal is more")
	want := "two hops: 71,000 req/s in a closed loop, 1.1 × nginx's one hop, p99 6.10 ms at 50,000 req/s offered, none lost; " +
		"one hop: 100,000 req/s in a closed loop, 1.6 × nginx, the best of the others; the goal is more"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{rate(71_234), "71,200"},
		{rate(999_999), "1,000,000"},
		{rate(0), "0"},
		{rate(3.14), "3.1"},
		{rate(512), "512"},
		{shortRate(71_234), "71.2 k"},
		{shortRate(1_250_000), "1.25 M"},
		{shortRate(500), "500"},
		{shortRate(999_900), "1 M"},
		{latency(0.224), "224 µs"},
		{latency(6.12), "6.12 ms"},
		{latency(59.8), "59.8 ms"},
		{latency(1200), "1.20 s"},
		{latency(0), "–"},
		{latency(0.9999), "1.00 ms"},
		{latencyTick(5), "5 ms"},
		{latencyTick(0.5), "500 µs"},
		{latencyTick(2000), "2 s"},
		{percent(0), "0 %"},
		{percent(0.00001), "< 0.01 %"},
		{percent(0.0012), "0.12 %"},
		{percent(0.034), "3.4 %"},
		{percent(0.42), "42 %"},
		{percent(0.9996), "99.96 %"},
		{percent(0.99996), "> 99.99 %"},
		{percent(0.9999), "99.99 %"},
		{percent(0.995), "99.50 %"},
		{percent(1), "100 %"},
		{grouped(-1234.4), "-1,234"},
		{grouped(123), "123"},
		{grouped(-0.2), "0"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestHTML_OneP99: the title, the table and the line of a measurement of several
// rounds have the same, however much these differ.
func TestHTML_OneP99(t *testing.T) {
	rep := resulttest.Report(resulttest.Options{Noise: 0.05})
	if doubts := result.Doubts(rep); len(doubts) > 0 {
		t.Fatalf("the report is in doubt, and makes no claims: %v", doubts)
	}
	text := html.UnescapeString(page(t, rep))
	for _, s := range result.Summarize(rep.Runs) {
		if s.Scenario != "hello" && s.Scenario != "profile" || s.Loop == result.Closed && s.Scenario == "profile" {
			continue
		}
		want := []string{fmt.Sprintf("%s: 99 %% within %s", s.Subject, latency(s.P99.Median)), ">" + latency(s.P99.Median) + "<"}
		if s.Subject == result.Nanofront {
			want = append(want, "99 of 100 answers of nanofront come within "+latency(s.P99.Median))
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s, %s loop: no %q", s.Scenario, s.Loop, w)
			}
		}
	}
}

// TestStagesTitle_NamesNoCulprit when most of the time is in no stage.
func TestStagesTitle_NamesNoCulprit(t *testing.T) {
	for _, s := range result.Summarize(resulttest.Report(resulttest.Options{}).Runs) {
		if len(s.Typical.Stages) == 0 || isStepOf(s) {
			continue
		}
		for share, named := range map[float64]bool{2: true, 0.2: false} {
			stages := slices.Clone(s.Typical.Stages)
			for i := range stages {
				stages[i].P99 *= share
				stages[i].Mean *= share
			}
			title := stagesTitle(s, stages)
			if strings.Contains(title, "slowest stage") != named || strings.Contains(title, "outside of the stages") == named {
				t.Errorf("stages × %v: %q", share, title)
			}
		}
	}
}

// TestBars_WhiskersCrossNoLabel: they are below what is written into a bar.
func TestBars_WhiskersCrossNoLabel(t *testing.T) {
	for _, width := range []float64{wide + 200, 400} {
		d := &drawing{width: width}
		d.bars([]bar{
			{name: "a", note: "100", low: 40, high: 160, parts: []part{{value: 100, label: "terminator", paint: ink}}},
			{name: "b", note: "90", low: 80, high: 100, parts: []part{{value: 90, label: "web", paint: ink}}},
		}, nil, "x", trimZero)
		for _, text := range d.shapes {
			if text.text == "" || text.size == 0 {
				continue
			}
			at := text.points[0].y
			for _, l := range d.shapes {
				if l.text != "" || l.strokeWidth != 1.6 {
					continue
				}
				for _, p := range l.points {
					// From the letters' tops to below their feet.
					if p.y > at-text.size && p.y < at+2 {
						t.Errorf("at width %v, a whisker at %v goes through %q at %v", width, p.y, text.text, at)
					}
				}
			}
		}
	}
}
