package exchange

import (
	"math"
	"testing"
	"time"
)

// Slow requests are kept no more once nobody has asked for them for a while.
func TestSlow_Rests(t *testing.T) {
	var k slowest
	now := time.Now().UnixMilli()
	k.looked = true
	k.above.Store(1000)
	k.asked.Store(now - slowRests.Milliseconds() + 1000)
	if k.rest(now); k.above.Load() != 1000 || !k.looked {
		t.Error("it rests though somebody has asked lately")
	}
	k.asked.Store(now - slowRests.Milliseconds() - 1000)
	if k.rest(now); k.above.Load() != math.MaxInt64 || k.looked {
		t.Error("it doesn't rest")
	}
}
