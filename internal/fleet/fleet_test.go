package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nanofront/metrics"
	"nanofront/nanobus"
	"nanofront/registry"
)

// Who there is, and how each is reached from this machine.
func TestKnown_Targets(t *testing.T) {
	front := func(name, host, admin string) registry.Process {
		return registry.Process{Kind: registry.KindTerminator, Name: name, Host: host, Admin: admin}
	}
	k := Known{
		Host: "here",
		Instances: []registry.Instance{
			{Service: "web", ID: "a", Admin: "127.0.0.1:1"},
			{Service: "web", ID: "b", Admin: "127.0.0.1:2"}, // on another machine, as its process says
			{Service: "web", ID: "c"},
		},
		Processes: []registry.Process{
			{Kind: registry.KindDash, Name: "d", Host: "here", Admin: "127.0.0.1:3"},
			{Kind: registry.KindUp, Name: "u"},
			{Kind: registry.KindHandler, Name: "b", Service: "web", Host: "there", Admin: "127.0.0.1:2"},
			{Kind: registry.KindHandler, Name: "drained", Service: "web", Host: "here", Admin: "127.0.0.1:4"},
			front("f", "here", "127.0.0.1:5"), front("g", "there", "127.0.0.1:6"), front("h", "there", "10.0.0.1:7"),
		},
		Fronts: []string{"127.0.0.1:5", "127.0.0.1:8"}, Default: "127.0.0.1:9",
	}
	var got []string
	for _, to := range k.Targets() {
		got = append(got, fmt.Sprintf("%s %s %q", to.Name(), to.Admin, to.Why))
	}
	alone := `its admin port, 127.0.0.1:%d, is open to that machine alone: start it with --admin at an address that others reach, or with --admin-announce`
	want := []string{
		`web/a 127.0.0.1:1 ""`, fmt.Sprintf(`web/b  %q`, fmt.Sprintf(alone, 2)), `web/c  "it has no admin port (--admin=)"`,
		`other/dash/d 127.0.0.1:3 ""`,
		`terminator/f 127.0.0.1:5 ""`, fmt.Sprintf(`terminator/g  %q`, fmt.Sprintf(alone, 6)), `terminator/h 10.0.0.1:7 ""`,
		`terminator/127.0.0.1:8 127.0.0.1:8 ""`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	k.Processes, k.Fronts = nil, nil
	if list := k.Targets(); list[len(list)-1].Admin != "127.0.0.1:9" {
		t.Errorf("without any terminator: %+v", list)
	}
}

// Processes that don't answer, however many, hold up none that does; what they said before stays,
// with its age.
func TestAsker_SilentOnesHoldUpNobody(t *testing.T) {
	const silent, live = 300, 100
	report := []byte(`{"program":"handler","start_id":"s","counters":{"requests":{"value":7,"rate_10s":2.5}},"timers":{"service_time":{"last_10s":{"rate_10s":2,"p50_ms":1,"p99_ms":3}}}}`)
	var cutOff atomic.Bool
	a := Asker{Each: 300 * time.Millisecond, Within: 20 * time.Second, Get: func(ctx context.Context, addr, path string, into []byte) ([]byte, error) {
		if cutOff.Load() && strings.HasPrefix(addr, "silent") {
			<-ctx.Done()
			return into, ctx.Err()
		}
		if strings.HasPrefix(path, "/links") {
			return append(into, "[]"...), nil
		}
		return append(into, report...), nil
	}}
	var list []*Subject
	for i := range silent {
		list = append(list, NewSubject(Target{Kind: Handler, Service: "s", ID: fmt.Sprint(i), Admin: fmt.Sprintf("silent-%d", i)}))
	}
	for i := range live {
		list = append(list, NewSubject(Target{Kind: Handler, Service: "l", ID: fmt.Sprint(i), Admin: fmt.Sprintf("live-%d", i)}))
	}
	now := time.Unix(1_700_000_000, 0)
	a.Ask(t.Context(), now, list)
	for _, s := range list {
		if s.Err != nil || s.Report.Counters["requests"] != (Counter{7, 2.5}) || s.Report.Timers["service_time"].P99 != 3 {
			t.Fatalf("%s: %v, %+v", s.Name(), s.Err, s.Report)
		}
	}
	cutOff.Store(true)
	a.Ask(t.Context(), now.Add(time.Second), list) // finds out
	a.Within = time.Second                         // far too short for all that are silent
	now = now.Add(2 * time.Second)
	a.Ask(t.Context(), now, list)
	for _, s := range list {
		switch {
		case s.Service == "l" && (s.Err != nil || s.Age(now) != 0):
			t.Errorf("%s is held up: %v, age %s", s.Name(), s.Err, s.Age(now))
		case s.Service == "s" && (s.Err == nil || s.Reason() != "no answer in time" || s.Age(now) != 2*time.Second || s.Report.Counters["requests"].Value != 7):
			t.Errorf("%s: %v, age %s, %+v", s.Name(), s.Err, s.Age(now), s.Report)
		}
	}
}

// A front whose number of slow requests begins anew, as it was restarted, is asked for all of them.
func TestAsker_SlowRequestsAfterARestart(t *testing.T) {
	start, asked := "one", ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics.json":
			_, _ = fmt.Fprintf(w, `{"program":"terminator","start_id":%q}`, start)
		case "/links.json":
			_, _ = w.Write([]byte("[]"))
		case "/state.json":
			_, _ = w.Write([]byte(`{"ready":false,"reasons":["no routes"],"degraded":[{"service":"web","reason":"away"}]}`))
		default:
			asked = r.URL.RequestURI()
			_, _ = w.Write([]byte(`{"requests":[{"seq":41,"total_ms":9,"stages_ms":[1,2]}]}`))
		}
	}))
	defer srv.Close()
	s := NewSubject(Target{Kind: Front, ID: "f", Admin: srv.Listener.Addr().String()})
	a := Asker{Buckets: true}
	for _, want := range []string{"0", "41", "0"} {
		if want == "0" && asked != "" {
			start = "two"
		}
		a.Ask(t.Context(), time.Now(), []*Subject{s})
		if s.Err != nil || s.Partial != nil || asked != "/slow.json?after="+want || len(s.Slow) != 1 || s.Slow[0].Stages[1] != 2 {
			t.Errorf("asked %q, want after=%s; %v, %v, %+v", asked, want, s.Err, s.Partial, s.Slow)
		}
	}
	if s.State.Ready || len(s.State.Reasons) != 1 || s.State.Degraded[0] != (Degradation{"web", "away"}) {
		t.Errorf("state %+v", s.State)
	}
	srv.Close()
	a.Ask(t.Context(), time.Now(), []*Subject{s})
	if !s.Refused() || s.Reason() != "nobody listens at its admin address" {
		t.Errorf("after its end: %v", s.Err)
	}
}

