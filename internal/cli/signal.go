package cli

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// notify has the signals that end a program come to c. SIGHUP doesn't where whoever started the
// program has it ignored: that is nohup's whole point. SIGINT does all the same, though a script's
// shell has it ignored for what it starts with &: ctrl-C is meant for those, too.
func notify(c chan<- os.Signal) {
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(c, syscall.SIGHUP)
	}
}

// hangupTaken is whether SIGHUP ends the program no more.
var hangupTaken atomic.Bool

// TakeHangup makes SIGHUP mean something else than the program's end, until stop is called: it is
// received from the channel, also where whoever started the program has it ignored.
func TakeHangup() (hangup <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	hangupTaken.Store(true)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) } // a program that is ending anyhow isn't ended by it
}

// Outlive keeps signals that concern something else from ending a program that serves:
//
//   - SIGPIPE, which the system sends when nobody reads standard output or error any more, as
//     after the restart of what collects logs. The write returns an error then, as with any
//     other descriptor.
//   - SIGUSR1 and SIGUSR2, with which other fronts are told to open their logs anew. Here that is
//     SIGHUP (TakeHangup).
//
// They are caught and not ignored, since children would inherit that. Commands don't call it:
// they had better end when nobody reads what they print.
var Outlive = sync.OnceFunc(func() {
	// Nobody receives: what is sent to a full channel is dropped.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2)
})
