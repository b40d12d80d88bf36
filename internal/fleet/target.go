package fleet

import (
	"fmt"
	"slices"

	"nanofront/registry"
)

// The kinds of targets.
const (
	Front   = registry.KindTerminator
	Handler = registry.KindHandler
	Other   = "other"
)

// Target is a process to be asked.
type Target struct {
	Kind    string // Front, Handler or Other
	Service string // of a handler
	ID      string
	Admin   string // its admin address, as this machine reaches it; empty: it can't be asked
	Version string
	Host    string
	Weight  int

	Process  registry.Process  // as it announced itself; without a name: it didn't
	Instance registry.Instance // of a handler
	Why      string            // why Admin is empty
}

// Name tells the process from all others: another one may take its place.
func (t Target) Name() string {
	if t.Service != "" {
		return t.Service + "/" + t.ID
	}
	return t.Kind + "/" + t.ID
}

// Known is all that discovery has said about the processes.
type Known struct {
	Host      string // this machine's name
	Instances []registry.Instance
	Processes []registry.Process
	// Fronts are admin addresses of terminators besides those announced.
	Fronts []string
	// Default is one that is asked where there is no other.
	Default string
}

// Targets are the processes to be asked: the instances in their order, then others.
func (k *Known) Targets() []Target {
	list := make([]Target, 0, len(k.Instances)+len(k.Processes)+len(k.Fronts))
	for i := range k.Instances {
		list = append(list, k.handler(&k.Instances[i]))
	}
	fronts := 0
	for _, p := range k.Processes {
		to := Target{Kind: Other, ID: p.Kind + "/" + p.Name, Version: p.Version, Host: p.Host, Process: p}
		switch {
		case p.Kind == registry.KindHandler:
			continue // an instance, while it takes requests
		case p.Kind == registry.KindTerminator:
			to.Kind, to.ID = Front, p.Name
			fronts++
		case p.Admin == "":
			continue // there is nothing to ask
		}
		to.Admin, to.Why = Reach(p, k.Host)
		list = append(list, to)
	}
	more := k.Fronts
	if fronts == 0 && len(more) == 0 && k.Default != "" {
		more = []string{k.Default}
	}
	for _, addr := range more {
		if !slices.ContainsFunc(list, func(to Target) bool { return to.Admin == addr }) {
			list = append(list, Target{Kind: Front, ID: addr, Admin: addr})
		}
	}
	return list
}

func (k *Known) handler(in *registry.Instance) Target {
	to := Target{Kind: Handler, Service: in.Service, ID: in.ID, Admin: in.Admin, Version: in.Version, Weight: int(in.Weight), Instance: *in}
	if in.Admin == "" {
		to.Why = noPort
	}
	i := slices.IndexFunc(k.Processes, func(p registry.Process) bool {
		return p.Kind == registry.KindHandler && p.Service == in.Service && p.Name == in.ID
	})
	if i >= 0 {
		to.Process, to.Host = k.Processes[i], k.Processes[i].Host
		to.Admin, to.Why = Reach(to.Process, k.Host)
	}
	return to
}

const noPort = "it has no admin port (--admin=)"

// Reach is a process's admin address as a machine of that name reaches it; if it doesn't, why not,
// and what to do.
func Reach(p registry.Process, from string) (addr, why string) {
	if addr = p.AdminFrom(from); addr != "" {
		return addr, ""
	}
	if p.Admin == "" {
		return "", noPort
	}
	return "", fmt.Sprintf("its admin port, %s, is open to that machine alone: start it with --admin at an address that others reach, or with --admin-announce", p.Admin)
}
