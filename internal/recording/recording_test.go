package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func header() Header {
	return Header{Created: began, Expires: began.Add(7 * 24 * time.Hour), Share: 0.1, KeyID: "0123456789abcdef", Paths: PathsTokens, Services: []string{"web"}}
}

func sample(i int, at time.Duration) Record {
	return Record{
		At: began.Add(at).UnixNano(), Hop: 1, Outcome: Answered, Service: "web", Instance: "web-1", Peer: "terminator-1",
		RequestID: fmt.Sprintf("id-%d", i), TraceID: strings.Repeat("a", 32), Route: "members", Method: "GET", Scheme: "http", Host: "h", Path: fmt.Sprintf("/a/%d", i),
		Query: "q=xyz", Client: "client", Budget: 2 * time.Second, Fields: []Field{{"accept", "*/*"}, {"x", ""}},
		Body: Body{Size: 3, Copied: 3, Hash: Hash{1, 2}},
		Answer: Answer{
			Status: 200, Fields: []Field{{"content-type", "text/plain"}}, Body: Body{Size: -1, Copied: 9, Hash: Hash{9}},
			Queue: 5 * time.Microsecond, Work: time.Millisecond, Latency: 3 * time.Millisecond,
		},
	}
}

// create writes a recording with these records and returns its name.
func create(t testing.TB, h Header, records []Record) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "r.nfrec")
	w, err := Create(name, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := w.Write(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.Lost(Lost{Tap: 7})
	if err := w.Close(Summary{Ended: began.Add(time.Hour), Lost: Lost{Tap: 7, Here: 1}, Why: "interrupted"}); err != nil {
		t.Fatal(err)
	}
	return name
}

// reader reads bytes at a time at which they have not expired.
func reader(b []byte) (*Reader, error) {
	return NewReader(bytes.NewReader(b), int64(len(b)), ReaderOptions{Now: func() time.Time { return began }})
}

func contents(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func all(t testing.TB, r *Reader) (records []Record) {
	t.Helper()
	for {
		var rec Record
		err := r.Next(&rec)
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rec)
	}
}

func TestReader_GivesBackWhatWasWritten(t *testing.T) {
	want := []Record{sample(0, 0), sample(1, time.Millisecond), sample(2, time.Second)}
	want[2].Outcome, want[2].Code, want[2].Answer, want[2].Fields = Failed, "expired", Answer{}, nil
	name := create(t, header(), want)
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v: want 0600", info.Mode(), err)
	}
	r, err := reader(contents(t, name))
	if err != nil {
		t.Fatal(err)
	}
	got := all(t, r)
	for i := range got {
		if len(got[i].Fields) == 0 {
			got[i].Fields = nil
		}
		if len(got[i].Answer.Fields) == 0 {
			got[i].Answer.Fields = nil
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(header(), r.Header()); diff != "" {
		t.Error(diff)
	}
	s, whole := r.Summary()
	if !whole || s.Records != 3 || s.Blocks != 1 || s.First != want[0].At || s.Last != want[2].At || s.Lost.Tap != 7 || s.Why != "interrupted" {
		t.Errorf("whole %v: %+v", whole, s)
	}
}

// many are so many records that they take several blocks, a millisecond apart, a little shuffled.
func many(n int) []Record {
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]Record, n)
	for i := range list {
		list[i] = sample(i, time.Duration(i)*time.Millisecond)
		list[i].Fields[1].Value = fmt.Sprintf("%x", rng.Uint64())
	}
	for i := range list {
		j := min(i+rng.IntN(50), n-1)
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func TestReader_OrdersAcrossBlocks(t *testing.T) {
	records := many(5000)
	r, err := reader(contents(t, create(t, header(), records)))
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := r.Summary(); s.Blocks < 3 {
		t.Fatalf("%d blocks", s.Blocks)
	}
	got := all(t, r)
	if len(got) != len(records) || r.Late() != 0 || !slices.IsSortedFunc(got, func(a, b Record) int { return int(a.At - b.At) }) {
		t.Errorf("%d records, %d late", len(got), r.Late())
	}
	for _, at := range []time.Duration{0, time.Millisecond, 2500 * time.Millisecond, 4999 * time.Millisecond, time.Hour} {
		if err := r.Seek(began.Add(at)); err != nil {
			t.Fatal(err)
		}
		want := max(5000-int(at/time.Millisecond), 0)
		if got := all(t, r); len(got) != want || want > 0 && got[0].At != began.Add(at).UnixNano() {
			t.Errorf("from %s: %d records, want %d", at, len(got), want)
		}
	}
	if err := r.Seek(time.Time{}); err != nil || len(all(t, r)) != 5000 {
		t.Errorf("again from the beginning: %v", err)
	}
}

// TestReader_ATornFile: wherever a file was cut off, its whole blocks are there.
func TestReader_ATornFile(t *testing.T) {
	b := contents(t, create(t, header(), many(3000)))
	r, err := reader(b)
	if err != nil {
		t.Fatal(err)
	}
	blocks := slices.Clone(r.blocks)
	step := len(b)/400 + 1
	for n := int(blocks[0].offset); n < len(b); n += step {
		want := uint64(0)
		for i := range blocks {
			if blocks[i].end() <= int64(n) {
				want += uint64(blocks[i].records)
			}
		}
		for _, torn := range [][]byte{b[:n], append(slices.Clone(b[:n]), make([]byte, 100)...)} {
			r, err := reader(torn)
			if err != nil {
				t.Fatalf("%d of %d bytes: %v", n, len(b), err)
			}
			s, whole := r.Summary()
			if got := all(t, r); uint64(len(got)) != want || s.Records != want || whole {
				t.Fatalf("%d of %d bytes: %d records, %d by the summary, whole %v: want %d", n, len(b), len(got), s.Records, whole, want)
			}
		}
	}
	// The end of the file was never written to the disk: zeros in the last block.
	last := blocks[len(blocks)-1]
	torn := slices.Clone(b[:last.end()])
	clear(torn[last.end()-10:])
	if r, err = reader(torn); err != nil {
		t.Fatal(err)
	}
	if s, _ := r.Summary(); s.Blocks != uint64(len(blocks)-1) {
		t.Errorf("with zeros at the end: %+v", s)
	}
}

// TestFile_IsZstd: any zstd reads it, and finds the records.
func TestFile_IsZstd(t *testing.T) {
	b := contents(t, create(t, header(), many(2000)))
	d, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	raw, err := io.ReadAll(d)
	if err != nil || bytes.Count(raw, []byte("terminator-1")) != 2000 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}

func TestReader_RefusesWhatHasExpired(t *testing.T) {
	h := header()
	name := create(t, h, []Record{sample(0, 0)})
	b := contents(t, name)
	for _, c := range []struct {
		now     time.Time
		expired bool
	}{{h.Expires.Add(-1), false}, {h.Expires, true}, {h.Expires.Add(time.Hour), true}} {
		_, err := NewReader(bytes.NewReader(b), int64(len(b)), ReaderOptions{Now: func() time.Time { return c.now }})
		if errors.Is(err, ErrExpired) != c.expired {
			t.Errorf("at %s: %v", c.now, err)
		}
	}
	h.Created, h.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	name = create(t, h, nil)
	if _, err := Open(name); !errors.Is(err, ErrExpired) || !strings.Contains(err.Error(), name) {
		t.Errorf("got %v", err)
	}
	if got, err := ReadHeader(name); err != nil || !got.Expired(time.Now()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCreate_ReplacesNothing(t *testing.T) {
	name := create(t, header(), nil)
	before := contents(t, name)
	if _, err := Create(name, header()); err == nil || !strings.Contains(err.Error(), "replaces no file") {
		t.Errorf("got %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(link, header()); err == nil {
		t.Error("it follows a link")
	}
	if !bytes.Equal(before, contents(t, name)) {
		t.Error("the file has changed")
	}
	for _, bad := range []Header{{}, {Created: began, Expires: began, Share: 1, KeyID: "k"}, {Created: began, Expires: began.Add(1), Share: 2, KeyID: "k"}} {
		if _, err := Create(filepath.Join(t.TempDir(), "x"), bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestWriter_RefusesWhatIsTooLarge(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r")
	w, err := Create(name, header())
	if err != nil {
		t.Fatal(err)
	}
	big := sample(0, 0)
	big.Query = strings.Repeat("q", MaxRecord)
	fields := sample(1, 0)
	fields.Fields = make([]Field, maxFields+1)
	for _, r := range []Record{big, fields} {
		if err := w.Write(&r); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	}
	good := sample(2, 0)
	if err := errors.Join(w.Write(&good), w.Close(Summary{})); err != nil {
		t.Fatal(err)
	}
	r, err := reader(contents(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if got := all(t, r); len(got) != 1 || got[0].RequestID != "id-2" {
		t.Errorf("got %+v", got)
	}
}

// TestReader_BoundsWhatIsOpen: blocks that all begin at the same time aren't all held.
func TestReader_BoundsWhatIsOpen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r")
	w, err := Create(name, header())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * maxOpen {
		for _, at := range []time.Duration{0, time.Hour} {
			r := sample(0, at)
			if err := w.Write(&r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(Summary{}); err != nil {
		t.Fatal(err)
	}
	r, err := reader(contents(t, name))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rec := (Record{}); ; n++ {
		if err := r.Next(&rec); err != nil {
			break
		}
		if len(r.open) > maxOpen {
			t.Fatalf("%d blocks are open", len(r.open))
		}
	}
	if n != 6*maxOpen || r.Late() != 2*maxOpen {
		t.Errorf("%d records, %d late", n, r.Late())
	}
}

func FuzzReader(f *testing.F) {
	whole := contents(f, create(f, header(), many(20)))
	f.Add(whole)
	f.Add(whole[:len(whole)-endSize])
	f.Add(whole[:len(whole)/2])
	f.Fuzz(readTwice)
}

// readTwice reads all that can be read, and then again.
func readTwice(t *testing.T, file []byte) {
	r, err := reader(file)
	if err != nil {
		return
	}
	s, _ := r.Summary()
	for range 2 {
		var rec Record
		for range 1 << 16 {
			err := r.Next(&rec)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
		}
		if err := r.Seek(time.Unix(0, s.First)); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzReader_Inside gets behind the checksums.
func FuzzReader_Inside(f *testing.F) {
	good := sample(0, 0)
	record := good.appendTo([]byte{0})
	f.Add([]byte(`{"created":"2026-03-01T12:00:00Z","expires":"2026-03-02T12:00:00Z"}`), uint32(1), int64(0), int64(9), append([]byte{byte(len(record)), 1}, record...), []byte("\x00\x00\x00\x00{}"), uint64(0))
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, head []byte, records uint32, first, last int64, raw, index []byte, at uint64) {
		file := appendSection(nil, tagHeader, []byte{Version, 0}, head)
		packed := encoder.EncodeAll(raw, nil)
		b := block{offset: int64(len(file)), records: records, raw: uint32(len(raw)), packed: uint32(len(packed)), first: first, last: last}
		file = append(appendBlock(file, &b, &Lost{}), packed...)
		readTwice(t, file)
		end := uint64(len(file))
		if at != 0 {
			end = at
		}
		file = appendSection(file, tagIndex, index)
		readTwice(t, appendSection(file, tagEnd, []byte{byte(end), byte(end >> 8), byte(end >> 16), byte(end >> 24), byte(end >> 32), byte(end >> 40), byte(end >> 48), byte(end >> 56)}))
	})
}

// FuzzRecord: any bytes make a record or an error, and a record that was read can be written.
func FuzzRecord(f *testing.F) {
	good := sample(1, 0)
	f.Add(string(good.appendTo(nil)))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		var rec, again Record
		if rec.decode(s) != nil {
			return
		}
		first := rec.appendTo(nil)
		if err := again.decode(string(first)); err != nil {
			t.Fatalf("%v of %q", err, first)
		}
		if second := again.appendTo(nil); !bytes.Equal(first, second) {
			t.Fatalf("%q\n%q", first, second)
		}
	})
}

func BenchmarkReader_Next(b *testing.B) {
	data := contents(b, create(b, header(), many(20_000)))
	r, err := reader(data)
	if err != nil {
		b.Fatal(err)
	}
	var rec Record
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Next(&rec); err != nil {
			_ = r.Seek(time.Time{})
		}
	}
}
