package main

import (
	"encoding/json"
	"net/http"

	"nanofront/internal/cli"
	"nanofront/terminator"
)

// lines are degradations as /readyz shows them.
func lines(list []terminator.Degradation) []string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = d.String()
	}
	return out
}

// links shows the links to the instances.
func links(t *terminator.Terminator) http.Handler {
	return answer(func() any { return t.Links() })
}

// state shows what /readyz does, for programs.
func state(t *terminator.Terminator) http.Handler {
	return answer(func() any {
		reasons := cli.Reasons(t.Ready())
		return map[string]any{
			"ready": len(reasons) == 0, "reasons": append([]string{}, reasons...), // [] rather than null
			"degraded": append([]terminator.Degradation{}, t.Degraded()...),
		}
	})
}

func answer(of func() any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(of()) // a client that went away
	})
}
