package logging

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

// accessLine is a line as the terminator logs it.
func accessLine(path string, more func(*zerolog.Event)) []byte {
	var out bytes.Buffer
	log := zerolog.New(&out)
	e := log.Info().Str(Program, "terminator").Str(Instance, "terminator-1").Str(AccessMethod, "GET").Str(AccessPath, path).Int(AccessStatus, 200).Int(AccessSize, 870).
		Float64(AccessTotal, 0.37).Str(AccessClient, "127.0.0.1").Str(RequestID, "5ee9041829b43f02b99a343b57adad85").Str(AccessInstance, "web-2").
		Time(zerolog.TimestampFieldName, time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.Local))
	if more != nil {
		more(e)
	}
	e.Msg(AccessMessage)
	return out.Bytes()
}

func TestConsole_AccessLogInColumns(t *testing.T) {
	for _, tc := range []struct {
		width int
		path  string
		more  func(*zerolog.Event)
		want  string
	}{
		{80, "/profile/42", nil, "03:04:05 GET    /profile/42                200    870 B  0.37 ms  web-2"},
		{120, "/profile/42", nil, "03:04:05 GET    /profile/42" + strings.Repeat(" ", 49) + " 200    870 B  0.37 ms  web-2"},
		{67, "/members/of/a/long/path", nil, "03:04:05 GET    /members/of/… 200    870 B  0.37 ms  web-2"},
		{10, "/profile/42", nil, "03:04:05 GET    /profil… 200    870 B  0.37 ms  web-2"},
		{80, "/\x1b[31mred\nline", nil, `03:04:05 GET    /\x1b[31mred\nline         200    870 B  0.37 ms  web-2`},
		{80, "/a", func(e *zerolog.Event) { e.Str(AccessEnd, "complete") }, "03:04:05 GET    /a                         200    870 B  0.37 ms  web-2"},
		{80, "/a", func(e *zerolog.Event) { e.Str(AccessEnd, "client_reset") }, "03:04:05 GET    /a                    200    870 B  0.37 ms  web-2  client_reset"},
		{67, "/profile/42", func(e *zerolog.Event) { e.Str(AccessEnd, "client_reset").Int64(AccessStands, 1000) }, "03:04:05 GET    /profil… 200    870 B  0.37 ms  web-2  client_reset  +999"},
		{80, "/a", func(e *zerolog.Event) { e.Int64(AccessStands, 11793) }, "03:04:05 GET    /a                         200    870 B  0.37 ms  web-2  +11,792"},
	} {
		c := Console{Width: func() int { return tc.width }}
		got := c.Lines(accessLine(tc.path, tc.more), 0)
		if len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s in %d columns:\n%q, want\n%q", tc.path, tc.width, got, tc.want)
		}
	}
	// What stands before a line takes from its width.
	c := Console{Width: func() int { return 80 }}
	if got := c.Lines(accessLine("/profile/"+strings.Repeat("4", 100), nil), 13); utf8.RuneCountInString(got[0]) > 67 {
		t.Errorf("%d characters beside 13: %q", utf8.RuneCountInString(got[0]), got[0])
	}
	c = Console{Colours: true}
	got := c.Lines(accessLine("/a", func(e *zerolog.Event) { e.Int(AccessStatus, 503) }), 0)[0]
	if !strings.Contains(got, "\x1b[2m03:04:05\x1b[0m") {
		t.Errorf("in colours: %q", got)
	}
}

func TestConsole_Refusals(t *testing.T) {
	c := Console{Width: func() int { return 80 }}
	for line, want := range map[string]string{
		`{"message":"access","http.request.method":"","url.path":"","http.response.status_code":400,"http.response.body.size":32,"nanofront.total_ms":1234.5,"nanofront.end":"ok","error.type":"malformed"}`: "–      –                          400     32 B   1.23 s  malformed",
		`{"message":"access","http.request.method":"OPTIONS","url.path":"/a","http.response.status_code":503,"http.response.body.size":-1,"nanofront.total_ms":"x","error.type":"no instance of \"a\""}`:     `OPTIONS /a                    503        –        –  no instance of "a"`,
		`{"message":"access","http.request.method":"GET","url.path":"/a","http.response.status_code":200,"http.response.body.size":819200,"nanofront.total_ms":130000}`:                                      "GET    /a                         200   819 kB    2m10s",
	} {
		got := strings.Join(c.Lines([]byte(line), 0), "|")
		if _, got, _ = strings.Cut(got, " "); got != want {
			t.Errorf("%s\n%s\nwant\n%s", line, got, want)
		}
	}
}

