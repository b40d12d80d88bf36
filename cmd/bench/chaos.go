package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nanofront/bench/chaos"
	"nanofront/internal/cli"
	"nanofront/internal/wholefile"
)

type chaosCommand struct {
	Faults []string      `arg:"" optional:"" name:"fault" help:"Faults to inject, by the beginning of their names. Default: all."`
	Bin    string        `type:"path" placeholder:"DIR" help:"Folder of the built programs. Default: bench's own."`
	Rate   float64       `default:"1000" range:"100..50000" placeholder:"N" help:"Reads per second; a fifth as many writes come beside them."`
	Fault  time.Duration `default:"10s" range:"1s..1h" placeholder:"DURATION" help:"How long each fault lasts."`
	Short  bool          `help:"Two seconds for each fault, and less than three minutes for all, as CI does it."`
	Out    string        `type:"path" placeholder:"DIR" help:"Folder that the table is written to as chaos.html. Default: nothing is written."`
	List   bool          `help:"Show the faults, and inject none."`
}

// Examples implements cli.Exampler.
func (*chaosCommand) Examples() [][2]string {
	return [][2]string{
		{"bench chaos", "All faults, for ten seconds each."},
		{"bench chaos handler --rate 5000", "Those that happen to handlers, under more load."},
		{"bench chaos rolling handovers --rate 20000 --fault 1m", "More than a hundred restarts, and handovers."},
	}
}

// Run implements command.
func (c *chaosCommand) Run(ctx context.Context, std cli.IO) error {
	faults, err := c.chosen()
	if err != nil {
		return err
	}
	if c.List {
		for i := range faults {
			_, _ = fmt.Fprintf(std.Out, "  %-22s %s\n", faults[i].Name, faults[i].About) // as all output of a command
		}
		return nil
	}
	bin, err := binFolder(c.Bin, "nanofront", "terminator", "handler")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "nanofront-chaos-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // temporary
	o := chaos.Options{
		Bin: bin, Dir: dir, Faults: faults, Rate: c.Rate, Calm: 2 * time.Second, Fault: c.Fault, After: 4 * time.Second,
		Say: func(line string) { _, _ = fmt.Fprintln(std.Err, line) }, // as above
	}
	if c.Short {
		o.Calm, o.Fault, o.After, o.Within = time.Second, 2*time.Second, 3*time.Second, 160*time.Second
	}
	outcome, err := chaos.Run(ctx, o)
	if len(outcome.Rows) > 0 {
		width, colour := look(std.Out)
		outcome.Print(std.Out, width, colour)
	}
	if c.Out != "" && len(outcome.Rows) > 0 {
		err = errors.Join(err, c.write(outcome))
	}
	if err != nil {
		return err
	}
	if n := outcome.Bad(); n > 0 {
		return fmt.Errorf("chaos: %d of %d faults left wrong books, or cost more than they may", n, len(outcome.Rows))
	}
	return nil
}

// write writes the page.
func (c *chaosCommand) write(o *chaos.Outcome) error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return cli.Usagef("--out: %w", err)
	}
	f, err := wholefile.Create(filepath.Join(c.Out, "chaos.html"))
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	defer func() { _ = f.Close() }() // what isn't whole by then is given up
	if err := o.HTML(f); err != nil {
		return err
	}
	return f.Commit()
}

// chosen are the faults that are asked for.
func (c *chaosCommand) chosen() (list []chaos.Fault, err error) {
	all := chaos.Faults()
	if len(c.Faults) == 0 {
		return all, nil
	}
	for _, name := range c.Faults {
		found := false
		for i := range all {
			if strings.HasPrefix(all[i].Name, name) {
				list, found = append(list, all[i]), true
			}
		}
		if !found {
			return nil, cli.Usagef("there is no fault %q: bench chaos --list shows them", name)
		}
	}
	return list, nil
}

// binFolder is the folder of programs, which must all be there; bench's own if dir is empty.
func binFolder(dir string, programs ...string) (string, error) {
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		dir = filepath.Dir(self)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", cli.Usagef("--bin: %w", err)
	}
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%s has no program %s: make build builds them, --bin DIR says where they are", dir, name)
		}
	}
	return dir, nil
}
