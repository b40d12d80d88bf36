package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/httpmsg"
)

var today = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestChange_SaysWhatIsWrong(t *testing.T) {
	list := func(n int, item string) string {
		return `["` + strings.Repeat(item+`","`, n-1) + item + `"]`
	}
	for _, c := range []struct{ body, want string }{
		{``, "the body is empty"},
		{`  `, "the body is empty"},
		{`{`, "ends too early"},
		{`nope`, "the body is not JSON: invalid character"},
		{`[]`, "the body is a JSON array"},
		{`"x"`, "the body is a JSON string"},
		{`null`, "the body is null"},
		{`{} {}`, "something after"},
		{"{\"nickname\":\"\xff\"}", "not valid UTF-8"},
		{`{"nick":"x"}`, `"nick" is not a field: known are nickname`},
		{`{"id":7}`, "id is 7 in the body and 42 in the path"},
		{`{"nickname":7}`, "nickname: a JSON number does not fit"},
		{`{"interests":"x"}`, "interests: a JSON string does not fit"},
		{`{"nickname":""}`, "nickname is 0 characters long: want 1 to 40"},
		{`{"nickname":"` + strings.Repeat("ü", 41) + `"}`, "nickname is 41 characters long"},
		{`{"nickname":"a\u0000b"}`, "control characters"},
		{`{"nickname":" a"}`, "no spaces at its ends"},
		{`{"city":""}`, "city is 0 characters"},
		{`{"country":""}`, "country is 0 characters"},
		{`{"gender":"x"}`, `gender is "x": want female, male, nonbinary`},
		{`{"birthday":"1990-2-3"}`, `birthday is "1990-2-3": want a date as 1990-12-31`},
		{`{"birthday":"1990-02-30"}`, "birthday"},
		{`{"birthday":"1899-12-31"}`, "birthday"},
		{`{"birthday":"2026-11-21"}`, "birthday"},
		{`{"about":"` + strings.Repeat("x", 2001) + `"}`, "about is 2001 bytes long: want at most 2000"},
		{`{"about":"a\u0007"}`, "about has a control character at byte 1"},
		{`{"interests":` + list(21, "x") + `}`, "interests are 21: want at most 20"},
		{`{"interests":["tea",""]}`, "interests[1] is 0 characters"},
		{`{"photo_url":"javascript:alert(1)"}`, "photo_url is"},
		{`{"photo_url":"http://example.com/x"}`, "photo_url is"},
		{`{"photo_url":"//example.com/x"}`, "photo_url is"},
		{`{"photo_url":"/\\example.com/x"}`, "photo_url is"},
		{`{"photo_url":"https://"}`, "photo_url is"},
		{`{"photo_url":"/a b"}`, "photo_url is"},
		{`{"photo_url":"/` + strings.Repeat("x", 500) + `"}`, "photo_url is 501 bytes long"},
	} {
		m := Generate(42)
		change, err := ParseChange(42, []byte(c.body))
		if err == nil {
			err = change.Apply(&m, today)
		}
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %q in it", c.body, err, c.want)
		}
	}
}

func TestChange_KeepsWhatIsLeftOut(t *testing.T) {
	m := Generate(42)
	want := m
	want.Nickname, want.Gender, want.About, want.PhotoURL = "Zoë", "", "two\nlines", "https://example.com/me.jpg"
	want.Interests = []string{}
	change, err := ParseChange(42, []byte(`{"id":42,"version":99,"last_seen":"whenever","nickname":"Zoë","gender":"","about":"two\nlines",
		"photo_url":"https://example.com/me.jpg","interests":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := change.Apply(&m, today); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(m), fmt.Sprint(want); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestChange_TakesAWholeDocumentBack(t *testing.T) {
	m := Generate(42)
	doc, err := m.appendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	change, err := ParseChange(42, doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := change.Apply(&m, today); err != nil {
		t.Fatal(err)
	}
}

func TestRecord_RoundTrip(t *testing.T) {
	m := Generate(7)
	m.City, m.Interests = "São Paulo", nil
	b, err := appendRecord(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := parseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Version != 1 || doc.LastSeen != m.LastSeen.Unix() || string(doc.City) != "S%C3%A3o+Paulo" || !json.Valid(doc.JSON) {
		t.Errorf("got %+v, %s", doc, doc.JSON)
	}
	if !strings.Contains(string(doc.JSON), `"interests":[]`) || strings.HasSuffix(string(doc.JSON), "\n") {
		t.Errorf("got %s", doc.JSON)
	}
	back, err := parseMember(b)
	if err != nil || back.Nickname != m.Nickname || !back.LastSeen.Equal(m.LastSeen) {
		t.Errorf("got %+v, %v", back, err)
	}
	for n := range recordHead + len(doc.City) {
		if _, err := parseMember(b[:n]); !errors.Is(err, errCorrupt) {
			t.Errorf("cut at %d: got %v", n, err)
		}
	}
}

func FuzzParseChange(f *testing.F) {
	m := Generate(42)
	doc, err := m.appendJSON(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Add([]byte(`{"nickname":"x","interests":["a"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		change, err := ParseChange(42, body)
		m := Generate(42)
		if err == nil {
			err = change.Apply(&m, today)
		}
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%q: %v is not for the client", body, err)
			}
			return
		}
		b, err := appendRecord(nil, &m)
		if err != nil {
			t.Fatalf("%q: accepted, but can't be stored: %v", body, err)
		}
		if _, err := parseMember(b); err != nil {
			t.Fatalf("%q: stored, but can't be read: %v", body, err)
		}
	})
}

func TestCondition(t *testing.T) {
	for _, c := range []struct {
		fields []string
		holds  []uint64
		not    []uint64
		status int
	}{
		{fields: []string{`"7"`}, holds: []uint64{7}, not: []uint64{6, 8}},
		{fields: []string{`"v7"`}, holds: []uint64{7}, not: []uint64{6}},
		{fields: []string{`*`}, holds: []uint64{1, 99}},
		{fields: []string{`"1", "3"`}, holds: []uint64{1, 3}, not: []uint64{2}},
		{fields: []string{`"1"`, `"3"`}, holds: []uint64{1, 3}, not: []uint64{2}},
		{fields: []string{`W/"7"`}, not: []uint64{7}},
		{fields: []string{`"abc"`}, not: []uint64{1}},
		{fields: []string{``}, not: []uint64{1}},
		{fields: nil, status: 428},
		{fields: []string{`7`}, status: 400},
		{fields: []string{`"7`}, status: 400},
		{fields: []string{`"`}, status: 400},
	} {
		req := &handlers.Request{}
		for _, f := range c.fields {
			req.Header = append(req.Header, httpmsg.Field{Name: []byte("if-match"), Value: []byte(f)})
		}
		cond, err := condition(req)
		var status *handlers.StatusError
		if c.status != 0 {
			if !errors.As(err, &status) || status.Status != c.status {
				t.Errorf("%q: got %v, want status %d", c.fields, err, c.status)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.fields, err)
		}
		for _, v := range c.holds {
			if !cond.Holds(v) {
				t.Errorf("%q: doesn't hold for %d", c.fields, v)
			}
		}
		for _, v := range c.not {
			if cond.Holds(v) {
				t.Errorf("%q: holds for %d", c.fields, v)
			}
		}
	}
}
