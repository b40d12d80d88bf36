package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstDescriptor is that of the first socket (SD_LISTEN_FDS_START).
const firstDescriptor = 3

// maxListeners bounds what is believed of the environment.
const maxListeners = 64

// Listeners are the TCP sockets that the manager has passed, by their names (FileDescriptorName=);
// none without one. A child gets none of them. It may be called once.
func Listeners() (map[string]*net.TCPListener, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // fails for no name of these
	}
	if count == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil //nolint:nilnil // nobody has passed any
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxListeners {
		return nil, fmt.Errorf("systemd: LISTEN_FDS=%q is not a number of sockets", count)
	}
	out := make(map[string]*net.TCPListener, n)
	for i := range n {
		fd, name := firstDescriptor+i, ""
		if i < len(names) {
			name = names[i]
		}
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), name)
		l, err := net.FileListener(f)
		_ = f.Close() // the listener has one of its own
		if err != nil {
			return nil, fmt.Errorf("systemd: socket %q: %w", name, err)
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			_ = l.Close() // of no use here
			return nil, fmt.Errorf("systemd: socket %q is no TCP socket: want ListenStream=HOST:PORT", name)
		}
		out[name] = tcp
	}
	return out, nil
}
