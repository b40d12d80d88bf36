package newproject

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"nanofront/internal/cli"
	"nanofront/registry"
)

// Command is nanofront new.
type Command struct {
	Name      string `arg:"" help:"Name of the service: 1 to 63 lower-case letters, digits and '-'."`
	Lang      string `oneof:"go,python,node" required:"" placeholder:"LANG" help:"Language: go, python or node."`
	Dir       string `type:"path" placeholder:"DIR" help:"Where to write it. Default: a new directory of that name."`
	Nanofront string `type:"path" placeholder:"PATH" help:"nanofront's source, which go.mod refers to. Default: the one that this program or the working directory is in."`
}

// taken are the services of nanofront up.
var taken = []string{"echo", "profile", "web"}

// Run runs the command.
func (c *Command) Run(_ context.Context, std cli.IO) error {
	if !registry.ValidService(c.Name) {
		return cli.Usagef("%q is not the name of a service: want 1 to 63 lower-case letters, digits and '-', such as greeter", c.Name)
	}
	if slices.Contains(taken, c.Name) {
		return cli.Usagef("%q is a service of nanofront up: choose another name", c.Name)
	}
	dir := c.Dir
	if dir == "" {
		dir = c.Name
	}
	module := "nanofront"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		module = info.Main.Path
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p := project{Name: c.Name, Module: module, Program: program(self), Port: port(c.Name)}
	if c.Lang == "go" {
		if c.Nanofront == "" {
			p.source = find(module, filepath.Dir(self), ".")
		} else if p.source = find(module, c.Nanofront); p.source == "" {
			return cli.Usagef("--nanofront: %s is not the source of the module %s", c.Nanofront, module)
		}
	}
	files, err := p.files(c.Lang)
	if err != nil {
		return err
	}
	if err := write(dir, files); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.Out, "%s now holds a handler. With nanofront up running:\n\n  cd %s\n", dir, dir)
	if c.Lang == "go" && p.source == "" {
		_, _ = fmt.Fprintf(std.Out, "  go mod edit -replace %s=PATH    # where nanofront's source is\n  go mod tidy\n", module)
	}
	_, _ = fmt.Fprintf(std.Out, "  make test\n  make run\n  curl 'localhost:8080/%s?name=Ann'\n", c.Name)
	return nil
}
