package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completeCommand is what the scripts of Completion call: the shell, then the words after
// the program's name up to the one at the cursor, which may be empty. The answer is
// a line for each candidate, with a tab and a description where there is one, and completeFiles
// where a file's name is wanted.
const (
	completeCommand = "__complete"
	completeFiles   = ":files"
)

// complete answers completeCommand.
func complete(app *kong.Application, args []string, out io.Writer) error {
	if len(args) < 2 {
		return Usagef("%s is for the scripts of nanofront completion", completeCommand)
	}
	shell, words := args[0], args[1:]
	equals := "" // what stands before a value in the word at the cursor
	if shell == "bash" {
		words = joinEquals(words)
	}
	last := len(words) - 1
	c := completer{node: app.Node}
	for _, w := range words[:last] {
		c.take(w)
	}
	word := words[last]
	if flag, value, ok := strings.Cut(word, "="); ok && c.flag == nil && strings.HasPrefix(flag, "--") && !c.plain {
		c.flag, word = c.find(flag), value
		if shell != "bash" { // for which the value is a word of its own
			equals = flag + "="
		}
	}
	for _, l := range c.candidates(word) {
		if l != completeFiles {
			l = equals + l
		}
		if _, err := fmt.Fprintln(out, l); err != nil {
			return err
		}
	}
	return nil
}

// joinEquals puts together what bash takes apart: --flag, =, value.
func joinEquals(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		if words[i] == "=" && len(out) > 0 {
			out[len(out)-1] += "="
			if i++; i < len(words) {
				out[len(out)-1] += words[i]
			}
			continue
		}
		out = append(out, words[i])
	}
	return out
}

// completer is how far a command line is.
type completer struct {
	node  *kong.Node
	flag  *kong.Flag // that the next word is the value of
	args  int        // positional arguments there are already
	plain bool       // after --: no more flags
}

// take goes on by one word.
func (c *completer) take(word string) {
	switch {
	case c.flag != nil:
		c.flag = nil
	case c.plain:
		c.args++
	case word == "--":
		c.plain = true
	case strings.HasPrefix(word, "-") && word != "-":
		if f := c.find(word); f != nil && !f.IsBool() {
			c.flag = f
		}
	default:
		for _, child := range c.node.Children {
			if child.Name == word {
				c.node = child
				return
			}
		}
		c.implied()
		c.args++
	}
}

// implied goes to the command that is meant where none is named.
func (c *completer) implied() {
	if d := c.node.DefaultCmd; d != nil {
		c.node = d
	}
}

func (c *completer) find(word string) *kong.Flag {
	for n := c.node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

// candidates are the lines for the word at the cursor.
func (c *completer) candidates(word string) []string {
	var lines []string
	add := func(value, help string) {
		if strings.HasPrefix(value, word) && value != "" {
			if help != "" {
				value += "\t" + help
			}
			lines = append(lines, value)
		}
	}
	switch {
	case c.flag != nil:
		return valuesOf(c.flag.Value, word)
	case strings.HasPrefix(word, "-") && !c.plain:
		for n := c.node; n != nil; n = n.Parent {
			for _, f := range n.Flags {
				if !f.Hidden {
					add("--"+f.Name, f.Help)
				}
			}
		}
		return lines
	}
	for _, child := range c.node.Children {
		if !child.Hidden {
			add(child.Name, child.Help)
		}
	}
	c.implied()
	if at := min(c.args, len(c.node.Positional)-1); at >= 0 {
		if arg := c.node.Positional[at]; at == c.args || arg.IsCumulative() {
			lines = append(lines, valuesOf(arg, word)...)
		}
	}
	return lines
}

// valuesOf are the values of a flag or an argument that begin so.
func valuesOf(v *kong.Value, word string) []string {
	var values []string
	switch {
	case v.Tag.Get("oneof") != "":
		values = strings.Split(v.Tag.Get("oneof"), ",")
	case v.IsBool():
		values = []string{"true", "false"}
	case v.Tag.Type == "path":
		return []string{completeFiles}
	}
	return slices.DeleteFunc(values, func(s string) bool { return s == "" || !strings.HasPrefix(s, word) })
}
