package report

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"nanofront/bench/result"
	"nanofront/bench/result/resulttest"
)

// noisy is the report of a machine that had other things to do.
func noisy() *result.Report {
	rep := resulttest.Report(resulttest.Options{Seed: 1})
	rep.Headline = "knee at 6,200 req/s"
	rep.Environment.Noise.LostPercent = 31.4
	for i := range rep.Runs {
		if r := &rep.Runs[i]; r.Loop == result.Open && r.Scenario == "profile" {
			r.SentLate = r.Sent / 20
		}
	}
	return rep
}

// A noisy run says so first, why, and what to do, and speaks in another voice than a quiet one.
func TestBanner(t *testing.T) {
	quiet := resulttest.Report(resulttest.Options{Seed: 1})
	said := []string{BannerTitle, "took 31 % of the CPU", "5 % of the requests left late", "What to do: end other programs", "offer less"}

	loud := terminalText(t, noisy(), 100, true)
	for _, want := range append(said, "Provisional: knee at 6,200 req/s") {
		if !strings.Contains(loud, want) {
			t.Errorf("the terminal has no %q:\n%.1500s", want, loud)
		}
	}
	if strings.Index(loud, BannerTitle) > strings.Index(loud, "knee at") {
		t.Errorf("the banner isn't on top:\n%.1500s", loud)
	}
	if strings.Contains(loud, "\x1b[1mProvisional") {
		t.Error("a bold claim of a noisy run")
	}
	if text := terminalText(t, quiet, 100, true); strings.Contains(text, BannerTitle) || !strings.HasPrefix(text, "\x1b[1m"+quiet.Headline[:20]) {
		t.Errorf("a quiet run isn't told by its headline:\n%.500s", text)
	}

	words := func(rep *result.Report) string {
		return strings.ReplaceAll(html.UnescapeString(page(t, rep)), "\u00a0", " ")
	}
	loud = words(noisy())
	for _, want := range append(said, `<aside class="banner"`, `<h1 class="provisional">Provisional: knee`, `<ul class="tiles provisional">`) {
		if !strings.Contains(loud, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Index(loud, `<aside`) > strings.Index(loud, "<h1") {
		t.Error("the banner of the page isn't above its headline")
	}
	for _, m := range regexp.MustCompile(`<h2>([^<]*)</h2>`).FindAllStringSubmatch(loud, -1) {
		if regexp.MustCompile(`\d,\d{3}[^/]* a second$|p99 \d|99 of 100`).MatchString(m[1]) || strings.Contains(m[1], "follows up to") {
			t.Errorf("a claim of a noisy run: %q", m[1])
		}
	}
	titles := make(map[string]bool)
	for _, p := range plotsOf(noisy()) {
		if titles[p.Title] || strings.Contains(p.Title, ": ,") {
			t.Errorf("two plots, or one of no known kind, are called %q", p.Title)
		}
		titles[p.Title] = true
	}
	if text := words(quiet); strings.Contains(text, "<aside") || strings.Contains(text, "provisional\"") || !strings.Contains(text, "follows up to") {
		t.Error("the page of a quiet run has a banner, or no claims")
	}
}

// The p99s of stages stand side by side: only means are added up.
func TestStages_StackNoPercentiles(t *testing.T) {
	for _, s := range result.Summarize(resulttest.Report(resulttest.Options{Seed: 1}).Runs) {
		p := stagesPlot(s)
		if p == nil {
			continue
		}
		means, slow := stageBars(s.Typical.Stages)
		if len(slow) != len(s.Typical.Stages) || len(means) != 2 {
			t.Fatalf("%d bars of p99s and %d of means for %d stages of 2 hops", len(slow), len(means), len(s.Typical.Stages))
		}
		for _, b := range slow {
			if len(b.parts) != 1 {
				t.Errorf("%d p99s in a bar: %q", len(b.parts), b.name)
			}
		}
		for _, want := range []string{"means", "add up", "side by side", "don't add up"} {
			if !strings.Contains(p.Caption, want) {
				t.Errorf("the caption says nothing of %q: %s", want, p.Caption)
			}
		}
	}
}
