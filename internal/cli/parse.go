package cli

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"nanofront/internal/buildinfo"
)

const envPrefix = "NANOFRONT_"

// Program is what Parse needs to know besides the flags.
type Program struct {
	// Name is what is typed, and stands before messages.
	Name string
	// Description is shown by --help, one or two sentences.
	Description string
	// Vars fill ${name} in the flags' tags. There is one already: admin, the
	// default of --admin, is "127.0.0.1:8081".
	Vars map[string]string
}

// Version is to be embedded for the flag --version, by all programs but those that have
// another flag of that name. For these, Parse knows a command line that is nothing but
// --version.
type Version struct {
	Version versionFlag `env:"-" help:"Print the version of this build and exit."`
}

type versionFlag bool

// BeforeReset is called by kong when the flag is seen.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	if err := printVersion(k); err != nil {
		return err
	}
	k.Exit(0)
	return nil
}

func printVersion(k *kong.Kong) error {
	_, err := fmt.Fprintln(k.Stdout, k.Model.Name, buildinfo.Get())
	return err
}

// Parse fills grammar, a pointer to a struct that kong understands, from args and the
// environment. Its errors are ErrDone, or a *UsageError that names the flag. What kong
// returns tells which command was chosen.
func Parse(p Program, grammar any, args []string, std IO) (*kong.Context, error) {
	done := false
	vars := kong.Vars{"admin": DefaultAdmin}
	maps.Copy(vars, p.Vars)
	options := []kong.Option{
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.Writers(std.Out, std.Err),
		kong.Exit(func(int) { done = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(helpOf),
		kong.PostBuild(nameVariables),
		vars,
	}
	k, err := kong.New(grammar, append(options, mappers()...)...)
	if err != nil {
		return nil, fmt.Errorf("cli: the flags of %s: %w", p.Name, err)
	}
	if len(args) == 1 && args[0] == "--version" {
		if err := printVersion(k); err != nil {
			return nil, err
		}
		return nil, ErrDone
	}
	ctx, err := k.Parse(args)
	if done {
		return nil, ErrDone
	}
	if err != nil {
		return nil, &UsageError{err}
	}
	return ctx, nil
}

// nameVariables gives each flag its environment variable. kong's own way
// parts names where the case changes or digits begin, which nobody would guess.
func nameVariables(k *kong.Kong) error {
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			switch {
			case f.Name == "help":
				continue
			case len(f.Envs) == 1 && f.Envs[0] == "-":
				f.Envs = nil
			case len(f.Envs) == 0:
				f.Envs = []string{envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))}
			}
			f.Tag.Envs = f.Envs
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	visit(k.Model.Node)
	return nil
}

// helpOf is a flag's line of help, with its default and its environment variable.
func helpOf(v *kong.Value) string {
	var more []string
	if v.Default != "" {
		more = append(more, "default: "+v.Default)
	}
	for _, env := range v.Tag.Envs {
		more = append(more, "$"+env)
	}
	if len(more) == 0 {
		return v.Help
	}
	return v.Help + " (" + strings.Join(more, ", ") + ")"
}

func mappers() []kong.Option {
	options := []kong.Option{
		kong.TypeMapper(reflect.TypeFor[time.Duration](), mapper(decodeDuration)),
		kong.NamedMapper("addr", mapper(decodeAddr)),
		kong.NamedMapper("optaddr", mapper(optional(decodeAddr))),
		kong.NamedMapper("server", mapper(optional(decodeServer))),
		kong.NamedMapper("endpoints", mapper(decodeEndpoints)),
		kong.NamedMapper("path", mapper(decodeString)),
		kong.KindMapper(reflect.String, mapper(decodeString)),
	}
	for _, kind := range []reflect.Kind{reflect.Int, reflect.Int32, reflect.Int64} {
		options = append(options, kong.KindMapper(kind, mapper(decodeInt)))
	}
	for _, kind := range []reflect.Kind{reflect.Uint, reflect.Uint32, reflect.Uint64} {
		options = append(options, kong.KindMapper(kind, mapper(decodeUint)))
	}
	return append(options, kong.KindMapper(reflect.Float64, mapper(decodeFloat)))
}

// decoder puts the value that text stands for into target; tag is that of the flag.
type decoder func(text string, tag *kong.Tag, target reflect.Value) error

var errNoValue = errors.New("needs a value")

func mapper(decode decoder) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		name := ctx.Value.Name
		token, err := ctx.Scan.PopValue("")
		if err != nil {
			if token.IsEOL() {
				return errNoValue
			}
			return fmt.Errorf("%w (one that begins with - is given as --%s=%v)", errNoValue, name, token)
		}
		return decode(fmt.Sprint(token.Value), ctx.Value.Tag, target)
	}
}
