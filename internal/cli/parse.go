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
	"nanofront/internal/terminal"
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

// Version is to be embedded for the flag --version. Besides, each program has the command
// line version, which prints the same.
type Version struct {
	Version versionFlag `env:"-" group:"General" help:"Print the version of this build and exit."`
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
		kong.Help(printHelp),
		kong.PostBuild(nameVariables),
		vars,
	}
	k, err := kong.New(grammar, append(options, mappers()...)...)
	if err != nil {
		return nil, fmt.Errorf("cli: the flags of %s: %w", p.Name, err)
	}
	k.Model.HelpFlag.Help = "Show this help."
	if hasFlag(k.Model.Node, "context") {
		kong.Resolvers(new(fromContext)).Apply(k) //nolint:errcheck // it never fails
	}
	switch {
	case len(args) == 1 && (args[0] == "version" || args[0] == "--version"):
		if err := printVersion(k); err != nil {
			return nil, err
		}
		return nil, ErrDone
	case len(args) > 0 && args[0] == completeCommand:
		if err := complete(k.Model, args[1:], std.Out); err != nil {
			return nil, err
		}
		return nil, ErrDone
	case len(args) == 1 && args[0] == manCommand:
		if err := manual(k.Model, std.Out); err != nil {
			return nil, err
		}
		return nil, ErrDone
	case len(args) == 0 && len(k.Model.Children) > 0:
		return nil, &UsageError{Help: helpText(k.Model, k.Model.Node, terminal.Width(std.Err)), Err: errNoCommand}
	}
	ctx, err := k.Parse(args)
	if done {
		return nil, ErrDone
	}
	if err != nil {
		return nil, usageError(k, err)
	}
	if n := ctx.Selected(); n != nil && std.command != nil {
		*std.command = n.FullPath()
	}
	return ctx, nil
}

var errNoCommand = errors.New("no command")

// usageError is what kong found wrong, with the command that it belongs to.
func usageError(k *kong.Kong, err error) error {
	if c := (*contextError)(nil); errors.As(err, &c) {
		err = c.error
	}
	usage := &UsageError{Err: err}
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return usage
	}
	node := parse.Context.Selected()
	if node == nil {
		node = k.Model.Node
	}
	usage.Command = node.FullPath()
	if len(node.Children) == 0 {
		if arg, ok := strings.CutPrefix(err.Error(), `expected "`); ok {
			usage.Err = fmt.Errorf("%s is missing", strings.TrimSuffix(arg, `"`))
		}
		return usage
	}
	// There is a command to be chosen yet. Without a word of it, show what there is.
	if parse.Context.Error == nil {
		usage.Help = helpText(k.Model, node, terminal.Width(k.Stderr))
		usage.Err = errNoCommand
		return usage
	}
	if word, ok := strings.CutPrefix(err.Error(), "unexpected argument "); ok {
		word, _, _ = strings.Cut(word, ",")
		var names []string
		for _, c := range node.Children {
			if !c.Hidden {
				names = append(names, c.Name)
			}
		}
		usage.Err = fmt.Errorf("%q is not a command of %s: want one of %s", word, node.FullPath(), strings.Join(names, ", "))
	}
	return usage
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
				f.Envs = []string{variable(f.Name)}
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

// variable is the environment variable of a flag.
func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func mappers() []kong.Option {
	options := []kong.Option{
		kong.TypeMapper(reflect.TypeFor[time.Duration](), mapper(decodeDuration)),
		kong.NamedMapper("addr", mapper(decodeAddr)),
		kong.NamedMapper("optaddr", mapper(optional(decodeAddr))),
		kong.NamedMapper("server", mapper(optional(decodeServer))),
		kong.NamedMapper("endpoints", mapper(decodeEndpoints)),
		kong.NamedMapper("age", mapper(decodeAge)),
		kong.NamedMapper("size", mapper(decodeSize)),
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
