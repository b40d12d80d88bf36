package up

import (
	"net"

	"nanofront/etcd"
	"nanofront/etcd/embedded"
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

// statusCommand is how to see what is up.
func (c *Command) statusCommand() string {
	line := "bin/nanofront status"
	if c.EtcdURL != embedded.DefaultClientURL {
		line += " --etcd " + c.EtcdURL
	}
	if c.EtcdPrefix != etcd.DefaultPrefix {
		line += " --etcd-prefix " + c.EtcdPrefix
	}
	return line
}

func (c *Command) welcome(s *supervisor.Supervisor) {
	front := "http://" + dialable(c.HTTP)
	for _, line := range []string{
		"",
		"nanofront is up.",
		"",
		"  open      " + front + "/",
		"  try       curl -i " + front + "/profile/42",
		"  measure   wrk -t2 -c256 -d30s --latency " + front + "/profile/42",
		"  look      " + c.statusCommand(),
		"  figures   http://" + dialable(c.Admin) + "/metrics.json",
		"  stop      ctrl-C",
		"",
	} {
		s.Say("%s", line)
	}
}
