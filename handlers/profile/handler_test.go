package profile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/handlers/profile"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/metrics"
)

const members = 500

// start runs the role and returns a caller of it.
func start(t testing.TB, set metrics.Meter) *handlertest.Caller {
	t.Helper()
	d := handlertest.NewDiscovery()
	testutil.Start(t, "profile", func(ctx context.Context) error {
		return profile.Run(ctx, handlers.Options{Instance: "profile-1", Discovery: d, Metrics: set},
			profile.Options{Data: filepath.Join(t.TempDir(), "new", "data"), Seed: members, Durability: profile.DurabilityNoSync, CacheBytes: 16 << 20})
	})
	return handlertest.NewCaller(t, d, "profile")
}

func TestRole_Get(t *testing.T) {
	c := start(t, nil)
	got := c.Get(t, "profile", "/profile/42")
	var m profile.Member
	if err := json.Unmarshal(got.Body, &m); err != nil {
		t.Fatalf("%v: %s", err, got.Body)
	}
	want := profile.Generate(42)
	if got.Status != 200 || m.Nickname != want.Nickname || m.City != want.City {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
	for name, value := range map[string]string{
		"content-type": "application/json", "etag": `"1"`, "x-last-seen": fmt.Sprint(want.LastSeen.Unix()), "x-city": want.City,
	} {
		if got.Header[name] != value {
			t.Errorf("%s: got %q, want %q", name, got.Header[name], value)
		}
	}
}

func TestRole_Statuses(t *testing.T) {
	c := start(t, nil)
	current := `if-match: "1"`
	for _, x := range []struct {
		method, target, body string
		header               []string
		status               int
		want                 string
	}{
		{"HEAD", "/profile/1", "", nil, 200, "nickname"},
		{"GET", "/profile/501", "", nil, 404, "no member 501"},
		{"GET", "/profile/9223372036854775808", "", nil, 404, "no member"},
		{"GET", "/profile/", "", nil, 400, "not a member's id"},
		{"GET", "/profile/0", "", nil, 400, "not a member's id"},
		{"GET", "/profile/01", "", nil, 400, "not a member's id"},
		{"GET", "/profile/-1", "", nil, 400, "not a member's id"},
		{"GET", "/profile/1/", "", nil, 400, "not a member's id"},
		{"GET", "/profile/99999999999999999999", "", nil, 400, "not a member's id"},
		{"PUT", "/profile/x", "{}", []string{current}, 400, "not a member's id"},
		{"DELETE", "/profile/1", "", nil, 405, "not possible"},
		{"POST", "/ids", "", nil, 405, "not possible"},
		{"GET", "/", "", nil, 404, "nothing at"},
		{"GET", "/idsx", "", nil, 404, "nothing at"},
		{"GET", "/ids", "", nil, 400, "city is missing"},
		{"GET", "/ids?city=Berlin&limit=201", "", nil, 400, "1 to 200"},
		{"GET", "/ids?city=Berlin&limit=0", "", nil, 400, "1 to 200"},
		{"GET", "/ids?city=Berlin&limit=ten", "", nil, 400, "1 to 200"},
		{"GET", "/ids?city=Nowhere", "", nil, 200, "[]"},
		{"PUT", "/profile/1", "{}", nil, 428, "If-Match is missing"},
		{"PUT", "/profile/1", "{}", []string{"if-match: 1"}, 400, "not an entity tag"},
		{"PUT", "/profile/1", "{}", []string{`if-match: "2"`}, 412, "at version 1 now"},
		{"PUT", "/profile/501", "{}", []string{"if-match: *"}, 404, "no member 501"},
		{"PUT", "/profile/1", "", []string{current}, 400, "the body is empty"},
		{"PUT", "/profile/1", `{"x":1}`, []string{current}, 400, "is not a field"},
		{"PUT", "/profile/1", `{"birthday":"x"}`, []string{current}, 400, "birthday is"},
		{"PUT", "/profile/1", strings.Repeat(" ", profile.MaxBody+1), []string{current}, 413, "want at most 16384"},
		{"PUT", "/profile/1", `{"nickname":"Zoë"}`, []string{current}, 200, `"version":2,"nickname":"Zoë"`},
		{"PUT", "/profile/1", `{"nickname":"Zoë"}`, []string{current}, 412, "at version 2 now"},
		{"PUT", "/profile/1", `{}`, []string{`if-match: "v2"`}, 200, `"version":3`},
		{"PUT", "/profile/1", `{}`, []string{`if-match: *`}, 200, `"version":4`},
	} {
		got := c.Must(t, "profile", x.method, x.target, x.body, x.header...)
		if got.Status != x.status || !strings.Contains(string(got.Body), x.want) {
			t.Errorf("%s %s %.40s %q: got %d %.200s, want %d with %q", x.method, x.target, x.body, x.header, got.Status, got.Body, x.status, x.want)
		}
		if got.Status >= 400 && !json.Valid(got.Body) {
			t.Errorf("%s %s: the error is no JSON: %s", x.method, x.target, got.Body)
		}
		if got.Status == 405 && got.Header["allow"] == "" {
			t.Errorf("%s %s: 405 without Allow", x.method, x.target)
		}
	}
}

func TestRole_IDs(t *testing.T) {
	c := start(t, nil)
	var want []uint64
	for id := uint64(1); id <= members; id++ {
		if profile.Generate(id).City == profile.Generate(1).City {
			want = append(want, id)
		}
	}
	got := c.Get(t, "profile", "/ids?limit=200&city="+profile.Generate(1).City)
	wantJSON, _ := json.Marshal(want)
	if strings.TrimSpace(string(got.Body)) != string(wantJSON) {
		t.Errorf("got %s, want %s", got.Body, wantJSON)
	}
}

// TestRole_Batch sends reads, of some members twice, of missing ones and
// writes at once: each gets its own answer.
func TestRole_Batch(t *testing.T) {
	set := metrics.New(metrics.Handler, "t")
	c := start(t, set)
	const n = 300
	calls := make([]*handlers.Call, n)
	var left sync.WaitGroup
	left.Add(n)
	var wrong atomic.Int64
	puts := uint64(0)
	for i := range calls {
		call := handlers.AcquireCall()
		id := uint64((i*37)%(members+100) + 1)
		call.Request.Method, call.Request.Path = []byte("GET"), fmt.Appendf(nil, "/profile/%d", id)
		want, status := profile.Generate(id).About, 200
		switch {
		case id > members:
			status = 404
		case i%10 == 0:
			puts++
			call.Request.Method, call.Request.Body = []byte("PUT"), []byte(`{"nickname":"x"}`)
			call.Request.Header = append(call.Request.Header, ifMatchAny)
		}
		call.Done = func(call *handlers.Call) {
			if call.Err != nil || call.Response.Status != status || status == 200 && !strings.Contains(string(call.Response.Body), want) {
				wrong.Add(1)
				t.Errorf("member %d: %v, %d %.100s", id, call.Err, call.Response.Status, call.Response.Body)
			}
			call.Release()
			left.Done()
		}
		calls[i] = call
	}
	c.Client("profile").GoAll(calls, testutil.Patience)
	left.Wait()
	if wrong.Load() > 0 {
		return
	}
	// A batch is counted when all of it has been answered.
	reads, writes := set.Counter(metrics.StoreReads), set.Counter(metrics.StoreWrites)
	testutil.Eventually(t, "all are counted", func() bool {
		return reads.Value() == n-puts && writes.Value() == puts
	})
	if set.Counter(metrics.StoreNotFound).Value() == 0 {
		t.Error("missing members were not counted")
	}
}

// TestRole_NoUpdateIsLost lets 50 clients count together in one record.
func TestRole_NoUpdateIsLost(t *testing.T) {
	set := metrics.New(metrics.Handler, "t")
	c := start(t, set)
	const clients, each = 50, 4
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				for {
					ok, err := increment(c)
					if err != nil {
						t.Error(err)
						return
					}
					if ok {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	var m profile.Member
	if err := json.Unmarshal(c.Get(t, "profile", "/profile/9").Body, &m); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("+", clients*each); m.About != "start"+want {
		t.Errorf("got %q, want %d signs", m.About, len(want))
	}
	if n := set.Counter(metrics.StoreWrites).Value(); n != clients*each {
		t.Errorf("counted %d writes, want %d", n, clients*each)
	}
	t.Logf("%d conflicts", set.Counter(metrics.StoreConflicts).Value())
}

// increment reads, changes and writes back; false: another was faster.
func increment(c *handlertest.Caller) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testutil.Patience)
	defer cancel()
	got, err := c.Do(ctx, "profile", "GET", "/profile/9", nil)
	if err != nil {
		return false, err
	}
	var m profile.Member
	if err := json.Unmarshal(got.Body, &m); err != nil {
		return false, err
	}
	if !strings.HasPrefix(m.About, "start") {
		m.About = "start"
	}
	body, err := json.Marshal(map[string]string{"about": m.About + "+"})
	if err != nil {
		return false, err
	}
	got, err = c.Do(ctx, "profile", "PUT", "/profile/9", body, "if-match: "+got.Header["etag"])
	switch {
	case err != nil:
		return false, err
	case got.Status == 200:
		return true, nil
	case got.Status == 412:
		return false, nil
	}
	return false, fmt.Errorf("got %d %s", got.Status, got.Body)
}

func TestNew_SaysWhatIsWrong(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := handlers.Options{Discovery: handlertest.NewDiscovery()}
	for _, c := range []struct {
		ho   handlers.Options
		o    profile.Options
		want string
	}{
		{good, profile.Options{}, "--data is empty"},
		{good, profile.Options{Data: foreign}, "holds something other"},
		{good, profile.Options{Data: t.TempDir(), Seed: 1 << 40}, "--seed"},
		{good, profile.Options{Data: t.TempDir(), Writers: -1}, "-1 writers"},
		{good, profile.Options{Data: t.TempDir(), Durability: "x"}, "--durability"},
		{handlers.Options{}, profile.Options{Data: t.TempDir()}, "Discovery is missing"},
	} {
		if err := profile.Run(t.Context(), c.ho, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.o, err, c.want)
		}
	}
	if _, err := profile.New(good, profile.Options{Data: foreign}); !errors.Is(err, profile.ErrDirForeign) {
		t.Errorf("got %v", err)
	}
}

var ifMatchAny = httpmsg.Field{Name: []byte("if-match"), Value: []byte("*")}
