package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"syscall"
)

// The exit codes besides 0, and besides 128 + n after signal n.
const (
	ExitError = 1
	ExitUsage = 2
)

// IO is a program's standard streams.
type IO struct {
	In       io.Reader
	Out, Err io.Writer

	// command is where Parse says which command was chosen, for what is said at the end.
	command *string
}

// Func is a program. It returns when its work is done, or, when ctx is, after
// it has drained. args are those of the command line without the program's name.
type Func func(ctx context.Context, args []string, std IO) error

// ErrDone is returned by Parse when all was said: help or the version was
// asked for, and printed. A Func returns it, and the program exits with 0.
var ErrDone = errors.New("cli: nothing more to do")

// SignalError is the cause of a Func's context being done: context.Cause.
type SignalError struct{ Signal os.Signal }

// Error names the signal.
func (e SignalError) Error() string { return "signal: " + e.Signal.String() }

// Main runs a program with the process' streams, arguments and signals, and exits
// with its code. It doesn't return.
func Main(name string, run Func) {
	signals := make(chan os.Signal, 4)
	notify(signals)
	p := process{
		name:    name,
		args:    os.Args[1:],
		std:     IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
		signals: signals,
		exit:    os.Exit,
	}
	os.Exit(p.run(run))
}

// process is what Main takes from the operating system, and a test doesn't.
type process struct {
	name    string
	args    []string
	std     IO
	signals <-chan os.Signal
	exit    func(code int)
}

// run runs the program and returns its exit code.
func (p *process) run(run Func) (code int) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() { // ends with run
		defer close(watched)
		p.watch(cancel, done)
	}()
	defer func() {
		close(done)
		<-watched
	}()
	defer func() {
		if r := recover(); r != nil {
			p.say("%s: internal error: %v\n\n%s", p.name, r, debug.Stack())
			code = ExitError
		}
	}()
	p.std.command = new(string)
	return p.report(ctx, run(ctx, p.args, p.std))
}

// watch cancels at the first signal, and exits at the second. A SIGHUP is never the second: a
// terminal that is closed brings two, one from the system and one from its shell.
func (p *process) watch(cancel context.CancelCauseFunc, done <-chan struct{}) {
	for told := false; ; {
		select {
		case <-done:
			return
		case s := <-p.signals:
			if s == syscall.SIGHUP && hangupTaken.Load() {
				continue
			}
			if !told {
				told = true
				cancel(SignalError{s})
				continue
			}
			if s == syscall.SIGHUP {
				continue
			}
			code := ExitError
			if num, ok := s.(syscall.Signal); ok {
				code = 128 + int(num)
			}
			p.exit(code)
			return
		}
	}
}
