package admission

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"nanofront/nanobus"
)

func TestRetryable(t *testing.T) {
	code := func(c nanobus.Code) error { return fmt.Errorf("x: %w", &nanobus.RemoteError{Code: c}) }
	for _, c := range []struct {
		err    error
		method string
		want   bool
	}{
		{nanobus.ErrLinkDown, "GET", true},
		{nanobus.ErrLinkDown, "HEAD", true},
		{nanobus.ErrLinkDown, "OPTIONS", true},
		{nanobus.ErrLinkDown, "POST", false},
		{nanobus.ErrLinkDown, "PUT", false},
		{nanobus.ErrLinkDown, "DELETE", false},
		{nanobus.ErrLinkDown, "get", false},
		{nanobus.ErrLinkDown, "", false},
		{nanobus.ErrTimeout, "GET", false},
		{nanobus.ErrNoInstance, "GET", false},
		{nanobus.ErrNoCredit, "GET", false},
		{nanobus.ErrClosed, "GET", false},
		{nanobus.ErrCancelled, "GET", false},
		{errors.New("other"), "GET", false},
		{code(nanobus.CodeDraining), "POST", true},
		{code(nanobus.CodeOverWindow), "POST", true},
		{code(nanobus.CodeNoHandler), "POST", true},
		{code(nanobus.CodeExpired), "GET", false},
		{code(nanobus.CodeInternal), "GET", false},
		{code(nanobus.CodeTooLarge), "GET", false},
	} {
		if got := Retryable(c.err, []byte(c.method)); got != c.want {
			t.Errorf("%s after %v: got %v, want %v", c.method, c.err, got, c.want)
		}
	}
}

func TestRetryBudget(t *testing.T) {
	var requests uint64
	b := &RetryBudget{requests: func() uint64 { return requests }}
	taken := func(second float64) (n int) {
		for b.Take(time.Duration(second * float64(time.Second))) {
			if n++; n > 1_000_000 {
				t.Fatal("no end to it")
			}
		}
		return n
	}
	requests = 10
	if n := taken(0.5); n != retryFloor {
		t.Errorf("at the start: %d retries, want %d", n, retryFloor)
	}
	if n := taken(0.9); n != 0 {
		t.Errorf("later in that second: %d more", n)
	}
	requests += 50
	if n := taken(1.1); n != retryFloor {
		t.Errorf("on a quiet system: %d, want %d", n, retryFloor)
	}
	requests += 50_000
	if n := taken(2.1); n != 10_000 {
		t.Errorf("after 50,000 requests in a second: %d, want a fifth", n)
	}
	requests += 50_000
	if n := taken(12.1); n != 1000 {
		t.Errorf("after 50,000 in ten seconds: %d, want a fifth of a second's", n)
	}
	if n := taken(11.9) + taken(12.9); n != 0 {
		t.Errorf("%d more for who comes late with an earlier time", n)
	}
	if n := taken(13.1); n != retryFloor {
		t.Errorf("after none: %d, want %d", n, retryFloor)
	}
}
