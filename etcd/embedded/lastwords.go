package embedded

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"go.uber.org/zap/zapcore"
)

// lastWords takes what etcd says when it wants to end the process. Server reports it as an error
// instead, so that whoever runs the server can say it where it is read, and end in order.
type lastWords struct{ said chan error }

func newLastWords() *lastWords { return &lastWords{make(chan error, 1)} }

// OnWrite implements zapcore.CheckWriteHook. It must not return, for etcd doesn't reckon with that,
// and it must not end its goroutine either, which would release locks over what is half done. So it
// stays until the process ends.
func (l *lastWords) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	err := errors.New(e.Message)
	for _, f := range fields {
		if cause, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			err = fmt.Errorf("%s: %w", e.Message, cause)
		}
	}
	l.tell(err)
	select {}
}

// tell keeps the first: what follows is mostly of its making.
func (l *lastWords) tell(err error) {
	select {
	case l.said <- err:
	default:
	}
}

// advise adds what to do to an error about the data of a member.
func (o *ServerOptions) advise(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %s: %w: free some space, then start again", ErrDataDir, o.DataDir, err)
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %s: %w: its files must be readable and writable for this user", ErrDataDir, o.DataDir, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: %s: %w: raise the limit of open files (ulimit -n)", ErrDataDir, o.DataDir, err)
	case o.InitialCluster != "":
		return fmt.Errorf("%w: %s: %w: remove the member with etcdctl, move the directory away, and add the member anew", ErrDataDir, o.DataDir, err)
	}
	return fmt.Errorf("%w: %s: %w: bring back a copy of the directory, or move it away and start with an empty one: "+
		"handlers announce themselves again, routes are put back by nanofront routes apply", ErrDataDir, o.DataDir, err)
}