func TestConsole_SparseUnderLoad(t *testing.T) {
	c := Console{Sparse: true}
	line := func(second, count string) []string {
		return c.Lines([]byte(`{"time":"2026-01-02T03:04:`+second+`.000Z","message":"access","http.request.method":"GET","url.path":"/a","http.response.status_code":200,"nanofront.stands_for":`+count+`}`), 0)
	}
	shown := func(lines []string) string { return strings.Join(lines, "|") }
	if got := shown(line("05", "100")); !strings.HasSuffix(got, "+99") {
		t.Errorf("the first: %q", got)
	}
	for range 3 {
		if got := line("05", "100"); got != nil {
			t.Errorf("more in the same second: %q", got)
		}
	}
	// Those that follow at once stand for themselves alone, but are of the same load.
	if got := line("05", "0"); got != nil {
		t.Errorf("one for itself in the same second: %q", got)
	}
	if got := shown(line("06", "100")); !strings.HasSuffix(got, "+400") {
		t.Errorf("a second later: %q", got)
	}
	for range 3 {
		if got := shown(line("07", "0")); got == "" || strings.Contains(got, "+") {
			t.Errorf("in quiet times: %q", got)
		}
	}
}

func TestConsole_Lines(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		width      int
		colours    bool
		want       []string
	}{
		{"info", `{"level":"info","program":"p","service":"echo","version":"","window":1024,"time":"T","message":"serving"}`, 0, false, []string{"serving service=echo window=1024"}},
		{"warning", `{"level":"warn","error":"write: connection refused","addr":"x:1","message":"lines are lost"}`, 0, false, []string{`WRN lines are lost error="write: connection refused" addr=x:1`}},
		{"colours", `{"level":"error","error":"no","message":"bad"}`, 0, true, []string{"\x1b[31mERR\x1b[0m \x1b[31mbad\x1b[0m \x1b[31merror=\x1b[0mno"}},
		{
			"wide", `{"level":"warn","message":"a message of some words","error":"an error of a good many words that fill a line","addr":"127.0.0.1:8125"}`, 50, false,
			[]string{"WRN a message of some words", `         error="an error of a good many words that`, `         fill a line" addr=127.0.0.1:8125`},
		},
		{"a control character", `{"level":"info","message":"a\u001b[2Jb","k":"\u0007"}`, 0, false, []string{`a\x1b[2Jb k="\a"`}},
		{"objects", `{"level":"info","message":"m","list":["a","b"],"o":{"a":1}}`, 0, false, []string{`m list=a,b o="{\"a\":1}"`}},
		{"no JSON", "panic: oops\r\n", 20, false, []string{"panic: oops"}},
		{"cut off", `{"level":"info","mess`, 20, false, []string{`{"level":"info","mess`}},
		{"a number", "7", 20, false, []string{"7"}},
		{"empty", "", 20, false, []string{""}},
	} {
		c := Console{Colours: tc.colours, Hide: []string{Program}}
		if tc.width > 0 {
			c.Width = func() int { return tc.width }
		}
		got := c.Lines([]byte(tc.line), 0)
		// The time is now, where a line has none.
		if len(got) > 0 && strings.HasPrefix(tc.line, "{") && strings.Contains(tc.line, "message") {
			_, got[0], _ = strings.Cut(got[0], " ")
		}
		if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
		}
		for _, l := range got {
			if tc.width > 0 && tc.name == "wide" && utf8.RuneCountInString(l) > tc.width {
				t.Errorf("%s: %d characters: %q", tc.name, utf8.RuneCountInString(l), l)
			}
		}
	}
}

func FuzzConsole_Lines(f *testing.F) {
	f.Add(accessLine("/a", nil), 80)
	f.Add([]byte(`{"level":"warn","message":"m","error":"e e"}`), 40)
	f.Fuzz(func(t *testing.T, line []byte, width int) {
		c := Console{Width: func() int { return width }}
		for _, l := range c.Lines(line, 13) {
			if strings.HasPrefix(strings.TrimSpace(string(line)), "{") && strings.HasPrefix(l, "{") {
				continue // not a log line: as it is
			}
			if len(line) > 0 && line[0] == '{' && strings.ContainsRune(l, '\x1b') {
				t.Errorf("a control character in %q", l)
			}
		}
	})
}
