package admin

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

// Guard keeps web pages out that a browser on this machine, or in its network,
// has open. A page may point its own name at 127.0.0.1 and then read what it
// likes, as if that were its own server; so requests are answered only if they
// call the server by an IP address, localhost, the machine's name, or one of
// names ("*" is any). flag is the one that names them, for the refusal. And what
// would change something is refused if a browser sends it for another site.
func Guard(h http.Handler, names []string, flag string) http.Handler {
	known := map[string]bool{"localhost": true}
	anyName := false
	if host, err := os.Hostname(); err == nil {
		known[strings.ToLower(host)] = true
		short, _, _ := strings.Cut(strings.ToLower(host), ".")
		known[short] = true
	}
	for _, n := range names {
		anyName = anyName || n == "*"
		known[strings.ToLower(strings.TrimSuffix(n, "."))] = true
	}
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := hostOf(r); !anyName && !known[name] && net.ParseIP(name) == nil && name != "" {
			text(w, http.StatusMisdirectedRequest, fmt.Sprintf(
				"The request calls this server %.100q, which is none of its names. If that is how you reach it, start it with %s %s; "+
					"an IP address or localhost always works.\n", name, flag, shown(name)))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hostOf is what the request calls the server, in lower case, without the port.
// It is empty in requests of HTTP/1.0, which no browser sends.
func hostOf(r *http.Request) string {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if zone := strings.IndexByte(name, '%'); zone >= 0 {
		name = name[:zone] // fe80::1%eth0
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// shown is a name as a flag's value, for a terminal.
func shown(name string) string {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return "NAME"
		}
	}
	return name
}
