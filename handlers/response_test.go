package handlers_test

import (
	"strings"
	"testing"

	"nanofront/handlers"
)

func TestResponse_SetReplaces(t *testing.T) {
	var r handlers.Response
	r.Set("content-type", "text/plain")
	r.Set("etag", `"1"`)
	r.Set("content-type", "text/html; charset=utf-8")
	for i := range 100 { // what was set must survive that its memory moves
		r.Set("x-"+strings.Repeat("n", i), strings.Repeat("v", i))
	}
	r.Add([]byte("etag"), []byte(`"2"`))
	if got := r.Header.Get("content-type"); string(got) != "text/html; charset=utf-8" {
		t.Errorf("content-type %q", got)
	}
	if got := r.Header.Get("etag"); string(got) != `"1"` || len(r.Header) != 103 {
		t.Errorf("etag %q, %d fields", got, len(r.Header))
	}
	if _, err := r.WriteString("text"); err != nil || string(r.Body) != "text" {
		t.Errorf("body %q, %v", r.Body, err)
	}
	r.Reset()
	if r.Status != 0 || len(r.Header) != 0 || len(r.Body) != 0 {
		t.Errorf("after Reset: %+v", r)
	}
}

func TestRequest_Param(t *testing.T) {
	r := handlers.Request{Query: []byte("x=1&name=J%C3%BCrgen&name=2")}
	for name, want := range map[string]string{"name": "Jürgen", "x": "1", "nam": "", "": ""} {
		if got := r.Param(name); got != want {
			t.Errorf("Param(%q) = %q, want %q", name, got, want)
		}
	}
}
