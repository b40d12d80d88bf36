package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

	byteSockets = 'S' // with the sockets of positions: here they are
	byteQuery   = 'Q' // from the successor: under which names?
	byteNames   = 'N' // the answer: names, with all sockets
	byteReady   = 'R' // from the successor: I serve; with an end of a passage, if it takes connections
	byteLeaving = 'L' // the answer: I leave

	// maxNames bounds the names of all sockets together, in bytes.
	maxNames = 512
)

// positions are the names of what is passed without names: by builds, and to builds, that know of
// none. Theirs is the first message. A successor that wants names asks for them, and one whose
// predecessor doesn't know the question takes these.
var positions = []string{"http", "admin"}

// ErrNobody: no process offers its sockets at the path.
var ErrNobody = errors.New("handover: no process offers its sockets")

// Offer is a process' standing offer. Make it with Serve.
type Offer struct {
	l         *net.UnixListener
	listeners map[string]*net.TCPListener
	taken     chan struct{}
	passage   *Passage // nil: the successor takes no connections
	done      chan struct{}
	once      sync.Once
}

// Serve offers the listeners, by name, to whoever takes them at path, one
// successor at a time, from a goroutine that ends with Close or with the first
// successor that is ready. A socket file that nobody serves is replaced.
func Serve(path string, listeners map[string]*net.TCPListener) (*Offer, error) {
	if err := unixpath.Check(path); err != nil {
		return nil, fmt.Errorf("handover: %s: %w", path, err)
	}
	if len(listeners) == 0 || len(listeners) > maxListeners {
		return nil, fmt.Errorf("handover: %d listeners: want 1 to %d", len(listeners), maxListeners)
	}
	size := 0
	for name := range listeners {
		if size += len(name) + 1; name == "" || strings.Contains(name, "\n") || size > maxNames {
			return nil, fmt.Errorf("handover: %q isn't a valid name for a listener: choose a short one, on one line", name)
		}
	}
	// An existing socket is removed: its owner was taken over from, or is gone.
	if st, err := os.Stat(path); err == nil && st.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("handover: %s exists and isn't a socket: choose another path", path)
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

// Passage leads to the successor, once that has taken. It is the caller's, and nil if the successor
// takes no connections.
func (o *Offer) Passage() *Passage {
	<-o.taken
	return o.passage
}

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
	var known []*net.TCPListener
	for _, name := range positions {
		l := o.listeners[name]
		if l == nil {
			break // what follows would stand in its position
		}
		known = append(known, l)
	}
	if send(c, []byte{byteSockets}, known) != nil {
		return false
	}
	for {
		b, oob := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
		if c.SetReadDeadline(time.Now().Add(readyTimeout)) != nil {
			return false
		}
		n, rights, _, _, err := c.ReadMsgUnix(b, oob)
		if err != nil || n == 0 {
			return false
		}
		files, err := takeFiles(oob[:rights])
		if err != nil || b[0] != byteReady {
			closeAll(files)
		}
		if err != nil {
			return false
		}
		switch b[0] {
		case byteQuery:
			names, all := []byte{byteNames}, []*net.TCPListener(nil)
			for _, name := range slices.Sorted(maps.Keys(o.listeners)) {
				names = append(append(names, name...), '\n')
				all = append(all, o.listeners[name])
			}
			if send(c, names, all) != nil {
				return false
			}
		case byteReady:
			if len(files) > 0 {
				closeAll(files[1:])
				if u, err := passageOf(files[0]); err == nil { // connections end as they do without, else
					o.passage = &Passage{c: u}
				}
			}
			if _, err := c.Write([]byte{byteLeaving}); err != nil {
				if o.passage != nil {
					_ = o.passage.Close() // nothing has gone through
					o.passage = nil
				}
				return false
			}
			return true
		default:
			return false
		}
	}
}

