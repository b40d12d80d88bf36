package replay

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nanofront/internal/recording"
)

// served replays to a real server.
func served(t *testing.T, o Options, src *records, h http.HandlerFunc) *Result {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	o.Source, o.Encode, o.NewSender, o.Samples = src, HTTP, Dial(srv.Listener.Addr().(*net.TCPAddr)), 2
	if o.Connections == 0 {
		o.Connections = 50
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.MaxLate == 0 {
		o.MaxLate = time.Minute
	}
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ok answers as recorded says.
func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok")
}

func TestRun_SendsWhatWasRecorded(t *testing.T) {
	src := recorded(500)
	for i := range src.list {
		r := &src.list[i]
		r.Fields = []recording.Field{{Name: "accept-language", Value: "de"}, {Name: "connection", Value: "close"}, {Name: "x-request-id", Value: "old"}, {Name: "x-forwarded-for", Value: "1.2.3.4"}}
		r.Query = "q=Kxyz"
	}
	src.list[7].Method, src.list[7].Body = "POST", recording.Body{Size: 1000, Copied: 1000, Hash: recording.Hash{1}}
	var mu sync.Mutex
	var paths []string
	for _, o := range []Options{
		{Speed: 1, Select: Select{Unsafe: []string{"POST"}}},
		{Speed: 0, Workers: 3, Select: Select{Unsafe: []string{"POST"}}},
	} {
		paths = nil
		r := served(t, o, src, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			paths = append(paths, r.URL.Path)
			mu.Unlock()
			if r.Host != "example.com" || r.URL.RawQuery != "q=Kxyz" || r.Header.Get("Accept-Language") != "de" || !strings.HasPrefix(r.Header.Get(Mark), "id-") ||
				r.Header.Get("Connection") != "" || r.Header.Get("X-Request-Id") != "" || r.Header.Get("X-Forwarded-For") != "" || (len(body) == 1000) != (r.Method == "POST") {
				w.WriteHeader(http.StatusTeapot)
			}
			ok(w, r)
		})
		if len(r.Routes) != 1 || r.Routes[0].Name != "pages" || r.Total.Same != 500 || r.Differs() {
			t.Errorf("speed %v: %+v", o.Speed, r.Routes)
		}
		slices.Sort(paths)
		if paths = slices.Compact(paths); len(paths) != 500 {
			t.Errorf("speed %v: %d different requests came, want 500", o.Speed, len(paths))
		}
		if (r.Late != nil) != (o.Speed > 0) || r.TooLate {
			t.Errorf("speed %v: late %+v", o.Speed, r.Late)
		}
	}
}

