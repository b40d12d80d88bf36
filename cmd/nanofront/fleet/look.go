package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"nanofront/etcd/discovery"
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
	at          time.Time
	system      string // as processes announce it
	instances   []registry.Instance
	terminators []registry.Process
	routes      []registry.Route // by precedence, compiled
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
	v.Instances = make([]Instance, len(l.known.instances))
	var wg sync.WaitGroup
	for i, in := range l.known.instances {
		wg.Go(func() { v.Instances[i] = lookAtInstance(ctx, in) })
	}
	v.Terminators = l.lookAtTerminators(ctx, services)
	wg.Wait()
	setStates(v.Instances, v.Terminators)
	setFigures(v.Instances, v.Terminators)
	v.setRoutes(l.known.routes)
	v.setServices(services)
	v.judge()
	return v, nil
}

// ask asks discovery.
func (l *Looker) ask(ctx context.Context) (*known, error) {
	k := &known{at: time.Now()}
	var err error
	if k.instances, err = l.Source.Instances(ctx); err != nil {
		return nil, err
	}
	processes, err := l.Source.Processes(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range processes {
		k.system = cmp.Or(k.system, p.System)
	}
	k.terminators = slices.DeleteFunc(processes, func(p registry.Process) bool { return p.Kind != registry.KindTerminator })
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
