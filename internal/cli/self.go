package cli

import (
	"net"
	"os"
	"strings"

	"nanofront/internal/buildinfo"
	"nanofront/registry"
)

// AdminAddr is the admin address as others are told it; empty if there is none.
func (b *Base) AdminAddr() string { return b.announced }

// Self fills in what the process can say of itself besides its kind, name and
// service.
func (b *Base) Self(d *Discovery, p registry.Process) registry.Process {
	p.System = b.system
	if p.System == "" {
		p.System = registry.SystemName(d.EtcdPrefix)
	}
	if p.Version == "" {
		p.Version = buildinfo.Get().Version
	}
	p.Host, _ = os.Hostname() // unknown, at worst
	p.PID = os.Getpid()
	p.StartID, p.Started = b.Metrics.StartID(), b.Metrics.Started().UTC()
	p.Admin = b.AdminAddr()
	return p
}

// checkAnnouncement finds what is wrong with the flags that others read the
// values of.
func (c *Common) checkAnnouncement() error {
	if c.System != "" && !registry.ValidSystem(c.System) {
		return Usagef("--system: %q is not a name: want 1 to 63 lower-case letters, digits, '-', '.' and '_'", c.System)
	}
	if c.AdminAnnounce == "" {
		return nil
	}
	if c.Admin == "" {
		return Usagef("--admin-announce %s: there is no admin port to announce: give --admin too", c.AdminAnnounce)
	}
	announced := c.announced("127.0.0.1:1")
	host, _, _ := net.SplitHostPort(announced) // the next line looks at the whole
	p := registry.Process{Kind: registry.KindUp, Name: "valid", Admin: announced}
	if p.Validate() != nil || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return Usagef("--admin-announce: %q is not HOST or HOST:PORT", c.AdminAnnounce)
	}
	return nil
}

// announced is the admin address for others, of the one that is listened on.
func (c *Common) announced(addr string) string {
	if c.AdminAnnounce == "" {
		return Reachable(addr)
	}
	if _, _, err := net.SplitHostPort(c.AdminAnnounce); err == nil {
		return c.AdminAnnounce
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return c.AdminAnnounce
	}
	host := c.AdminAnnounce
	if ip := net.ParseIP(trimBrackets(host)); ip != nil {
		host = ip.String()
	}
	return net.JoinHostPort(host, port)
}

// adminHosts are the names that requests to the admin port may have.
func (c *Common) adminHosts() []string {
	if c.AdminAnnounce == "" {
		return c.AdminHosts
	}
	host, _, err := net.SplitHostPort(c.AdminAnnounce)
	if err != nil {
		host = c.AdminAnnounce
	}
	return append([]string{host}, c.AdminHosts...)
}

// trimBrackets is an IPv6 address without those of a URL.
func trimBrackets(s string) string {
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}