// send sends a message with the sockets of listeners.
func send(c *net.UnixConn, message []byte, listeners []*net.TCPListener) error {
	fds := make([]int, 0, len(listeners))
	// Nested, so that no descriptor is closed while it is being sent.
	var next func(rest []*net.TCPListener) error
	next = func(rest []*net.TCPListener) error {
		if len(rest) == 0 {
			var rights []byte
			if len(fds) > 0 {
				rights = syscall.UnixRights(fds...)
			}
			_, _, err := c.WriteMsgUnix(message, rights, nil)
			return err
		}
		raw, err := rest[0].SyscallConn()
		if err != nil {
			return err
		}
		var inner error
		err = raw.Control(func(fd uintptr) {
			fds = append(fds, int(fd))
			inner = next(rest[1:])
		})
		return errors.Join(err, inner)
	}
	if err := c.SetWriteDeadline(time.Now().Add(ioTimeout)); err != nil {
		return err
	}
	return next(listeners)
}

// Heir is the process that takes over. Make it with Take.
type Heir struct {
	listeners map[string]*net.TCPListener // that nobody has taken
	c         *net.UnixConn

	mu        sync.Mutex
	passage   *net.UnixConn // through which the predecessor's connections come
	inherited sync.WaitGroup
}

// Take gets the listeners of the process that offers them at path. ErrNobody
// if there is none.
func Take(ctx context.Context, path string) (*Heir, error) {
	h, err := take(ctx, path, (*Heir).receiveNamed)
	if errors.Is(err, errPositions) {
		h, err = take(ctx, path, (*Heir).receivePositions)
	}
	return h, err
}

func take(ctx context.Context, path string, receive func(*Heir) error) (*Heir, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	c := conn.(*net.UnixConn) //nolint:forcetypeassert // what dialling "unix" returns
	h := &Heir{c: c, listeners: make(map[string]*net.TCPListener)}
	if err := receive(h); err != nil {
		return nil, errors.Join(fmt.Errorf("handover: taking the sockets offered at %s: %w", path, err), h.Close())
	}
	return h, nil
}

// errPositions: the predecessor knows its sockets by their positions only.
var errPositions = errors.New("the process that offers them doesn't name them")

// receivePositions takes what is offered first, to whoever it is.
func (h *Heir) receivePositions() error {
	files, err := h.first()
	defer closeAll(files)
	if err != nil {
		return err
	}
	n := min(len(files), len(positions))
	return h.listen(positions[:n], files[:n])
}

// first reads the first message. The files are the caller's, with an error, too.
func (h *Heir) first() ([]*os.File, error) {
	b, files, err := h.read(1)
	if err == nil && b[0] != byteSockets {
		err = errors.New("no sockets are offered there")
	}
	return files, err
}

// receiveNamed asks for the names, and all sockets with them.
func (h *Heir) receiveNamed() error {
	files, err := h.first()
	closeAll(files) // they come again
	if err != nil {
		return err
	}
	if _, err := h.c.Write([]byte{byteQuery}); err != nil {
		return errors.Join(errPositions, err)
	}
	var b []byte
	b, files, err = h.read(1 + maxNames)
	defer closeAll(files)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return errPositions
	case err != nil:
		return err
	case len(b) < 2 || b[0] != byteNames || b[len(b)-1] != '\n':
		return fmt.Errorf("%q isn't a list of names", b)
	}
	return h.listen(strings.Split(string(b[1:len(b)-1]), "\n"), files)
}

// read reads a message of at most n bytes, and what came with it, which is the caller's with an
// error, too.
func (h *Heir) read(n int) (b []byte, files []*os.File, err error) {
	if err := h.c.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return nil, nil, err
	}
	b, oob := make([]byte, n), make([]byte, syscall.CmsgSpace(4*maxListeners))
	n, rights, flags, _, err := h.c.ReadMsgUnix(b, oob)
	if err != nil {
		return nil, nil, err
	}
	files, err = takeFiles(oob[:rights])
	if n == 0 {
		err = errors.Join(err, io.EOF)
	}
	if flags&syscall.MSG_CTRUNC != 0 {
		err = errors.Join(err, fmt.Errorf("more than %d sockets are offered", maxListeners))
	}
	return b[:n], files, err
}

