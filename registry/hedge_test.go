package registry

import (
	"strings"
	"testing"
)

// What the field hedge may be, in YAML and JSON.
func TestRoutes_Hedge(t *testing.T) {
	doc := func(hedge string) string {
		return "version: 1\nroutes: [{name: a, match: {prefix: /}, service: web, hedge: " + hedge + "}]"
	}
	for text, want := range map[string]string{"on": HedgeOn, "off": HedgeOff, `"on"`: HedgeOn} {
		r, err := ParseRoutes([]byte(doc(text)))
		if err != nil {
			t.Errorf("hedge: %s: %v", text, err)
		} else if got := r.Routes[0].Hedge; got != want {
			t.Errorf("hedge: %s is read as %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`""`:    `hedge: "": want on or off`,
		"maybe": `hedge: "maybe": want on or off`,
		"true":  `hedge: true`,
	} {
		if _, err := ParseRoutes([]byte(doc(text))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("hedge: %s: %v, want an error with %q", text, err, want)
		}
	}
}
