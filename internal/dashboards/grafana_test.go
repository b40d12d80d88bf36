package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// promName is a name of ours in Prometheus.
var promName = regexp.MustCompile(`\bnanofront_[a-z0-9_]+`)

// No dashboard, rule or test of a rule names what Prometheus doesn't have of us.
func TestFiles_NameWhatPrometheusHas(t *testing.T) {
	known := map[string]bool{"nanofront_process_info": true}
	for _, d := range metrics.Catalogue() {
		name, _ := d.Prometheus()
		known[name] = true
		if d.Kind == metrics.KindTimer {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[name+suffix] = true
			}
		}
	}
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for file, content := range files {
		for _, name := range promName.FindAllString(string(content), -1) {
			n++
			if !known[name] {
				t.Errorf("%s names %s, which doesn't exist", file, name)
			}
		}
	}
	if n < 150 || known["nanofront_http_requests"] {
		t.Errorf("%d names found", n)
	}
}

// Each metric that Prometheus has is in a dashboard for it.
func TestGrafana_ShowsEveryMetricOfPrometheus(t *testing.T) {
	var all strings.Builder
	for _, s := range Sections() {
		b, err := encode(grafana(s, Prometheus))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for _, d := range metrics.Catalogue() {
		name, _ := d.Prometheus()
		if _, out := LeftOut[d]; name != "" && !out && !regexp.MustCompile(`\b`+name+`(_bucket|_sum|_count)?\b`).MatchString(all.String()) {
			t.Errorf("%s is on no dashboard for Prometheus", name)
		}
	}
}

// What Grafana's schema requires of a dashboard and its parts, and what makes files work wherever
// they land.
func TestGrafana_HasWhatIsRequired(t *testing.T) {
	sections := map[string]bool{}
	for line := range strings.Lines(string(Runbook())) {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			a := anchor(strings.TrimSpace(title))
			if sections[a] {
				t.Errorf("the runbook has two sections %q", a)
			}
			sections[a] = true
		}
	}
	uids := map[any]bool{}
	for _, s := range Sections() {
		for _, from := range Sources {
			raw, err := encode(grafana(s, from))
			if err != nil {
				t.Fatal(err)
			}
			var doc object
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s for %s", s.ID, from)
			need := func(where string, o object, names ...string) {
				for _, name := range names {
					if v, ok := o[name]; !ok || v == nil || v == "" {
						t.Errorf("%s: %s has no %s", what, where, name)
					}
				}
			}
			need("the dashboard", doc, "uid", "title", "description", "schemaVersion", "panels", "templating", "annotations", "time", "timezone", "editable", "graphTooltip", "tags", "refresh", "version", "links")
			if doc["__inputs"] != nil || doc["id"] != nil {
				t.Errorf("%s: has __inputs or an id, which mean nothing where it is provisioned", what)
			}
			if id := doc["uid"]; uids[id] || len(id.(string)) > 40 {
				t.Errorf("%s: uid %q is taken, or longer than 40", what, id)
			} else {
				uids[id] = true
			}
			vars := map[string]bool{}
			for _, v := range doc["templating"].(object)["list"].([]any) {
				need("a variable", v.(object), "name", "type", "label", "query")
				vars[v.(object)["name"].(string)] = true
			}
			if !vars["datasource"] || !vars["runbook"] || from == Graphite && !vars["prefix"] {
				t.Errorf("%s: variables %v", what, vars)
			}
			if n := len(doc["annotations"].(object)["list"].([]any)); n < 2 {
				t.Errorf("%s: %d annotations: nothing that has changed is marked", what, n)
			}
			for _, found := range regexp.MustCompile(`rate\([^\[]*\[([^\]]*)\]`).FindAllStringSubmatch(string(raw), -1) {
				if found[1] != "$__rate_interval" {
					t.Errorf("%s: a rate over %s", what, found[1])
				}
			}
			ids := map[any]bool{}
			for _, x := range doc["panels"].([]any) {
				panel := x.(object)
				title := fmt.Sprint(panel["title"])
				need(title, panel, "id", "type", "title", "description", "datasource", "gridPos", "fieldConfig", "options", "targets", "links")
				if ids[panel["id"]] {
					t.Errorf("%s: %s: id %v twice", what, title, panel["id"])
				}
				ids[panel["id"]] = true
				need(title, panel["gridPos"].(object), "x", "y", "w", "h")
				need(title, panel["fieldConfig"].(object)["defaults"].(object), "unit")
				if ds := panel["datasource"].(object); ds["uid"] != "${datasource}" || ds["type"] != string(from) {
					t.Errorf("%s: %s: data source %v", what, title, ds)
				}
				refs, legends := map[any]bool{}, map[any]bool{}
				for _, x := range panel["targets"].([]any) {
					target := x.(object)
					need(title, target, "refId", "datasource", map[Source]string{Prometheus: "expr", Graphite: "target"}[from])
					legend := target["legendFormat"]
					if refs[target["refId"]] || legend != nil && (legends[legend] || legend == "") {
						t.Errorf("%s: %s: refId %v or legend %q twice", what, title, target["refId"], legend)
					}
					refs[target["refId"]], legends[legend] = true, true
					for _, v := range regexp.MustCompile(`\$\{?([a-z]+)\}?`).FindAllStringSubmatch(fmt.Sprint(target["expr"], target["target"]), -1) {
						if !vars[v[1]] {
							t.Errorf("%s: %s: the variable %s doesn't exist", what, title, v[1])
						}
					}
				}
				link := panel["links"].([]any)[0].(object)["url"].(string)
				if _, at, _ := strings.Cut(link, "#"); !sections[at] {
					t.Errorf("%s: %s links to %s, which the runbook doesn't have", what, title, link)
				}
			}
		}
	}
	for _, a := range Alerts() {
		if !sections[anchor(a.Name)] || a.Means == "" || !strings.Contains(a.Look, "`") {
			t.Errorf("the runbook has no section of %s, or no command in it", a.Name)
		}
	}
	for at := range looks {
		id, title, _ := strings.Cut(at, ": ")
		found := false
		for _, s := range Sections() {
			for _, p := range s.Panels {
				found = found || s.ID == id && p.Title == title
			}
		}
		if !found {
			t.Errorf("looks has %q, which is no panel", at)
		}
	}
}

// Prometheus' own tool takes the rules, and they say what deploy/prometheus/nanofront.tests.yaml wants of
// them: when an alert fires, when not, and that it ends.
func TestRules_PassPromtool(t *testing.T) {
	promtool := testutil.Command(t, "promtool", "prometheus")
	dir := filepath.Join("..", "..", "deploy", "prometheus")
	for _, args := range [][]string{{"check", "rules", "nanofront.rules.yaml"}, {"test", "rules", "nanofront.tests.yaml"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*testutil.Patience)
		cmd := exec.CommandContext(ctx, promtool, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// promtool parses each query of each panel, with what Grafana makes of its variables.
func TestGrafana_QueriesParse(t *testing.T) {
	promtool := testutil.Command(t, "promtool", "prometheus")
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: all\n    rules:\n")
	n := 0
	for _, s := range Sections() {
		for _, p := range s.Panels {
			for _, q := range p.Queries {
				expr := strings.ReplaceAll(promQL(s, p, q), "$__rate_interval", "1m")
				if expr == "" {
					continue
				}
				n++
				fmt.Fprintf(&rules, "      - record: query_%d\n        expr: >-\n          %s\n", n, expr)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	file := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, promtool, "check", "rules", file).CombinedOutput(); err != nil || n < 100 {
		t.Errorf("%d queries: %v\n%s", n, err, out)
	}
}
