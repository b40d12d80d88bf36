package newproject

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"nanofront/examples"
)

//go:embed all:templates
var templates embed.FS

// project is what the templates are filled with.
type project struct {
	Name    string
	Module  string // nanofront's
	Program string // nanofront, as the Makefile calls it
	Port    int

	source string // of nanofront; empty: it isn't known
}

// file is one to be written.
type file struct {
	name    string
	content []byte
}

// files are those of a project.
func (p *project) files(lang string) ([]file, error) {
	dir := "templates/" + lang
	entries, err := fs.ReadDir(templates, dir)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		t, err := template.ParseFS(templates, dir+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return nil, err
		}
		files = append(files, file{strings.TrimSuffix(e.Name(), ".tmpl"), b.Bytes()})
	}
	if lang == "go" {
		mod, err := p.goModule()
		return append(files, mod...), err
	}
	helpers, err := fs.ReadDir(examples.Files, lang)
	if err != nil {
		return nil, err
	}
	for _, e := range helpers {
		b, err := fs.ReadFile(examples.Files, lang+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		files = append(files, file{e.Name(), b})
	}
	return files, nil
}

var (
	moduleLine  = regexp.MustCompile(`(?m)^module .*$`)
	replaceLine = regexp.MustCompile(`(?m)^replace .*$`)
)

// goModule is go.mod, and go.sum where the source is known: those of the example, so that nothing
// need be fetched to find out what they say.
func (p *project) goModule() ([]file, error) {
	module := "module example.org/" + p.Name
	if p.source == "" {
		return []file{{"go.mod", fmt.Appendf(nil, "%s\n\ngo 1.26.0\n\nrequire %s v0.0.0\n", module, p.Module)}}, nil
	}
	mod, err := os.ReadFile(filepath.Join(p.source, "examples/go/go.mod"))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(filepath.Join(p.source, "examples/go/go.sum"))
	if err != nil {
		return nil, err
	}
	mod = moduleLine.ReplaceAllLiteral(mod, []byte(module))
	mod = replaceLine.ReplaceAllLiteral(mod, []byte("replace "+p.Module+" => "+strconv.Quote(p.source)))
	return []file{{"go.mod", mod}, {"go.sum", sum}}, nil
}

// find is the source of a module that one of the directories is in, or empty.
func find(module string, dirs ...string) string {
	for _, dir := range dirs {
		dir, err := filepath.Abs(dir)
		for err == nil {
			mod, missing := os.ReadFile(filepath.Join(dir, "go.mod"))
			if missing == nil && moduleLine.FindString(string(mod)) == "module "+module {
				return dir
			}
			if filepath.Dir(dir) == dir {
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	return ""
}

// program is the path of nanofront for a Makefile, which takes some characters for its own.
func program(self string) string {
	if regexp.MustCompile(`^[A-Za-z0-9/._+-]+$`).MatchString(self) {
		return self
	}
	return "nanofront"
}

// port is where a handler of that name listens: two projects side by side seldom clash.
func port(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // it never fails
	return 7500 + int(h.Sum32()%500)
}

// write writes files that aren't there yet: if one is, none.
func write(dir string, files []file) error {
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil {
			there = append(there, f.name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(there) > 0 {
		slices.Sort(there)
		return fmt.Errorf("%s already has %s, so nothing was written: choose another directory with --dir", dir, strings.Join(there, ", "))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		out, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // what is to be read by others, too
		if err != nil {
			return err
		}
		_, err = out.Write(f.content)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	return nil
}
