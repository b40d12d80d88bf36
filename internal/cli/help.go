package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"nanofront/internal/terminal"
)

// Groups of flags that several programs have, in --help. A command's own flags
// have none, and come first.
const (
	groupGeneral = "General"
	titleFlags   = "Flags"
)

const (
	maxHelpWidth = 100
	maxHelpLeft  = 32 // a flag that is longer has its text below it
	helpIndent   = 2
)

// Exampler is a command whose --help has examples: a command line, and what it does.
type Exampler interface{ Examples() [][2]string }

// helpPage gathers the lines of a help text.
type helpPage struct {
	b     strings.Builder
	width int
}

// printHelp is --help: the selected command, its own flags first, then those
// that it shares with others, by groups.
func printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	_, err := io.WriteString(ctx.Stdout, helpText(ctx.Model, node, terminal.Width(ctx.Stdout)))
	return err
}

// helpText is the help of a command, or of the program.
func helpText(app *kong.Application, node *kong.Node, width int) string {
	p := &helpPage{width: min(width, maxHelpWidth)}
	p.line("Usage: %s", usage(app, node))
	if node.Help != "" {
		p.line("")
		p.wrap(node.Help)
	}
	if node.Detail != "" {
		p.line("")
		p.wrap(node.Detail)
	}
	var rows [][2]string
	for _, arg := range node.Positional {
		rows = append(rows, [2]string{arg.Summary(), helpOf(arg)})
	}
	p.section("Arguments", rows)
	p.commands(node)
	p.flags(node)
	if node.Target.IsValid() && node.Target.CanAddr() {
		if e, ok := node.Target.Addr().Interface().(Exampler); ok {
			p.examples(e.Examples())
		}
	}
	if name := exampleFlag(node); name != "" {
		p.line("")
		p.wrap("Each flag is also an environment variable: --" + name + " is " + variable(name) + ".")
	}
	if len(node.Children) > 0 {
		p.line("")
		p.line("Run %s COMMAND --help for more about a command.", node.FullPath())
	}
	return p.b.String()
}

// usage is how a command is called.
func usage(app *kong.Application, node *kong.Node) string {
	parts := []string{node.FullPath()}
	for n := node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if f.Required {
				parts = append(parts, f.Summary())
			}
		}
	}
	for _, arg := range node.Positional {
		parts = append(parts, arg.Summary())
	}
	if len(node.Children) > 0 {
		parts = append(parts, "COMMAND")
	}
	if len(app.Flags)+len(node.Flags) > 0 {
		parts = append(parts, "[flags]")
	}
	return strings.Join(parts, " ")
}

func (p *helpPage) commands(node *kong.Node) {
	var rows [][2]string
	for _, c := range node.Leaves(true) {
		rows = append(rows, [2]string{strings.TrimPrefix(strings.TrimPrefix(c.Path(), node.Path()), " "), c.Help})
	}
	p.section("Commands", rows)
}

// flags writes the flags of a command and of those above it.
func (p *helpPage) flags(node *kong.Node) {
	var order []string
	groups := make(map[string][][2]string)
	add := func(group string, f *kong.Flag) {
		if _, ok := groups[group]; !ok {
			order = append(order, group)
		}
		groups[group] = append(groups[group], [2]string{flagName(f), helpOf(f.Value)})
	}
	groups[titleFlags] = nil
	order = append(order, titleFlags)
	var general []*kong.Flag
	for n := node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			switch {
			case f.Hidden:
			case f.Name == "help" || f.Group != nil && f.Group.Key == groupGeneral:
				general = append(general, f)
			case f.Group != nil:
				add(f.Group.Title, f)
			default:
				add(titleFlags, f)
			}
		}
	}
	for _, f := range general {
		add(groupGeneral, f)
	}
	for _, group := range order {
		p.section(group, groups[group])
	}
}

func flagName(f *kong.Flag) string {
	name := "    --" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", --" + f.Name
	}
	if !f.IsBool() {
		name += "=" + f.FormatPlaceHolder()
	}
	return name
}

// helpOf is a flag's or an argument's line of help, with its default.
func helpOf(v *kong.Value) string {
	if v.Default == "" {
		return v.Help
	}
	return v.Help + " (default: " + v.Default + ")"
}

// exampleFlag is a flag that has an environment variable, of the command itself
// if one has.
func exampleFlag(node *kong.Node) string {
	name := ""
	for n := node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			switch {
			case f.Hidden || len(f.Envs) == 0:
			case f.Group == nil:
				return f.Name
			case name == "":
				name = f.Name
			}
		}
	}
	return name
}

func (p *helpPage) line(format string, args ...any) {
	p.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (p *helpPage) wrap(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			p.line("")
		}
		for _, l := range terminal.Wrap(paragraph, p.width) {
			p.line("%s", l)
		}
	}
}

// examples writes command lines, each with what it does below it.
func (p *helpPage) examples(rows [][2]string) {
	p.line("")
	p.line("Examples:")
	for _, r := range rows {
		p.line("%*s%s", helpIndent, "", r[0])
		for _, l := range terminal.Wrap(r[1], p.width-3*helpIndent) {
			p.line("%*s%s", 3*helpIndent, "", l)
		}
	}
}

// section writes a title and two columns, if there is something in them.
func (p *helpPage) section(title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	p.line("")
	p.line("%s:", title)
	left := 0
	for _, r := range rows {
		if n := utf8.RuneCountInString(r[0]); n <= maxHelpLeft {
			left = max(left, n)
		}
	}
	indent := strings.Repeat(" ", helpIndent+left+2)
	for _, r := range rows {
		lines := terminal.Wrap(r[1], max(p.width-len(indent), 20))
		first := ""
		if utf8.RuneCountInString(r[0]) <= left && len(lines) > 0 {
			first, lines = lines[0], lines[1:]
		}
		p.line("%*s%-*s  %s", helpIndent, "", left, r[0], first)
		for _, l := range lines {
			p.line("%s%s", indent, l)
		}
	}
}