func TestRun_SaysHowAnswersDiffer(t *testing.T) {
	key := recording.NewKey()
	redact := recording.RedactOptions{Key: key}
	red, err := recording.NewRedactor(redact)
	if err != nil {
		t.Fatal(err)
	}
	src := recorded(60)
	for i := range src.list {
		a := &src.list[i].Answer
		a.Body = recording.Body{Size: 2, Copied: 2, Hash: red.Hash([]byte("ok"))}
		a.Fields = append(a.Fields, red.Field("etag", `"secret"`))
	}
	src.list[50].Outcome, src.list[50].Answer = recording.Unanswered, recording.Answer{}
	src.list[51].Route = "" // counted under the service
	src.list[52].Method = "HEAD"
	o := Options{Speed: 1, Redact: &redact, Compare: []string{"status", "size", "body", "content-type", "etag"}, Timeout: time.Second}
	r := served(t, o, src, func(w http.ResponseWriter, r *http.Request) {
		tag := `"secret"`
		switch r.URL.Path {
		case "/1", "/2", "/3":
			w.WriteHeader(http.StatusInternalServerError)
			return
		case "/4":
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case "/5":
			tag = `"other"`
		case "/6":
			w.Header().Set("Etag", tag)
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "ok")
			return
		case "/7":
			w.Header().Set("Etag", tag)
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, "no")
			return
		case "/8":
			w.Header().Set("Etag", tag)
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, "okay")
			return
		case "/9":
			panic(http.ErrAbortHandler)
		case "/10":
			<-r.Context().Done() // until the replay has given up
			return
		case "/11":
			c, _, _ := w.(http.Hijacker).Hijack()
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			_ = c.Close()
			return
		}
		w.Header().Set("Etag", tag)
		ok(w, r)
	})
	hows := map[string]uint64{}
	var pages Route
	for _, route := range r.Routes {
		if route.Name == "pages" {
			pages = route
		}
	}
	for _, h := range pages.Hows {
		hows[h.What] = h.Count
	}
	if want := map[string]uint64{"status 200 → 500": 3, "status 200 → 503": 1, "etag": 1, "content-type": 1, "body": 1, "size": 1}; !reflect.DeepEqual(hows, want) {
		t.Errorf("differences %v, want %v", hows, want)
	}
	if want := map[string]uint64{"reset": 1, "timeout": 1, "protocol": 1}; !reflect.DeepEqual(pages.FailedBy, want) {
		t.Errorf("failed %v, want %v", pages.FailedBy, want)
	}
	if c := r.Total; c.Requests != 60 || c.Differ != 8 || c.Refused != 1 || c.Unknown != 1 || c.Same != 48 || !r.Differs() {
		t.Errorf("%+v", c)
	}
	if len(r.Routes) != 2 || r.Routes[1].Name != "web" || r.Routes[1].Requests != 1 {
		t.Errorf("routes %+v", r.Routes)
	}
	if s := pages.Samples; len(s) != 2 || s[0].Method != "GET" || s[0].ID == "" || s[0].What == "" {
		t.Errorf("samples %+v", s)
	}
	if pages.Then == nil || pages.Then.P50 < 990 || pages.Then.P50 > 1010 || pages.Now == nil {
		t.Errorf("latencies %+v and %+v", pages.Then, pages.Now)
	}
}

// Without the key, what was kept is compared and what was replaced isn't.
func TestRun_WithoutTheKey(t *testing.T) {
	red, err := recording.NewRedactor(recording.RedactOptions{})
	if err != nil {
		t.Fatal(err)
	}
	src := recorded(3)
	for i := range src.list {
		a := &src.list[i].Answer
		a.Body = recording.Body{Size: 2, Copied: 2, Hash: red.Hash([]byte("hm"))}
		a.Fields = append(a.Fields, red.Field("etag", `"secret"`))
	}
	r := served(t, Options{Speed: 1, Compare: []string{"status", "size", "body", "content-type", "etag"}}, src, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"other"`)
		if r.URL.Path == "/1" {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "ok")
			return
		}
		ok(w, r)
	})
	if c := r.Total; c.Same != 2 || c.Differ != 1 || r.Routes[0].Hows[0].What != "content-type" {
		t.Errorf("%+v", r.Routes)
	}
}

func TestRun_NobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	_ = l.Close()
	r, err := Run(t.Context(), Options{Source: recorded(5), Speed: 1, Connections: 2, Timeout: time.Second, Encode: HTTP, NewSender: Dial(addr)}, nil)
	if err != nil || r.Total.Failed[Connect] != 5 || !r.Differs() {
		t.Errorf("%+v, %v", r, err)
	}
}

// An interruption ends it soon, and what was under way is counted.
func TestRun_Interrupted(t *testing.T) {
	src := recorded(1000)
	src.list[10].At += int64(time.Hour)
	for i := 11; i < len(src.list); i++ {
		src.list[i].At += int64(time.Hour)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	arrived := make(chan struct{}, len(src.list))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		if r.URL.Path == "/9" {
			<-r.Context().Done()
			return
		}
		ok(w, r)
	}))
	defer srv.Close()
	go func() {
		for range 10 {
			<-arrived
		}
		stop()
	}()
	r, err := Run(ctx, Options{Source: src, Speed: 1, Connections: 20, Timeout: time.Minute, Encode: HTTP, NewSender: Dial(srv.Listener.Addr().(*net.TCPAddr))}, nil)
	if err != nil || !r.Interrupted || r.Total.Requests != 10 || r.Total.Failed[Aborted] != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
