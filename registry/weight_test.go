package registry

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestWeight_JSON(t *testing.T) {
	for text, want := range map[string]Weight{
		`{}`: 0, `{"weight":null}`: 0, `{"weight":0}`: NoWeight, `{"weight":1}`: 1, `{"weight":100}`: DefaultWeight, `{"weight":1000}`: MaxWeight,
	} {
		var i Instance
		if err := json.Unmarshal([]byte(text), &i); err != nil || i.Weight != want {
			t.Errorf("%s: got %d, %v: want %d", text, int(i.Weight), err, want)
		}
		b, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		var again Instance
		if err := json.Unmarshal(b, &again); err != nil || again.Weight != want {
			t.Errorf("%s became %s, which is read as %d, %v", text, b, int(again.Weight), err)
		}
	}
	for _, text := range []string{`-1`, `1001`, `1.5`, `"100"`, `true`, `[]`} {
		var i Instance
		err := json.Unmarshal([]byte(`{"weight":`+text+`}`), &i)
		if err == nil || !strings.Contains(err.Error(), "want 0 (no new requests) to 1000") {
			t.Errorf("%s: got %d, %v", text, int(i.Weight), err)
		}
	}
}

func TestWeight_Share(t *testing.T) {
	for n := range 1001 {
		if got := WeightOf(n).Share(); got != n {
			t.Errorf("%d is read as %d", n, got)
		}
	}
	if got := Weight(0).Share(); got != 100 {
		t.Errorf("not written, it is %d", got)
	}
}

func TestWeight_Validate(t *testing.T) {
	for w, ok := range map[Weight]bool{NoWeight: true, 0: true, 1: true, MaxWeight: true, MaxWeight + 1: false, -2: false} {
		i := valid()
		i.Weight = w
		err := i.Validate()
		if (err == nil) != ok || err != nil && (!errors.Is(err, ErrInvalidInstance) || !strings.Contains(err.Error(), "weight: ")) {
			t.Errorf("%d: %v", int(w), err)
		}
	}
}

func TestParseTable_Weight(t *testing.T) {
	parse := func(weight string) (Weight, error) {
		s, err := ParseTable([]byte("version: 1\ninstances: [{service: web, id: a, address: \"tcp://a:1\"" + weight + "}]"))
		if err != nil {
			return 0, err
		}
		return s.Instances[0].Weight, nil
	}
	for text, want := range map[string]Weight{"": DefaultWeight, ", weight: 0": NoWeight, ", weight: 7": 7, ", weight: 1000": MaxWeight} {
		if got, err := parse(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v: want %d", text, int(got), err, want)
		}
	}
	for text, want := range map[string]string{
		", weight: 1001": `instances[0] "a": weight: 1001: want 0 (no new requests) to 1000`,
		", weight: -1":   `weight: -1: want 0`,
		", weight: 1.5":  `weight: 1.5: want 0`,
		", weight: big":  `weight: text: want a number`,
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "weight:") != 1 {
			t.Errorf("%q: got %v, want once %q", text, err, want)
		}
	}
}

func TestParseHash(t *testing.T) {
	for s, want := range map[string]Hash{
		"path":                 {HashPath, ""},
		"client":               {HashClient, ""},
		"query:id":             {HashQuery, "id"},
		"query:a[b]:c":         {HashQuery, "a[b]:c"},
		"query:%C3%BC":         {HashQuery, "%C3%BC"},
		"header:X-User":        {HashHeader, "x-user"},
		"header:authorization": {HashHeader, "authorization"},
		"header:x_user":        {HashHeader, "x_user"},
		"cookie:SID":           {HashCookie, "SID"},
	} {
		if got, err := ParseHash(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v: want %v", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                                 `"": want path, client, query:NAME, header:NAME or cookie:NAME`,
		"Path":                             "want path, client",
		"path:":                            "want path, client",
		"path:x":                           "want path, client",
		"client:x":                         "want path, client",
		"uri":                              "want path, client",
		"query":                            "want query: and a parameter's name",
		"query:":                           "want query: and a parameter's name",
		"query:a=b":                        "want query: and",
		"query:a&b":                        "want query: and",
		"query:ü":                          "want query: and",
		"query:" + strings.Repeat("a", 65): "want query: and",
		"header:":                          "want a name of 1 to 64",
		"header:a b":                       "want a name of 1 to 64",
		"header:a:b":                       "want a name of 1 to 64",
		"header:X-Forwarded-For":           "this field isn't passed on as the client sent it: want another, or client",
		"header:host":                      "this field isn't passed on",
		"header:x_forwarded_port":          "this field isn't passed on",
		"header:X.Request-Id":              "this field isn't passed on",
		"header:proxy":                     "this field isn't passed on",
		"header: ":                         "want a name of 1 to 64",
		"cookie:":                          "want a name of 1 to 64",
		"cookie:a;b":                       "want a name of 1 to 64",
		"cookie:ä":                         "want a name of 1 to 64",
	} {
		if got, err := ParseHash(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v: want %q", s, got, err, want)
		}
	}
}

func TestParseRoutes_Hash(t *testing.T) {
	doc := func(hash string) string {
		return "version: 1\nroutes: [{name: a, match: {prefix: /}, service: web, hash: " + hash + "}]"
	}
	r, err := ParseRoutes([]byte(doc("query:id")))
	if err != nil || r.Routes[0].Hash != "query:id" {
		t.Fatalf("got %+v, %v", r, err)
	}
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseRoutes(b); err != nil || again.Routes[0].Hash != "query:id" {
		t.Errorf("written and read again: %+v, %v", again, err)
	}
	if got := r.Compile().Routes()[0].Hash; got != "query:id" {
		t.Errorf("compiled, it is %q", got)
	}
	for hash, want := range map[string]string{
		`""`:                  `routes[0] "a": hash: "": want path, client`,
		"3":                   `routes[0] "a": hash: 3 is a number: want text, in quotes`,
		"host":                `routes[0] "a": hash: "host": want path, client`,
		"header:X-Request-Id": `routes[0] "a": hash: "header:X-Request-Id": this field isn't passed on`,
	} {
		if _, err := ParseRoutes([]byte(doc(hash))); !errors.Is(err, ErrInvalidRoutes) || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "hash:") != 1 {
			t.Errorf("%s: got %v, want once %q", hash, err, want)
		}
	}
	r.Routes[0].Hash = "nonsense"
	if err := r.Validate(); err == nil {
		t.Error("a document made in the program isn't checked")
	}
}
