package cli

import (
	"cmp"
	"os"
	"os/user"
	"strings"
)

// Whoami is who gives the order, for others to see.
func Whoami() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname() // unknown, at worst
	by := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, cmp.Or(name, "somebody")+"@"+host)
	return by[:min(len(by), 63)]
}
