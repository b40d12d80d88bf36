package handlers

import (
	"errors"
	"fmt"
	"sync"

	"nanofront/internal/registry"
)

// weight is the weight that SetWeight asked for, and the registration that
// announces it.
type weight struct {
	mu     sync.Mutex
	wanted registry.Weight // 0: SetWeight was not called
	reg    Registration    // nil: not registered yet
	self   registry.Instance
}

// SetWeight changes the process' share of the requests while it runs, for
// instance to begin with a small one that grows as its caches fill. 0 to 1000;
// 0: no new requests. It is announced like the process itself, so callers hear
// of it within milliseconds, and they keep their links. Where a static table
// says the weights, it changes nothing. It returns at once.
func (rt *Runtime) SetWeight(share int) error {
	if share < 0 || share > int(registry.MaxWeight) {
		return fmt.Errorf("handlers: weight %d: want 0 (no new requests) to %d", share, int(registry.MaxWeight))
	}
	w := &rt.weight
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = registry.WeightOf(share)
	if w.reg == nil {
		return nil // Run announces it
	}
	w.self.Weight = w.wanted
	return w.reg.Update(w.self)
}

// register announces the process with the weight that is wanted.
func (w *weight) register(self registry.Instance, announce func(registry.Instance) (Registration, error)) (Registration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wanted != 0 {
		self.Weight = w.wanted
	}
	reg, err := announce(self)
	if err != nil {
		return nil, err
	}
	w.reg, w.self = reg, self
	return reg, nil
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
