package dashboards

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Alert is one of Prometheus' rules, and a section of the runbook.
type Alert struct {
	Name     string
	Severity string // page: somebody gets up; ticket: during the day
	Expr     string
	For      time.Duration
	Summary  string
	Means    string
	Look     string
}

// Objectives of each service, and how many requests an hour a burn rate needs to mean anything.
const (
	failedBudget = 0.001 // of the requests may fail
	slowBudget   = 0.01  // of the others may take longer than the largest goal
	leastPerHour = 100
)

// windows are those of the recording rules.
var windows = []string{"5m", "30m", "1h", "6h", "3d"}

// burn is windows, and how many times faster than allowed the budget must go in all of them: the
// long one says that it matters, the short one that it went on, the last that it still does. By
// that an alert ends soon after its cause.
type burn struct {
	long, short, last string
	factor            float64
	severity          string
	means             string
}

var burns = []burn{
	{"1h", "5m", "5m", 14.4, "page", "2 % of a month's budget went in an hour"},
	{"6h", "30m", "5m", 6, "page", "5 % of a month's budget went in six hours"},
	{"3d", "6h", "30m", 1, "ticket", "10 % of a month's budget went in three days"},
}

// expr is when the share that is recorded under a name burns the budget.
func (b burn) expr(name, threshold string) string {
	var all []string
	for _, w := range []string{b.long, b.short, b.last} {
		if part := fmt.Sprintf("nanofront:service_%s:ratio_rate%s > %s", name, w, threshold); !slices.Contains(all, part) {
			all = append(all, part)
		}
	}
	return strings.Join(append(all, fmt.Sprintf("nanofront:service_requests:rate%s * 3600 >= %d", b.long, leastPerHour)), " and ")
}

// sli is what is promised of each service.
type sli struct {
	name, record, what, look string
	budget                   float64
}

var slis = []sli{
	{"Errors", "failed", "requests fail", "One release, Status 5xx, says of which instance; Overview, Turned down, for what cause. `nanofront status` says which instances are gone or fail. What changed just before is marked in the pictures: take a release back, or put the routes of before in force (`nanofront routes get`, `nanofront routes apply FILE`).", failedBudget},
	{"Latency", "slow", "requests take longer than the largest goal of the service", "Overview, Stages, says which stage has grown, One release, Work, of which instance. `nanofront bus call SERVICE /path` shows the stages of one request. A single slow instance: give it no share (`--weight 0`), or end it; others take over.", slowBudget},
}

