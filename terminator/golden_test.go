package terminator

import (
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the golden responses anew, of what is answered now")

// golden is a file of requests and the responses that both drivers give to them, masked as
// rawResponse is: an answer that changes shows there, in review, whichever driver gives it. A
// response stands once, below all requests that get it, each with the test that makes the handler's
// reply; what is long is shortened to its beginning, its length and its hash.
type golden struct {
	path string
	want map[string]string // by test and request

	mu  sync.Mutex
	got map[string]string
}

func openGolden(t *testing.T, path string) *golden {
	t.Helper()
	g := &golden{path: path, want: make(map[string]string), got: make(map[string]string)}
	b, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatalf("%v: make it with -update", err)
	}
	var keys []string
	var response strings.Builder
	for line := range strings.Lines(string(b) + "> \n") {
		switch mark := line[:2]; {
		case mark == "> " && response.Len() > 0:
			for _, k := range keys {
				g.want[k] = response.String()
			}
			keys = keys[:0]
			response.Reset()
			fallthrough
		case mark == "> ":
			keys = append(keys, strings.TrimSuffix(line[2:], "\n"))
		case mark == "< ":
			response.WriteString(line[2:])
		}
	}
	return g
}

// check compares the responses to a request with the file's.
func (g *golden) check(t *testing.T, request, responses string) {
	t.Helper()
	_, test, _ := strings.Cut(t.Name(), "/")
	key := test + ": " + short(ascii(request))
	lines := strings.Split(strings.TrimSuffix(responses, "\n"), "\n")
	for i, line := range lines {
		lines[i] = short(ascii(line))
	}
	got := strings.Join(lines, "\n") + "\n"
	g.mu.Lock()
	defer g.mu.Unlock()
	if before, ok := g.got[key]; ok && before != got {
		t.Errorf("%s: two answers to one request:\n%s\n%s", key, before, got)
	}
	g.got[key] = got
	if want := g.want[key]; got != want && !*update {
		t.Errorf("%s\n--- got\n%s--- %s has\n%s(-update if it is to be so)", key, got, g.path, want)
	}
}

// close writes the file with -update; else it says what of it wasn't asked.
func (g *golden) close(t *testing.T) {
	t.Helper()
	if !*update {
		for key := range g.want {
			if _, ok := g.got[key]; !ok {
				t.Errorf("%s has %s, which nothing asks: -update", g.path, key)
			}
		}
		return
	}
	keys := make(map[string][]string) // by response
	for _, k := range slices.Sorted(maps.Keys(g.got)) {
		keys[g.got[k]] = append(keys[g.got[k]], k)
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(g.got)) {
		response := g.got[k]
		for _, k := range keys[response] {
			b.WriteString("> " + k + "\n")
		}
		if len(keys[response]) > 0 {
			for line := range strings.Lines(response) {
				b.WriteString("< " + line)
			}
		}
		delete(keys, response)
	}
	if err := os.WriteFile(g.path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ascii is s with what doesn't print escaped.
func ascii(s string) string {
	q := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// short is s if that is short, else how it begins, its length and its hash.
func short(s string) string {
	const most = 240
	if len(s) <= most {
		return s
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // it can't fail
	return fmt.Sprintf("%s… (%d bytes, fnv %016x)", s[:most/2], len(s), h.Sum64())
}
