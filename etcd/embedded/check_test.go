package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// used is a data directory with a database of some pages.
func used(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	s := start(t, fast(dir))
	c := dial(t, s)
	for i := range 300 {
		if _, err := c.Put(t.Context(), fmt.Sprintf("key-%d", i%200), strings.Repeat("v", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// readUsed is the part of such a database that has something in it.
func readUsed(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(used(t), "member-data", "member", "snap", "db"))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := newBoltFile(bytes.NewReader(raw), int64(len(raw)), checkEntry).meta()
	if err != nil {
		t.Fatal(err)
	}
	return raw[:meta.pages*meta.pageSize]
}

func TestCheck(t *testing.T) {
	dir := used(t)
	member := filepath.Join(dir, "member-data")
	name := filepath.Join(member, "member", "snap", "db")
	if err := check(member); err != nil {
		t.Fatalf("what etcd has left: %v", err)
	}
	if err := check(t.TempDir()); err != nil {
		t.Errorf("nothing there: %v", err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := newBoltFile(bytes.NewReader(whole), int64(len(whole)), checkEntry).meta()
	if err != nil {
		t.Fatal(err)
	}
	if meta.pages < 8 {
		t.Fatalf("%d pages: too few to try much", meta.pages)
	}
	whole = whole[:meta.pages*meta.pageSize]
	try := func(raw []byte) error {
		return newBoltFile(bytes.NewReader(raw), int64(len(raw)), checkEntry).check()
	}
	if err := try(whole[:len(whole)-1]); err == nil || !strings.Contains(err.Error(), "it is truncated") {
		t.Errorf("cut off: %v", err)
	}
	for _, size := range []int{0, 1, 100, int(meta.pageSize)} {
		if try(whole[:size]) == nil {
			t.Errorf("%d bytes are as good as %d", size, len(whole))
		}
	}
	for page := range meta.pages { // each page that is in use says who it is
		raw := bytes.Clone(whole)
		copy(raw[page*meta.pageSize:], make([]byte, meta.pageSize))
		b := newBoltFile(bytes.NewReader(whole), int64(len(whole)), checkEntry)
		if err := b.check(); err != nil {
			t.Fatal(err)
		}
		if b.seen[page] && try(raw) == nil {
			t.Errorf("page %d is zeroes, and nothing was found", page)
		}
	}
	// The first meta alone, and the second alone, are enough.
	for i := range 2 {
		raw := bytes.Clone(whole)
		copy(raw[uint64(i)*meta.pageSize:], make([]byte, meta.pageSize))
		if err := try(raw); err != nil && !strings.Contains(err.Error(), "page") {
			t.Errorf("without meta %d: %v", i, err)
		}
	}
	if err := os.RemoveAll(filepath.Join(member, "member", "wal")); err != nil {
		t.Fatal(err)
	}
	if err := check(member); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "member/wal") {
		t.Errorf("without a log: %v", err)
	}
}

// Whatever a file has in it, the check ends and doesn't panic.
func FuzzBoltFile(f *testing.F) {
	f.Add(make([]byte, 4*4096))
	f.Add(readUsed(f))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_ = newBoltFile(bytes.NewReader(raw), int64(len(raw)), checkEntry).check()
	})
}

// TestBoltFile_Flips changes bits of a real file at random: what is found is an error, nothing else
// happens.
func TestBoltFile_Flips(t *testing.T) {
	whole := readUsed(t)
	found := 0
	for range 3000 {
		raw := bytes.Clone(whole)
		raw[8192+rand.IntN(len(raw)-8192)] ^= 1 << rand.IntN(8)
		if newBoltFile(bytes.NewReader(raw), int64(len(raw)), checkEntry).check() != nil {
			found++
		}
	}
	if found == 0 {
		t.Error("of 3,000 flipped bits none was found")
	}
}
