package rawhttp

import (
	"net"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// Kernels before 5.11 have no epoll_pwait2; another way has to do.
func TestEpoller_WithoutPwait2(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	poll, err := NewPoller(1, l.Addr().(*net.TCPAddr), false)
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Shutdown()
	if !withoutPwait2(poll) {
		testutil.Skip(t, "there is no epoll here")
	}
	// Nothing happens: it waits for as long as it was told to, and no less.
	from := time.Now()
	events, err := poll.Wait(20 * time.Millisecond)
	if took := time.Since(from); err != nil || len(events) > 0 || took < 20*time.Millisecond {
		t.Errorf("wait returned %d events, %v after %v", len(events), err, took)
	}
	if err := poll.Open(0); err != nil {
		t.Fatal(err)
	}
	events, err = poll.Wait(20 * time.Second)
	if err != nil || len(events) != 1 || !events[0].Writable {
		t.Errorf("after connecting: %+v, %v", events, err)
	}
}
