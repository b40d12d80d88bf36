package page

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed" // the page's parts
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"nanofront/internal/dash/collect"
	"nanofront/internal/dash/view"
)

// MaxStreams is how many streams there are at once; a browser has one.
const MaxStreams = 64

// sendTime is what a client may take to accept a message.
const sendTime = 10 * time.Second

// sparks is of how many services a history is sent along.
const sparks = 12

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// Options are what a page is made of.
type Options struct {
	Collector *collect.Collector
	// Token, if set, is asked for.
	Token string
	// Runbook is where the runbook is to be read, an address; empty: in the sources.
	Runbook string
	// Done ends all streams when it is closed.
	Done <-chan struct{}
}

type server struct {
	o       Options
	page    []byte
	policy  string
	streams chan struct{}

	mu   sync.Mutex
	seq  int64
	last []byte // the message of that second, for all whose last was the one before
}

// New makes the page's handler. Whoever serves it must check the Host field first.
func New(o Options) http.Handler {
	s := &server{o: o, streams: make(chan struct{}, MaxStreams)}
	root := "<html lang=\"en\">"
	if o.Runbook != "" {
		root = fmt.Sprintf("<html lang=\"en\" data-runbook=\"%s\">", html.EscapeString(o.Runbook))
	}
	text := strings.Replace(pageHTML, "<html lang=\"en\">", root, 1)
	text = strings.Replace(text, "/*STYLE*/", pageCSS, 1)
	s.page = []byte(strings.Replace(text, "/*SCRIPT*/", pageJS, 1))
	s.policy = "default-src 'none'; script-src '" + digest(pageJS) + "'; style-src '" + digest(pageCSS) + "'; connect-src 'self'; img-src data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	for path, h := range map[string]http.HandlerFunc{
		"/stream": s.stream, "/since": s.since, "/day": s.day, "/at": s.at, "/view.json": s.view,
	} {
		mux.HandleFunc("GET "+path, s.known(h))
	}
	return mux
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (s *server) index(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", s.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	_, _ = w.Write(s.page) // a client that went away
}

// known lets those pass who have the token, where there is one.
func (s *server) known(next http.HandlerFunc) http.HandlerFunc {
	if s.o.Token == "" {
		return next
	}
	want := sha256.Sum256([]byte(s.o.Token))
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			plain(w, http.StatusUnauthorized, "send the token of --token-file: Authorization: Bearer TOKEN")
			return
		}
		next(w, r)
	}
}

// message is a view, and what was before it.
type message struct {
	View   *view.View      `json:"view"`
	Points collect.History `json:"points"`
}

// since makes the message for somebody who has all up to a second. Nearly all have all but the
// last, and share one.
func (s *server) make(v *view.View, after int64) []byte {
	shared := after == v.Seq-1
	s.mu.Lock()
	defer s.mu.Unlock()
	if shared && s.seq == v.Seq {
		return s.last
	}
	var names []string
	for i := range v.Services[:min(len(v.Services), sparks)] {
		names = append(names, v.Services[i].Name)
	}
	b, err := json.Marshal(message{v, s.o.Collector.Since(after, names)})
	if err != nil {
		b = []byte("{}") // there is nothing in it that can't be written
	}
	if shared {
		s.seq, s.last = v.Seq, b
	}
	return b
}

// asked is what a client has already: the second after which it wants to know all.
func asked(r *http.Request, v *view.View) int64 {
	after, err := strconv.ParseInt(r.FormValue("after"), 10, 64)
	if err != nil || r.FormValue("boot") != v.Boot {
		return 0
	}
	return after
}

func (s *server) since(w http.ResponseWriter, r *http.Request) {
	v := s.o.Collector.View()
	if v == nil {
		plain(w, http.StatusServiceUnavailable, "the first look is under way")
		return
	}
	data(w, s.make(v, asked(r, v)))
}

func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		plain(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d streams already: close a page", MaxStreams))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c := http.NewResponseController(w)
	var last int64
	first := true
	for {
		ticked := s.o.Collector.Ticked()
		if v := s.o.Collector.View(); v != nil && (first || v.Seq != last) {
			after := last
			if first {
				after, first = asked(r, v), false
			}
			last = v.Seq
			var b bytes.Buffer
			fmt.Fprintf(&b, "id: %d\ndata: ", v.Seq)
			b.Write(s.make(v, after))
			b.WriteString("\n\n")
			_ = c.SetWriteDeadline(time.Now().Add(sendTime)) // a connection that can't is none that hangs
			if _, err := w.Write(b.Bytes()); err != nil {
				return
			}
			if err := c.Flush(); err != nil {
				return
			}
		}
		select {
		case <-ticked:
		case <-r.Context().Done():
			return
		case <-s.o.Done:
			return
		}
	}
}

func (s *server) day(w http.ResponseWriter, _ *http.Request) { encoded(w, s.o.Collector.Day()) }

func (s *server) at(w http.ResponseWriter, r *http.Request) {
	t, err := strconv.ParseInt(r.FormValue("t"), 10, 64)
	if err != nil {
		plain(w, http.StatusBadRequest, fmt.Sprintf("t: %q is not a time in seconds since 1970", r.FormValue("t")))
		return
	}
	encoded(w, s.o.Collector.At(t))
}

func (s *server) view(w http.ResponseWriter, _ *http.Request) {
	v := s.o.Collector.View()
	if v == nil {
		plain(w, http.StatusServiceUnavailable, "the first look is under way")
		return
	}
	encoded(w, v)
}

func encoded(w http.ResponseWriter, of any) {
	b, err := json.Marshal(of)
	if err != nil {
		plain(w, http.StatusInternalServerError, err.Error())
		return
	}
	data(w, b)
}

func data(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(b) // a client that went away
}

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // a client that went away
}
