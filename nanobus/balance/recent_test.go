package balance

import (
	"testing"
	"time"
)

func TestRecent_BucketsHoldTheirTimes(t *testing.T) {
	last := -1
	for took := time.Microsecond; took < 8*time.Second; took += took/50 + 1 {
		b := bucketOf(took)
		if b < last || b > last+1 && last >= 0 {
			t.Fatalf("%v in bucket %d after %d", took, b, last)
		}
		last = b
		if off := float64(timeOf(b)-took) / float64(took); took > 10*time.Microsecond && (off > 0.065 || off < -0.065) {
			t.Errorf("%v in bucket %d, which is %v", took, b, timeOf(b))
		}
	}
	for _, took := range []time.Duration{-1, 0, time.Hour, 1 << 62} {
		if b := bucketOf(took); b < 0 || b >= recentBuckets {
			t.Errorf("%v in bucket %d", took, b)
		}
	}
}

// Only the last ten seconds count.
func TestRecent_ForgetsWhatIsLongAgo(t *testing.T) {
	var target Target
	r, now := &target.recent, time.Unix(1e9, 0)
	if got := target.Recent(); got != (Recent{}) {
		t.Errorf("before the first second: %+v", got)
	}
	second := func(n int, took time.Duration) {
		for range n {
			target.Observe(took)
			target.Replied()
		}
		now = now.Add(time.Second)
		r.mark(target.Replies(), now)
	}
	r.mark(0, now)
	for range 20 {
		second(100, time.Second)
	}
	for range 12 {
		second(99, time.Millisecond)
		target.Observe(20 * time.Millisecond)
		target.ObserveError(time.Millisecond)
		target.Replied()
	}
	got := r.since(target.Replies(), now)
	near := func(got, want time.Duration) bool { return got > want*93/100 && got < want*107/100 }
	if got.Rate < 100 || got.Rate > 114 || got.Failed < 0.9 || got.Failed > 1.2 || !near(got.P50, time.Millisecond) || !near(got.P99, time.Millisecond) && !near(got.P99, 20*time.Millisecond) {
		t.Errorf("%+v", got)
	}
	for range 10 {
		second(0, 0)
	}
	if got := r.since(target.Replies(), now); got != (Recent{}) {
		t.Errorf("after ten quiet seconds: %+v", got)
	}
}
