package registry

import "encoding/json"

// plain is a document as version 1 has it: without the methods below.
type plain Routes

// written2 is a document as version 2 has it, which says by name what is by name.
type written2 struct {
	Version     int                       `json:"version" yaml:"version"`
	Goals       Goals                     `json:"goals,omitempty" yaml:"goals,omitempty,flow"`
	Services    map[string]serviceBody    `json:"services,omitempty" yaml:"services,omitempty"`
	Experiments map[string]experimentBody `json:"experiments,omitempty" yaml:"experiments,omitempty"`
	Ask         *AskVersion               `json:"ask_version,omitempty" yaml:"ask_version,omitempty"`
	Routes      []Route                   `json:"routes" yaml:"routes"`
}

// serviceBody is what stands in the document under a service's name.
type serviceBody struct {
	Goals    Goals          `json:"goals,omitempty" yaml:"goals,omitempty,flow"`
	Versions map[string]int `json:"versions,omitempty" yaml:"versions,omitempty,flow"`
	Sticky   string         `json:"sticky,omitempty" yaml:"sticky,omitempty"`
	Salt     string         `json:"salt,omitempty" yaml:"salt,omitempty"`
}

// written is the document in the shape in which it is written.
func (r *Routes) written() any {
	if r.Version < RoutesVersion2 {
		return (*plain)(r)
	}
	w := written2{Version: r.Version, Goals: r.Goals, Ask: r.Ask, Routes: r.Routes}
	if len(r.Rules) > 0 {
		w.Services = make(map[string]serviceBody, len(r.Rules))
	}
	for _, s := range r.Rules {
		w.Services[s.Name] = serviceBody{s.Goals, s.Versions, s.Sticky, s.Salt}
	}
	if len(r.Experiments) > 0 {
		w.Experiments = make(map[string]experimentBody, len(r.Experiments))
	}
	for _, e := range r.Experiments {
		w.Experiments[e.Name] = experimentBody{e.Route, e.By, e.Salt, e.Variants, e.Services}
	}
	return w
}

// MarshalJSON writes the document in the form of its version.
func (r *Routes) MarshalJSON() ([]byte, error) { return json.Marshal(r.written()) }

// MarshalYAML writes the document in the form of its version.
func (r *Routes) MarshalYAML() (any, error) { return r.written(), nil }
