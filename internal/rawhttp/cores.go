package rawhttp

import (
	"runtime"
	"sync"
)

// cores guards GOMAXPROCS, which several may change at once.
var cores sync.Mutex

// MoreCores gives goroutines n cores more, until back is called: as many as loops keep while they
// wait in a Poller. Where they keep none, it changes nothing.
func MoreCores(n int) (back func()) {
	if !NativeHoldsCore {
		return func() {}
	}
	change := func(n int) {
		cores.Lock()
		defer cores.Unlock()
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	}
	change(n)
	return func() { change(-n) }
}
