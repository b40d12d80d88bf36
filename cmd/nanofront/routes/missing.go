package routes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"nanofront/etcd/discovery"
	"nanofront/internal/cli"
	"nanofront/registry"
)

// remarkTimeout is how long a dry run waits for the list of instances: it does
// without etcd as well.
const remarkTimeout = time.Second

// remark says of which services no instance is registered, if that can be
// found out.
func (c *applyCommand) remark(ctx context.Context, std cli.IO, doc *registry.Routes) {
	ctx, cancel := context.WithTimeout(ctx, remarkTimeout)
	defer cancel()
	src, err := discovery.Open(ctx, &c.Discovery, zerolog.Nop(), nil)
	if err == nil {
		defer func() { _ = src.Close() }() // nothing is lost with it
		warnMissing(ctx, std, src, doc)
		return
	}
	notChecked(std, err)
}

// registered can list the instances that there are.
type registered interface {
	Instances(ctx context.Context) ([]registry.Instance, error)
}

// warnMissing says of which of the document's services no instance is
// registered: their routes answer 503, while all others are served.
func warnMissing(ctx context.Context, std cli.IO, src registered, doc *registry.Routes) {
	instances, err := src.Instances(ctx)
	if err != nil {
		notChecked(std, err)
		return
	}
	var known []string
	for _, in := range instances {
		if !slices.Contains(known, in.Service) {
			known = append(known, in.Service)
		}
	}
	all := doc.Services()
	for _, service := range doc.Divided() {
		if !slices.Contains(all, service) {
			all = append(all, service)
		}
	}
	for _, service := range all {
		if !slices.Contains(known, service) {
			_, _ = fmt.Fprintf(std.Err, "warning: no instance of %q is registered%s: its routes answer 503 until one is\n", service, others(known))
		}
	}
	for _, m := range doc.MissingVersions(instances) {
		if slices.Contains(known, m.Service) {
			_, _ = fmt.Fprintf(std.Err, "warning: nobody runs version %q of %s%s: %s\n", m.Version, m.Service, running(instances, m.Service), instead(doc, m))
		}
	}
}

// running are the versions of a service that could be meant.
func running(instances []registry.Instance, service string) string {
	var there []string
	for _, in := range instances {
		if in.Service == service && !slices.Contains(there, in.Version) {
			there = append(there, in.Version)
		}
	}
	for i, v := range there {
		if v == "" {
			there[i] = "none"
		}
	}
	slices.Sort(there)
	if len(there) > 10 {
		return ""
	}
	return " (its instances have " + strings.Join(there, ", ") + ")"
}

// instead says what becomes of requests for a version that nobody runs.
func instead(doc *registry.Routes, m registry.Missing) string {
	if rule := doc.Rule(m.Service); rule != nil {
		for v, share := range rule.Versions {
			if v != m.Version && share > 0 {
				return "its share goes to the others that have one"
			}
		}
		if rule.Versions != nil {
			return "its requests are answered with 503"
		}
	}
	return "its requests go to any instance"
}

// others are the services that could be meant.
func others(known []string) string {
	if len(known) == 0 || len(known) > 10 {
		return ""
	}
	return " (there are " + strings.Join(known, ", ") + ")"
}

func notChecked(std cli.IO, err error) {
	_, _ = fmt.Fprintf(std.Err, "warning: can't tell whether these services have registered instances: %v\n", err)
}
