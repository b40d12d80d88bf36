package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// flipBit flips a bit of member 777's record in the store's tables.
func flipBit(t *testing.T, data string) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(data, "profile", "pebble", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(content, []byte(`"id":777,`))
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{content[at+6] ^ 1}, int64(at+6))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("member 777 is in none of %d tables", len(tables))
}

// TestUp_DamagedRecord: one flipped bit on the disk, under a system that runs,
// is one record's 500, at once; a restart changes nothing.
func TestUp_DamagedRecord(t *testing.T) {
	s := startUp(t, "--seed", "1000")
	flipBit(t, s.data)
	for round := range 2 {
		for range 3 {
			began := time.Now()
			ask(t, s.http, get("/profile/777")).wants(t, 500, "the damaged record")
			if took := time.Since(began); took > within(500*time.Millisecond, 5*time.Second) {
				t.Errorf("round %d: its 500 took %v", round, took)
			}
		}
		bad := 0
		for id := 1; id <= 1000; id++ {
			switch status := ask(t, s.http, get(fmt.Sprintf("/profile/%d", id))).status; status {
			case 200:
			case 500:
				bad++
			default:
				t.Errorf("round %d: member %d: got %d", round, id, status)
			}
		}
		if bad == 0 || bad > 40 {
			t.Errorf("round %d: %d records can't be read: want those of one block", round, bad)
		}
		ask(t, s.http, get("/members?city=Berlin")).wants(t, 200, "a list of members")
		s.says(t, "a part of the store is damaged")
		if round == 0 {
			s.kill(t, "profile-1", syscall.SIGTERM)
			testutil.Eventually(t, "profile is back", func() bool { return ask(t, s.http, get("/profile/1")).status == 200 })
		}
	}
}
