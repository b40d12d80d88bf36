package overview

import (
	"os"
	"slices"

	"nanofront/internal/fleet"
	"nanofront/internal/terminal"
)

// State is what becomes of requests for an instance.
type State string

// The states.
const (
	Serving    State = "serving"
	Drained    State = "drained"
	Stalled    State = "stalled"
	Ejected    State = "ejected"
	Returning  State = "returning"
	Draining   State = "draining"
	Registered State = "registered"
	Silent     State = "silent"
	Gone       State = "gone"
)

// States says what each means, in the order in which they are shown.
var States = []struct {
	State State
	Style terminal.Style
	Means string
}{
	{Serving, terminal.Green, "linked with a terminator or another handler, which send it requests"},
	{Drained, terminal.Blue, "taken out, by an operator or by its own weight 0: it gets no new requests, and its links stay"},
	{Stalled, terminal.Red, "linked, but silent with requests in flight: it gets no more until it speaks"},
	{Ejected, terminal.Red, "fails, or is slow, beyond its peers: it gets a hundredth of its share for a while"},
	{Returning, terminal.Yellow, "was ejected, and gets its share back in steps"},
	{Draining, terminal.Yellow, "finishes what it has, takes nothing new, and ends"},
	{Registered, terminal.Yellow, "announced and alive, but nobody is linked with it"},
	{Silent, terminal.Red, "announced, but nobody is linked with it and it doesn't answer in time"},
	{Gone, terminal.Red, "its process has ended; it stays announced until its lease expires, for a few seconds"},
}

// Style is how the state looks.
func (s State) Style() terminal.Style {
	for _, known := range States {
		if known.State == s {
			return known.Style
		}
	}
	return terminal.Plain
}

// linksOf are the links of all processes that were asked.
func linksOf(statuses []Instance, terminators []Terminator) (links []fleet.Link) {
	for _, t := range terminators {
		links = append(links, t.Links...)
	}
	for _, s := range statuses {
		links = append(links, s.links...)
	}
	return links
}

// setStates finds out from the links of all processes that were asked.
func setStates(statuses []Instance, terminators []Terminator) {
	links := linksOf(statuses, terminators)
	for i := range statuses {
		statuses[i].State = stateOf(&statuses[i], links)
	}
}

// stateOf is an instance's state. A live link says most: whoever has one is
// there, whatever its admin port does. Without one the process itself was asked, so that
// one which died is gone at once, though etcd lists it for as long as its lease.
func stateOf(s *Instance, links []fleet.Link) State {
	has := func(link string, as func(*fleet.Link) bool) bool {
		return slices.ContainsFunc(links, func(l fleet.Link) bool {
			return l.Service == s.Service && l.Instance == s.ID && l.State == link && as(&l)
		})
	}
	whatever := func(*fleet.Link) bool { return true }
	switch {
	case has("draining", whatever):
		return Draining
	case has("live", whatever) && s.Weight.Share() == 0:
		return Drained
	case has("live", func(l *fleet.Link) bool { return l.Stalled }):
		return Stalled
	case has("live", func(l *fleet.Link) bool { return l.Share == ejectedShare }):
		return Ejected
	case has("live", func(l *fleet.Link) bool { return l.Share > 0 && l.Share < 100 }):
		return Returning
	case has("live", whatever):
		return Serving
	case s.asked == nil:
		return Registered
	case os.IsTimeout(s.asked):
		return Silent
	}
	return Gone
}

// ejectedShare is what is left to an instance that was ejected, in per cent.
const ejectedShare = 1
