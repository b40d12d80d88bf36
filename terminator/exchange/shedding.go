package exchange

import (
	"maps"
	"slices"

	"nanofront/internal/logging"
)

// shedding says in the log when a service begins to be overloaded, and when that is over: two lines
// for whatever number of refused requests. Only Front.Tick uses it.
type shedding map[string]*overload // by service

// overload is how one service was at the last look.
type overload struct {
	refused uint64 // since the start
	since   uint64 // refused, when it began
	on      bool
	quiet   int // looks without a refusal, while on
}

// shedOver is for how many looks nothing is refused before an overload is over: one that comes and
// goes is one.
const shedOver = 10

// look takes how many requests have been refused since the start, and says whether an overload has
// begun or ended since the last look.
func (o *overload) look(refused uint64) (began, ended bool) {
	more := refused - o.refused
	switch {
	case more > 0 && !o.on:
		o.on, o.since, began = true, o.refused, true
		o.quiet = 0
	case more > 0:
		o.quiet = 0
	case o.on:
		o.quiet++
		ended = o.quiet == shedOver
		o.on = !ended
	}
	o.refused = refused
	return began, ended
}

func (s shedding) look(f *Front) {
	r := f.routing.Load()
	if r == nil {
		return
	}
	for _, u := range r.list {
		name, refused := u.service.Name(), u.shed.Value()
		o := s[name]
		if o == nil {
			o = &overload{refused: refused}
			s[name] = o
		}
		switch began, ended := o.look(refused); {
		case began:
			f.log.Warn().Str(logging.Service, name).Uint64(logging.Count, refused-o.since).Int64("in_flight", u.gate.InFlight()).
				Msg("more requests come than the service can answer: those beyond its limit are refused with 503")
		case ended:
			f.log.Info().Str(logging.Service, name).Uint64(logging.Count, refused-o.since).Msg("the service answers all requests again")
		}
	}
	maps.DeleteFunc(s, func(name string, _ *overload) bool { // no route leads to it any more
		return !slices.ContainsFunc(r.list, func(u *upstream) bool { return u.service.Name() == name })
	})
}
