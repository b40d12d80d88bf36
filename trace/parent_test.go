package trace

import (
	"fmt"
	"strings"
	"testing"
)

const (
	goodTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	goodSpan  = "00f067aa0ba902b7"
)

// parentCases are headers as W3C Trace Context has them, sections 3.2 and 4.
var parentCases = []struct {
	name, value string
	valid       bool
	sampled     bool
}{
	{"sampled", "00-" + goodTrace + "-" + goodSpan + "-01", true, true},
	{"not sampled", "00-" + goodTrace + "-" + goodSpan + "-00", true, false},
	{"other flags are ignored", "00-" + goodTrace + "-" + goodSpan + "-fe", true, false},
	{"the random flag too", "00-" + goodTrace + "-" + goodSpan + "-03", true, true},
	{"a version to come", "cc-" + goodTrace + "-" + goodSpan + "-01", true, true},
	{"a version to come, with more", "cc-" + goodTrace + "-" + goodSpan + "-01-what-the-future-will-be-like", true, true},
	{"a version to come, with an empty rest", "cc-" + goodTrace + "-" + goodSpan + "-01-", true, true},
	{"version 01 with more", "01-" + goodTrace + "-" + goodSpan + "-00-x", true, false},

	{"version ff", "ff-" + goodTrace + "-" + goodSpan + "-01", false, false},
	{"version ff with more", "ff-" + goodTrace + "-" + goodSpan + "-01-x", false, false},
	{"version 00 with more", "00-" + goodTrace + "-" + goodSpan + "-01-x", false, false},
	{"version 00 with a dash", "00-" + goodTrace + "-" + goodSpan + "-01-", false, false},
	{"a version to come, with more but no dash", "cc-" + goodTrace + "-" + goodSpan + "-01.what", false, false},
	{"a version to come, with longer flags", "cc-" + goodTrace + "-" + goodSpan + "-0101", false, false},
	{"version in upper case", "CC-" + goodTrace + "-" + goodSpan + "-01", false, false},
	{"version not hex", ".0-" + goodTrace + "-" + goodSpan + "-01", false, false},
	{"version not hex at its end", "0.-" + goodTrace + "-" + goodSpan + "-01", false, false},
	{"version too short", "0-" + goodTrace + "-" + goodSpan + "-01", false, false},
	{"version too long", "000-" + goodTrace + "-" + goodSpan + "-01", false, false},
	{"trace id of zeros", "00-" + strings.Repeat("0", 32) + "-" + goodSpan + "-01", false, false},
	{"trace id in upper case", "00-" + strings.ToUpper(goodTrace) + "-" + goodSpan + "-01", false, false},
	{"trace id not hex", "00-.bf92f3577b34da6a3ce929d0e0e4736-" + goodSpan + "-01", false, false},
	{"trace id too long", "00-" + goodTrace + "0-" + goodSpan + "-01", false, false},
	{"trace id too short", "00-" + goodTrace[1:] + "-" + goodSpan + "-01", false, false},
	{"parent id of zeros", "00-" + goodTrace + "-0000000000000000-01", false, false},
	{"parent id in upper case", "00-" + goodTrace + "-00F067AA0BA902B7-01", false, false},
	{"parent id not hex", "00-" + goodTrace + "-.0f067aa0ba902b7-01", false, false},
	{"parent id too long", "00-" + goodTrace + "-" + goodSpan + "0-01", false, false},
	{"parent id too short", "00-" + goodTrace + "-" + goodSpan[1:] + "-01", false, false},
	{"flags not hex", "00-" + goodTrace + "-" + goodSpan + "-.0", false, false},
	{"flags in upper case", "00-" + goodTrace + "-" + goodSpan + "-0A", false, false},
	{"flags too long", "00-" + goodTrace + "-" + goodSpan + "-001", false, false},
	{"flags too short", "00-" + goodTrace + "-" + goodSpan + "-1", false, false},
	{"no flags", "00-" + goodTrace + "-" + goodSpan, false, false},
	{"other dashes", "00_" + goodTrace + "_" + goodSpan + "_01", false, false},
	{"empty", "", false, false},
	{"two in one", "00-" + goodTrace + "-" + goodSpan + "-01,00-" + goodTrace + "-" + goodSpan + "-01", false, false},
	{"a space inside", "00- " + goodTrace[1:] + "-" + goodSpan + "-01", false, false},
}

