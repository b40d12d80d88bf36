package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"nanofront/internal/unixpath"
)

const (
	// maxListeners is how many sockets can be passed.
	maxListeners = 8
	// readyTimeout is how long a successor may take from getting the sockets
	// to serving.
	readyTimeout = 60 * time.Second
	ioTimeout    = 5 * time.Second

	byteSockets = 'S' // with the sockets: here they are
	byteReady   = 'R' // from the successor: I serve
	byteLeaving = 'L' // the answer: I leave
)

// ErrNobody: no process offers its sockets at the path.
var ErrNobody = errors.New("handover: nobody offers its sockets")

// Offer is a process' standing offer. Make it with Serve.
type Offer struct {
	l         *net.UnixListener
	listeners []*net.TCPListener
	taken     chan struct{}
	done      chan struct{}
	once      sync.Once
}

// Serve offers the listeners to whoever takes them at path, one successor at
// a time, from a goroutine that ends with Close or with the first successor
// that is ready. A socket file that nobody serves is replaced.
func Serve(path string, listeners ...*net.TCPListener) (*Offer, error) {
	if err := unixpath.Check(path); err != nil {
		return nil, fmt.Errorf("handover: %s: %w", path, err)
	}
	if len(listeners) == 0 || len(listeners) > maxListeners {
		return nil, fmt.Errorf("handover: %d listeners: want 1 to %d", len(listeners), maxListeners)
	}
	// An existing socket is removed: its owner was taken over from, or is gone.
	if st, err := os.Stat(path); err == nil && st.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("handover: %s is there and is no socket: choose another path", path)
	}
	l, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	o := &Offer{l: l, listeners: listeners, taken: make(chan struct{}), done: make(chan struct{})}
	go o.serve()
	return o, nil
}

// listenPrivately listens on a socket file that only the owner can connect to,
// from the first moment on: whoever connects gets the sockets.
func listenPrivately(path string) (*net.UnixListener, error) {
	// Bound where nobody else can look, and put in its place when its mode is
	// right and it listens. (The umask is the whole process', and not heeded by
	// all that make files at this moment.)
	dir, err := os.MkdirTemp(filepath.Dir(path), ".h")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	private := filepath.Join(dir, "s")
	l, err := listenAt(private)
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then the file may be the successor's
	if err := errors.Join(os.Chmod(private, 0o600), os.Rename(private, path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// listenAt listens at a path that may be a little longer than the system
// allows: the one that was asked for is not.
func listenAt(path string) (*net.UnixListener, error) {
	if len(path) > unixpath.Max {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer func() { _ = dir.Close() }()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

// Taken is closed when a successor serves.
func (o *Offer) Taken() <-chan struct{} { return o.taken }

// Close withdraws the offer. Idempotent; waits for the offer's goroutine. The
// socket file stays, for the successor may have made it anew; one that nobody
// serves does no harm.
func (o *Offer) Close() error {
	err := net.ErrClosed
	o.once.Do(func() { err = o.l.Close() })
	<-o.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (o *Offer) serve() {
	defer close(o.done)
	for {
		c, err := o.l.AcceptUnix()
		if err != nil {
			return // closed
		}
		ready := o.pass(c)
		_ = c.Close()
		if ready {
			close(o.taken)
			return
		}
	}
}

// pass gives the sockets to one successor and reports whether it got ready.
func (o *Offer) pass(c *net.UnixConn) bool {
	fds := make([]int, 0, len(o.listeners))
	// Nested, so that no descriptor is closed while it is being sent.
	var send func(rest []*net.TCPListener) error
	send = func(rest []*net.TCPListener) error {
		if len(rest) == 0 {
			_, _, err := c.WriteMsgUnix([]byte{byteSockets}, syscall.UnixRights(fds...), nil)
			return err
		}
		raw, err := rest[0].SyscallConn()
		if err != nil {
			return err
		}
		var inner error
		err = raw.Control(func(fd uintptr) {
			fds = append(fds, int(fd))
			inner = send(rest[1:])
		})
		return errors.Join(err, inner)
	}
	if c.SetWriteDeadline(time.Now().Add(ioTimeout)) != nil || send(o.listeners) != nil {
		return false
	}
	var b [1]byte
	if c.SetReadDeadline(time.Now().Add(readyTimeout)) != nil {
		return false
	}
	if _, err := c.Read(b[:]); err != nil || b[0] != byteReady {
		return false
	}
	_, err := c.Write([]byte{byteLeaving})
	return err == nil
}

// Heir is who takes over. Make it with Take.
type Heir struct {
	// Listeners are the predecessor's, in its order.
	Listeners []*net.TCPListener
	c         *net.UnixConn
}

// Take gets the listeners of the process that offers them at path. ErrNobody
// if there is none.
func Take(ctx context.Context, path string) (*Heir, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	c := conn.(*net.UnixConn) //nolint:forcetypeassert // what dialling "unix" returns
	h := &Heir{c: c}
	if err := h.receive(); err != nil {
		return nil, errors.Join(fmt.Errorf("handover: taking the sockets offered at %s: %w", path, err), h.Close())
	}
	return h, nil
}

func (h *Heir) receive() error {
	if err := h.c.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return err
	}
	var b [1]byte
	oob := make([]byte, syscall.CmsgSpace(4*maxListeners))
	_, n, flags, _, err := h.c.ReadMsgUnix(b[:], oob)
	if err != nil {
		return err
	}
	files, err := takeFiles(oob[:n])
	// Whatever becomes of them: FileListener makes copies.
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if err != nil {
		return err
	}
	if flags&syscall.MSG_CTRUNC != 0 {
		return fmt.Errorf("more than %d sockets are offered", maxListeners)
	}
	if b[0] != byteSockets || len(files) == 0 {
		return errors.New("what is offered there is no sockets")
	}
	for _, f := range files {
		l, err := net.FileListener(f)
		if err != nil {
			return err
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			_ = l.Close()
			return fmt.Errorf("a socket of kind %s is offered: want tcp", l.Addr().Network())
		}
		h.Listeners = append(h.Listeners, tcp)
	}
	return nil
}

// takeFiles takes what came with a message. All of it is the caller's, with an
// error too.
func takeFiles(oob []byte) (files []*os.File, err error) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, wrong := syscall.ParseUnixRights(&messages[i])
		err = errors.Join(err, wrong)
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "inherited listener"))
		}
	}
	return files, err
}

// Ready tells the predecessor that this process serves; it drains and exits.
func (h *Heir) Ready() error {
	defer func() { _ = h.c.Close() }() // said what there was to say
	if err := h.c.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	if _, err := h.c.Write([]byte{byteReady}); err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	var b [1]byte
	if _, err := h.c.Read(b[:]); err != nil || b[0] != byteLeaving {
		return fmt.Errorf("handover: the predecessor did not confirm that it leaves: %w", err)
	}
	return nil
}

// Close gives the listeners up, for a successor that failed before Ready.
func (h *Heir) Close() error {
	errs := []error{h.c.Close()}
	for _, l := range h.Listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
