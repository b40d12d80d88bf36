package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"nanofront/internal/cli"
	"nanofront/internal/recording"
	"nanofront/internal/terminal"
)

type pruneCommand struct {
	Paths  []string `arg:"" optional:"" type:"path" placeholder:"PATHS" help:"Recordings, or directories whose *.nfrec files are looked at. Default: the current directory."`
	DryRun bool     `help:"Only say what would be removed."`
}

// Run implements command.
func (c *pruneCommand) Run(_ context.Context, std cli.IO) error {
	paths := c.Paths
	if len(paths) == 0 {
		paths = []string{"."}
	}
	files, err := recordings(paths)
	now, kept, removed := time.Now(), 0, 0
	for _, name := range files {
		h, rerr := recording.ReadHeader(name)
		switch {
		case rerr != nil: // no recording, or one of a later version: not ours to remove
			err = errors.Join(err, rerr)
			continue
		case !h.Expired(now):
			kept++
			continue
		}
		if !c.DryRun {
			if rerr := os.Remove(name); rerr != nil {
				err = errors.Join(err, rerr)
				continue
			}
		}
		removed++
		what := "removed"
		if c.DryRun {
			what = "would remove"
		}
		_, _ = fmt.Fprintf(std.Out, "%s %s, which expired on %s\n", what, terminal.Printable(name), h.Expires.UTC().Format("2006-01-02 15:04 UTC")) // as all output of a command
	}
	_, _ = fmt.Fprintf(std.Err, "%s expired, %s kept\n", terminal.Count(removed, "recording"), terminal.Grouped(kept)) // as above
	return err
}

// recordings are the files among paths, and those that are recordings by their names in the
// directories among them.
func recordings(paths []string) (files []string, err error) {
	for _, p := range paths {
		info, serr := os.Stat(p)
		switch {
		case serr != nil:
			err = errors.Join(err, serr)
		case info.IsDir():
			found, gerr := filepath.Glob(filepath.Join(escaped(p), "*.nfrec"))
			files, err = append(files, found...), errors.Join(err, gerr)
		default:
			files = append(files, p)
		}
	}
	return files, err
}

// escaped is a directory's name for Glob.
func escaped(name string) string {
	var out []rune
	for _, r := range name {
		switch r {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
