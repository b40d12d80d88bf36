package dashboards

import (
	"fmt"
	"strings"

	"nanofront/metrics"
)

// Source is where Grafana gets a dashboard's figures from.
type Source string

// The sources that there are dashboards for.
const (
	Prometheus Source = "prometheus"
	Graphite   Source = "graphite"
)

// Sources are all of them.
var Sources = []Source{Prometheus, Graphite}

// grafanaSchema is that of Grafana 10 and 11.
const grafanaSchema = 39

// releaseID is the section that compares versions.
const releaseID = "release"

type object = map[string]any

// uid is fixed, so that dashboards find each other wherever they are provisioned.
func uid(s Section, from Source) string { return fmt.Sprintf("nanofront-%s-%s", s.ID, from) }

// grafana is a dashboard as Grafana provisions it.
func grafana(s Section, from Source) object {
	panels := []any{}
	for _, p := range s.Panels {
		targets := grafanaTargets(s, p, from)
		if len(targets) == 0 {
			continue
		}
		n := len(panels)
		panels = append(panels, grafanaPanel(s, p, from, n+1, targets, object{"x": n % 2 * 12, "y": n / 2 * 8, "w": 12, "h": 8}))
	}
	links := []any{}
	for _, other := range Sections() {
		if other.ID != s.ID {
			links = append(links, object{
				"title": other.Title, "tooltip": other.About, "type": "link", "url": "/d/" + uid(other, from), "icon": "dashboard",
				"keepTime": true, "includeVars": true, "targetBlank": false, "asDropdown": false, "tags": []string{},
			})
		}
	}
	return object{
		"uid": uid(s, from), "title": "nanofront: " + s.Title, "description": s.About, "tags": []string{"nanofront", string(from)},
		"schemaVersion": grafanaSchema, "version": 1, "editable": true, "graphTooltip": 1, "timezone": "browser",
		"refresh": "10s", "time": object{"from": "now-1h", "to": "now"},
		"templating": object{"list": variables(s, from)}, "annotations": object{"list": annotations(from)},
		"links": links, "panels": panels,
	}
}

func grafanaTargets(s Section, p Panel, from Source) []any {
	targets := []any{}
	for _, q := range p.Queries {
		t := object{"refId": refID(len(targets)), "datasource": datasource(from)}
		if from == Prometheus {
			t["expr"], t["legendFormat"], t["range"], t["editorMode"] = promQL(s, p, q), promLegend(s, p, q), true, "code"
		} else {
			t["target"] = grafanaGraphite(s, q)
		}
		if t["expr"] != "" && t["target"] != "" {
			targets = append(targets, t)
		}
	}
	return targets
}

// grafanaGraphite is the target with Grafana's variables in place of fixed words.
func grafanaGraphite(s Section, q Query) string {
	if !q.inGraphite() {
		return ""
	}
	target := GraphiteTarget(q, s.PerService)
	for _, kind := range []string{"counters", "gauges"} {
		target = strings.ReplaceAll(target, "stats."+kind+"."+metrics.DefaultStatsdPrefix+".", "stats."+kind+".$prefix.")
	}
	if s.PerService {
		target = strings.ReplaceAll(target, "."+ServiceWord+".", ".$service.")
	}
	return target
}

// refID is A to Z, AA and so on.
func refID(i int) string {
	if i >= 26 {
		return refID(i/26-1) + refID(i%26)
	}
	return string(rune('A' + i))
}

func datasource(from Source) object { return object{"type": string(from), "uid": "${datasource}"} }

// grafanaUnit is the panel's unit; Prometheus has all times in seconds.
func grafanaUnit(u Unit, from Source) string {
	if u == Millis && from == Prometheus {
		u = Seconds
	}
	return map[Unit]string{
		Count: "short", PerSecond: "cps", Percent: "percent", Millis: "ms", Bytes: "bytes", BytesRate: "Bps", Seconds: "s", Cores: "short",
	}[u]
}

