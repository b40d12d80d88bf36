package httpmsg

import (
	"testing"
)

func accept(values ...string) Fields {
	var fs Fields
	for _, v := range values {
		fs = append(fs, Field{Name: []byte("accept"), Value: []byte(v)})
	}
	return fs
}

func TestFields_PrefersHTML(t *testing.T) {
	for _, c := range []struct {
		accept string
		want   bool
	}{
		{"", false},
		{"*/*", false},
		{"application/json", false},
		{"text/html", true},
		{"TEXT/HTML", true},
		{"text/*", true},
		{"text/html, application/json", false},
		{"text/html;q=0.9, application/json;q=0.8", true},
		{"text/html;q=0.8, application/json;q=0.9", false},
		{"text/html;level=1;q=0.5, */*;q=0.4", true},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true},
		{"*/*, text/html;q=0", false},
		{"*/*;q=0.1, application/json;q=0", true},
		{"application/*;q=0.2, text/html;q=0.3", true},
		{"image/png", false},
		{"text/html;q=0", false},
		{"text/html; q=0.001", true},
		{"text/html;q=", true},
		{",,;;,text/html", true},
		{"text/plain", false},
	} {
		if got := accept(c.accept).PrefersHTML(); got != c.want {
			t.Errorf("%q: got %v, want %v", c.accept, got, c.want)
		}
	}
	if accept().PrefersHTML() {
		t.Error("without Accept: got HTML")
	}
	if !accept("application/json;q=0.1", "text/html;q=0.2").PrefersHTML() {
		t.Error("two fields are not taken as one list")
	}
	if fs := accept("text/html"); true {
		fs[0].Name = []byte("Accept")
		if !fs.PrefersHTML() {
			t.Error("the name's case matters")
		}
	}
}
