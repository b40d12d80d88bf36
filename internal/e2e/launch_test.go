package e2e

import (
	"os/exec"
	"runtime"
	"sync"
)

// launches are carried out by one thread that never ends: the kernel ends children when the thread
// that started them does (PR_SET_PDEATHSIG, in attr), and the load generator's threads end in the
// middle of tests.
var launches = sync.OnceValue(func() chan<- func() {
	list := make(chan func())
	go func() { // ends with the process
		runtime.LockOSThread()
		for f := range list {
			f()
		}
	}()
	return list
})

// launch starts a command.
func launch(cmd *exec.Cmd) error {
	started := make(chan error)
	launches() <- func() { started <- cmd.Start() }
	return <-started
}
