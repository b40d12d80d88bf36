package etcd

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"nanofront/registry"
)

// quietView is a view that counts what it would log.
func quietView(hold time.Duration) (v *view, said *strings.Builder) {
	v, said = newView(DefaultPrefix, hold), &strings.Builder{}
	v.onInvalid = func(string, error) { said.WriteString("invalid ") }
	v.onRoutes = func(int64) { said.WriteString("routes ") }
	v.onRejected = func(int64, error) { said.WriteString("rejected ") }
	v.onDeleted = func() { said.WriteString("deleted ") }
	return v, said
}

func kv(key, value string, rev int64) *mvccpb.KeyValue {
	return &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: rev}
}

func ids(s registry.Snapshot) string {
	var out []string
	for _, i := range s.Instances {
		out = append(out, i.ID)
	}
	return strings.Join(out, " ")
}

func TestView_HoldsWhatARereadNoLongerShows(t *testing.T) {
	v, _ := quietView(5 * time.Second)
	now := time.Unix(1000, 0)
	a, b := kv(testKeys.instance(inst("a")), recordOf(t, inst("a")), 1), kv(testKeys.instance(inst("b")), recordOf(t, inst("b")), 2)
	check := func(what string, changed, want bool, list string) {
		t.Helper()
		if got := ids(v.snapshot()); changed != want || got != list {
			t.Errorf("%s: changed %v with %q, want %v with %q", what, changed, got, want, list)
		}
	}
	check("first read", v.replace([]*mvccpb.KeyValue{b, a}, now), true, "a b")
	check("the same again", v.replace([]*mvccpb.KeyValue{a, b}, now), false, "a b")
	check("b is missing", v.replace([]*mvccpb.KeyValue{a}, now), false, "a b")
	// A second re-read doesn't prolong it.
	check("b is still missing", v.replace([]*mvccpb.KeyValue{a}, now.Add(4*time.Second)), false, "a b")
	if got, want := v.nextExpiry(), now.Add(5*time.Second); !got.Equal(want) {
		t.Errorf("next expiry %v, want %v", got, want)
	}
	check("too early", v.expire(now.Add(5*time.Second-1)), false, "a b")
	check("in time", v.expire(now.Add(5*time.Second)), true, "a")
	if !v.nextExpiry().IsZero() {
		t.Error("something is still held")
	}

	check("a is missing", v.replace(nil, now), false, "a")
	check("a is back", v.put(kv(string(a.Key), string(a.Value), 3)), false, "a")
	check("and held no more", v.expire(now.Add(time.Hour)), false, "a")
	check("a is deleted", v.remove(string(a.Key)), true, "")
	check("deleting nothing", v.remove(string(a.Key)), false, "")
}

func TestView_RoutesOfALostHistory(t *testing.T) {
	doc := func(service string) string {
		b, err := routesTo(service).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	v, said := quietView(time.Second)
	v.put(kv(testKeys.routes(), doc("a"), 2))
	v.put(kv(testKeys.routes(), doc("a"), 2))
	// Another etcd, the same revision, another document.
	if !v.put(kv(testKeys.routes(), doc("b"), 2)) || v.snapshot().Routes.Routes[0].Service != "b" {
		t.Error("a document of the same revision isn't seen")
	}
	v.put(kv(testKeys.routes(), "{", 3))
	v.replace([]*mvccpb.KeyValue{kv(testKeys.routes(), "{", 3)}, time.Now())
	v.replace(nil, time.Now())
	v.replace(nil, time.Now())
	if got, want := said.String(), "routes routes rejected deleted "; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if v.snapshot().Routes.Routes[0].Service != "b" || v.routesRev != 2 {
		t.Error("the routes in force are gone")
	}
}

func TestLimiter(t *testing.T) {
	var l limiter
	now := time.Unix(1000, 0)
	for i, want := range []bool{true, false, false} {
		if _, ok := l.allow(now); ok != want {
			t.Errorf("line %d: %v, want %v", i, ok, want)
		}
	}
	if n, ok := l.allow(now.Add(limitEvery)); !ok || n != 2 {
		t.Errorf("later: %d suppressed, %v, want 2, true", n, ok)
	}
}

func TestBackoff_IsCappedAndSpread(t *testing.T) {
	var b backoff
	for i := range 20 {
		if d := b.delay(); d < minBackoff/2 || d > maxBackoff {
			t.Errorf("delay %d is %v", i, d)
		}
	}
	if d := b.delay(); d < maxBackoff/2 {
		t.Errorf("late delay %v, want at least %v", d, maxBackoff/2)
	}
	b.reset()
	if d := b.delay(); d > minBackoff {
		t.Errorf("delay after reset %v", d)
	}
}

func FuzzDecodeInstance(f *testing.F) {
	good, err := json.Marshal(inst("a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("web/a", good)
	f.Add("web/b", good)
	f.Add("", []byte("{}"))
	f.Add("x", []byte(`{"service":"x","window":1e9}`))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		i, err := testKeys.decodeInstance(testKeys.instances()+name, value)
		if err == nil && (i.Validate() != nil || testKeys.instance(i) != testKeys.instances()+name) {
			t.Fatalf("accepts %q as %+v", value, i)
		}
	})
}

// A record with another weight is news, one without a weight, of a handler
// that knows of none, is as good as any, and one with a bad weight is left out.
func TestView_Weights(t *testing.T) {
	v, said := quietView(time.Second)
	key := testKeys.instance(inst("a"))
	plain := `{"service":"web","id":"a","address":"tcp://127.0.0.1:7000","window":8`
	for i, c := range []struct {
		fields  string
		changed bool
		want    registry.Weight
	}{
		{`}`, true, 0},
		{`,"weight":30}`, true, 30},
		{`,"weight":30}`, false, 30},
		{`,"weight":0}`, true, registry.NoWeight},
	} {
		if changed := v.put(kv(key, plain+c.fields, int64(i+1))); changed != c.changed {
			t.Errorf("%s: changed %v, want %v", c.fields, changed, c.changed)
		}
		if got := v.snapshot().Instances[0].Weight; got != c.want {
			t.Errorf("%s: weight %d, want %d", c.fields, int(got), int(c.want))
		}
	}
	v.put(kv(key, plain+`,"weight":1001}`, 9))
	if len(v.snapshot().Instances) != 0 || said.String() != "invalid " {
		t.Errorf("weight 1001: %q, said %q", ids(v.snapshot()), said)
	}
}
