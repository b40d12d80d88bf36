package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a member's fields.
const (
	MaxNickname  = 40   // characters
	MaxCity      = 80   // characters; of the country too
	MaxInterests = 20   // how many
	MaxInterest  = 40   // characters each
	MaxAbout     = 2000 // bytes
	MaxPhotoURL  = 500  // bytes
)

// ErrInvalid is wrapped by the errors of changes that are not acceptable; their
// text is fit for the client.
var ErrInvalid = errors.New("profile: invalid")

// Genders are what Member.Gender may be.
var Genders = []string{"female", "male", "nonbinary"}

// Member is one member's record.
type Member struct {
	ID        uint64    `json:"id"`      // 1 and up
	Version   uint64    `json:"version"` // 1 and up, one more with each change
	Nickname  string    `json:"nickname"`
	Gender    string    `json:"gender"`   // one of Genders, or empty: not told
	Birthday  string    `json:"birthday"` // YYYY-MM-DD
	City      string    `json:"city"`
	Country   string    `json:"country"`
	Interests []string  `json:"interests"`
	About     string    `json:"about"`
	PhotoURL  string    `json:"photo_url"` // https://… or a path on this site
	LastSeen  time.Time `json:"last_seen"` // UTC, whole seconds
}

// appendJSON appends the document that readers get. It is made once, when the
// member is written.
func (m *Member) appendJSON(dst []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false) // it is never put into HTML as it is
	out := *m
	if out.Interests == nil {
		out.Interests = []string{}
	}
	out.LastSeen = out.LastSeen.UTC().Truncate(time.Second)
	if err := enc.Encode(&out); err != nil {
		return dst, fmt.Errorf("profile: encoding member %d: %w", m.ID, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Change is what a client may want different about a member: nil fields stay
// as they are. ID, Version and LastSeen are accepted so that a document that
// was read can be edited and sent back; they are not changed by it.
type Change struct {
	ID        *uint64         `json:"id"`
	Version   json.RawMessage `json:"version"`
	LastSeen  json.RawMessage `json:"last_seen"`
	Nickname  *string         `json:"nickname"`
	Gender    *string         `json:"gender"`
	Birthday  *string         `json:"birthday"`
	City      *string         `json:"city"`
	Country   *string         `json:"country"`
	Interests *[]string       `json:"interests"`
	About     *string         `json:"about"`
	PhotoURL  *string         `json:"photo_url"`
}

// ParseChange reads the JSON of a change to member id. Its errors wrap
// ErrInvalid.
func ParseChange(id uint64, body []byte) (*Change, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, invalid("the body is empty: send a JSON object with the fields to change")
	}
	if !utf8.Valid(body) {
		return nil, invalid("the body is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var c *Change
	if err := dec.Decode(&c); err != nil {
		return nil, invalid("%s", explainJSON(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("there is something after the JSON object")
	}
	if c == nil {
		return nil, invalid("the body is null: send a JSON object with the fields to change")
	}
	if c.ID != nil && *c.ID != id {
		return nil, invalid("id is %d in the body and %d in the path", *c.ID, id)
	}
	return c, nil
}

// explainJSON puts an error of encoding/json into words for the client.
func explainJSON(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Sprintf("the body is a JSON %s: send an object with the fields to change", kind.Value)
	case errors.As(err, &kind):
		return fmt.Sprintf("%s: a JSON %s does not fit here", kind.Field, kind.Value)
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not JSON: %s at byte %d", strings.TrimPrefix(syntax.Error(), "json: "), syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the body is not JSON: it ends too early"
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if field, ok := strings.CutPrefix(text, "unknown field "); ok {
		return fmt.Sprintf("%s is not a field: known are nickname, gender, birthday, city, country, interests, about, photo_url", field)
	}
	return text
}

// Apply makes the change and checks the outcome. Its errors wrap ErrInvalid; m
// must not be used then.
func (c *Change) Apply(m *Member, now time.Time) error {
	for _, f := range []struct{ from, to *string }{
		{c.Nickname, &m.Nickname},
		{c.Gender, &m.Gender},
		{c.Birthday, &m.Birthday},
		{c.City, &m.City},
		{c.Country, &m.Country},
		{c.About, &m.About},
		{c.PhotoURL, &m.PhotoURL},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.Interests != nil {
		m.Interests = *c.Interests
	}
	return m.validate(now)
}

func (m *Member) validate(now time.Time) error {
	for _, f := range []struct {
		name, value string
		min, max    int
	}{
		{"nickname", m.Nickname, 1, MaxNickname},
		{"city", m.City, 1, MaxCity},
		{"country", m.Country, 1, MaxCity},
	} {
		if err := checkLine(f.name, f.value, f.min, f.max); err != nil {
			return err
		}
	}
	if m.Gender != "" && !slices.Contains(Genders, m.Gender) {
		return invalid("gender is %q: want %s, or \"\"", clip(m.Gender), strings.Join(Genders, ", "))
	}
	born, err := time.Parse(time.DateOnly, m.Birthday)
	if err != nil || born.Year() < 1900 || born.After(now) {
		return invalid("birthday is %q: want a date as 1990-12-31, not before 1900 and not in the future", clip(m.Birthday))
	}
	if len(m.Interests) > MaxInterests {
		return invalid("interests are %d: want at most %d", len(m.Interests), MaxInterests)
	}
	for i, s := range m.Interests {
		if err := checkLine(fmt.Sprintf("interests[%d]", i), s, 1, MaxInterest); err != nil {
			return err
		}
	}
	if len(m.About) > MaxAbout {
		return invalid("about is %d bytes long: want at most %d", len(m.About), MaxAbout)
	}
	if i := strings.IndexFunc(m.About, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); i >= 0 {
		return invalid("about has a control character at byte %d: only line feeds are allowed", i)
	}
	return checkPhotoURL(m.PhotoURL)
}

// checkLine checks a text of one line; the bounds are in characters.
func checkLine(name, value string, least, most int) error {
	if n := utf8.RuneCountInString(value); n < least || n > most {
		return invalid("%s is %d characters long: want %d to %d", name, n, least, most)
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return invalid("%s is %q: control characters are not allowed", name, clip(value))
	}
	if strings.TrimSpace(value) != value {
		return invalid("%s is %q: no spaces at its ends, please", name, clip(value))
	}
	return nil
}

// checkPhotoURL lets through what a page can show without harm: no script, no
// data, nothing from another scheme.
func checkPhotoURL(s string) error {
	if s == "" {
		return nil
	}
	if len(s) > MaxPhotoURL {
		return invalid("photo_url is %d bytes long: want at most %d", len(s), MaxPhotoURL)
	}
	rest, secure := strings.CutPrefix(s, "https://")
	local := strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.HasPrefix(s, "/\\")
	odd := strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`"<>\`, r) })
	if odd || !local && (!secure || rest == "" || rest[0] == '/') {
		return invalid("photo_url is %q: want https://… or a path that begins with one /", clip(s))
	}
	return nil
}

// clip shortens what is repeated to the client.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	for i := range s {
		if i > most-4 {
			return s[:i] + "…"
		}
	}
	return s
}

func invalid(format string, args ...any) error {
	return &invalidError{text: fmt.Sprintf(format, args...)}
}

// invalidError is an ErrInvalid whose text is for the client alone.
type invalidError struct{ text string }

func (e *invalidError) Error() string        { return e.text }
func (e *invalidError) Is(target error) bool { return target == ErrInvalid }
