package toggle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/registry/toggled"
	"nanofront/toggles"
)

// shownValue is how much of a value a table shows, in characters.
const shownValue = 40

type listCommand struct {
	cli.Discovery
	JSON bool `name:"json" help:"Print all definitions in flagd's format, ready to import again."`
}

// Run implements command.
func (c *listCommand) Run(ctx context.Context, std cli.IO) error {
	s, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer s.close()
	if c.JSON {
		return s.export(std)
	}
	out := terminal.ScreenOf(std.Out)
	if len(s.now.List) == 0 {
		out.Line("There are no toggles yet. A first one: nanofront toggle set new-look=on --create")
		return nil
	}
	out.Line("%s, as of revision %d", terminal.Count(s.set.Len(), "toggle"), s.now.Revision)
	out.Line("")
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "toggle"}, {Head: "variant"}, {Head: "value", Least: 8}, {Head: "rule"}, {Head: "type", Drop: 1}, {Head: "revision", Right: true, Drop: 2},
	}}
	for _, f := range s.set.Flags() {
		variant, style := f.Default(), terminal.Plain
		value := ""
		if variant != "" {
			value = terminal.Clip(text(f.Value(variant)), shownValue)
		}
		if !f.Enabled() {
			variant, value, style = "disabled", "", terminal.Yellow
		}
		rule := ""
		if f.Targeted() {
			rule = "yes"
		}
		t.AddCells(terminal.Cell{Text: f.Name()}, terminal.Cell{Text: variant, Style: style}, terminal.Cell{Text: value},
			terminal.Cell{Text: rule}, terminal.Cell{Text: string(f.Kind())}, terminal.Cell{Text: fmt.Sprint(f.Revision())})
	}
	t.Print(out, out.Width, out.Colours)
	faults := s.set.Faults()
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		out.Line("")
		out.Line("%s isn't valid: %s", name, reason(faults[name]))
	}
	return nil
}

// export prints what import reads.
func (s *system) export(std cli.IO) error {
	file := struct {
		Flags      map[string]json.RawMessage `json:"flags"`
		Evaluators map[string]json.RawMessage `json:"$evaluators,omitempty"`
	}{make(map[string]json.RawMessage), make(map[string]json.RawMessage)}
	for _, t := range s.now.List {
		if name, ok := strings.CutPrefix(t.Name, toggled.EvaluatorPrefix); ok {
			file.Evaluators[name] = t.Definition
		} else if json.Valid(t.Definition) {
			file.Flags[t.Name] = t.Definition
		}
	}
	return printJSON(std, file)
}

func printJSON(std cli.IO, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := std.Out.Write(b.Bytes())
	return err
}

type getCommand struct {
	cli.Discovery
	Toggle string `arg:"" placeholder:"TOGGLE" help:"Its name, or that of a shared rule with $$evaluators/ before it."`
}

// Run implements command.
func (c *getCommand) Run(ctx context.Context, std cli.IO) error {
	s, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer s.close()
	t, ok := s.find(c.Toggle)
	if !ok {
		return s.unknown(c.Toggle, "")
	}
	if !json.Valid(t.Definition) { // written by something else than this command
		_, err := fmt.Fprintf(std.Out, "%s\n", t.Definition)
		return err
	}
	return printJSON(std, json.RawMessage(t.Definition))
}

type testCommand struct {
	cli.Discovery
	Toggle string   `arg:"" optional:"" placeholder:"TOGGLE" help:"Its name. Default: all toggles."`
	With   []string `short:"c" sep:"none" placeholder:"KEY=VALUE" help:"What the request is, to be given for each part: targetingKey=session-1, cookie.plan=pro, header.user-agent=curl, client=10.0.0.1; or all of it as JSON. --context KEY=VALUE is the same."`
}

// Args are a command line's arguments with --context KEY=VALUE of toggle test, as OpenFeature calls
// it, under its other name: by its own it is the system for which a command is.
func Args(args []string) []string {
	if i := slices.Index(args, "toggle"); i < 0 || !slices.Contains(args[i:], "test") {
		return args
	}
	args = slices.Clone(args)
	attributes := func(s string) bool { return strings.Contains(s, "=") || strings.HasPrefix(s, "{") }
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, "--context="); ok && attributes(value) {
			args[i] = "--with=" + value
		} else if a == "--context" && i+1 < len(args) && attributes(args[i+1]) {
			args[i] = "--with"
		}
	}
	return args
}

// Run implements command.
func (c *testCommand) Run(ctx context.Context, std cli.IO) error {
	context, err := parseContext(c.With)
	if err != nil {
		return err
	}
	s, err := open(ctx, &c.Discovery)
	if err != nil {
		return err
	}
	defer s.close()
	names := []string{c.Toggle}
	if c.Toggle == "" {
		names = nil
		for _, f := range s.set.Flags() {
			names = append(names, f.Name())
		}
	} else if _, ok := s.find(c.Toggle); !ok {
		return s.unknown(c.Toggle, "")
	}
	out := terminal.ScreenOf(std.Out)
	t := terminal.Table{Columns: []terminal.Column{{Head: "toggle"}, {Head: "variant"}, {Head: "value", Least: 8}, {Head: "reason"}}}
	var notes []string
	for _, name := range names {
		r := s.set.Evaluate(name, "", context)
		value := "the caller's default"
		if r.Variant != "" {
			value = terminal.Clip(text(r.Value), shownValue)
		}
		t.Add(name, r.Variant, value, string(r.Reason))
		if r.Err != nil {
			notes = append(notes, reason(r.Err))
		}
	}
	t.Print(out, out.Width, out.Colours)
	for _, n := range notes {
		out.Line("")
		out.Line("%s", n)
	}
	return nil
}

// parseContext reads KEY=VALUE, with dots for what is inside, and JSON objects.
func parseContext(list []string) (toggles.Attributes, error) {
	context := toggles.Attributes{}
	for _, part := range list {
		if strings.HasPrefix(strings.TrimSpace(part), "{") {
			var all map[string]any
			if err := json.Unmarshal([]byte(part), &all); err != nil {
				return nil, cli.Usagef("--context: %.60q isn't valid JSON: %w", part, err)
			}
			maps.Copy(context, all)
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok || key == "" {
			return nil, cli.Usagef("--context: %q: want KEY=VALUE, such as cookie.plan=pro, or a JSON object", part)
		}
		if err := put(context, key, value); err != nil {
			return nil, err
		}
	}
	return context, nil
}

func put(context map[string]any, key, value string) error {
	parts := strings.Split(key, ".")
	for _, p := range parts[:len(parts)-1] {
		inner, ok := context[p].(map[string]any)
		if !ok {
			if context[p] != nil {
				return cli.Usagef("--context: %s: %s has a value of its own already", key, p)
			}
			inner = make(map[string]any)
			context[p] = inner
		}
		context = inner
	}
	var parsed any
	// A key of a share is text, also if it looks like a number; so is what HTTP carries.
	if json.Unmarshal([]byte(value), &parsed) != nil || len(parts) > 1 || key == "targetingKey" || key == "version" {
		parsed = value
	}
	context[parts[len(parts)-1]] = parsed
	return nil
}

func compact(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(raw)
}
