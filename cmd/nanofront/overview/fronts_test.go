package overview

import (
	"testing"
	"time"
)

// Another machine's clock may be ahead of ours.
func TestSince_IsNeverNegative(t *testing.T) {
	if got := since(time.Now().Add(time.Hour)); got != 0 {
		t.Errorf("%v s", got)
	}
	if got := since(time.Now().Add(-time.Minute)); got < 60 || got > 90 {
		t.Errorf("%v s, want 60", got)
	}
}
