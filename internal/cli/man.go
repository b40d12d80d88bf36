package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"nanofront/internal/buildinfo"
)

// manCommand prints a program's manual page, for packages.
const manCommand = "__man"

// roff is a manual page in the making (man(7)).
type roff struct{ strings.Builder }

// manual writes the page of a program, from what --help says.
func manual(app *kong.Application, w io.Writer) error {
	r := new(roff)
	name := app.Name
	r.line(`.TH %s 1 "" %s nanofront`, quoteRoff(strings.ToUpper(name)), quoteRoff(buildinfo.Get().Version))
	r.section("NAME")
	r.text(name + " \\- " + escapeRoff(firstSentence(app.Help)))
	r.section("SYNOPSIS")
	leaves := app.Leaves(true)
	if len(leaves) == 0 {
		r.line(".B %s", escapeRoff(usage(app, app.Node)))
	}
	for i, n := range leaves {
		if i > 0 {
			r.line(".br")
		}
		r.line(".B %s", escapeRoff(usage(app, n)))
	}
	r.section("DESCRIPTION")
	r.paragraphs(app.Help)
	if app.Detail != "" {
		r.line(".PP")
		r.paragraphs(app.Detail)
	}
	if len(leaves) == 0 {
		r.section("OPTIONS")
		r.flags(app.Node)
	} else {
		r.section("COMMANDS")
		for _, n := range leaves {
			r.command(app, n)
		}
		r.section("OPTIONS OF ALL COMMANDS")
		r.flags(app.Node)
	}
	r.section("ENVIRONMENT")
	r.paragraphs("Each option is also an environment variable: --log-level is " + variable("log-level") + ".")
	r.section("EXIT STATUS")
	r.paragraphs("0: done, or ended cleanly; 1: it failed; 2: the command line or the environment is wrong.")
	_, err := io.WriteString(w, r.String())
	return err
}

func (r *roff) command(app *kong.Application, n *kong.Node) {
	r.line(".SS %s", quoteRoff(n.FullPath()))
	r.line(".B %s", escapeRoff(usage(app, n)))
	r.line(".PP")
	r.paragraphs(n.Help)
	if n.Detail != "" {
		r.line(".PP")
		r.paragraphs(n.Detail)
	}
	for _, arg := range n.Positional {
		r.item(arg.Summary(), helpOf(arg))
	}
	for p := n; p != nil && p != app.Node; p = p.Parent {
		r.flags(p)
	}
}

// flags are a node's own; of groups, each is a heading of its own in the text.
func (r *roff) flags(n *kong.Node) {
	for _, f := range n.Flags {
		if !f.Hidden {
			r.item(strings.TrimSpace(flagName(f)), helpOf(f.Value))
		}
	}
}

func (r *roff) item(head, text string) {
	r.line(".TP")
	r.line(".B %s", escapeRoff(head))
	r.text(escapeRoff(text))
}

func (r *roff) section(title string) { r.line(".SH %s", title) }

func (r *roff) paragraphs(text string) {
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			r.line(".PP")
		}
		r.text(escapeRoff(p))
	}
}

// text is running text: a line that begins as a request would be one.
func (r *roff) text(text string) {
	for l := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			l = `\&` + l
		}
		r.line("%s", l)
	}
}

func (r *roff) line(format string, args ...any) { _, _ = fmt.Fprintf(r, format+"\n", args...) }

// escapeRoff keeps text from meaning something to roff; a hyphen is one that can be copied.
func escapeRoff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
}

func quoteRoff(text string) string {
	return `"` + strings.ReplaceAll(escapeRoff(text), `"`, `\(dq`) + `"`
}

func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(first, ".")
}
