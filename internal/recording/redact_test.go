package recording

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func redactor(t testing.TB, o RedactOptions) *Redactor {
	t.Helper()
	if o.Key == nil {
		o.Key = []byte(strings.Repeat("k", 32))
	}
	r, err := NewRedactor(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestValue_IsStableAndKeepsItsShape(t *testing.T) {
	r := redactor(t, RedactOptions{})
	other := redactor(t, RedactOptions{Key: []byte(strings.Repeat("x", 32))})
	for _, v := range []string{
		"4111111111111111", "0012345678", "7", "hunter2", "a", "deadbeef00112233", "DEADBEEF00112233", "550e8400-e29b-41d4-a716-446655440000",
		"eyJhbGciOiJIUzI1NiJ9.e30.abc", "jo@example.com", strings.Repeat("long ", 100), "\xff\x00",
	} {
		got := r.Value(v)
		if got == v && len(v) > 2 || got != r.Value(v) || shapeOf(got) != shapeOf(v) && len(v) >= leastText {
			t.Errorf("%q becomes %q, then %q", v, got, r.Value(v))
		}
		if len(v) > 2 && got == other.Value(v) {
			t.Errorf("%q becomes %q with two keys", v, got)
		}
		if len(got) != len(v) && len(v) >= leastText {
			t.Errorf("%q of %d bytes becomes %q of %d", v, len(v), got, len(got))
		}
		if !isPlain(got, mostText, "-") {
			t.Errorf("%q becomes %q, which a query can't carry", v, got)
		}
	}
	if r.Value("") != "" {
		t.Error("nothing becomes something")
	}
	if n := len(r.Value(strings.Repeat("x", 1<<20))); n != mostText {
		t.Errorf("a megabyte becomes %d bytes", n)
	}
	if redactor(t, RedactOptions{}).KeyID() != r.KeyID() || other.KeyID() == r.KeyID() {
		t.Error("keys' names")
	}
}

func TestValue_OfNumbersIsAPermutation(t *testing.T) {
	r := redactor(t, RedactOptions{})
	for length := 1; length <= 4; length++ {
		seen, same := map[string]bool{}, 0
		all := int(power(length))
		for i := range all {
			v := padded(uint64(i), length)
			got := r.Value(v)
			if len(got) != length || length > 1 && (got[0] == '0') != (v[0] == '0') || seen[got] {
				t.Fatalf("%s becomes %s, seen before: %v", v, got, seen[got])
			}
			seen[got] = true
			if got == v {
				same++
			}
		}
		if length > 2 && same > 10 {
			t.Errorf("%d of %d numbers become themselves", same, all)
		}
	}
	a, b := r.Value("4111111111111111"), r.Value("4111111111111112")
	if len(a) != 16 || a[:10] == b[:10] || len(r.Value("999999999999999999")) != 18 || len(r.Value("9999999999999999999")) != 19 {
		t.Errorf("%s and %s", a, b)
	}
}

func TestField_KeepsOnlyWhatIsKnown(t *testing.T) {
	r := redactor(t, RedactOptions{KeepFields: []string{"X-Shard"}})
	for _, c := range []struct{ name, value, want string }{
		{"accept", "text/html, application/json;q=0.9;secret=hunter2", "text/html, application/json;q=0.9"},
		{"accept", "hunter2", ""},
		{"accept-encoding", "gzip, br;q=1.0", "gzip, br;q=1.0"},
		{"accept-encoding", "aGVsbG8gd29ybGQK0123456789", ""},
		{"content-type", "application/json; charset=utf-8", "application/json;charset=utf-8"},
		{"content-type", "multipart/form-data; boundary=----hunter2", "multipart/form-data"},
		{"content-length", "12", "12"},
		{"content-length", "hunter2", ""},
		{"date", "Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:00:00 GMT"},
		{"date", "hunter2", ""},
		{"range", "bytes=0-99", "bytes=0-99"},
		{"range", "bytes=hunter2", ""},
		{"Authorization", "Bearer hunter2hunter2", "Bearer " + r.Value("hunter2hunter2")},
		{"authorization", "hunter2 x", ""},
		{"proxy-authorization", "basic  aHVudGVyMjpodW50ZXIy", "basic " + r.Value("aHVudGVyMjpodW50ZXIy")},
		{"cookie", "sid=hunter2; theme=dark; hunter2", "sid=" + r.Value("hunter2") + "; theme=" + r.Value("dark") + "; " + r.Value("hunter2")},
		{
			"set-cookie", "sid=hunter2; Path=/hunter2; HttpOnly; Max-Age=5; Expires=hunter2; SameSite=Lax; X=hunter2; Secure",
			"sid=" + r.Value("hunter2") + "; Path=" + r.Value("/hunter2") + "; HttpOnly; Max-Age=5; SameSite=Lax; Secure",
		},
		{"x-shard", "eu-7", "eu-7"},
		{"x-unknown", "anything", ""},
		{"referer", "https://jo:hunter2@h/p?q=hunter2", ""},
		{"location", "/next?token=hunter2", ""},
		{"etag", `"abc"`, ""},
		{"user-agent", "Mozilla/5.0", ""},
		{"x-request-id", "hunter2-request", ""},
		{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""},
	} {
		got := r.Field(c.name, c.value)
		want := c.want
		if want == "" {
			want = r.Value(c.value)
		}
		if got.Name != strings.ToLower(c.name) || got.Value != want || strings.Contains(got.Value, "hunter2") {
			t.Errorf("%s: %s becomes %s: %s, want %s", c.name, c.value, got.Name, got.Value, want)
		}
	}
	got := r.Field("x-Ab3dEf6hIj9kLm2nOp", "1")
	if strings.Contains(got.Name, "ab3def6hij9klm2nop") {
		t.Errorf("a name that is a token stays: %s", got.Name)
	}
}

func TestQuery_ReplacesValues(t *testing.T) {
	r := redactor(t, RedactOptions{KeepQuery: []string{"n"}})
	h := r.Value("hunter2")
	for query, want := range map[string]string{
		"":                          "",
		"n=5&q=hunter2":             "n=5&q=" + h,
		"q=%68unter2":               "q=" + h,
		"to%6ben=hunter2;a=":        "token=" + h + ";a=",
		"hunter2":                   h,
		"&&q=hunter2&":              "&&q=" + h + "&",
		"q=hunter2=hunter2":         "q=" + r.Value("hunter2=hunter2"),
		"q=%zzhunter2":              "q=" + r.Value("%zzhunter2"),
		"jo%40example.com=1":        r.Value("jo@example.com") + "=" + r.Value("1"),
		"filter[name]=hunter2&n=%6": "filter[name]=" + h + "&n=%6",
	} {
		if got := r.Query(query); got != want {
			t.Errorf("%q becomes %q, want %q", query, got, want)
		}
	}
}

func TestPath_ReplacesSegments(t *testing.T) {
	for _, c := range []struct {
		paths   Paths
		path    string
		changed []int // of the segments
	}{
		{PathsTokens, "/", nil},
		{PathsTokens, "/profile/42/photo.jpg", nil},
		{PathsTokens, "/static/jquery-3.6.0.min.js", nil},
		{PathsTokens, "/reset/eyJhbGciOiJIUzI1NiJ9.e30.abc/x", []int{2}},
		{PathsTokens, "/u/550e8400-e29b-41d4-a716-446655440000", []int{2}},
		{PathsTokens, "/card/4111111111111111/", []int{2}},
		{PathsTokens, "/mail/jo%40example.com", []int{2}},
		{PathsTokens, "/a;jsessionid=1/b", []int{1}},
		{PathsTokens, "/k/ghp_16C7e42F292c6912E7710c838347Ae178B4a", []int{2}},
		{PathsIDs, "/profile/42/photo", []int{2}},
		{PathsAll, "/profile/42/photo", []int{1, 2, 3}},
		{PathsKeep, "/reset/eyJhbGciOiJIUzI1NiJ9.e30.abc", nil},
	} {
		got := redactor(t, RedactOptions{Paths: c.paths}).Path(c.path)
		was, is := strings.Split(c.path, "/"), strings.Split(got, "/")
		var changed []int
		for i := range was {
			if len(was) == len(is) && was[i] != is[i] {
				changed = append(changed, i)
			}
		}
		if len(was) != len(is) || len(changed) != len(c.changed) || len(changed) > 0 && changed[0] != c.changed[0] {
			t.Errorf("%s: %s becomes %s", c.paths, c.path, got)
		}
	}
	r := redactor(t, RedactOptions{})
	if got := r.Path("/x/jo%40example.com"); got != "/x/"+r.Value("jo@example.com") {
		t.Errorf("escapes make a difference: %s", got)
	}
}

func TestRedactor_MethodHostAndIDs(t *testing.T) {
	r := redactor(t, RedactOptions{})
	if r.Method("PATCH") != "PATCH" || r.Method("hunter2") == "hunter2" || r.Host("h.example:8080") != "h.example:8080" || r.Host("jo:pw@h") == "jo:pw@h" {
		t.Error("method or host")
	}
	if r.ID("0af7651916cd43dd8448eb211c80319c") == "0af7651916cd43dd8448eb211c80319c" {
		t.Error("an id is kept without being asked for")
	}
	kept := redactor(t, RedactOptions{KeepIDs: true})
	if kept.ID("0af7") != "0af7" || kept.ID("a b") == "a b" {
		t.Error("ids that are to be kept")
	}
	b := r.Body([]byte("hunter2"), 0)
	if b.Size != 7 || b.Cut() || b.Hash == (Hash{}) || b.Hash != r.Hash([]byte("hunter2")) || len(b.Fill(nil)) != 7 {
		t.Errorf("body %+v", b)
	}
	if b = r.Body([]byte("hunter2"), 100); !b.Cut() || len(b.Fill(nil)) != 100 {
		t.Errorf("body %+v", b)
	}
	if b = r.Body(nil, 0); b != (Body{}) {
		t.Errorf("no body: %+v", b)
	}
}

func TestNewRedactor_KeepsNoCredentials(t *testing.T) {
	for _, name := range []string{"authorization", "Cookie", "X-Api-Key", "x-auth-token", "SET-COOKIE", "x-csrf", "x-amz-security-token"} {
		if _, err := NewRedactor(RedactOptions{KeepFields: []string{name}}); err == nil {
			t.Errorf("field %s may be kept", name)
		}
	}
	for _, name := range []string{"access_token", "code", "Password", "key"} {
		if _, err := NewRedactor(RedactOptions{KeepQuery: []string{name}}); err == nil {
			t.Errorf("parameter %s may be kept", name)
		}
	}
	for _, o := range []RedactOptions{{KeepFields: []string{"user-agent"}}, {KeepQuery: []string{"author", "page"}}} {
		if _, err := NewRedactor(o); err != nil {
			t.Error(err)
		}
	}
	for _, o := range []RedactOptions{{Key: []byte("short")}, {Paths: "some"}} {
		if _, err := NewRedactor(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestChosen_IsTheShare(t *testing.T) {
	r := redactor(t, RedactOptions{})
	n := 0
	for i := range 100_000 {
		id := strconv.Itoa(i)
		if r.Chosen(id, 0.1) {
			n++
			if !r.Chosen(id, 0.2) || !r.Chosen(id, 1) {
				t.Fatalf("%s is in a share and not in a larger one", id)
			}
		}
	}
	if n < 9_500 || n > 10_500 {
		t.Errorf("%d of 100,000 are in a share of 0.1", n)
	}
}

func TestReadKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	for _, c := range []struct {
		bytes int
		mode  os.FileMode
		ok    bool
	}{{32, 0o600, true}, {32, 0o400, true}, {4096, 0o600, true}, {32, 0o640, false}, {32, 0o604, false}, {31, 0o600, false}, {4097, 0o600, false}} {
		_ = os.Remove(name)
		if err := os.WriteFile(name, []byte(strings.Repeat("k", c.bytes)), c.mode); err != nil {
			t.Fatal(err)
		}
		if key, err := ReadKey(name); (err == nil) != c.ok || c.ok && len(key) != c.bytes {
			t.Errorf("%d bytes, mode %#o: %d bytes, %v", c.bytes, c.mode, len(key), err)
		}
	}
}

func BenchmarkField(b *testing.B) {
	r := redactor(b, RedactOptions{})
	in := []Field{
		{"accept", "text/html, application/json;q=0.9"},
		{"cookie", "sid=0123456789abcdef; theme=dark"},
		{"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"},
		{"x-request-id", "0af7651916cd43dd8448eb211c80319c"},
		{"x-forwarded-for", "192.0.2.1"},
	}
	for b.Loop() {
		for _, f := range in {
			r.Field(f.Name, f.Value)
		}
	}
}
