package e2e

import (
	"os/exec"
	"runtime"
)

// launches are carried out by one thread that stays until all tests are over: the kernel ends
// children when the thread that started them ends (PR_SET_PDEATHSIG, in attr), and the load
// generator's threads end in the middle of tests.
var launches chan func()

// startLaunching is for TestMain, which must call stop when no test runs any more.
func startLaunching() (stop func()) {
	launches = make(chan func())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		for f := range launches {
			f()
		}
	}()
	return func() {
		close(launches)
		<-ended
	}
}

// launch starts a command.
func launch(cmd *exec.Cmd) error {
	started := make(chan error)
	launches <- func() { started <- cmd.Start() }
	return <-started
}
