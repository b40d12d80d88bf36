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
	for _, service := range doc.Services() {
		if !slices.Contains(known, service) {
			_, _ = fmt.Fprintf(std.Err, "warning: no instance of %q is registered%s: its routes answer 503 until one is\n", service, others(known))
		}
	}
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
