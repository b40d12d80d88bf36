package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"nanofront/internal/wholefile"
)

// Limits of a mix.
const (
	MaxMixFile     = 1 << 20  // bytes
	MaxMixRequests = 64       // entries
	MaxBody        = 64 << 20 // bytes of a request's body
)

// Mix is what requests a run sends.
type Mix struct {
	Requests []Request `yaml:"requests"`
}

// Request is an entry of a mix. Path, the values of Headers, and Body may have
// {rand:LOW-HIGH} and {seq:LOW-HIGH} in them.
type Request struct {
	// Name is what reports call it. Empty means method and path.
	Name string `yaml:"name"`
	// Weight is its part of all requests, relative to the others'. 0 means 1.
	Weight float64 `yaml:"weight"`
	// Method is GET if empty.
	Method string `yaml:"method"`
	// Path is path and query, from the slash on. Empty means that of the URL.
	Path string `yaml:"path"`
	// Headers are sent as they are. Host, Content-Length and Connection are set by the generator,
	// Host only if not given here.
	Headers map[string]string `yaml:"headers"`
	// Body is sent as it is.
	Body string `yaml:"body"`
	// BodySize, in bytes, makes a body of that many letters. It excludes Body.
	BodySize int `yaml:"body_size"`
	// Expect is what makes a response a good one.
	Expect Expect `yaml:"expect"`
}

// Expect is what a response is held to.
type Expect struct {
	// Status are the good ones: numbers, or classes such as 2xx. Empty means 2xx and 3xx.
	Status []string `yaml:"status"`
	// Contains is text that the body must have; empty means any.
	Contains string `yaml:"contains"`
	// Length is the body's length in bytes; nil means any.
	Length *int64 `yaml:"length"`
}

// ReadMix reads a mix from a YAML file.
func ReadMix(name string) (*Mix, error) {
	raw, err := wholefile.Read(name, MaxMixFile)
	if err != nil {
		return nil, err
	}
	m, err := ParseMix(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// ParseMix reads a mix from YAML, and checks it.
func ParseMix(raw []byte) (*Mix, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	var m Mix
	if err := dec.Decode(&m); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the mix is empty: it needs a list called requests")
		}
		return nil, err
	}
	_, err := compileMix(&m, "localhost", "/", false)
	return &m, err
}

// Targets are those of n requests drawn from a mix, the same each time.
func (m *Mix) Targets(n int) ([]string, error) {
	c, err := compileMix(m, "localhost", "/", false)
	if err != nil {
		return nil, err
	}
	var request, scratch []byte
	d := newDraws(1, 0, 1, c.seqs)
	targets := make([]string, n)
	for i := range targets {
		request, _ = c.entries[c.pick(d)].append(request[:0], &scratch, d)
		targets[i] = string(bytes.SplitN(request, []byte(" "), 3)[1])
	}
	return targets, nil
}

// compiledMix is a mix as workers use it. It doesn't change.
type compiledMix struct {
	entries []*entry
	bounds  []float64 // upper end of each entry's part of 0..1
	seqs    int       // seq fields in all of them
}

// pick draws an entry.
func (m *compiledMix) pick(d *draws) int {
	if len(m.entries) == 1 {
		return 0
	}
	x := d.rng.Float64()
	for i, b := range m.bounds {
		if x < b {
			return i
		}
	}
	return len(m.bounds) - 1
}

func compileMix(m *Mix, host, path string, churn bool) (*compiledMix, error) {
	if len(m.Requests) == 0 || len(m.Requests) > MaxMixRequests {
		return nil, fmt.Errorf("requests: %d of them: there must be from 1 to %d", len(m.Requests), MaxMixRequests)
	}
	c := &compiledMix{}
	total := 0.0
	for i := range m.Requests {
		r := m.Requests[i]
		if r.Weight == 0 {
			r.Weight = 1
		}
		if !(r.Weight > 0 && r.Weight <= 1e9) {
			return nil, fmt.Errorf("requests[%d]: weight: %v is not a number above 0", i, r.Weight)
		}
		if r.Path == "" {
			r.Path = path
		}
		e, err := compileRequest(&r, host, churn, &c.seqs)
		if err != nil {
			return nil, fmt.Errorf("requests[%d]: %w", i, err)
		}
		total += r.Weight
		c.entries = append(c.entries, e)
		c.bounds = append(c.bounds, total)
	}
	for i := range c.bounds {
		c.bounds[i] /= total
	}
	return c, nil
}

// checks is an Expect as responses are held against it.
type checks struct {
	status   [maxStatus + 1]bool
	contains []byte
	length   int64 // -1 for any
}

func compileExpect(e *Expect) (*checks, error) {
	c := &checks{contains: []byte(e.Contains), length: -1}
	if e.Length != nil {
		if c.length = *e.Length; c.length < 0 {
			return nil, fmt.Errorf("expect: length: %d is less than 0", c.length)
		}
	}
	want := e.Status
	if len(want) == 0 {
		want = []string{"2xx", "3xx"}
	}
	for _, s := range want {
		if class, ok := strings.CutSuffix(s, "xx"); ok && len(class) == 1 && class[0] >= '2' && class[0] <= '5' {
			from := int(class[0]-'0') * 100
			for i := range 100 {
				c.status[from+i] = true
			}
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 200 || n > maxStatus {
			return nil, fmt.Errorf("expect: status: %q is neither a status from 200 to 599 nor a class from 2xx to 5xx", s)
		}
		c.status[n] = true
	}
	return c, nil
}

// token reports whether s is a token of RFC 9110, section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		b := s[i]
		if b <= ' ' || b >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, b) >= 0 {
			return false
		}
	}
	return s != ""
}

func checkHeader(name, value string) error {
	if !token(name) {
		return fmt.Errorf("headers: %q is not a field name", name)
	}
	switch http.CanonicalHeaderKey(name) {
	case "Content-Length", "Connection", "Transfer-Encoding":
		return fmt.Errorf("headers: %s is set by the generator itself", name)
	}
	if strings.ContainsAny(value, "\r\n\x00") {
		return fmt.Errorf("headers: the value of %s has a line end or NUL in it", name)
	}
	return nil
}
