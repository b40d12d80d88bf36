package cli

import (
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"nanofront/internal/contexts"
)

// Contextual is the flag that chooses a context. Embed it in the grammar of a program whose
// commands are to use contexts: those that have the flag --etcd then take from the context what
// neither the command line nor the environment says.
type Contextual struct {
	Context string `group:"General" placeholder:"NAME" help:"Context to use (nanofront context); empty for none. Default: the current one."`
}

// WithoutContext is implemented by commands that use none, though they have the flags.
type WithoutContext interface{ WithoutContext() }

// fromContext is a kong.Resolver: the values of flags that were not given.
type fromContext struct {
	file *contexts.File
	err  error
}

// Validate implements kong.Resolver.
func (r *fromContext) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver.
func (r *fromContext) Resolve(k *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !slices.Contains(contexts.Flags, flag.Name) || fromEnvironment(flag) {
		return nil, nil //nolint:nilnil // as kong has it for a flag without a value
	}
	flags, err := r.chosen(k)
	if err != nil {
		return nil, &contextError{err}
	}
	if v, ok := flags[flag.Name]; ok {
		return v, nil
	}
	return nil, nil //nolint:nilnil // as above
}

// chosen are the flags of the context that the command uses; nil: it uses none.
func (r *fromContext) chosen(k *kong.Context) (map[string]string, error) {
	node := k.Selected()
	if node == nil || !hasFlag(node, "etcd") {
		return nil, nil
	}
	if node.Target.IsValid() && node.Target.CanAddr() {
		if _, ok := node.Target.Addr().Interface().(WithoutContext); ok {
			return nil, nil
		}
	}
	name, named := "", false
	for _, p := range k.Path {
		switch {
		case p.Flag == nil || p.Resolved:
		case contexts.Chooses(p.Flag.Name):
			return nil, nil
		case p.Flag.Name == "context":
			name, named = k.FlagValue(p.Flag).(string)
		}
	}
	for _, f := range node.Flags {
		if contexts.Chooses(f.Name) && fromEnvironment(f) {
			return nil, nil
		}
	}
	if !named {
		name, named = os.LookupEnv(variable("context"))
	}
	if named && name == "" {
		return nil, nil
	}
	if r.file == nil && r.err == nil {
		r.file, r.err = contexts.Load()
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case !named && r.file.Current == "":
		return nil, nil
	case !named:
		name = r.file.Current
	}
	return r.file.Find(name)
}

// contextError is about contexts, and not about the flag for which one was looked for.
type contextError struct{ error }

func (e *contextError) Unwrap() error { return e.error }

func hasFlag(n *kong.Node, name string) bool {
	return slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == name })
}

func fromEnvironment(f *kong.Flag) bool {
	for _, name := range f.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return true
		}
	}
	return false
}
