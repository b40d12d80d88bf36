package chaos

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestReadBook_AddsUp(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a-1.ledger": "7\n100\n101\n", "a-2.ledger": "102\n101\n", "b-3.ledger": "200\n", "b.mood": "slow",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	book, err := readBook(dir, 100, 199)
	if err != nil {
		t.Fatal(err)
	}
	if book.Done != 3 || !slices.Equal(book.Twice, []uint64{101}) {
		t.Errorf("got %+v, want 3 done and 101 twice", book)
	}
	if err := os.WriteFile(filepath.Join(dir, "c-4.ledger"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readBook(dir, 100, 199); err == nil {
		t.Error("a line that is no number passes")
	}
}
