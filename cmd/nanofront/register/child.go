package register

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"nanofront/internal/cli"
	"nanofront/internal/process"
)

// child is the command that runs. A nil *child is none, which never ends.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// startChild starts the command, with standard output and error of this process.
func startChild(command, env []string) (*child, error) {
	c := &child{cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdout, c.cmd.Stderr = os.Stdout, os.Stderr
	c.cmd.SysProcAttr = process.Attr(true)
	started := make(chan error)
	go func() { // ends with the child
		// The system ends the child with the thread that started it, so that one waits for it.
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // ProcessState says how it ended
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("the command can't be started: %w", err)
	}
	return c, nil
}

// done is closed when the child has ended.
func (c *child) done() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.ended
}

// end has the child end, if it hasn't, within the time that it gets. The error is its exit code.
func (c *child) end(within time.Duration, log zerolog.Logger) error {
	if c == nil {
		return nil
	}
	select {
	case <-c.ended:
		return c.code()
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		log.Warn().Err(err).Msg("the command can't be signalled to end")
	}
	select {
	case <-c.ended:
		if c.signal() == syscall.SIGTERM {
			return nil // it does nothing else at that signal than to end
		}
		return c.code()
	case <-time.After(within):
	}
	// With all that it has started.
	if err := syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		log.Warn().Err(err).Msg("the command can't be killed")
	}
	<-c.ended
	return fmt.Errorf("the command didn't end within %v of SIGTERM and was killed: give it longer with --drain-timeout", within)
}

// signal is the one that has ended the child, or 0.
func (c *child) signal() syscall.Signal {
	if ws, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}

// code is the exit code as an error: 128+n after signal n, and nil for 0.
func (c *child) code() error {
	code := c.cmd.ProcessState.ExitCode()
	if s := c.signal(); s != 0 {
		code = 128 + int(s)
	}
	if code == 0 {
		return nil
	}
	return &cli.CodeError{Code: code, Err: fmt.Errorf("the command has ended: %v", c.cmd.ProcessState)}
}
