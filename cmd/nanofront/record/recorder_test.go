package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/httpmsg"
	"nanofront/internal/recording"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/registry"
)

var began = time.Now().Truncate(time.Second)

// rig is a recorder whose clock and copies a test makes.
type rig struct {
	*recorder
	t      *testing.T
	name   string
	redact *recording.Redactor
	now    time.Time
}

func newRig(t *testing.T, share float64, routes ...string) *rig {
	t.Helper()
	redact, err := recording.NewRedactor(recording.RedactOptions{KeepIDs: true})
	if err != nil {
		t.Fatal(err)
	}
	h := recording.Header{Created: began, Expires: began.Add(time.Hour), Share: share}
	redact.Header(&h)
	name := filepath.Join(t.TempDir(), "r.nfrec")
	file, err := recording.Create(name, h)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{newRecorder(&converter{redact: redact, share: share}, file, routes, 1<<30), t, name, redact, began}
	r.discovered(registry.Snapshot{
		Instances: []registry.Instance{{Service: "web", ID: "web-1"}, {Service: "profile", ID: "profile-1"}},
		Routes: &registry.Routes{Routes: []registry.Route{
			{Name: "members", Match: registry.Match{Prefix: "/members/"}, Service: "web"},
			{Name: "rest", Match: registry.Match{Prefix: "/"}, Service: "web"},
		}},
	})
	return r
}

// frame gives the recorder a frame of an exchange between peer and instance.
func (r *rig) frame(k wire.Kind, id uint64, instance, peer string, at time.Duration, payload []byte, keep int) {
	r.t.Helper()
	fixed := map[wire.Kind]int{wire.KindRequest: wire.RequestFixed, wire.KindResponse: wire.ResponseFixed}[k]
	body := append(make([]byte, fixed), payload...)
	c := &listen.Copy{
		Service: strings.TrimSuffix(instance, "-1"), Instance: instance, At: began.Add(at), Peer: []byte(peer),
		Kind: k, ID: id, Length: wire.HeaderSize + len(body), Body: body,
	}
	if k == wire.KindRequest {
		binary.BigEndian.PutUint32(body, 2_000_000)
	}
	if keep >= 0 && keep < len(payload) {
		c.Body, c.Cut = body[:fixed+keep], true
	}
	if err := r.copied(c, r.now); err != nil {
		r.t.Fatal(err)
	}
}

func asked(path, requestID string, body int) []byte {
	r := httpmsg.Request{
		Method: []byte("GET"), Scheme: []byte("http"), Host: []byte("h"), Path: []byte(path), Client: []byte("192.0.2.1"),
		Body: []byte(strings.Repeat("b", body)),
	}
	if requestID != "" {
		r.Header = httpmsg.Fields{{Name: []byte("x-request-id"), Value: []byte(requestID)}}
	}
	return r.AppendTo(nil)
}

func answered(status, body int) []byte {
	r := httpmsg.Response{Status: status, Body: []byte(strings.Repeat("a", body))}
	return r.AppendTo(nil)
}

// records ends the recording and reads it.
func (r *rig) records() (list []recording.Record, s recording.Summary) {
	r.t.Helper()
	if _, err := r.end(listening.Losses{}, whyInterrupted); err != nil {
		r.t.Fatal(err)
	}
	f, err := recording.Open(r.name)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for {
		var rec recording.Record
		err := f.Next(&rec)
		if errors.Is(err, io.EOF) {
			s, _ = f.Summary()
			return list, s
		}
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, rec)
	}
}

// wait lets time go by.
func (r *rig) wait(d time.Duration) {
	r.t.Helper()
	r.now = r.now.Add(d)
	if err := r.tick(listening.Losses{There: 3}, r.now); err != nil {
		r.t.Fatal(err)
	}
}

func TestRecorder_PutsHopsTogether(t *testing.T) {
	r := newRig(t, 1)
	// The second hop's copies come first.
	r.frame(wire.KindRequest, 9, "profile-1", "web-1", time.Millisecond, asked("/x", "r-1", 0), -1)
	r.frame(wire.KindResponse, 9, "profile-1", "web-1", 2*time.Millisecond, answered(404, 3), -1)
	r.frame(wire.KindRequest, 7, "web-1", "front", 0, asked("/members/x", "r-1", 5), -1)
	r.frame(wire.KindRequest, 9, "web-1", "front", 5*time.Millisecond, asked("/other", "r-2", 0), -1) // the same id, another instance
	r.frame(wire.KindResponse, 7, "web-1", "front", 4*time.Millisecond, answered(200, 3), -1)
	list, s := r.records()
	if len(list) != 3 {
		t.Fatalf("%d records", len(list))
	}
	first, second, third := list[0], list[1], list[2]
	if first.Hop != 1 || first.Route != "members" || first.Path != "/members/x" || first.Answer.Status != 200 || first.Answer.Latency != 4*time.Millisecond ||
		first.Body.Size != 5 || first.Body.Hash != r.redact.Hash([]byte("bbbbb")) || first.Budget != 2*time.Second || first.At != began.UnixNano() {
		t.Errorf("got %+v", first)
	}
	if second.Hop != 2 || second.Route != "" || second.Service != "profile" || second.RequestID != first.RequestID || second.Answer.Status != 404 {
		t.Errorf("got %+v", second)
	}
	if third.Outcome != recording.Unanswered || third.Route != "rest" || s.Lost.Unanswered != 1 || s.Why != whyInterrupted {
		t.Errorf("got %+v, %+v", third, s)
	}
}