// Alerts are all of them.
func Alerts() []Alert {
	var list []Alert
	for _, s := range slis {
		for _, b := range burns {
			threshold := fmt.Sprintf("%g", round(b.factor*s.budget))
			list = append(list, Alert{
				Name: "Nanofront" + s.name + "Burn" + b.long, Severity: b.severity, For: 2 * time.Minute,
				Expr:    b.expr(s.record, threshold),
				Summary: fmt.Sprintf("{{ $labels.service }} ({{ $labels.system }}): {{ $value | humanizePercentage }} of the %s", s.what),
				Means:   fmt.Sprintf("In the last %s more than %s %% of a service's %s, and so in the last %s: %s. At least %d requests an hour.", b.long, percent(b.factor*s.budget), s.what, b.short, b.means, leastPerHour),
				Look:    s.look,
			})
		}
	}
	return append(list,
		Alert{
			Name: "NanofrontFewButFailing", Severity: "page", For: 0,
			Expr:    fmt.Sprintf("sum by (system, service) (increase(nanofront_upstream_failed_total[5m])) >= 3 and nanofront:service_failed:ratio_rate5m > 0.5 and nanofront:service_requests:rate1h * 3600 < %d", leastPerHour),
			Summary: "{{ $labels.service }} ({{ $labels.system }}): {{ $value | humanize }} requests failed in 5 min, more than half of its few",
			Means:   fmt.Sprintf("A service with less than %d requests an hour, for which burn rates mean nothing, has failed three times and more in the last 5 min, more than half of its requests.", leastPerHour),
			Look:    slis[0].look,
		},
		Alert{
			Name: "NanofrontServiceWithoutInstance", Severity: "page", For: time.Minute,
			Expr:    "max by (system) (nanofront_upstream_degraded) > 0",
			Summary: "{{ $labels.system }}: {{ $value }} routed services have no instance",
			Means:   "Each request to a service that is routed and has no live instance gets a 503.",
			Look:    "`curl -s http://ADMIN/readyz` of a terminator names it (degraded), `nanofront status` shows its instances, the supervisor of its processes why they have ended.",
		},
		Alert{
			Name: "NanofrontProcessSilent", Severity: "ticket", For: 2 * time.Minute,
			Expr:    `up{kind!=""} == 0`,
			Summary: "{{ $labels.kind }} {{ $labels.instance }} on {{ $labels.host }} ({{ $labels.system }}) doesn't answer Prometheus",
			Means:   "A process is announced and its admin port doesn't answer. One that has ended cleanly is not announced any more.",
			Look:    "`nanofront status`; `curl -s http://ADMIN/healthz` from Prometheus' machine: a firewall, or an admin port on the loopback (`--admin`, `--admin-announce`), or a process that hangs (`kill -QUIT PID` prints its goroutines and ends it).",
		},
		Alert{
			Name: "NanofrontEtcdAway", Severity: "ticket", For: 5 * time.Minute,
			Expr:    "min by (system) (nanofront_etcd_connected) == 0",
			Summary: "{{ $labels.system }}: a process has no connection to etcd",
			Means:   "Requests don't need etcd, and the last known instances and routes stay in force. But nothing new is found, no routes change, and who starts now needs `--last-known`.",
			Look:    "`etcdctl endpoint health --cluster`; Processes, etcd, says how many have it, the logs of the others why they have not.",
		},
		Alert{
			Name: "NanofrontRoutesRefused", Severity: "ticket", For: 0,
			Expr:    "sum by (system) (increase(nanofront_etcd_routes_rejected_total[10m])) > 0",
			Summary: "{{ $labels.system }}: a routes document was refused",
			Means:   "Somebody wrote a routes document that is not valid. The one of before stays in force.",
			Look:    "The terminators' logs say what is wrong with it. `nanofront routes apply FILE` writes none that is not valid.",
		},
		Alert{
			Name: "NanofrontNoData", Severity: "page", For: 5 * time.Minute,
			Expr:    `absent(nanofront_http_requests_total)`,
			Summary: "Prometheus has no figures of any terminator",
			Means:   "No terminator was scraped for 5 min: all are gone, or Prometheus doesn't find them. No other alert can fire.",
			Look:    "`nanofront targets` lists what Prometheus is told; `curl -s http://TARGETS/` what it gets; Prometheus' page Status, Targets what became of it. Is the site there? `curl -i http://FRONT/`.",
		},
		Alert{
			Name: "NanofrontServiceWithoutData", Severity: "ticket", For: 10 * time.Minute,
			Expr:    "count by (system, service) (nanofront_upstream_measured_total offset 1h) unless count by (system, service) (nanofront_upstream_measured_total)",
			Summary: "{{ $labels.service }} ({{ $labels.system }}) had figures an hour ago, and has none now",
			Means:   "A service that was routed an hour ago is in no terminator's figures. If its routes were taken away, the alert ends by itself within the hour.",
			Look:    "`nanofront routes get`; Processes, Processes that answer.",
		},
		Alert{
			Name: "NanofrontMonitorBlind", Severity: "page", For: 5 * time.Minute,
			Expr:    `avg by (system) (up{kind!=""}) < 0.5`,
			Summary: "{{ $labels.system }}: Prometheus reaches {{ $value | humanizePercentage }} of the processes",
			Means:   "Prometheus reaches less than half of the processes that are announced: what the other alerts say is of the rest alone.",
			Look:    "As NanofrontProcessSilent. All on one machine: its network. All with a name: `--admin-hosts`, as the answer to `curl -i` says.",
		},
		Alert{
			Name: "NanofrontTargetsAway", Severity: "ticket", For: 5 * time.Minute,
			Expr:    `increase(prometheus_sd_http_failures_total[5m]) > 0`,
			Summary: "nanofront targets doesn't answer Prometheus",
			Means:   "Prometheus keeps the list that it has, and finds no new process. (Prometheus must scrape itself.)",
			Look:    "Is `nanofront targets --listen` running? Its log says whether etcd answers.",
		},
		Alert{
			Name: "NanofrontMonitorDrops", Severity: "ticket", For: 5 * time.Minute,
			Expr:    `sum by (system, instance) (increase(nanofront_metrics_overflow_total[5m])) > 0 or sum by (system, instance) (increase(nanofront_log_dropped_total[5m])) > 0 or sum by (system, instance) (increase(nanofront_statsd_failed_total[5m])) > 0`,
			Summary: "{{ $labels.instance }} ({{ $labels.system }}) loses figures or log lines",
			Means:   "What is reported is less than what happens: series beyond the budget of the process, log lines that nobody takes, or StatsD lines that are refused.",
			Look:    "Processes, Lost lines, says which. Overflow: the routes document has more routes and goals than the budget. Log: the disk, or whoever reads standard error. StatsD: `--statsd`.",
		},
	)
}