func TestParseParent(t *testing.T) {
	for _, c := range parentCases {
		p, ok := ParseParent([]byte(c.value))
		if ok != c.valid || p.Sampled != c.sampled {
			t.Errorf("%s: %q: %+v, %v", c.name, c.value, p, ok)
		}
		if ok && (p.Trace.String() != goodTrace || p.Span.String() != goodSpan) {
			t.Errorf("%s: %v %v", c.name, p.Trace, p.Span)
		}
		if ok {
			want := "00-" + goodTrace + "-" + goodSpan + map[bool]string{true: "-01", false: "-00"}[c.sampled]
			if got := string(p.AppendTo(nil)); got != want {
				t.Errorf("%s: goes on as %q, want %q", c.name, got, want)
			}
		}
	}
	value := []byte(parentCases[0].value)
	space := make([]byte, 0, ParentSize)
	if n := testing.AllocsPerRun(100, func() { p, _ := ParseParent(value); space = p.AppendTo(space[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func members(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("k%d=1", i))
	}
	return strings.Join(list, ",")
}

func TestAppendState(t *testing.T) {
	long := func(key string, n int) string { return key + "=" + strings.Repeat("x", n-len(key)-1) }
	for _, c := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"none", nil, ""},
		{"one", []string{"foo=1"}, "foo=1"},
		{"two in a field, two fields", []string{"foo=1,bar=2", "rojo=1"}, "foo=1,bar=2,rojo=1"},
		{"spaces and tabs around members", []string{"foo=1 \t , \t bar=2"}, "foo=1,bar=2"},
		{"empty members", []string{"", ",foo=1,,", " , "}, "foo=1"},
		{"all that a key may have", []string{"az09_-*/=1,0tenant@system=2"}, "az09_-*/=1,0tenant@system=2"},
		{"all that a value may have", []string{"a= !\"#$%&'()*+-./0:;<>?@AZ[\\]^_`az{|}~"}, "a= !\"#$%&'()*+-./0:;<>?@AZ[\\]^_`az{|}~"},
		{"a key of 256", []string{strings.Repeat("z", 256) + "=1"}, strings.Repeat("z", 256) + "=1"},
		{"32 members", []string{members(32)}, members(32)},

		{"33 members", []string{members(33)}, ""},
		{"33 members in two fields", []string{members(32), "more=1"}, ""},
		{"a key of 257", []string{strings.Repeat("z", 257) + "=1"}, ""},
		{"a value of 257", []string{"a=" + strings.Repeat("z", 257)}, ""},
		{"a key twice", []string{"foo=1,foo=1"}, ""},
		{"a key twice, in two fields", []string{"foo=1", "foo=2"}, ""},
		{"a key in upper case", []string{"FOO=1"}, ""},
		{"a key that begins with -", []string{"-foo=1"}, ""},
		{"a key with a dot", []string{"foo.bar=1"}, ""},
		{"a key with a space", []string{"foo =1"}, ""},
		{"no key", []string{"=1"}, ""},
		{"no value", []string{"foo="}, ""},
		{"no =", []string{"foo"}, ""},
		{"two =", []string{"foo=bar=baz"}, ""},
		{"a control character", []string{"foo=a\x01b"}, ""},
		{"not ASCII", []string{"foo=\xc3\xa4"}, ""},
		{"one of many is wrong", []string{"foo=1,bar"}, ""},

		{"512 bytes", []string{long("a", 255) + "," + long("b", 256)}, long("a", 255) + "," + long("b", 256)},
		{"513 bytes: large members go first", []string{"s=1," + long("a", 250) + "," + long("b", 258)}, "s=1," + long("a", 250)},
		{"small ones go at the end", []string{long("a", 128) + "," + long("b", 128) + "," + long("c", 128) + "," + long("d", 128)}, long("a", 128) + "," + long("b", 128) + "," + long("c", 128)},
	} {
		var fields [][]byte
		for _, f := range c.fields {
			fields = append(fields, []byte(f))
		}
		if got := string(AppendState(nil, fields)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Whatever comes, what goes on is in order, and reading it again gives the same.
func FuzzAppendState(f *testing.F) {
	f.Add("foo=1,bar=2", "x@y=3")
	f.Add(members(33), ",,")
	f.Fuzz(func(t *testing.T, a, b string) {
		once := AppendState(nil, [][]byte{[]byte(a), []byte(b)})
		if len(once) > maxState || strings.ContainsAny(string(once), "\r\n\x00") {
			t.Errorf("%q", once)
		}
		if twice := AppendState(nil, [][]byte{once}); string(twice) != string(once) {
			t.Errorf("%q, then %q", once, twice)
		}
	})
}

func FuzzParseParent(f *testing.F) {
	for _, c := range parentCases {
		f.Add(c.value)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := ParseParent([]byte(s)); ok {
			q, ok := ParseParent(p.AppendTo(nil))
			if !ok || q != p {
				t.Errorf("%q: %+v, then %+v", s, p, q)
			}
		}
	})
}
