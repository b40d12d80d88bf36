package up

import (
	"net"
	"os"

	"nanofront/etcd"
	"nanofront/etcd/embedded"
	"nanofront/internal/contexts"
	"nanofront/internal/supervisor"
)

// dialable is an address to listen on as one to connect to.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// command is how to call a command for what is up: with flags where without them it would be for
// another system.
func (c *Command) command(name string) string {
	line := "bin/nanofront " + name
	if c.EtcdURL != embedded.DefaultClientURL || hasContext() {
		line += " --etcd " + c.EtcdURL
	}
	if c.EtcdPrefix != etcd.DefaultPrefix {
		line += " --etcd-prefix " + c.EtcdPrefix
	}
	return line
}

// hasContext tells that commands without flags are for the system of a context.
func hasContext() bool {
	name, named := os.LookupEnv("NANOFRONT_CONTEXT")
	if named {
		return name != ""
	}
	f, err := contexts.Load()
	return err == nil && f.Current != ""
}

func (c *Command) welcome(s *supervisor.Supervisor) {
	front := "http://" + dialable(c.HTTP)
	page := c.command("dash")
	if c.Dash != "" {
		page = "http://" + dialable(c.Dash) + "/"
	}
	for _, line := range []string{
		"",
		"nanofront is up.",
		"",
		"  open      " + front + "/",
		"  try       curl -i " + front + "/profile/42",
		"  measure   wrk -t2 -c256 -d30s --latency " + front + "/profile/42",
		"  page      " + page,
		"  look      " + c.command("status"),
		"  watch     " + c.command("top"),
		"  toggles   " + c.command("toggle list"),
		"  figures   http://" + dialable(c.Admin) + "/metrics.json",
		"  stop      ctrl-C",
		"",
	} {
		s.Say("%s", line)
	}
}