// listen makes listeners of what came. FileListener makes copies.
func (h *Heir) listen(names []string, files []*os.File) error {
	if len(files) == 0 || len(names) != len(files) {
		return fmt.Errorf("%d sockets are offered under the names %q", len(files), names)
	}
	for i, f := range files {
		l, err := net.FileListener(f)
		if err != nil {
			return err
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			_ = l.Close()
			return fmt.Errorf("a socket of kind %s is offered: want tcp", l.Addr().Network())
		}
		if h.listeners[names[i]] != nil {
			_ = tcp.Close()
			return fmt.Errorf("two sockets are offered under the name %q", names[i])
		}
		h.listeners[names[i]] = tcp
	}
	return nil
}

// Listener returns the predecessor's listener of that name, and nil if it had none. It is the
// caller's.
func (h *Heir) Listener(name string) *net.TCPListener {
	l := h.listeners[name]
	delete(h.listeners, name)
	return l
}

// forget closes what nobody has taken.
func (h *Heir) forget() {
	for _, l := range h.listeners {
		_ = l.Close() // a copy: the predecessor's stays
	}
	clear(h.listeners)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// takeFiles takes what came with a message. All of it is the caller's, with an
// error too.
func takeFiles(oob []byte) (files []*os.File, err error) {
	fds, err := descriptors(oob)
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "inherited"))
	}
	return files, err
}

// descriptors is takeFiles for what isn't files. They are closed on exec.
func descriptors(oob []byte) (all []int, err error) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		fds, wrong := syscall.ParseUnixRights(&messages[i])
		err = errors.Join(err, wrong)
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			all = append(all, fd)
		}
	}
	return all, err
}

// Ready tells the predecessor that this process serves; it drains and exits. Listeners that nobody
// has taken are closed, so that none stays open that nobody serves.
//
// What the predecessor passes of its clients' connections is given to take, from a goroutine that
// ends with Close or with the predecessor: descriptors, and a note on them. It returns how many,
// from the first on, are its own now; the others are closed here, and served on there. Nil:
// connections aren't wanted.
func (h *Heir) Ready(take func(fds []int, note []byte) (taken int)) (err error) {
	defer func() {
		h.forget()
		err = errors.Join(err, h.c.Close()) // said what there was to say
	}()
	if err := h.c.SetDeadline(time.Now().Add(ioTimeout)); err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	var rights []byte
	var passage *net.UnixConn
	if take != nil {
		mine, theirs, err := newPassage()
		if err == nil { // connections end as they do without, else
			defer func() { _ = theirs.Close() }() // the predecessor has it
			passage, rights = mine, syscall.UnixRights(int(theirs.Fd()))
		}
	}
	if err := h.sayReady(rights); err != nil {
		if passage != nil {
			_ = passage.Close() // nothing has come through
		}
		return err
	}
	if passage != nil {
		h.mu.Lock()
		h.passage = passage
		h.mu.Unlock()
		h.inherited.Go(func() { inherit(passage, take) })
	}
	return nil
}

func (h *Heir) sayReady(rights []byte) error {
	if _, _, err := h.c.WriteMsgUnix([]byte{byteReady}, rights, nil); err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	var b [1]byte
	if _, err := h.c.Read(b[:]); err != nil || b[0] != byteLeaving {
		return fmt.Errorf("handover: the predecessor didn't confirm that it is leaving: %w", err)
	}
	return nil
}

// Close gives up what nobody has taken: the listeners, of a successor that failed before Ready, and
// connections that still come. Idempotent.
func (h *Heir) Close() error {
	h.forget()
	h.mu.Lock()
	if h.passage != nil {
		_ = h.passage.Close() // the predecessor serves on what is left
	}
	h.mu.Unlock()
	h.inherited.Wait()
	if err := h.c.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
