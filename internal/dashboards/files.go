package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Files returns all files that are made of the panels, by their paths below deploy/.
func Files() (map[string][]byte, error) {
	files := make(map[string][]byte)
	var urls strings.Builder
	urls.WriteString("# The pictures of all panels, to be put behind the address of a Graphite-web.\n" +
		"# Made of internal/dashboards; " + ServiceWord + " stands for a service.\n")
	for _, s := range Sections() {
		b, err := encode(graphite(s))
		if err != nil {
			return nil, err
		}
		files["graphite/dashboards/nanofront-"+s.ID+".json"] = b
		fmt.Fprintf(&urls, "\n# %s\n", s.Title)
		for _, p := range s.Panels {
			if slices.ContainsFunc(p.Queries, Query.inGraphite) {
				fmt.Fprintf(&urls, "%s\n", GraphiteURL(p, s.PerService))
			}
		}
		for _, from := range Sources {
			if b, err = encode(grafana(s, from)); err != nil {
				return nil, err
			}
			files["grafana/"+string(from)+"/"+s.ID+".json"] = b
		}
	}
	files["graphite/urls.txt"] = []byte(urls.String())
	files["prometheus/nanofront.rules.yaml"] = Rules()
	files["../docs/runbook.md"] = Runbook()
	return files, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("dashboards: %w", err)
	}
	return b.Bytes(), nil
}
