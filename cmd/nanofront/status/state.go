package status

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"nanofront/internal/terminal"
	"nanofront/nanobus"
)

// state is what becomes of requests for an instance.
type state string

const (
	stateServing    state = "serving"
	stateDraining   state = "draining"
	stateRegistered state = "registered"
	stateSilent     state = "silent"
	stateGone       state = "gone"
)

// states says what each means, in the order in which they are shown.
var states = []struct {
	state state
	style terminal.Style
	means string
}{
	{stateServing, terminal.Green, "linked with a terminator or another handler, which send it requests"},
	{stateDraining, terminal.Yellow, "finishes what it has, takes nothing new, and ends"},
	{stateRegistered, terminal.Yellow, "announced and alive, but nobody is linked with it"},
	{stateSilent, terminal.Red, "announced, but nobody is linked with it and it doesn't answer in time"},
	{stateGone, terminal.Red, "its process has ended; it stays announced until its lease expires, for a few seconds"},
}

func (s state) style() terminal.Style {
	for _, known := range states {
		if known.state == s {
			return known.style
		}
	}
	return terminal.Plain
}

// linksOf are the links of all processes that were asked.
func linksOf(statuses []instanceStatus, terminators []terminatorStatus) (links []nanobus.LinkInfo) {
	for _, t := range terminators {
		links = append(links, t.Links...)
	}
	for _, s := range statuses {
		links = append(links, s.links...)
	}
	return links
}

// setStates finds out from the links of all processes that were asked.
func setStates(statuses []instanceStatus, terminators []terminatorStatus) {
	links := linksOf(statuses, terminators)
	for i := range statuses {
		statuses[i].State = stateOf(&statuses[i], links)
	}
}

// stateOf is an instance's state. A live link says most: whoever has one is
// there, whatever its admin port does. Without one the process itself was asked, so that
// one which died is gone at once, though etcd lists it for as long as its lease.
func stateOf(s *instanceStatus, links []nanobus.LinkInfo) state {
	has := func(link string) bool {
		return slices.ContainsFunc(links, func(l nanobus.LinkInfo) bool {
			return l.Service == s.Service && l.Instance == s.ID && l.State == link
		})
	}
	switch {
	case has("draining"):
		return stateDraining
	case has("live"):
		return stateServing
	case s.asked == nil:
		return stateRegistered
	case os.IsTimeout(s.asked):
		return stateSilent
	}
	return stateGone
}

// knockTimeout bounds a look at a bus address.
const knockTimeout = 2 * time.Second

// knock reports whether something listens at a bus address.
func knock(ctx context.Context, address string) error {
	network, addr := "tcp", address[strings.Index(address, "://")+len("://"):]
	if strings.HasPrefix(address, "ipc://") {
		network = "unix"
	}
	d := net.Dialer{Timeout: knockTimeout}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
