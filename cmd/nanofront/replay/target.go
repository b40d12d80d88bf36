package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"nanofront/cmd/nanofront/bus"
	"nanofront/cmd/nanofront/listening"
	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	engine "nanofront/internal/replay"
	"nanofront/nanobus"
)

// defaultFront is where nanofront up has it.
const defaultFront = "http://127.0.0.1:8080"

// reachTime bounds how long a front may take to be reached.
const reachTime = 5 * time.Second

// target is where requests go.
type target struct {
	name  string // for people
	kind  string // "front", "service", "instance"
	close func()
}

// target finds the target and completes the options for it.
func (c *Command) target(ctx context.Context, o *engine.Options) (*target, error) {
	if c.Service == "" {
		return c.front(ctx, o)
	}
	return c.service(ctx, o)
}

func (c *Command) front(ctx context.Context, o *engine.Options) (*target, error) {
	text := c.URL
	if text == "" {
		text = defaultFront
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, cli.Usagef("%q is not a URL such as %s", text, defaultFront)
	case u.Scheme == "https":
		return nil, cli.Usagef("%q: TLS is not spoken here: give the front's own port, with http://", text)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, cli.Usagef("%q has more than a host and a port: paths and all else come from the recording", u.Redacted())
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "80")
	}
	d := net.Dialer{Timeout: reachTime}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("nobody listens on %s: is the front running? nanofront up starts a whole system", address)
		}
		return nil, fmt.Errorf("can't reach the front: %w", err)
	}
	_ = conn.Close() // nothing was sent
	addr, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("%s is no TCP address", conn.RemoteAddr())
	}
	if !c.Remote && !addr.IP.IsLoopback() {
		return nil, elsewhere(address)
	}
	o.Encode, o.NewSender = engine.HTTP, engine.Dial(addr)
	o.Select.Hop = 1
	return &target{name: "http://" + address, kind: "front", close: func() {}}, nil
}

// elsewhere refuses a target that may be anybody's.
func elsewhere(address string) error {
	return cli.Usagef("%s is not on this machine, and its system may have users, who would notice the replay: give --remote if it is meant", address)
}

func (c *Command) service(ctx context.Context, o *engine.Options) (*target, error) {
	security, err := c.Security(zerolog.Nop())
	if err != nil {
		return nil, err
	}
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }() // nothing is lost with it
	b, list, err := bus.Dial(ctx, listening.Target{Service: c.Service, Instance: c.Instance}, src, "replay",
		nanobus.Options{Security: security, Slots: c.Connections + 16}, c.Timeout)
	if err != nil {
		return nil, err
	}
	for _, in := range list {
		if !c.Remote && !local(in.Address) {
			_ = b.Close() // nothing was sent
			return nil, elsewhere(c.Service + "/" + in.ID + " at " + in.Address)
		}
	}
	o.Encode, o.Select.Service, o.Workers = encode, c.Service, 1
	o.NewSender = func(connections int, timeout time.Duration, clock func() int64, r engine.Report) (engine.Sender, error) {
		return newBusSender(b, b.Service(c.Service), connections, timeout, clock, r), nil
	}
	t := &target{name: c.Service, kind: "service", close: func() { _ = b.Close() }} // as above
	if c.Instance != "" {
		t.name, t.kind = c.Service+"/"+c.Instance, "instance"
	}
	return t, nil
}

// local reports whether an address of the bus is on this machine.
func local(address string) bool {
	network, addr, _ := strings.Cut(address, "://")
	if network == "ipc" {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
