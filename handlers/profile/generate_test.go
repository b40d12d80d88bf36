package profile

import (
	"encoding/json"
	"flag"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nanofront/internal/testutil"
)

var update = flag.Bool("update", false, "write the golden files anew; generated members must never change, so: only for a new list")

// TestGenerate_Golden holds some members in full and all the first 2,000 by
// their hash.
func TestGenerate_Golden(t *testing.T) {
	type golden struct {
		Members []Member `json:"members"`
		Hash    string   `json:"fnv1a_of_1_to_2000"`
	}
	var got golden
	for _, id := range []uint64{1, 2, 42, 99_999, 100_000, 1 << 40} {
		got.Members = append(got.Members, Generate(id))
	}
	h := fnv.New64a()
	for id := uint64(1); id <= 2000; id++ {
		m := Generate(id)
		doc, err := m.appendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = h.Write(doc)
	}
	got.Hash = strconv.FormatUint(h.Sum64(), 16)
	path := filepath.Join("testdata", "generated.json")
	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("generated members have changed, which they must not:\n%s", d)
	}
}

func TestGenerate_Plausible(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	n := uint64(100_000)
	if testing.Short() || testutil.Race {
		n = 5000
	}
	cities := map[string]int{}
	for id := uint64(1); id <= n; id++ {
		m := Generate(id)
		if m.ID != id || m.Version != 1 {
			t.Fatalf("%d: got id %d, version %d", id, m.ID, m.Version)
		}
		if err := m.validate(now); err != nil {
			t.Fatalf("%d: %v", id, err)
		}
		if l := len(m.About); l < minGeneratedAbout || l > maxGeneratedAbout {
			t.Fatalf("%d: about is %d bytes long: %s", id, l, m.About)
		}
		if strings.Contains(m.About, "%") || strings.Contains(m.About, "  ") {
			t.Fatalf("%d: about has a gap: %s", id, m.About)
		}
		born, _ := time.Parse(time.DateOnly, m.Birthday)
		if age := now.Sub(born).Hours() / 24 / 365.25; age < 18 || age > 82 {
			t.Fatalf("%d: is %.0f years old", id, age)
		}
		if m.LastSeen.After(generatedLastSeen) || m.LastSeen.Before(generatedLastSeen.AddDate(0, 0, -60)) {
			t.Fatalf("%d: was last seen %v", id, m.LastSeen)
		}
		cities[m.City]++
	}
	if len(cities) != len(places) {
		t.Errorf("members live in %d cities of %d", len(cities), len(places))
	}
}

func TestPlaces_NoneTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range places {
		if seen[foldCity(p.city)] {
			t.Errorf("%s is there twice", p.city)
		}
		seen[foldCity(p.city)] = true
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	id := uint64(0)
	for b.Loop() {
		id++
		Generate(id)
	}
}
