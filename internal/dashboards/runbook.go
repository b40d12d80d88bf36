package dashboards

import (
	"fmt"
	"strings"
)

const runbookHead = `# Runbook

<!-- Generated from internal/dashboards by "go generate ./internal/dashboards". Do not edit. -->

What each alert and each panel of the dashboards means, and what to do. ADMIN is a process' admin
address, as ` + "`nanofront targets` and `nanofront status --json`" + ` show it, FRONT a terminator's address
for clients, SERVICE a service of the routes document.

First, always: ` + "`nanofront status`" + `. It says what is wrong in words, and exits with 1 if something is.
What changed just before, a release, a restart, new routes, is marked in all pictures of Grafana.

## Alerts

The rules are in ` + "`deploy/prometheus/nanofront.rules.yaml`" + `. A page wakes somebody, a ticket waits for
the day. A page ends within 10 min of its cause, the ticket of a slow burn within 40.
`

// Runbook is docs/runbook.md.
func Runbook() []byte {
	var b strings.Builder
	b.WriteString(runbookHead)
	for _, a := range Alerts() {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n%s", a.Name, wrap("("+a.Severity+") "+a.Means), wrap(a.Look))
	}
	for _, s := range Sections() {
		fmt.Fprintf(&b, "\n## Dashboard: %s\n\n%s", s.Title, wrap(s.About))
		for _, p := range s.Panels {
			fmt.Fprintf(&b, "\n### %s\n\n%s", heading(s, p), wrap(p.Help))
			if look := looks[s.ID+": "+p.Title]; look != "" {
				b.WriteString("\n" + wrap(look))
			}
		}
	}
	return []byte(b.String())
}

// wrap breaks a text into lines of at most 100 columns, but no command.
func wrap(text string) string {
	var b strings.Builder
	n := 0
	put := func(word string) {
		length := len([]rune(word))
		switch {
		case n == 0:
		case n+1+length > 100:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += length
	}
	open := ""
	for word := range strings.FieldsSeq(text) {
		if open != "" {
			word = open + " " + word
		}
		if strings.Count(word, "`")%2 == 1 {
			open = word
			continue
		}
		open = ""
		put(word)
	}
	b.WriteByte('\n')
	return b.String()
}
