package dashboards

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nanofront/metrics"
)

// Each metric is on a dashboard, or on the list of those that are on none, with the reason.
func TestSections_ShowEveryMetric(t *testing.T) {
	shown := Shown()
	for _, d := range metrics.Catalogue() {
		reason, out := LeftOut[d]
		switch {
		case !shown[d] && !out:
			t.Errorf("%s is on no dashboard: put it on one (panels.go), or into LeftOut with the reason", d.Name)
		case shown[d] && out:
			t.Errorf("%s is on a dashboard and in LeftOut", d.Name)
		case out && reason == "":
			t.Errorf("%s is left out without a reason", d.Name)
		}
	}
}

func TestSections_AreComplete(t *testing.T) {
	for _, s := range Sections() {
		titles := map[string]bool{}
		for _, p := range s.Panels {
			if p.Title == "" || p.Unit == "" || p.Help == "" || len(p.Queries) == 0 || titles[p.Title] {
				t.Errorf("%s: panel %q: title (once), unit, help and queries must be there", s.ID, p.Title)
			}
			titles[p.Title] = true
			for _, q := range p.Queries {
				if q.Metric == nil {
					if q.External == "" && q.PromQL == "" {
						t.Errorf("%s: %s: a query of nothing", s.ID, p.Title)
					}
					continue
				}
				if (q.Metric.Kind == metrics.KindTimer) != (q.Part != "") || q.Part != "" && !slices.Contains(parts, q.Part) {
					t.Errorf("%s: %s: %s is a %s, with the part %q", s.ID, p.Title, q.Metric.Name, q.Metric.Kind, q.Part)
				}
				if q.By != "" && q.By != Instance && !slices.Contains(q.Metric.Placeholders(), q.By) {
					t.Errorf("%s: %s: %s has no <%s>", s.ID, p.Title, q.Metric.Name, q.By)
				}
				if look := looks[s.ID+": "+p.Title]; look == "" {
					t.Errorf("%s: %s: looks doesn't say what to do", s.ID, p.Title)
				}
				if (q.By == "") == (q.Legend == "") {
					t.Errorf("%s: %s: %s: want a legend, or a placeholder that gives it", s.ID, p.Title, q.Metric.Name)
				}
			}
		}
	}
}

var graphitePath = regexp.MustCompile(`stats\.(counters|gauges)\.nanofront\.(?:\{[^}]*\}|[^,(){}])+`)

// What a target names is a metric of the catalogue, as StatsD and Graphite have it.
func TestGraphite_NamesExist(t *testing.T) {
	known := map[string]bool{} // by the name with * for placeholders, and what follows it
	for _, d := range metrics.Catalogue() {
		name := regexp.MustCompile(`<[a-z]+>`).ReplaceAllString(d.Name, "*")
		switch d.Kind {
		case metrics.KindCounter:
			known["counters "+name+".rate"], known["counters "+name+".count"] = true, true
		case metrics.KindGauge:
			known["gauges "+name] = true
		case metrics.KindTimer:
			for _, p := range parts {
				known["gauges "+name+"."+p] = true
			}
		}
	}
	n := 0
	for _, s := range Sections() {
		for _, p := range s.Panels {
			for _, q := range p.Queries {
				if !q.inGraphite() {
					continue
				}
				for _, found := range graphitePath.FindAllStringSubmatch(GraphiteTarget(q, s.PerService), -1) {
					n++
					words := strings.Split(found[0], ".")
					name := strings.Join(words[5:], ".")
					name = strings.ReplaceAll(name, ServiceWord, "*")
					for _, v := range q.Fixed {
						name = strings.ReplaceAll(name, v, "*")
					}
					if !known[found[1]+" "+name] {
						t.Errorf("%s: %s: %q is no metric", s.ID, p.Title, found[0])
					}
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("%d series found in all targets", n)
	}
}

// Graphite averages what isn't told otherwise.
func TestGraphite_SaysHowToConsolidate(t *testing.T) {
	for _, s := range Sections() {
		for _, p := range s.Panels {
			for _, q := range p.Queries {
				if !q.inGraphite() {
					continue
				}
				target := GraphiteTarget(q, s.PerService)
				if peak := q.Part != "" && q.Part != "count"; peak && !strings.Contains(target, `,"max")`) {
					t.Errorf("%s: %s: %s averages peaks", s.ID, p.Title, target)
				}
			}
		}
	}
}

func TestFiles_AreUpToDate(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", "deploy", filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("deploy/%s differs from the panels (%v): run go generate ./internal/dashboards", name, err)
		}
	}
	there, err := filepath.Glob(filepath.Join("..", "..", "deploy", "graphite", "dashboards", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if files["graphite/dashboards/"+filepath.Base(path)] == nil {
			t.Errorf("%s belongs to no section: remove it", path)
		}
	}
}