func TestRecorder_SamplesWholeRequests(t *testing.T) {
	r := newRig(t, 0.2)
	for i := range uint64(1000) {
		id := fmt.Sprint("r-", i)
		r.frame(wire.KindRequest, i, "web-1", "front", time.Duration(i), asked("/members/x", id, 0), -1)
		r.frame(wire.KindRequest, 5000-i, "profile-1", "web-1", time.Duration(i), asked("/x", id, 0), -1)
		r.frame(wire.KindResponse, 5000-i, "profile-1", "web-1", time.Duration(i), answered(200, 0), -1)
		r.frame(wire.KindResponse, i, "web-1", "front", time.Duration(i), answered(200, 0), -1)
	}
	list, s := r.records()
	hops := map[string]int{}
	for _, rec := range list {
		hops[rec.RequestID]++
	}
	if len(hops) < 130 || len(hops) > 270 || len(list) != 2*len(hops) || s.Lost != (recording.Lost{}) {
		t.Errorf("%d records of %d requests of 1000, lost %+v", len(list), len(hops), s.Lost)
	}
}

func TestRecorder_RouteAndWhatItAsksFor(t *testing.T) {
	r := newRig(t, 1, "members")
	r.frame(wire.KindRequest, 1, "web-1", "front", 0, asked("/members/x", "r-1", 0), -1)
	r.frame(wire.KindRequest, 2, "profile-1", "web-1", 1, asked("/x", "r-1", 0), -1)
	r.frame(wire.KindRequest, 3, "web-1", "front", 2, asked("/other", "r-2", 0), -1)
	r.frame(wire.KindRequest, 4, "profile-1", "web-1", 3, asked("/x", "r-2", 0), -1)
	r.frame(wire.KindRequest, 5, "profile-1", "web-1", 4, asked("/x", "", 0), -1) // for nobody
	r.wait(settleTime)
	for id, instance := range map[uint64]string{1: "web-1", 2: "profile-1", 3: "web-1", 4: "profile-1", 5: "profile-1"} {
		r.frame(wire.KindResponse, id, instance, map[string]string{"web-1": "front", "profile-1": "web-1"}[instance], time.Second, answered(200, 0), -1)
	}
	list, _ := r.records()
	if len(list) != 2 || list[0].RequestID != "r-1" || list[1].RequestID != "r-1" || list[0].Answer.Status != 200 {
		t.Errorf("got %+v", list)
	}
}

func TestRecorder_LateAndMissingAnswers(t *testing.T) {
	r := newRig(t, 1)
	r.frame(wire.KindRequest, 1, "web-1", "front", 0, asked("/late", "r-1", 0), -1)
	r.frame(wire.KindRequest, 2, "web-1", "front", 1, asked("/never", "r-2", 0), -1)
	r.frame(wire.KindRequest, 3, "web-1", "front", 2, asked("/cancelled", "r-3", 0), -1)
	r.frame(wire.KindCancel, 3, "web-1", "front", 3, nil, -1)
	r.frame(wire.KindRequest, 4, "web-1", "front", 4, asked("/lost", "r-4", 0), -1)
	r.wait(settleTime)
	r.frame(wire.KindRequest, 4, "web-1", "front", time.Second, asked("/again", "r-5", 0), -1) // its slot is used again
	r.frame(wire.KindResponse, 1, "web-1", "front", 3*time.Second, answered(200, 1), -1)
	r.frame(wire.KindResponse, 99, "web-1", "front", 3*time.Second, answered(200, 1), -1)
	failed := append(binary.BigEndian.AppendUint16(nil, uint16(wire.CodeExpired)), "\x00\x06secret"...)
	c := &listen.Copy{Instance: "web-1", Peer: []byte("front"), Kind: wire.KindResponse, Flags: wire.FlagError, ID: 4, At: began.Add(4 * time.Second), Body: append(make([]byte, wire.ResponseFixed), failed...)}
	if err := r.copied(c, r.now); err != nil {
		t.Fatal(err)
	}
	r.wait(answerTime)
	if len(r.open) != 0 || len(r.late) != 0 || r.waiting != 0 || r.bytes != 0 {
		t.Errorf("open %d, late %d, %d and %d bytes", len(r.open), len(r.late), r.waiting, r.bytes)
	}
	list, s := r.records()
	got := map[string]string{}
	for _, rec := range list {
		got[rec.Path] = rec.Outcome.String() + " " + rec.Code
	}
	want := map[string]string{"/late": "answered ", "/never": "unanswered ", "/cancelled": "cancelled ", "/lost": "unanswered ", "/again": "failed expired"}
	if fmt.Sprint(got) != fmt.Sprint(want) || s.Lost.Unanswered != 3 || s.Lost.Unasked != 1 {
		t.Errorf("got %v, want %v; %+v", got, want, s.Lost)
	}
}

