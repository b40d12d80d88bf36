package registry

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"nanofront/internal/unixpath"
)

// MaxWindow is the largest window that an instance may announce. It bounds
// what a caller reserves for one link; a real handler asks for far less.
const MaxWindow = 1 << 20

// maxNameLen bounds services, instance IDs and route names. 63 bytes is what
// fits a DNS label, so a name can become one.
const maxNameLen = 63

// maxProblems bounds how many faults one error lists: whoever gets more has
// a document of the wrong kind, not twenty typing errors.
const maxProblems = 20

// ErrInvalidInstance is wrapped by every error of Instance.Validate.
var ErrInvalidInstance = errors.New("registry: invalid instance")

// Validate reports every field of the instance that is out of range, or nil.
// The error wraps ErrInvalidInstance.
func (i Instance) Validate() error {
	var p problems
	i.check(&p, "")
	return p.err(ErrInvalidInstance)
}

// check reports the instance's faults at a place in a document ("" for an
// instance by itself).
func (i Instance) check(p *problems, place string) {
	if !validName(i.Service) {
		p.at(place, "service", "%q is not a name: want %s", clip(i.Service), nameRule)
	}
	if !validID(i.ID) {
		p.at(place, "id", "%q is not an instance name: want %s", clip(i.ID), idRule)
	}
	if err := validAddress(i.Address); err != nil {
		p.at(place, "address", "%q %v: want tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH", clip(i.Address), err)
	}
	if len(i.Version) > maxNameLen || !printable(i.Version) {
		p.at(place, "version", "%q: want at most %d printable ASCII bytes", clip(i.Version), maxNameLen)
	}
	if i.Window < 1 || i.Window > MaxWindow {
		p.at(place, "window", "%d: want 1 to %d requests", i.Window, MaxWindow)
	}
	if !i.Weight.valid() {
		p.at(place, "weight", "%d: want %s", int(i.Weight), weightRule())
	}
	if len(i.WeightBy) > maxNameLen || !printable(i.WeightBy) {
		p.at(place, "weight_by", "%q: want at most %d printable ASCII bytes", clip(i.WeightBy), maxNameLen)
	}
	if i.Owner != "" && !validID(i.Owner) {
		p.at(place, "owner", "%q is not the name of an owner: want %s", clip(i.Owner), idRule)
	}
	if i.Admin != "" {
		if err := validHostPort(i.Admin); err != nil {
			p.at(place, "admin", "%q %v: want HOST:PORT, or nothing", clip(i.Admin), err)
		}
	}
}

const (
	nameRule = "1 to 63 lower-case letters, digits and '-'"
	idRule   = "1 to 63 lower-case letters, digits, '-', '.' and '_'"
)

// ValidService reports whether s can name a service: 1 to 63 lower-case
// letters, digits and '-'.
func ValidService(s string) bool { return validName(s) }

