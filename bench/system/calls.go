package system

import (
	"time"

	"nanofront/bench/result"
	"nanofront/internal/process"
)

// Calls counts the system calls of all processes of a system.
type Calls struct {
	began    time.Time
	counters map[string]*process.Calls
}

// CountCalls begins to count; Stop must be called. The error says what the machine doesn't allow.
// Not at the same time as anything is measured: see [process.Calls].
func (s *System) CountCalls() (*Calls, error) {
	c := &Calls{counters: make(map[string]*process.Calls)}
	for _, p := range s.Processes() {
		counter, err := p.CountCalls()
		if err != nil {
			c.Stop()
			return nil, err
		}
		c.counters[p.Name] = counter
	}
	c.began = time.Now()
	return c, nil
}

// Stop ends the counting, and returns what was counted. How many requests were answered meanwhile
// is left to the caller.
func (c *Calls) Stop() *result.Calls {
	found := &result.Calls{Duration: time.Since(c.began), Processes: make(map[string]int64, len(c.counters))}
	for name, counter := range c.counters {
		found.Processes[name] = counter.Stop()
	}
	return found
}
