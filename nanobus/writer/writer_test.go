package writer

import "testing"

// The writer goes on yielding while that gathers frames, tries it now and then
// when it doesn't, and is back at once when there are several again.
func TestWriter_YieldsWhereItPays(t *testing.T) {
	var y yielding
	yields := func(messages, frames int) (n int) {
		for range messages {
			if y.pays() {
				n++
			}
			y.wrote(frames)
		}
		return n
	}
	if n := yields(100, 20); n != 100 {
		t.Errorf("%d yields for 100 messages of 20 frames", n)
	}
	if n := yields(yieldLone+10*yieldTry, 1); n != yieldLone+10 {
		t.Errorf("%d yields for %d messages of one frame, want %d", n, yieldLone+10*yieldTry, yieldLone+10)
	}
	yields(1, 2)
	if !y.pays() {
		t.Error("no yield after a message of two frames")
	}
}
