package load

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseMix(t *testing.T) {
	m, err := ReadMix("testdata/mix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := compileMix(m, "h:1", "/", false)
	if err != nil {
		t.Fatal(err)
	}
	d := newDraws(1, 0, 1, c.seqs)
	got, _ := c.entries[0].append(nil, new([]byte), d)
	if ok, _ := regexp.Match(`^GET /profile/\d{1,6} HTTP/1.1\r\nHost: h:1\r\nAccept: application/json\r\n\r\n$`, got); !ok {
		t.Errorf("the first is %q", got)
	}
	for _, n := range []string{"5", "6", "7", "5"} {
		got, at := c.entries[1].append([]byte("before"), new([]byte), d)
		want := `^beforePUT /profile/` + n + ` HTTP/1.1\r\nHost: h:1\r\nContent-Length: 8\r\n\r\n\{"n":\d\d\}$`
		if ok, _ := regexp.Match(want, got); !ok || string(got[at:at+4]) != `{"n"` {
			t.Errorf("the second is %q, body at %d, want %s", got, at, want)
		}
	}
	if x := c.entries[0].expect; !x.status[200] || !x.status[404] || x.status[201] || string(x.contains) != "name" || x.length != -1 {
		t.Errorf("the first expects %+v", x)
	}
	if x := c.entries[1].expect; !x.status[204] || x.status[301] || x.length != 0 {
		t.Errorf("the second expects %+v", x)
	}
	var counts [2]int
	for range 100_000 {
		counts[c.pick(d)]++
	}
	if counts[1] < 4500 || counts[1] > 5500 {
		t.Errorf("the second of weight 5 in 100 is picked %d times in 100,000", counts[1])
	}
}

func TestParseMix_SaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                                                 "the mix is empty",
		"requests: []":                                     "requests: 0 of them: there must be from 1 to 64",
		"request: []":                                      "field request not found",
		"requests: [{path: a}]":                            `requests[0]: path: "a" must begin with /`,
		"requests: [{path: '/a b'}]":                       `path: "/a b" must begin with / and have no blank`,
		"requests: [{path: '/{rand:9-1}'}]":                `{rand:9-1} is not a range such as {rand:1-1000}`,
		"requests: [{path: '/{rand:1-9'}]":                 `{rand: has no closing brace`,
		"requests: [{weight: -1}]":                         "weight: -1 is not a number above 0",
		"requests: [{method: 'G T'}]":                      `method: "G T" can't be sent`,
		"requests: [{method: CONNECT}]":                    `method: "CONNECT" can't be sent`,
		"requests: [{body: a, body_size: 2}]":              "body and body_size exclude each other",
		"requests: [{body_size: -2}]":                      "body_size: -2 is out of range",
		"requests: [{headers: {'a b': c}}]":                `headers: "a b" is not a field name`,
		`requests: [{headers: {a: "c\r\nd: e"}}]`:          "the value of a has a line end",
		"requests: [{headers: {content-length: 3}}]":       "headers: content-length is set by the generator itself",
		"requests: [{expect: {status: [99]}}]":             `expect: status: "99" is neither`,
		"requests: [{expect: {status: [1xx]}}]":            `expect: status: "1xx" is neither`,
		"requests: [{expect: {length: -1}}]":               "expect: length: -1 is less than 0",
		"requests: [{method: HEAD, expect: {length: 10}}]": "a response to HEAD has no body",
	} {
		if _, err := ParseMix([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %q", text, err, want)
		}
	}
	if _, err := ReadMix(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that doesn't exist can be read")
	}
}

func TestOptions_SaysWhatIsWrong(t *testing.T) {
	const url = "http://127.0.0.1:1/"
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, `"" is not a URL`},
		{Options{URL: "127.0.0.1:80"}, "is not a URL"},
		{Options{URL: "https://a/"}, "TLS is not spoken here"},
		{Options{URL: "ftp://a/"}, "the scheme must be http"},
		{Options{URL: "http://me:secret@a/"}, "the URL has a user in it"},
		{Options{URL: "http://:80/"}, "has no host"},
		{Options{URL: url + "#x"}, "a fragment"},
		{Options{URL: url, Duration: -1}, "duration: -1ns is out of range"},
		{Options{URL: url, Timeout: time.Hour}, "timeout: 1h0m0s is out of range: it must be from 0s to 10m0s"},
		{Options{URL: url, Connections: 1e6}, "connections: 1000000 is out of range: it must be from 1 to 60000"},
		{Options{URL: url, Pipeline: 2, Churn: true}, "pipeline: 2 requests can't share"},
		{Options{URL: url, Rate: -1}, "rate: -1 is not"},
		{Options{URL: url, Rate: 1e9}, "rate: a rate of 1e+09"},
		{Options{URL: url, Rate: 1, Stages: []Stage{{1, 1, 1}}}, "rate and stages exclude"},
		{Options{URL: url, Rate: 10, Arrivals: "odd"}, `arrivals: "odd" is not one of constant, poisson`},
		{Options{URL: url, Stages: []Stage{{1, 1, 0}}}, "a stage that lasts 0s"},
		{Options{URL: url, Pipeline: 2, Mix: &Mix{Requests: []Request{{Body: "x", Headers: map[string]string{"expect": "100-continue"}}}}}, "waits for 100 (Continue)"},
	} {
		_, err := Run(t.Context(), c.o, nil)
		if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v gives %v, want %q", c.o, err, c.want)
		}
	}
}

func TestMatcher_FindsWhatIsCut(t *testing.T) {
	const text = "aaabaaabaab-aabaac"
	for _, want := range []string{"a", "aab", "aaabaaabaab", "baac", "-", "x", "aabaaba", text, text + "x", ""} {
		found := strings.Contains(text, want)
		for cut := range len(text) {
			for _, step := range []int{1, 2, 3, 7} {
				var m matcher
				m.reset([]byte(want))
				m.feed([]byte(text[:cut]))
				for i := cut; i < len(text); i += step {
					m.feed([]byte(text[i:min(i+step, len(text))]))
				}
				if m.found != found {
					t.Fatalf("%q, cut at %d and by %d: found %v, want %v", want, cut, step, m.found, found)
				}
			}
		}
	}
}
