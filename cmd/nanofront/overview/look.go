package overview

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/internal/fleet"
	"nanofront/registry"
)

// Looker looks at one system, again and again. Its methods are for one goroutine at a time.
type Looker struct {
	Source discovery.Source
	From   Place
	// Terminators are the admin addresses of terminators in addition to those that are announced.
	// Where nobody has announced itself, as with a static table, and none is given, that is the
	// one at cli.DefaultAdmin.
	Terminators []string

	known *known // nil before the first look
}

// known is what discovery has said.
type known struct {
	at        time.Time
	system    string // as processes announce it
	instances []registry.Instance
	processes []registry.Process
	routes    []registry.Route // by precedence, compiled
}

// Look asks everybody. Its error is that of discovery, if that never said anything.
func (l *Looker) Look(ctx context.Context) (*View, error) {
	now, err := l.ask(ctx)
	if err != nil {
		if l.known == nil || ctx.Err() != nil {
			return nil, err
		}
	} else {
		l.known = now
	}
	v := &View{From: l.From, At: time.Now().UTC(), Problems: []Problem{}}
	if err != nil {
		v.problem("discovery", "", fmt.Sprintf("what is registered is that of %s ago: %v", time.Since(l.known.at).Round(time.Second), err))
	}
	v.From.System = cmp.Or(l.known.system, v.From.System)
	services := make(map[string]bool)
	for i := range l.known.routes {
		services[l.known.routes[i].Service] = true
	}
	v.Instances, v.Terminators = []Instance{}, []Terminator{}
	for _, s := range l.askAll(ctx) {
		switch s.Kind {
		case fleet.Handler:
			v.Instances = append(v.Instances, instanceOf(s))
		case fleet.Front:
			v.Terminators = append(v.Terminators, l.terminatorOf(s, services))
		}
	}
	setStates(v.Instances, v.Terminators)
	setFigures(v.Instances, v.Terminators)
	v.setRoutes(l.known.routes)
	v.setServices(services)
	v.judge()
	return v, nil
}

// askAll asks those who are shown.
func (l *Looker) askAll(ctx context.Context) []*fleet.Subject {
	who := fleet.Known{Instances: l.known.instances, Processes: l.known.processes, Fronts: l.Terminators, Default: cli.DefaultAdmin}
	who.Host, _ = os.Hostname() // unknown, at worst
	var list []*fleet.Subject
	for _, t := range who.Targets() {
		if t.Kind != fleet.Other {
			list = append(list, fleet.NewSubject(t))
		}
	}
	asker := fleet.Asker{Each: eachTime, Within: lookTime, Knock: true}
	asker.Ask(ctx, time.Now(), list)
	return list
}

const (
	// eachTime is what a process may take to answer: somebody waits.
	eachTime = 2 * time.Second
	// lookTime is what all may take together.
	lookTime = 10 * time.Second
)

// ask asks discovery.
func (l *Looker) ask(ctx context.Context) (*known, error) {
	k := &known{at: time.Now()}
	var err error
	if k.instances, err = l.Source.Instances(ctx); err != nil {
		return nil, err
	}
	if k.processes, err = l.Source.Processes(ctx); err != nil {
		return nil, err
	}
	for _, p := range k.processes {
		k.system = cmp.Or(k.system, p.System)
	}
	doc, _, _, err := l.Source.Routes(ctx)
	switch {
	case errors.Is(err, registry.ErrInvalidRoutes) && l.known != nil:
		k.routes = l.known.routes // what isn't valid isn't in force
	case errors.Is(err, registry.ErrInvalidRoutes):
	case err != nil:
		return nil, err
	case doc != nil:
		compiled := registry.Routes{Routes: doc.Compile().Routes()} // for the names
		k.routes = compiled.ByPrecedence()
	}
	return k, nil
}

func (v *View) problem(kind, name, text string) {
	v.Problems = append(v.Problems, Problem{Kind: kind, Name: name, Text: text})
}