func grafanaPanel(s Section, p Panel, from Source, id int, targets []any, at object) object {
	stacking, fill := "none", 0
	if p.Stacked {
		stacking, fill = "normal", 30
	}
	defaults := object{
		"unit": grafanaUnit(p.Unit, from), "min": 0, "color": object{"mode": "palette-classic"},
		"custom": object{
			"drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never",
			"spanNulls": false, // what isn't heard from is a gap
			"stacking":  object{"mode": stacking, "group": "A"},
		},
	}
	if p.Unit == Percent {
		defaults["max"] = 100
	}
	return object{
		"id": id, "type": "timeseries", "title": p.Title, "description": p.Help, "datasource": datasource(from), "gridPos": at,
		"fieldConfig": object{"defaults": defaults, "overrides": []any{}},
		"options": object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		},
		"targets": targets,
		"links":   []any{object{"title": "Runbook", "url": "${runbook}#" + anchor(heading(s, p)), "targetBlank": true}},
	}
}

func variables(s Section, from Source) []any {
	list := []any{object{
		"name": "datasource", "label": "Data source", "type": "datasource", "query": string(from),
		"hide": 0, "refresh": 1, "regex": "", "multi": false, "includeAll": false, "current": object{}, "options": []any{},
	}}
	query := func(name, q string, several bool) {
		list = append(list, object{
			"name": name, "label": strings.ToUpper(name[:1]) + name[1:], "type": "query", "datasource": datasource(from), "definition": q, "query": q,
			"refresh": 2, "sort": 1, "hide": 0, "regex": "", "multi": several, "includeAll": several, "current": object{}, "options": []any{},
		})
	}
	text := func(name, label, v string) {
		chosen := object{"text": v, "value": v, "selected": true}
		list = append(list, object{"name": name, "label": label, "type": "textbox", "query": v, "hide": 0, "current": chosen, "options": []any{chosen}})
	}
	if from == Graphite {
		text("prefix", "StatsD prefix", metrics.DefaultStatsdPrefix)
	} else {
		query("system", `label_values(up{kind!=""}, system)`, true)
	}
	switch {
	case s.PerService && from == Graphite:
		query("service", "stats.counters.$prefix.terminator.*.upstream.*", false)
	case s.PerService:
		query("service", `label_values(nanofront_upstream_requests_total{system=~"$system"}, service)`, false)
	case s.ID == releaseID && from == Prometheus:
		query("role", `label_values(up{system=~"$system", kind="handler"}, role)`, false)
		query("version", `label_values(up{system=~"$system", role=~"$role"}, version)`, true)
	}
	text("runbook", "Runbook", "docs/runbook.md")
	return list
}

// annotations mark in all panels what changed.
func annotations(from Source) []any {
	list := []any{object{
		"name": "Annotations & Alerts", "type": "dashboard", "builtIn": 1, "enable": true, "hide": true, "iconColor": "rgba(0, 211, 255, 1)",
		"datasource": object{"type": "grafana", "uid": "-- Grafana --"},
	}}
	add := func(name, colour string, more object) {
		more["name"], more["enable"], more["hide"], more["iconColor"], more["datasource"] = name, true, false, colour, datasource(from)
		list = append(list, more)
	}
	if from == Graphite {
		add("Routes changed", "purple", object{"target": object{
			"refId": "Anno", "textEditor": true,
			"target": "removeBelowValue(derivative(maxSeries(stats.gauges.$prefix.terminator.*.etcd.routes.revision)), 1)",
		}})
		return list
	}
	prom := func(expr, title, text string) object {
		return object{"expr": expr, "step": "60s", "titleFormat": title, "textFormat": text, "useValueForTime": "false"}
	}
	add("Releases", "blue", prom(
		`count by (role, version) (up{system=~"$system", version!=""}) unless count by (role, version) (up{system=~"$system", version!=""} offset 1m)`,
		"Release", "{{role}} {{version}} has its first instance"))
	add("Routes changed", "purple", prom(
		`max by (system) (changes(nanofront_etcd_routes_revision{system=~"$system", kind="terminator"}[1m])) > 0`, "Routes", "the routes document has changed"))
	add("Restarts", "orange", prom(
		`changes(process_start_time_seconds{system=~"$system"}[1m]) > 0`, "Restart", "{{kind}} {{instance}} has started anew"))
	return list
}

// heading is that of a panel's section in the runbook.
func heading(s Section, p Panel) string { return s.Title + ": " + p.Title }

// anchor is what becomes of a heading in an address.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == ' ':
			return '-'
		}
		return -1
	}, heading)
}
