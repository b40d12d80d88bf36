package drivers

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/result"
	"nanofront/internal/testutil"
)

const (
	h2loadSays = `finished in 1.00s, 90487.00 req/s, 55.66MB/s
requests: 90487 total, 90495 started, 90487 done, 90480 succeeded, 7 failed, 0 errored, 0 timeout
status codes: 90480 2xx, 0 3xx, 7 4xx, 0 5xx
traffic: 55.66MB (58364115) total, 8.46MB (8868412) headers (space savings 0.00%), 44.19MB (46332928) data
                     min         max         mean         sd        +/- sd
time for request:       16us      3.67ms        88us       127us    93.56%
`
	weighttpSays = `starting benchmark...
progress: 100% done
{
  "reqs_per_sec": 105443,
  "secs_elapsed": 0.200000,
  "request_counts": { "started":    20000, "retired":    20000, "keep-alive": 19992 },
  "response_counts": { "pass": 20000, "fail": 0, "errs": 0 },
  "status_codes": { "2xx":  20000, "3xx":  0, "4xx":  0, "5xx":  0 },
  "traffic": { "bytes_total":       12900000, "bytes_headers":      2660000, "bytes_body":        10240000 },
  "response_times": { "num": 20000, "avg": 64, "stddev": 235, "unit": "us", "0%": 1, "50%": 44, "75%": 71, "90%": 107, "99%": 214, "100%": 8682 },
  "total_times": { "num": 20000 }
}
`
	weighttpOld = `finished in 0 sec, 200 millisec and 0 microsec, 100000 req/s, 61 kbyte/s
requests: 20000 total, 20000 started, 20000 done, 19990 succeeded, 10 failed, 0 errored
status codes: 19990 2xx, 0 3xx, 0 4xx, 10 5xx
traffic: 12900000 bytes total, 2660000 bytes http, 10240000 bytes data
`
	wrkSays = `Running 1s test
nanofront-bench {"requests":1000,"duration":500000,"bytes":640000,"connect":1,"read":2,"write":0,"status":100,"timeout":3,"mean":1500.000,"min":90,"max":9000,"p50":1200,"p75":1800,"p90":2500,"p99":5000,"p999":8000,"p4":8900}
`
)

func TestParse_WhatDriversSay(t *testing.T) {
	l := &Load{Duration: time.Second}
	for _, c := range []struct {
		name, says  string
		sent        uint64
		rate        float64
		bytes       uint64
		failed      map[string]uint64
		p99, median float64
	}{
		{"h2load", h2loadSays, 90487, 90480, 58364115, map[string]uint64{"status": 7}, 0, 0},
		{"weighttp", weighttpSays, 20000, 100000, 12900000, nil, 0.214, 0.044},
		{"weighttp", weighttpOld, 20000, 99950, 12900000, map[string]uint64{"status": 10}, 0, 0},
		{"wrk", wrkSays, 1006, 1800, 640000, map[string]uint64{"connect": 1, "reset": 2, "timeout": 3, "status": 100}, 5, 1.2},
	} {
		r := &result.Run{Duration: time.Second}
		if err := Find(c.name).parse(c.says, l, r); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		p99, _ := r.Latency.Percentile(99)
		p50, _ := r.Latency.Percentile(50)
		if r.Sent != c.sent || r.Rate != c.rate || r.BytesIn != c.bytes || p99 != c.p99 || p50 != c.median {
			t.Errorf("%s: sent %d, rate %v, bytes %d, p50 %v, p99 %v; want %+v", c.name, r.Sent, r.Rate, r.BytesIn, p50, p99, c)
		}
		if len(r.Failed) != len(c.failed) {
			t.Errorf("%s: failed %v, want %v", c.name, r.Failed, c.failed)
		}
		for why, n := range c.failed {
			if r.Failed[why] != n {
				t.Errorf("%s: failed %v, want %v", c.name, r.Failed, c.failed)
			}
		}
	}
}

func TestParse_RefusesNonsense(t *testing.T) {
	for _, d := range All() {
		for _, says := range []string{"", "unable to connect", "\n{}", wrkMark + "{\n", "finished in x"} {
			if err := d.parse(says, &Load{}, &result.Run{}); err == nil {
				t.Errorf("%s takes %q", d.Name, says)
			}
		}
	}
}

