package terminator

import (
	"fmt"
	"runtime/metrics"
	"sync/atomic"

	"nanofront/internal/logging"
)

// pressure judges whether there is memory for further connections.
type pressure struct {
	samples [3]metrics.Sample // the sweep's
	high    atomic.Bool
}

// Memory that lives, in eighths of what the process may have: from so much on connections wait, and no longer when it is
// less than so much. What doesn't live is left to the collector, which needs some room not to run all the time.
const pressureFrom, pressureTo = 7, 6

func newPressure() *pressure {
	return &pressure{samples: [3]metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/gomemlimit:bytes"},
	}}
}

// short implements conns.Options.Short.
func (p *pressure) short(paused bool) bool {
	metrics.Read(p.samples[:])
	lives := p.samples[0].Value.Uint64() + p.samples[1].Value.Uint64()
	eighths := uint64(pressureFrom)
	if paused {
		eighths = pressureTo
	}
	return lives >= p.samples[2].Value.Uint64()/8*eighths
}

// paused is told when connections begin or cease to wait for memory.
func (t *Terminator) paused(paused bool) {
	t.pressure.high.Store(paused)
	if paused {
		t.log.Warn().Str(logging.Reason, pressureText).Msg("new connections wait, and idle ones are closed")
	} else {
		t.log.Info().Msg("connections are accepted again")
	}
}

var pressureText = fmt.Sprintf("more than %d/8 of the memory that --client-memory allows is in use", pressureFrom)

// late implements conns.Options.Late.
func (t *Terminator) late() bool {
	loops := t.taker.Load()
	return loops != nil && loops.Late()
}
