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
	b := NewRetryBudget(func() uint64 { return requests })
	at := func(second float64) time.Duration { return time.Duration(second * float64(time.Second)) }
	taken := func(second float64) (n int) {
		for b.Take(at(second)) {
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
	requests += 20_000
	if n := taken(1.1); n != 1000 {
		t.Errorf("after 20,000 requests: %d, want a twentieth", n)
	}
	for second := 2.0; second < 60; second++ {
		requests += 20_000
		b.Mark(at(second))
	}
	if n := taken(59.5); n != 2000 {
		t.Errorf("after a minute of 20,000/s: %d, want two seconds' worth", n)
	}
	if n := taken(58.9) + taken(59.9); n != 0 {
		t.Errorf("%d more for who comes late with an earlier time", n)
	}
	requests += 20_000
	b.Mark(at(61))
	for second := 62.0; second < 70; second++ {
		requests++
		b.Mark(at(second))
	}
	if n := taken(70.5); n != retryFloor {
		t.Errorf("on a system that has become quiet: %d, want %d", n, retryFloor)
	}
}

// If every request fails and would be sent once more, there are 5 % more.
func TestRetryBudget_AllFail(t *testing.T) {
	var requests uint64
	b := NewRetryBudget(func() uint64 { return requests })
	retries := 0
	for i := range 10_000 { // 10 s of 1,000/s
		requests++
		if b.Take(time.Duration(i) * time.Millisecond) {
			retries++
		}
	}
	if share := float64(retries) / 10_000; share > 0.065 {
		t.Errorf("%.1f %% more requests, want 5 %% and what was kept", 100*share)
	}
}