func TestCan_SaysWhatADriverCannot(t *testing.T) {
	get := load.Request{Path: "/a"}
	random := load.Request{Path: "/a/{rand:1-9}"}
	put := load.Request{Path: "/a", Method: "PUT", Body: "x"}
	for _, c := range []struct {
		driver string
		churn  bool
		mix    []load.Request
		can    bool
	}{
		{"wrk", true, []load.Request{get, random, put}, true},
		{"h2load", false, []load.Request{get, random}, true},
		{"h2load", true, []load.Request{get}, false},
		{"h2load", false, []load.Request{put}, false},
		{"weighttp", true, []load.Request{get}, true},
		{"weighttp", false, []load.Request{random}, false},
		{"weighttp", false, []load.Request{get, get}, false},
	} {
		err := Find(c.driver).Can(&Load{Churn: c.churn, Mix: &load.Mix{Requests: c.mix}})
		if (err == nil) != c.can || err != nil && !errors.Is(err, ErrCannot) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestLuaString_IsWhatItWas(t *testing.T) {
	for in, want := range map[string]string{
		`a"b\c`: `"a\034b\092c"`, "ü\n": `"\195\188\010"`, `{"x":1}`: `"{\034x\034:1}"`,
	} {
		if got := luaString(in); got != want {
			t.Errorf("luaString(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestURLs_DrawFromTheMix(t *testing.T) {
	l := &Load{URL: "http://h", Mix: &load.Mix{Requests: []load.Request{{Path: "/r/{rand:5-9}", Weight: 3}, {Path: "/s/{seq:1-2}"}}}}
	counted := map[string]int{}
	list, err := urls(l, 4000)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range list {
		counted[u]++
	}
	rand, seq := 0, 0
	for u, n := range counted {
		switch {
		case strings.HasPrefix(u, "http://h/r/") && len(u) == len("http://h/r/5") && u[len(u)-1] >= '5':
			rand += n
		case u == "http://h/s/1" || u == "http://h/s/2":
			seq += n
		default:
			t.Errorf("%s is not in the mix", u)
		}
	}
	if share := float64(rand) / 4000; share < 0.7 || share > 0.8 || seq == 0 {
		t.Errorf("%d and %d of 3 : 1", rand, seq)
	}
}

// seen counts what a server is asked.
type seen struct {
	mu    sync.Mutex
	paths map[string]int
	puts  int
	wrong string
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths[r.URL.Path]++
	if r.Method == http.MethodPut {
		s.puts++
		if r.Header.Get("If-Match") != "*" || !strings.HasPrefix(string(body), `{"n":"`) || strings.Contains(string(body), "rand") {
			s.wrong = r.Header.Get("If-Match") + " " + string(body)
		}
	}
	_, _ = io.WriteString(w, "ok")
}

// The installed drivers, against a server that looks at what they send.
func TestDriver_RunSendsTheMix(t *testing.T) {
	for _, d := range All() {
		t.Run(d.Name, func(t *testing.T) {
			if err := d.Available(); err != nil {
				if strings.Contains(err.Error(), "apt-get install") {
					testutil.Missing(t, "%v", err)
				}
				testutil.Skip(t, "%v", err)
			}
			server := &seen{paths: map[string]int{}}
			s := httptest.NewServer(server)
			defer s.Close()
			mix := &load.Mix{Requests: []load.Request{{Path: "/fixed"}}}
			if d.Name != "weighttp" {
				mix.Requests[0].Path = "/r/{rand:1-50}"
			}
			if d.Name == "wrk" {
				mix.Requests = append(mix.Requests, load.Request{
					Path: "/w", Method: "PUT", Body: `{"n":"{rand:1-5}"}`, Headers: map[string]string{"If-Match": "*"},
				})
			}
			r, err := d.Run(t.Context(), &Load{URL: s.URL, Mix: mix, Connections: 4, Duration: time.Second, Rate: 500, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if r.Rate <= 0 || r.Completed == 0 || len(r.Failed) > 0 || r.Loop != result.Closed || r.Processes[0].CPUSeconds <= 0 {
				t.Errorf("it found %+v", r)
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if server.wrong != "" {
				t.Errorf("a wrong PUT: %s", server.wrong)
			}
			if want := len(mix.Requests) > 1; (server.puts > 0) != want {
				t.Errorf("%d PUTs", server.puts)
			}
			if d.Name != "weighttp" && len(server.paths) < 20 {
				t.Errorf("only the paths %v", server.paths)
			}
		})
	}
}
