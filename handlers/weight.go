package handlers

import (
	"errors"
	"fmt"
	"sync"

	"nanofront/registry"
)

// weight is the weight that SetWeight asked for, and the registration that
// announces it. Discovery is not called under mu: it is somebody else's, and
// Ready waits for mu.
type weight struct {
	mu      sync.Mutex
	wanted  registry.Weight       // 0: SetWeight was not called
	reg     registry.Registration // nil: not registered yet
	self    registry.Instance
	telling bool // somebody is announcing, and goes on until all is said
}

// SetWeight changes the process' share of the requests while it runs, for example to begin with a
// small share that grows as its caches fill. 0 to 1000; 0: no new requests. It is announced like
// the process itself, so callers learn of it within milliseconds, and keep their links. It has no
// effect where a static table sets the weights. It returns at once.
func (rt *Runtime) SetWeight(share int) error {
	if share < 0 || share > int(registry.MaxWeight) {
		return fmt.Errorf("handlers: weight %d: want 0 (no new requests) to %d", share, int(registry.MaxWeight))
	}
	w := &rt.weight
	w.mu.Lock()
	w.wanted = registry.WeightOf(share)
	w.mu.Unlock()
	return w.tell()
}

// tell announces the weight that is wanted, if it isn't yet.
func (w *weight) tell() error {
	for {
		reg, self, news := w.next()
		if !news {
			return nil
		}
		if err := w.told(self, reg.Update(self)); err != nil {
			return err
		}
	}
}

// next returns what is to be announced; news is false if there is nothing, or
// nowhere yet, or somebody else is at it.
func (w *weight) next() (reg registry.Registration, self registry.Instance, news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reg == nil || w.telling || w.wanted == 0 || w.self.Weight == w.wanted {
		return nil, self, false
	}
	w.telling = true
	self = w.self
	self.Weight = w.wanted
	return w.reg, self, true
}

// told notes what has come of it.
func (w *weight) told(self registry.Instance, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.telling = false
	if err == nil {
		w.self = self
	}
	return err
}

// register announces the process with the weight that is wanted.
func (w *weight) register(self registry.Instance, announce func(registry.Instance) (registry.Registration, error)) (registry.Registration, error) {
	w.mu.Lock()
	if w.wanted != 0 {
		self.Weight = w.wanted
	}
	w.mu.Unlock()
	reg, err := announce(self)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.reg, w.self = reg, self
	w.mu.Unlock()
	return reg, w.tell() // it may have changed meanwhile
}

// registered is nil while others can find the process; else it says why not.
func (w *weight) registered() error {
	w.mu.Lock()
	reg := w.reg
	w.mu.Unlock()
	if reg == nil {
		return errors.New("not announced yet")
	}
	select {
	case <-reg.Ready():
		return reg.Err()
	default:
	}
	if err := reg.Err(); err != nil {
		return err
	}
	return errors.New("not announced yet")
}
