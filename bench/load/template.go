package load

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// template is text with places that differ from request to request:
//
//	{rand:1-100000}  a number drawn evenly from the range
//	{seq:1-1000}     the next number of the range, over and over
//
// Other braces stand for themselves, so JSON needs no escaping.
type template struct {
	literals []string // one more than fields; fields[i] is between [i] and [i+1]
	fields   []field
}

type field struct {
	low, span uint64
	seq       bool
	count     int // which of the mix's seq fields
}

// parseTemplate parses text; seqs counts the seq fields of the mix.
func parseTemplate(text string, seqs *int) (template, error) {
	var t template
	rest, from := text, 0
	for {
		i := strings.IndexByte(rest[from:], '{')
		if i < 0 {
			break
		}
		i += from
		kind, after, ok := strings.Cut(rest[i+1:], ":")
		if !ok || kind != "rand" && kind != "seq" {
			from = i + 1
			continue
		}
		bounds, after, ok := strings.Cut(after, "}")
		if !ok {
			return t, fmt.Errorf("%q: {%s: has no closing brace", text, kind)
		}
		a, b, _ := strings.Cut(bounds, "-")
		low, err1 := strconv.ParseUint(a, 10, 63)
		high, err2 := strconv.ParseUint(b, 10, 63)
		if err1 != nil || err2 != nil || low > high {
			return t, fmt.Errorf("%q: {%s:%s} is not a range such as {%s:1-1000}", text, kind, bounds, kind)
		}
		f := field{low: low, span: high - low + 1, seq: kind == "seq"}
		if f.seq {
			f.count = *seqs
			*seqs++
		}
		t.literals = append(t.literals, rest[:i])
		t.fields = append(t.fields, f)
		rest, from = after, 0
	}
	t.literals = append(t.literals, rest)
	return t, nil
}

func (t *template) constant() bool { return len(t.fields) == 0 }

// draws is what a worker draws from when it fills templates.
type draws struct {
	rng  *rand.Rand
	seqs []uint64 // next of each seq field
	step uint64   // the number of workers, who take turns
}

func newDraws(seed uint64, i, n, seqs int) *draws {
	d := &draws{rng: rand.New(rand.NewPCG(seed, 1<<32+uint64(i))), seqs: make([]uint64, seqs), step: uint64(n)}
	for j := range d.seqs {
		d.seqs[j] = uint64(i)
	}
	return d
}

// append fills the template in behind b.
func (t *template) append(b []byte, d *draws) []byte {
	for i, l := range t.literals {
		b = append(b, l...)
		if i == len(t.fields) {
			break
		}
		f := &t.fields[i]
		var v uint64
		if f.seq {
			v = d.seqs[f.count] % f.span
			d.seqs[f.count] += d.step
		} else {
			v = d.rng.Uint64N(f.span)
		}
		b = strconv.AppendUint(b, f.low+v, 10)
	}
	return b
}
