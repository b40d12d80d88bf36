package replay

import (
	"fmt"

	"nanofront/internal/recording"
)

// aspect is what answers differ in.
type aspect uint8

const (
	inStatus aspect = iota
	inSize
	inBody
	inField
)

// difference is one of an answer's, without values that could be many.
type difference struct {
	what     aspect
	field    uint8 // which of Options.fields
	was, now int16 // the status
}

// maxPlain bounds how many values of fields are remembered.
const maxPlain = 1024

// comparer holds answers against recorded ones. It is one worker's.
type comparer struct {
	o *Options
	// redact treats values as those in the recording; twin does with another key, which tells
	// values that were replaced from those that were kept. nil: redact has the recording's key.
	redact, twin *recording.Redactor
	plain        map[string]plain // by name, a NUL and the value
	key          []byte
	found        []difference
	values       [MaxFields]string // as they are now
}

// plain is a value as it would have been recorded.
type plain struct {
	value string
	known bool // false: it can't be compared without the key
}

func newComparer(o *Options) *comparer {
	c := &comparer{o: o, plain: make(map[string]plain)}
	options := recording.RedactOptions{}
	if o.Redact != nil {
		options = *o.Redact
	}
	c.redact, _ = recording.NewRedactor(options) // Options.check has tried it
	if options.Key == nil {
		c.twin, _ = recording.NewRedactor(options) // as above
	}
	return c
}

// compare returns how an answer differs from the one that was recorded; the slice is used again.
func (c *comparer) compare(it *Item, a *Answer) []difference {
	c.found = c.found[:0]
	w := &it.Want
	if w.Status != a.Status && c.o.compares(compareStatus) {
		// The rest follows from it.
		return append(c.found, difference{what: inStatus, was: int16(w.Status), now: int16(a.Status)})
	}
	switch {
	case it.Head:
	case w.Size >= 0 && w.Size != a.Size && c.o.compares(compareSize):
		c.found = append(c.found, difference{what: inSize})
	case w.Copied > 0 && !c.sameBody(w, a):
		c.found = append(c.found, difference{what: inBody})
	}
	for i, name := range c.o.fields {
		now := c.asRecorded(name, a.Field(name))
		c.values[i] = now.value
		if now.known && now.value != w.fields[i] {
			c.found = append(c.found, difference{what: inField, field: uint8(i)}) // below MaxFields
		}
	}
	return c.found
}

func (c *comparer) sameBody(w *Want, a *Answer) bool {
	if int64(len(a.Body)) < min(w.Copied, maxKept) {
		return false
	}
	return w.Copied > maxKept || c.redact.Hash(a.Body[:w.Copied]) == w.Hash
}

// asRecorded is the value of a field as it would have been recorded.
func (c *comparer) asRecorded(name string, value []byte) plain {
	if value == nil {
		return plain{"", true}
	}
	c.key = append(append(append(c.key[:0], name...), 0), value...)
	if p, ok := c.plain[string(c.key)]; ok {
		return p
	}
	p := plain{c.redact.Field(name, string(value)).Value, true}
	if c.twin != nil {
		p.known = c.twin.Field(name, string(value)).Value == p.value
	}
	if len(c.plain) < maxPlain {
		c.plain[string(c.key)] = p
	}
	return p
}

// text says what differs, with the values.
func (c *comparer) text(d difference, it *Item, a *Answer) string {
	switch d.what {
	case inStatus:
		return fmt.Sprintf("status %d → %d", d.was, d.now)
	case inSize:
		return fmt.Sprintf("body of %d → %d bytes", it.Want.Size, a.Size)
	case inBody:
		return fmt.Sprintf("another body of %d bytes", a.Size)
	default:
		return fmt.Sprintf("%s %q → %q", c.o.fields[d.field], it.Want.fields[d.field], c.values[d.field])
	}
}

// name is a difference without the values.
func (d difference) name(fields []string) string {
	switch d.what {
	case inStatus:
		return fmt.Sprintf("status %d → %d", d.was, d.now)
	case inSize:
		return "size"
	case inBody:
		return "body"
	default:
		return fields[d.field]
	}
}
