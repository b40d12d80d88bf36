package nanobus_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// fate is how a handler process has ended.
type fate int

const (
	running fate = iota
	killed
	drained
)

// incarnation is one handler process, from its start to its end, and what is
// kept of it.
type incarnation struct {
	name   string
	ledger *chaosLedger
	unmap  func()
	fate   fate
	// longest is for how long it was stopped at one time, at the most.
	longest time.Duration

	addr   string
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// chaosStart is how long a process may take to listen.
const chaosStart = 30 * time.Second

// startIncarnation starts a handler and waits until it listens.
func startIncarnation(dir, name, listen string) (*incarnation, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in := &incarnation{name: name}
	path := filepath.Join(dir, name+".ledger")
	if in.ledger, in.unmap, err = openChaosLedger(path); err != nil {
		return nil, err
	}
	in.cmd = exec.Command(self)
	in.cmd.Env = append(os.Environ(), chaosListenEnv+"="+listen, chaosNameEnv+"="+name, chaosLedgerEnv+"="+path)
	in.cmd.SysProcAttr = attr()
	in.cmd.Stderr = &in.stderr
	out, err := in.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := in.cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(chaosStart, func() { _ = in.cmd.Process.Kill() }) // ends the read
	line, err := bufio.NewReader(out).ReadString('\n')
	if !late.Stop() || err != nil {
		_ = in.cmd.Process.Kill() // it may have ended by itself
		_ = in.cmd.Wait()
		return nil, fmt.Errorf("handler %s did not say within %v where it listens: %w\n%s", name, chaosStart, err, in.stderr.String())
	}
	in.addr = strings.TrimSpace(line)
	return in, nil
}

// kill ends it without a warning, stopped or not.
func (in *incarnation) kill() error {
	if err := in.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing handler %s: %w", in.name, err)
	}
	_ = in.cmd.Wait() // says that it was killed
	in.fate = killed
	return in.complaint(nil)
}

// drain ends it as an operator would.
func (in *incarnation) drain() error {
	if err := in.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("terminating handler %s: %w", in.name, err)
	}
	stuck := time.AfterFunc(2*chaosDrain, func() { _ = in.cmd.Process.Kill() })
	err := in.cmd.Wait()
	stuck.Stop()
	in.fate = drained
	return in.complaint(err)
}

// complaint is what a process has to say that ended: it should be silent.
func (in *incarnation) complaint(err error) error {
	if text := in.stderr.String(); err != nil || text != "" {
		return fmt.Errorf("handler %s: %v: %s", in.name, err, text) //nolint:errorlint // may be nil
	}
	return nil
}

// stop has the system not run it until resume.
func (in *incarnation) stop() error { return in.cmd.Process.Signal(syscall.SIGSTOP) }

func (in *incarnation) resume() error { return in.cmd.Process.Signal(syscall.SIGCONT) }
