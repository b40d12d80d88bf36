package peers

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"text/template"

	"nanofront/bench/result"
	"nanofront/bench/system"
	"nanofront/internal/process"
)

//go:embed *.conf
var configs embed.FS

// ErrMissing is wrapped by the error of Available for what isn't installed.
var ErrMissing = errors.New("peers: not installed")

// Peer is something to be measured beside nanofront.
type Peer struct {
	// Key is what scenarios and flags call it, Name what reports do.
	Key, Name string
	// About says in a line what it is.
	About string
	// program that must be installed, and the Debian package that it is in. Empty: it is a part of
	// bench.
	program, pkg string
	start        func(b *builder) error
}

// All are the peers, plain fasthttp first.
func All() []*Peer {
	return []*Peer{
		{Key: "plain", Name: result.Plain, About: "fasthttp answering by itself", start: (*builder).plain},
		{Key: "nginx", Name: "nginx", About: "nginx in front of plain fasthttp", program: "nginx", pkg: "nginx-light", start: proxy("nginx", true, "-p", ".", "-c")},
		{Key: "haproxy", Name: "haproxy", About: "HAProxy in front of plain fasthttp", program: "haproxy", pkg: "haproxy", start: proxy("haproxy", false, "-db", "-f")},
		{Key: "caddy", Name: "caddy", About: "Caddy in front of plain fasthttp", program: "caddy", pkg: "caddy", start: proxy("caddy", false, "run", "--adapter", "caddyfile", "--config")},
		{Key: "nats", Name: "nats gateway", About: "fasthttp → NATS request/reply → responder", program: "nats-server", pkg: "nats-server", start: (*builder).nats},
	}
}

// Find returns the peer of that key, nil if there is none.
func Find(key string) *Peer {
	all := All()
	i := slices.IndexFunc(all, func(p *Peer) bool { return p.Key == key })
	if i < 0 {
		return nil
	}
	return all[i]
}

// Available is nil if the peer can be started here. The error says what to install.
func (p *Peer) Available() error {
	if p.program == "" {
		return nil
	}
	if _, err := find(p.program); err != nil {
		return fmt.Errorf("%w: %s (apt-get install %s)", ErrMissing, p.program, p.pkg)
	}
	return nil
}

// find looks a server up, also where Debian puts those that users don't have in their path.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// Start starts the peer, with its files in dir, and waits until it answers. bench is the path of
// the bench program, whose hidden subcommands some parts are. workers is how many requests the
// server behind works on at once, where they take time; 0 is as many as come. The caller must Stop
// what it returns.
func (p *Peer) Start(ctx context.Context, bench, dir string, workers int) (*system.System, error) {
	if err := p.Available(); err != nil {
		return nil, err
	}
	var b *builder
	if err := system.Retry(func() error {
		b = &builder{ctx: ctx, bench: bench, dir: dir, workers: workers, group: system.NewGroup()}
		err := p.run(b)
		if err != nil {
			b.group.Stop()
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return &system.System{Group: b.group, URL: "http://" + b.front}, nil
}

func (p *Peer) run(b *builder) error {
	addrs, err := system.FreeAddrs(2)
	if err != nil {
		return err
	}
	b.front, b.behind = addrs[0], addrs[1]
	if err := p.start(b); err != nil {
		return err
	}
	return b.group.WaitFor(b.ctx, p.Name, system.Answers("http://"+b.front+"/hello"))
}

// builder starts the processes of a peer.
type builder struct {
	ctx           context.Context //nolint:containedctx // of one call of Start
	bench, dir    string
	workers       int
	group         *process.Group
	front, behind string // addresses: of the peer, and of what is behind it
}

func (b *builder) own(name, role string, args ...string) error {
	_, err := b.group.Start(process.Spec{Name: name, Role: role, Path: b.bench, Args: append([]string{"peer"}, args...)})
	return err
}

func (b *builder) plain() error { return b.plainAt(b.front) }

func (b *builder) plainAt(addr string) error {
	args := []string{"plain", "--http", addr}
	if b.workers > 0 {
		args = append(args, "--workers", strconv.Itoa(b.workers))
	}
	return b.own("plain", result.Plain, args...)
}

// upstream is plain fasthttp behind a proxy.
func (b *builder) upstream() error {
	if err := b.plainAt(b.behind); err != nil {
		return err
	}
	return b.group.WaitFor(b.ctx, result.Plain, system.Answers("http://"+b.behind+"/hello"))
}

// proxy starts an installed proxy in front of plain fasthttp, with NAME.conf, whose path follows
// its arguments. One with workers of its own is told to end, see [process.Spec].
func proxy(name string, workers bool, args ...string) func(*builder) error {
	return func(b *builder) error {
		if err := b.upstream(); err != nil {
			return err
		}
		path, err := find(name)
		if err != nil {
			return err
		}
		file, err := b.write(name+".conf", b.front)
		if err != nil {
			return err
		}
		_, err = b.group.Start(process.Spec{
			Name: name, Role: name, Path: path, Args: append(slices.Clone(args), file), Told: workers,
			// Where it keeps what it keeps: not in the home of whoever runs this.
			Env: []string{"HOME=" + b.dir, "XDG_DATA_HOME=" + b.dir, "XDG_CONFIG_HOME=" + b.dir}, Dir: b.dir,
		})
		return err
	}
}

func (b *builder) nats() error {
	if b.workers > 0 {
		return fmt.Errorf("a responder of NATS has no number of workers")
	}
	path, err := find("nats-server")
	if err != nil {
		return err
	}
	file, err := b.write("nats.conf", b.behind)
	if err != nil {
		return err
	}
	if _, err := b.group.Start(process.Spec{Name: "nats-server", Role: "nats-server", Path: path, Args: []string{"-c", file}}); err != nil {
		return err
	}
	url := "nats://" + b.behind
	if err := b.own("responder", "responder", "responder", "--nats", url); err != nil {
		return err
	}
	return b.own("gateway", "gateway", "gateway", "--http", b.front, "--nats", url)
}

// write fills a configuration in, and returns the name of the file.
func (b *builder) write(config, addr string) (string, error) {
	t, err := template.ParseFS(configs, config)
	if err != nil {
		return "", fmt.Errorf("peers: %s: %w", config, err)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("peers: %w", err)
	}
	name := filepath.Join(b.dir, config)
	f, err := os.Create(name)
	if err != nil {
		return "", fmt.Errorf("peers: %w", err)
	}
	err = t.Execute(f, struct {
		Dir, Addr, Host, Upstream string
		Cores                     int
	}{b.dir, addr, host, b.behind, runtime.NumCPU()})
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("peers: %s: %w", name, err)
	}
	return name, nil
}