func round(v float64) float64 { return float64(int64(v*1e6+0.5)) / 1e6 }

func percent(share float64) string { return fmt.Sprintf("%g", round(100*share)) }

// rulesHead stands at the top of the rules' file.
const rulesHead = `# Alerts of nanofront for Prometheus, and what they are computed from.
#
# Generated by "go generate ./internal/dashboards". Do not edit: overrule single alerts in a file of your
# own. Availability: %s %% of a service's requests may fail. Latency: %s %% of the others may take longer
# than the largest goal that the routes document states for it. docs/runbook.md has a section for each alert.
groups:
`

// Rules is the file of rules.
func Rules() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, rulesHead, percent(failedBudget), percent(slowBudget))
	b.WriteString("  - name: nanofront-shares\n    interval: 30s\n    rules:\n")
	record := func(name, expr string) {
		fmt.Fprintf(&b, "      - record: %s\n        expr: >-\n          %s\n", name, expr)
	}
	for _, w := range windows {
		sum := func(metric, by string) string {
			return fmt.Sprintf("sum by (%s) (rate(nanofront_upstream_%s_total[%s]))", by, metric, w)
		}
		const service = "system, service"
		record("nanofront:service_requests:rate"+w, sum("measured", service))
		record("nanofront:service_failed:ratio_rate"+w, sum("failed", service)+" / ("+sum("measured", service)+" > 0)")
		// The largest goal is the one that most requests are within.
		record("nanofront:service_slow:ratio_rate"+w, fmt.Sprintf("clamp_min(1 - max by (%s) (%s) / (%s - %s > 0), 0)",
			service, sum("within", "system, service, goal"), sum("measured", service), sum("failed", service)))
	}
	b.WriteString("  - name: nanofront-alerts\n    interval: 30s\n    rules:\n")
	for _, a := range Alerts() {
		fmt.Fprintf(&b, "      - alert: %s\n        expr: >-\n          %s\n", a.Name, a.Expr)
		if a.For > 0 {
			fmt.Fprintf(&b, "        for: %dm\n", int(a.For.Minutes()))
		}
		fmt.Fprintf(&b, "        labels: {severity: %s}\n        annotations:\n          summary: %q\n          runbook: \"docs/runbook.md#%s\"\n",
			a.Severity, a.Summary, anchor(a.Name))
	}
	return []byte(b.String())
}