// TestRecorder_CutBodies: the hash is of what was copied, and how long the whole was is known.
func TestRecorder_CutBodies(t *testing.T) {
	r := newRig(t, 1)
	begun := httpmsg.Response{Status: 200, Body: []byte(strings.Repeat("a", 1000)), Length: 5000}
	stream := begun
	stream.Length = -1
	head := len(asked("/a", "r-0", 0))
	for i, c := range []struct {
		payload      []byte
		keep         int
		size, copied int64
		refused      bool
	}{
		{asked("/a", "r-0", 1000), -1, 1000, 1000, false},
		{asked("/a", "r-0", 1000), head + 100, 1000, 100, false},
		{asked("/a", "r-0", 1000), head, 1000, 0, false},
		{asked("/a", "r-0", 1000), head - 1, 0, 0, true},
		{asked("/a", "r-0", 1000), 3, 0, 0, true},
	} {
		before := r.lost.Refused
		r.frame(wire.KindRequest, uint64(i), "web-1", "front", 0, c.payload, c.keep)
		if c.refused {
			if r.lost.Refused != before+1 {
				t.Errorf("%d: not refused", i)
			}
			continue
		}
		b := r.open[frameKey{"web-1", "front", uint64(i)}].rec.Body
		if b.Size != c.size || b.Copied != c.copied || b.Copied > 0 && b.Hash != r.redact.Hash([]byte(strings.Repeat("b", int(c.copied)))) {
			t.Errorf("%d: %+v, want %d of %d bytes", i, b, c.copied, c.size)
		}
	}
	for i, c := range []struct {
		payload      []byte
		keep         int
		size, copied int64
	}{
		{begun.AppendTo(nil), -1, 5000, 1000},
		{begun.AppendTo(nil), 500, -1, 492},
		{begun.AppendTo(nil), 1010, -1, 1000},
		{stream.AppendTo(nil), -1, -1, 1000},
	} {
		id := uint64(100 + i)
		r.frame(wire.KindRequest, id, "web-1", "front", 0, asked("/a", "r-0", 0), -1)
		e := r.open[frameKey{"web-1", "front", id}]
		r.frame(wire.KindResponse, id, "web-1", "front", 0, c.payload, c.keep)
		if b := e.rec.Answer.Body; b.Size != c.size || b.Copied != c.copied {
			t.Errorf("answer %d: %+v, want %d of %d bytes", i, b, c.copied, c.size)
		}
	}
}

func TestRecorder_IsBounded(t *testing.T) {
	r := newRig(t, 1)
	payload := asked("/a", "r", 60_000)
	for i := range uint64(4000) {
		r.frame(wire.KindRequest, i, "web-1", "front", time.Duration(i), payload, -1)
		if r.bytes > maxOpenBytes || r.waiting > maxOpenBytes {
			t.Fatalf("%d and %d bytes wait", r.bytes, r.waiting)
		}
	}
	if list, s := r.records(); len(list) != 4000 || s.Lost.Unanswered != 4000 {
		t.Errorf("%d records, %+v", len(list), s.Lost)
	}
	r = newRig(t, 1)
	r.most = 1 << 20
	var err error
	for i := uint64(0); err == nil && i < 1_000_000; i++ {
		path := fmt.Sprintf("/%x", i*0x9e3779b97f4a7c15)
		c := &listen.Copy{Instance: "web-1", Peer: []byte("front"), Kind: wire.KindRequest, ID: i, At: began, Body: append(make([]byte, wire.RequestFixed), asked(path, path, 10)...)}
		c.Length = wire.HeaderSize + len(c.Body)
		r.now = r.now.Add(time.Millisecond)
		if err = r.copied(c, r.now); err == nil && i%1000 == 0 {
			r.now = r.now.Add(2 * answerTime)
			err = r.tick(listening.Losses{}, r.now)
		}
	}
	if !errors.Is(err, listening.ErrDone) {
		t.Fatalf("it doesn't end: %v", err)
	}
	if _, s := r.records(); s.Why != whyMaxSize {
		t.Errorf("ended by %q", s.Why)
	}
	if info, err := os.Stat(r.name); err != nil || info.Size() < 1<<20 || info.Size() > 2<<20 {
		t.Errorf("%v, %v", info.Size(), err)
	}
}
