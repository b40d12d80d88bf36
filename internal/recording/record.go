package recording

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Limits of a record.
const (
	// MaxRecord is the most bytes that one may have.
	MaxRecord = 256 << 10
	// maxFields is the most header fields of either half.
	maxFields = 512
)

// Outcome is what became of a request.
type Outcome uint8

// The outcomes. The numbers are part of the format.
const (
	Unanswered Outcome = 0 // no answer was seen
	Answered   Outcome = 1
	Failed     Outcome = 2 // an error of the bus, which Record.Code names
	Cancelled  Outcome = 3 // the caller gave up
)

// String is the outcome in a word.
func (o Outcome) String() string {
	if words := [...]string{"unanswered", "answered", "failed", "cancelled"}; int(o) < len(words) {
		return words[o]
	}
	return fmt.Sprintf("outcome %d", o)
}

// Hash is the keyed hash of a body.
type Hash [16]byte

// Body is what is left of a body.
type Body struct {
	// Size in bytes; -1 for a stream whose length wasn't known.
	Size int64
	// Copied is how many bytes, from the beginning, Hash is of.
	Copied int64
	Hash   Hash // of no bytes: zero
}

// Cut reports whether the hash is of a part only.
func (b *Body) Cut() bool { return b.Copied != b.Size }

// maxFill is the most that Fill makes up.
const maxFill = 1 << 20

// Fill appends as many bytes as the body had, up to 1 MiB: text that is the same for the same body.
// Of a stream it is what was copied.
func (b *Body) Fill(dst []byte) []byte {
	n := b.Size
	if n < 0 {
		n = b.Copied
	}
	e := expander{seed: b.Hash[:]}
	for range min(max(n, 0), maxFill) {
		dst = append(dst, lettersAndDigits[e.below(len(lettersAndDigits))])
	}
	return dst
}

// Field is a header field, its name in lower case.
type Field struct{ Name, Value string }

// Answer is the second half of a record.
type Answer struct {
	Status int // 0: none
	Fields []Field
	Body   Body
	// Queue and Work are what the instance reports: the wait for a worker, and its work. Latency is
	// from the moment it had read the request until it wrote the answer.
	Queue, Work, Latency time.Duration
}

// Record is a request and what became of it, on one hop.
type Record struct {
	// At is when the instance had read the request, by its clock: nanoseconds since 1970.
	At int64
	// Hop is 1 for a request that came from a front, 2 for one that a handler sent on behalf of such.
	Hop      int
	Outcome  Outcome
	Service  string
	Instance string
	Peer     string // the instance that has called
	// RequestID and TraceID are the same on each hop of a request; empty: not known. Pseudonyms in
	// most recordings (Header.KeptIDs). A trace's has 32 hexadecimal digits.
	RequestID, TraceID string
	Route              string // its name; empty: no route leads there

	Method, Scheme, Host string
	Path                 string // percent-encoded
	Query                string // without "?"
	Client               string // a pseudonym of the client's address
	Code                 string // of an outcome Failed
	Budget               time.Duration
	Fields               []Field
	Body                 Body
	Answer               Answer
}

// texts are the strings of a record in the order in which they are written.
func (r *Record) texts() [13]*string {
	return [13]*string{
		&r.Service, &r.Instance, &r.Peer, &r.RequestID, &r.TraceID, &r.Route,
		&r.Method, &r.Scheme, &r.Host, &r.Path, &r.Query, &r.Client, &r.Code,
	}
}

// appendTo appends the record, without its time and its length.
func (r *Record) appendTo(dst []byte) []byte {
	dst = append(dst, byte(r.Hop), byte(r.Outcome))
	for _, s := range r.texts() {
		dst = appendText(dst, *s)
	}
	dst = appendNanos(dst, r.Budget)
	dst = appendFields(dst, r.Fields)
	dst = appendBody(dst, &r.Body)
	dst = binary.AppendUvarint(dst, uint64(max(r.Answer.Status, 0)))
	for _, d := range []time.Duration{r.Answer.Queue, r.Answer.Work, r.Answer.Latency} {
		dst = appendNanos(dst, d)
	}
	dst = appendFields(dst, r.Answer.Fields)
	return appendBody(dst, &r.Answer.Body)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendNanos(dst []byte, d time.Duration) []byte {
	return binary.AppendUvarint(dst, uint64(max(d, 0)))
}

func appendFields(dst []byte, fields []Field) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(fields)))
	for _, f := range fields {
		dst = appendText(appendText(dst, f.Name), f.Value)
	}
	return dst
}

func appendBody(dst []byte, b *Body) []byte {
	dst = binary.AppendVarint(dst, b.Size)
	dst = binary.AppendUvarint(dst, uint64(max(b.Copied, 0)))
	if b.Copied > 0 {
		dst = append(dst, b.Hash[:]...)
	}
	return dst
}

// taker takes a block's bytes apart. It is a string so that what it gives out needs no copy. The
// first thing that isn't there sets bad, and all that follows is zero.
type taker struct {
	s   string
	bad bool
}

func (t *taker) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		if len(t.s) == 0 {
			break
		}
		c := t.s[0]
		t.s = t.s[1:]
		if shift == 63 && c > 1 {
			break
		}
		if v |= uint64(c&0x7f) << shift; c < 0x80 {
			return v
		}
	}
	t.bad, t.s = true, ""
	return 0
}

func (t *taker) varint() int64 {
	u := t.uvarint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (t *taker) take(n uint64) string {
	if n > uint64(len(t.s)) {
		t.bad, t.s = true, ""
		return ""
	}
	s := t.s[:n]
	t.s = t.s[n:]
	return s
}

func (t *taker) byte() byte {
	if s := t.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (t *taker) text() string { return t.take(t.uvarint()) }

func (t *taker) nanos() time.Duration { return time.Duration(min(t.uvarint(), math.MaxInt64)) }

func (t *taker) fields(dst []Field) []Field {
	n := t.uvarint()
	if n > maxFields {
		t.bad, t.s = true, ""
		return dst
	}
	for range n {
		if t.bad {
			return dst
		}
		dst = append(dst, Field{Name: t.text(), Value: t.text()})
	}
	return dst
}

func (t *taker) body() (b Body) {
	b.Size = max(t.varint(), -1)
	if b.Copied = int64(min(t.uvarint(), math.MaxInt64)); b.Copied > 0 {
		copy(b.Hash[:], t.take(uint64(len(b.Hash))))
	}
	return b
}

// decode reads a record without its time. Bytes behind it belong to a later revision.
func (r *Record) decode(s string) error {
	t := taker{s: s}
	*r = Record{At: r.At, Fields: r.Fields[:0], Answer: Answer{Fields: r.Answer.Fields[:0]}}
	r.Hop, r.Outcome = int(t.byte()), Outcome(t.byte())
	for _, p := range r.texts() {
		*p = t.text()
	}
	r.Budget = t.nanos()
	r.Fields = t.fields(r.Fields)
	r.Body = t.body()
	r.Answer.Status = int(min(t.uvarint(), math.MaxUint16))
	r.Answer.Queue, r.Answer.Work, r.Answer.Latency = t.nanos(), t.nanos(), t.nanos()
	r.Answer.Fields = t.fields(r.Answer.Fields)
	r.Answer.Body = t.body()
	if t.bad {
		return fmt.Errorf("%w: a record ends inside what it says it has", ErrMalformed)
	}
	return nil
}
