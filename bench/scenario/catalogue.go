package scenario

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"nanofront/internal/wholefile"
)

//go:embed scenarios/*.yaml suites/*.yaml
var files embed.FS

// DefaultPlan is the suite that is run if none is asked for.
const DefaultPlan = "default"

// ErrUnknown is wrapped by the error for a name that is no scenario and no suite.
var ErrUnknown = errors.New("no such scenario")

// Plan is what is run: scenarios in their order.
type Plan struct {
	// Name of the suite, or of the scenarios.
	Name  string `yaml:"-"`
	Title string `yaml:"title"`
	About string `yaml:"about"`
	// Goal, if there is one, is quoted in the headline.
	Goal      string      `yaml:"goal"`
	Scenarios []*Scenario `yaml:"-"`
	// Bounds that are checked at the end, with so many Attempts.
	Bounds   []Bound `yaml:"bounds"`
	Attempts int     `yaml:"attempts"`
}

// Bound is what nanofront's rate may fall to in closed loops before it counts as a regression.
type Bound struct {
	Scenario string `yaml:"scenario"`
	// Ratio is nanofront's rate in plain fasthttp's when it was last measured. The limit is half of
	// it.
	Ratio float64 `yaml:"ratio"`
	// Floor is the limit if it is higher.
	Floor float64 `yaml:"floor"`
}

// Limit is the least ratio that is not a regression.
func (b *Bound) Limit() float64 { return max(b.Ratio/2, b.Floor) }

// Names are those of all scenarios, or suites, that are built in, sorted.
func Names(suites bool) []string {
	dir := "scenarios"
	if suites {
		dir = "suites"
	}
	entries, err := files.ReadDir(dir)
	if err != nil {
		return nil // they are built in
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// Load makes a plan of names: one suite, or any number of scenarios; a name that ends with .yaml is
// a file with a scenario. Without a name it is [DefaultPlan]. The error wraps [ErrUnknown] or
// [ErrScenario], or is about reading a file.
func Load(names ...string) (*Plan, error) {
	if len(names) == 0 {
		names = []string{DefaultPlan}
	}
	if len(names) == 1 {
		if raw, err := files.ReadFile(path.Join("suites", names[0]+".yaml")); err == nil {
			return loadSuite(names[0], raw)
		}
	}
	p := &Plan{Name: strings.Join(names, ", ")}
	for _, name := range names {
		s, err := loadScenario(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p.Scenarios, func(o *Scenario) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("%w: %s is asked for twice", ErrScenario, name)
		}
		p.Scenarios = append(p.Scenarios, s)
	}
	if len(p.Scenarios) == 1 {
		p.Title, p.About = p.Scenarios[0].Title, p.Scenarios[0].About
	}
	return p, nil
}

func loadScenario(name string) (*Scenario, error) {
	raw, err := readScenario(name)
	if err != nil {
		return nil, err
	}
	s := &Scenario{Name: strings.TrimSuffix(filepath.Base(name), ".yaml")}
	if err := parse(raw, s); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrScenario, name, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrScenario, name, err)
	}
	return s, nil
}

func readScenario(name string) ([]byte, error) {
	if !strings.HasSuffix(name, ".yaml") {
		raw, err := files.ReadFile(path.Join("scenarios", name+".yaml"))
		if err != nil {
			return nil, fmt.Errorf("%w as %q: there are %s, and, alone, the suites %s; or give the path of a .yaml file", ErrUnknown, name, strings.Join(Names(false), ", "), strings.Join(Names(true), ", "))
		}
		return raw, nil
	}
	return wholefile.Read(name, MaxFile)
}

func loadSuite(name string, raw []byte) (*Plan, error) {
	f := struct {
		Plan `yaml:",inline"`
		Uses []yaml.Node `yaml:"scenarios"`
	}{Plan: Plan{Name: name, Attempts: 1}}
	if err := parse(raw, &f); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrScenario, name, err)
	}
	for i := range f.Uses {
		s, err := useScenario(&f.Uses[i])
		if err != nil {
			return nil, fmt.Errorf("%w: %s: scenarios[%d]: %w", ErrScenario, name, i, err)
		}
		f.Scenarios = append(f.Scenarios, s)
	}
	return &f.Plan, nil
}

// useScenario reads a scenario as a suite has it: a name, and what differs from its file.
func useScenario(n *yaml.Node) (*Scenario, error) {
	var named struct {
		Use string `yaml:"use"`
	}
	if err := n.Decode(&named); err != nil {
		return nil, err
	}
	base, err := loadScenario(named.Use)
	if err != nil {
		return nil, err
	}
	// Lists are replaced, not appended to; but what a node doesn't name stays.
	different := struct {
		Use      string `yaml:"use"`
		Scenario `yaml:",inline"`
	}{Scenario: *base}
	raw, err := yaml.Marshal(n)
	if err != nil {
		return nil, err
	}
	if err := parse(raw, &different); err != nil {
		return nil, err
	}
	s := different.Scenario
	s.Name = base.Name
	return &s, s.check()
}
