package link

import (
	"testing"
	"time"
)

// Each second that a link pings, by what went on in it.
func TestPeerClock_Pings(t *testing.T) {
	const heard, silent, busy = 'h', 's', 'b' // a ping or pong came, nothing, other messages were sent and came
	for _, tt := range []struct{ name, seconds, want string }{
		{"a quiet peer that pings by itself", "hhhhhhhhhhhh", "p....p....p."},
		{"one that only answers", "hshshshshshs", "pp.p.p.p.p.p"},
		{"a peer that is silent", "hsssss", "pppppp"},
		{"a link at work", "bbbbbb", "pppppp"},
		{"one that comes to rest", "bbhhhh", "pp...."},
	} {
		var c peerClock
		got, writes := "", uint32(0)
		for i, second := range tt.seconds {
			switch second {
			case heard:
				writes += quietWrites
				c.unanswered.Store(0)
			case busy:
				writes += 100
				c.unanswered.Store(0)
			}
			if c.due(writes, int64(time.Hour)+int64(i)*int64(time.Second)) {
				got += "p"
			} else {
				got += "."
			}
			c.unanswered.Add(1) // by look, either way
		}
		if got != tt.want {
			t.Errorf("%s, %s: pings %s, want %s", tt.name, tt.seconds, got, tt.want)
		}
	}
}