func validName(s string) bool {
	if s == "" || len(s) > maxNameLen {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

func validID(s string) bool {
	if s == "" || len(s) > maxNameLen {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

func validAddress(s string) error {
	u, err := url.Parse(s)
	if err != nil || len(s) > 255 || !printable(s) {
		return errors.New("is not a URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("has more than a scheme and an address")
	}
	switch u.Scheme {
	case "tcp", "tls+tcp":
		if u.Path != "" {
			return errors.New("has a path after the port")
		}
		return validHostPort(u.Host)
	case "ipc":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || len(u.Path) < 2 {
			return errors.New("has no absolute path")
		}
		if n := len(u.Path); n > unixpath.Max {
			return fmt.Errorf("has a path of %d bytes, where a socket's has at most %d", n, unixpath.Max)
		}
		return nil
	}
	return errors.New("has an unknown scheme")
}

// validHostPort wants both parts: an announced address without a host or
// with port 0 can be dialled by nobody.
func validHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("is not HOST:PORT")
	}
	if host == "" || strings.ContainsAny(host, " /@?#\\") || !printable(host) || len(host) > 253 {
		return errors.New("has no usable host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("has no usable port")
	}
	return nil
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// printable reports whether s is printable ASCII, the space included.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// clip keeps a bad value short enough to be shown in one line.
func clip(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}

// problems gathers what is wrong with a document, up to maxProblems, so that
// a person can mend all of it in one go.
type problems struct {
	list  []mistake
	more  int
	known map[string]struct{} // places that have had their say
	lines map[string]int      // of places, where the document is text
}

// mistake is one problem, and its line; 0 where the document isn't text.
type mistake struct {
	line int
	text string
}

func (m mistake) String() string {
	if m.line == 0 {
		return m.text
	}
	return fmt.Sprintf("line %d: %s", m.line, m.text)
}

func (p *problems) add(m mistake) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, m)
}

// at adds a problem of one field, unless that field has one already: a
// timeout that isn't text needs no second line about its range.
func (p *problems) at(place, field, format string, args ...any) {
	if p.mute(place, field) {
		p.add(mistake{p.line(place, field), join(place, field) + ": " + fmt.Sprintf(format, args...)})
	}
}

// place notes the line of a field; the empty field is the place itself.
func (p *problems) place(place, field string, line int) {
	if p.lines == nil {
		p.lines = make(map[string]int)
	}
	p.lines[place+"\x00"+field] = line
}

// line is where a field is, or what it should be in; 0 where the document isn't text.
func (p *problems) line(place, field string) int {
	parent, _, _ := strings.Cut(field, ".")
	for _, f := range []string{field, parent, ""} {
		if line := p.lines[place+"\x00"+f]; line > 0 {
			return line
		}
	}
	return 0
}

// onLine is " on line 7" for a field that another one clashes with.
func (p *problems) onLine(place, field string) string {
	if line := p.line(place, field); line > 0 {
		return fmt.Sprintf(" on line %d", line)
	}
	return ""
}

// mute marks a field as dealt with. It reports whether it was not so before.
func (p *problems) mute(place, field string) bool {
	key := place + "\x00" + field
	if _, ok := p.known[key]; ok {
		return false
	}
	if p.known == nil {
		p.known = make(map[string]struct{})
	}
	// Bounded like the list itself: a document of 1 MiB can hold 100,000
	// faults. Without a mark the worst is one line too many in the count.
	if len(p.known) < 50*maxProblems {
		p.known[key] = struct{}{}
	}
	return true
}

func join(place, field string) string {
	switch {
	case place == "":
		return field
	case field == "":
		return place
	}
	return place + ": " + field
}

// err is nil without problems; else an error that wraps the sentinel.
func (p *problems) err(sentinel error) error {
	if len(p.list) == 0 {
		return nil
	}
	// What can't be read is found before what makes no sense.
	slices.SortStableFunc(p.list, func(a, b mistake) int { return a.line - b.line })
	list := make([]string, 0, len(p.list)+1)
	for _, m := range p.list {
		list = append(list, m.String())
	}
	if p.more > 0 {
		list = append(list, fmt.Sprintf("and %d more", p.more))
	}
	return &documentError{sentinel, list}
}

// documentError is all that is wrong with a document.
type documentError struct {
	sentinel error
	list     []string
}

// Error is the one mistake on the sentinel's line, or several, a line each, below it.
func (e *documentError) Error() string {
	if len(e.list) == 1 {
		return e.sentinel.Error() + ": " + e.list[0]
	}
	return e.sentinel.Error() + "\n" + strings.Join(e.list, "\n")
}

// Unwrap returns the sentinel.
func (e *documentError) Unwrap() error { return e.sentinel }

// Mistakes lists what is wrong, each with its line where the document is text. Whoever shows an
// error to a person gives each a line of its own.
func (e *documentError) Mistakes() []string { return e.list }
