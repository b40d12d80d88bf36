package nanobus

import (
	"slices"

	"nanofront/nanobus/balance"
)

// part is the instances of one version.
type part struct {
	version string
	view    *balance.View
}

// UseVersions prepares the service for calls with Versions, as UseKeys does for those with a Key.
// Idempotent.
func (s *Service) UseVersions() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if !s.apart {
		s.apart = true
		s.rebuild()
	}
}

// nobody is the view of a version that nobody runs.
var nobody = balance.NewView(nil, nil, false)

// ofVersion returns the instances of the first of the versions that has one which can take
// requests, and which version that is.
func (s *Service) ofVersion(versions []string) (v *balance.View, chosen int) {
	parts := s.parts.Load()
	if parts == nil {
		s.UseVersions()
		parts = s.parts.Load()
	}
	for i, version := range versions {
		if version == "" {
			return s.live.Load(), i
		}
		for k := range *parts {
			if (*parts)[k].version == version {
				return (*parts)[k].view, i
			}
		}
	}
	return nobody, 0
}

// takeApart makes the views by version anew, of which all is the whole. Bus.mu is held.
func (s *Service) takeApart(instances []balance.Instance, all *balance.View) {
	before := s.parts.Load()
	parts := []part{}
	for i := range instances {
		version := instances[i].Version
		if slices.ContainsFunc(parts, func(p part) bool { return p.version == version }) {
			continue
		}
		var own []balance.Instance
		for _, in := range instances {
			if in.Version == version {
				own = append(own, in)
			}
		}
		p := part{version, all}
		if len(own) < len(instances) {
			p.view = balance.NewView(own, viewOf(before, version), s.keyed)
		}
		parts = append(parts, p)
	}
	s.parts.Store(&parts)
}

func viewOf(parts *[]part, version string) *balance.View {
	if parts != nil {
		for _, p := range *parts {
			if p.version == version {
				return p.view
			}
		}
	}
	return nil
}
