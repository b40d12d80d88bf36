package handover

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"nanofront/internal/unixpath"
)

// At no moment can anybody but the owner connect: the socket is put in its
// place when its mode is right, and is not made there.
func TestServe_SocketIsPrivateFromTheFirstMoment(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	watch, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(watch) }()
	if _, err := syscall.InotifyAddWatch(watch, dir, syscall.IN_CREATE|syscall.IN_ATTRIB|syscall.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	for range 2 { // the second time in place of the first one's
		offer, err := Serve(path, only(listen(t)))
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil || st.Mode() != os.ModeSocket|0o600 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
		_ = offer.Close()
	}
	buf := make([]byte, 16<<10)
	n, err := syscall.Read(watch, buf)
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for rest := buf[:n]; len(rest) > 0; {
		e := (*syscall.InotifyEvent)(unsafe.Pointer(&rest[0]))
		end := syscall.SizeofInotifyEvent + int(e.Len)
		name := strings.TrimRight(string(rest[syscall.SizeofInotifyEvent:end]), "\x00")
		rest = rest[end:]
		switch {
		case name != "s":
		case e.Mask&syscall.IN_MOVED_TO != 0:
			moved++
		default:
			t.Errorf("the socket was made, or changed, in its place: event %x", e.Mask)
		}
	}
	if moved != 2 {
		t.Errorf("put in its place %d times, want 2", moved)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A path may be as long as the system allows, and no longer.
func TestServe_LongPath(t *testing.T) {
	dir := t.TempDir()
	for _, more := range []int{0, 1} {
		path := filepath.Join(dir, strings.Repeat("s", unixpath.Max-len(dir)-1+more))
		offer, err := Serve(path, only(listen(t)))
		if more == 1 {
			if err == nil || !strings.Contains(err.Error(), "choose a shorter one") {
				t.Errorf("%d bytes: got %v", len(path), err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		heir, err := Take(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		_ = heir.Close()
		_ = offer.Close()
	}
}

// A folder whose path leaves no room for the folder of its own.
func TestServe_ShortNameInADeepFolder(t *testing.T) {
	dir := t.TempDir()
	dir = filepath.Join(dir, strings.Repeat("d", max(unixpath.Max-len(dir)-3, 1)))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	offer, err := Serve(path, only(listen(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = offer.Close() }()
	heir, err := Take(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = heir.Close()
}

// Of an offer that is no good, no descriptor stays open.
func TestTake_LeaksNoDescriptor(t *testing.T) {
	file := func(c interface{ File() (*os.File, error) }) *os.File {
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	tcp := file(listen(t))
	ul, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "other"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ul.Close() }()
	unix := file(ul)
	plain, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	for name, c := range map[string]struct {
		first byte
		names string
		files []*os.File
		want  string
	}{
		"one is no TCP":    {byteSockets, "", []*os.File{tcp, unix, tcp, tcp}, "want tcp"},
		"one is no socket": {byteSockets, "", []*os.File{tcp, plain, tcp}, "socket"},
		"no offer":         {'x', "", []*os.File{tcp, tcp}, "no sockets"},
		"too many":         {byteSockets, "", []*os.File{tcp, tcp, tcp, tcp, tcp, tcp, tcp, tcp, tcp, tcp}, "more than"},
		"fewer names":      {byteSockets, "Na\n", []*os.File{tcp, tcp}, "under the names"},
		"more names":       {byteSockets, "Na\nb\nc\n", []*os.File{tcp, tcp}, "under the names"},
		"one name twice":   {byteSockets, "Na\na\n", []*os.File{tcp, tcp}, "two sockets"},
		"half a name":      {byteSockets, "Na\nb", []*os.File{tcp, tcp}, "isn't a list of names"},
		"named, no TCP":    {byteSockets, "Na\nb\n", []*os.File{tcp, unix}, "want tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			var offering sync.WaitGroup
			offering.Go(func() {
				for { // asked for names, and asked again without
					conn, err := l.AcceptUnix()
					if err != nil {
						return // closed
					}
					var fds []int
					for _, f := range c.files {
						fds = append(fds, int(f.Fd()))
					}
					if _, _, err := conn.WriteMsgUnix([]byte{c.first}, syscall.UnixRights(fds...), nil); err != nil {
						t.Error(err)
					}
					if c.names != "" {
						_, _ = conn.Read(make([]byte, 1))
						if _, _, err := conn.WriteMsgUnix([]byte(c.names), syscall.UnixRights(fds...), nil); err != nil {
							t.Error(err)
						}
					}
					_ = conn.Close()
				}
			})
			before := openFiles(t)
			if _, err := Take(context.Background(), path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			_ = l.Close()
			offering.Wait()
			if after := openFiles(t); after != before-1 {
				t.Errorf("%d descriptors are open, %d were", after, before)
			}
		})
	}
}

// openFiles counts this process' descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