// A link is read as nanobus writes it, whatever fields it has.
func TestLink_AsWritten(t *testing.T) {
	var in nanobus.LinkInfo
	v := reflect.ValueOf(&in).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprintf("f%d", i))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Uint64:
			f.SetUint(uint64(i + 1))
		case reflect.Float64:
			f.SetFloat(float64(i) + 0.5)
		default:
			t.Fatalf("a field of kind %s", f.Kind())
		}
	}
	body, err := json.Marshal([]nanobus.LinkInfo{in})
	if err != nil {
		t.Fatal(err)
	}
	links, err := readLinks(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(links)
	if err != nil || string(again) != string(body) {
		t.Errorf("%v\nwritten %s\nread    %s", err, body, again)
	}
}

// What a process says of the last 10 s is read from a real report.
func TestReport_Real(t *testing.T) {
	set := metrics.New(metrics.Handler, "x")
	set.Counter(metrics.HandlerRequests).Add(9)
	for range 100 {
		set.Timer(metrics.HandlerServiceTime).Observe(2 * time.Millisecond)
	}
	var b strings.Builder
	if err := set.WriteBuckets(&b); err != nil {
		t.Fatal(err)
	}
	r := newReport()
	if err := r.read([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	w := r.Timers["service_time"]
	if c := r.Counters["requests"]; r.Instance != "x" || r.StartID != set.StartID() || c.Value != 9 || c.Rate <= 0 ||
		w.Cells.Count() != 100 || w.P99 < 1.98 || w.P99 > 2.02 || w.P50 != w.P99 || w.Rate <= 0 {
		t.Errorf("read %+v", r)
	}
}
