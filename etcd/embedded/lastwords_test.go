package embedded

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// What etcd says before it would end the process is the server's error, while it runs as at its
// start.
func TestServer_LastWords(t *testing.T) {
	s := start(t, fast(t.TempDir()))
	s.last.tell(fmt.Errorf("failed to commit: %w", syscall.ENOSPC))
	s.last.tell(errors.New("what follows from it"))
	<-s.Done()
	err := s.Close() // doesn't wait for what is stuck
	if !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), "failed to commit") || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("Err: %v", err)
	}
	s.gate.close()
	s.etcd.Server.HardStop()
	s.etcd.Close()
}

// The logger's Fatal and Panic have their error with them, whatever other fields there are, and
// don't return.
func TestLastWords_OfTheLogger(t *testing.T) {
	l := newLastWords()
	said := &zapcore.CheckedEntry{Entry: zapcore.Entry{Level: zapcore.FatalLevel, Message: "failed to open"}}
	go l.OnWrite(said, []zapcore.Field{zap.String("path", "x"), zap.Error(syscall.EACCES)}) // ends with the process
	if err := <-l.said; !errors.Is(err, syscall.EACCES) || !strings.HasPrefix(err.Error(), "failed to open: ") {
		t.Errorf("got %v", err)
	}
}

func TestAdvise(t *testing.T) {
	for _, c := range []struct {
		cause   error
		cluster string
		want    string
	}{
		{syscall.ENOSPC, "", "free some space"},
		{syscall.EDQUOT, "", "free some space"},
		{syscall.EACCES, "", "readable and writable"},
		{syscall.EROFS, "", "readable and writable"},
		{syscall.EMFILE, "", "ulimit -n"},
		{errDamaged, "", "bring back a copy"},
		{errDamaged, "a=http://127.0.0.1:1", "etcdctl"},
	} {
		o := ServerOptions{DataDir: "somewhere", InitialCluster: c.cluster}
		err := o.advise(fmt.Errorf("reading: %w", c.cause))
		if !errors.Is(err, c.cause) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "somewhere") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: got %v, want %q in one line", c.cause, err, c.want)
		}
	}
}
