package terminator

import (
	"fmt"
	"runtime/metrics"
	"sync/atomic"

	"github.com/rs/zerolog"

	"nanofront/internal/logging"
	"nanofront/terminator/eventloop"
)

// pressure judges whether there is memory for further connections.
type pressure struct {
	samples [3]metrics.Sample // the sweep's
	high    atomic.Bool
	log     zerolog.Logger
	loops   atomic.Pointer[eventloop.Loops] // nil: there are none
}

// Memory that lives, in eighths of what the process may have: from so much on connections wait, and
// no longer when it is less than so much. What doesn't live is left to the collector, which needs
// some room not to run all the time.
const pressureFrom, pressureTo = 7, 6

func newPressure(log zerolog.Logger) *pressure {
	return &pressure{log: log, samples: [3]metrics.Sample{
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
func (p *pressure) paused(paused bool) {
	p.high.Store(paused)
	if paused {
		p.log.Warn().Str(logging.Reason, pressureText).Msg("new connections wait, and idle ones are closed")
	} else {
		p.log.Info().Msg("connections are accepted again")
	}
}

var pressureText = fmt.Sprintf("more than %d/8 of the memory that --client-memory allows is in use", pressureFrom)

// late implements conns.Options.Late.
func (p *pressure) late() bool {
	loops := p.loops.Load()
	return loops != nil && loops.Late()
}
