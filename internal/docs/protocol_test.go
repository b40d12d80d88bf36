package docs

import (
	"encoding/hex"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nanofront/httpmsg"
)

// constants returns the constants of package-level declarations in a folder's
// files that can be worked out from the file alone.
func constants(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	exprs := make(map[string]ast.Expr)
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				for i, n := range v.Names {
					if i < len(v.Values) {
						exprs[n.Name] = v.Values[i]
					}
				}
			}
		}
	}
	values := make(map[string]int64)
	for name := range exprs {
		if v, ok := evaluate(exprs, exprs[name], 0); ok {
			values[name] = v
		}
	}
	return values
}

// evaluate works out numbers, names of other constants, units of time, and
// what operators make of them.
func evaluate(names map[string]ast.Expr, e ast.Expr, depth int) (int64, bool) {
	units := map[string]time.Duration{"Second": time.Second, "Millisecond": time.Millisecond}
	if depth > 10 {
		return 0, false
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		v, ok := constant.Int64Val(constant.ToInt(constant.MakeFromLiteral(e.Value, e.Kind, 0)))
		return v, ok && e.Kind == token.INT
	case *ast.ParenExpr:
		return evaluate(names, e.X, depth+1)
	case *ast.Ident:
		return evaluate(names, names[e.Name], depth+1)
	case *ast.SelectorExpr:
		u, ok := units[e.Sel.Name]
		return int64(u), ok && types.ExprString(e.X) == "time"
	case *ast.BinaryExpr:
		x, okX := evaluate(names, e.X, depth+1)
		y, okY := evaluate(names, e.Y, depth+1)
		if !okX || !okY {
			return 0, false
		}
		switch e.Op {
		case token.ADD:
			return x + y, true
		case token.SUB:
			return x - y, true
		case token.MUL:
			return x * y, true
		case token.SHL:
			return x << y, true
		}
	}
	return 0, false
}

// rows returns the rows of a text's tables: cells without the spaces
// around them.
func rows(text string) [][]string {
	var all [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") || len(line) < 2 {
			continue
		}
		cells := strings.Split(line[1:len(line)-1], "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	return all
}

// section returns what stands under a heading, up to the next of its level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	body, _, _ := strings.Cut(rest, "\n"+level+" ")
	return body
}

func TestProtocol_VersionAndKinds(t *testing.T) {
	doc, have := read(t, "docs/protocol.md"), constants(t, "nanobus/wire")
	if title := "# The bus protocol, version " + strconv.FormatInt(have["ProtocolVersion"], 10) + "\n"; !strings.HasPrefix(doc, title) {
		t.Errorf("the document doesn't begin with %q", title)
	}
	want := make(map[string]int64)
	for name, v := range have {
		if k, ok := strings.CutPrefix(name, "Kind"); ok {
			want[strings.ToLower(k)] = v
		}
	}
	got := make(map[string]int64)
	for _, r := range rows(section(t, doc, "## 2. Frames")) {
		if n, err := strconv.ParseInt(r[0], 10, 64); err == nil {
			got[r[1]] = n
		}
	}
	if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("kinds: -code +document\n%s", d)
	}
	for flag, bit := range map[string]int64{"FlagError": 0, "FlagAck": 0, "HelloEventsOnly": 0} {
		if have[flag] != 1<<bit {
			t.Errorf("%s is %d, the document says bit %d", flag, have[flag], bit)
		}
	}
	if have["HeaderSize"] != 16 || have["RequestFixed"] != 4 || have["ResponseFixed"] != 16 {
		t.Errorf("sizes of the diagrams: header %d, request %d, response %d", have["HeaderSize"], have["RequestFixed"], have["ResponseFixed"])
	}
}

var upper = regexp.MustCompile(`[a-z][A-Z]`)

// snake turns OverWindow into over_window.
func snake(s string) string {
	return strings.ToLower(upper.ReplaceAllStringFunc(s, func(m string) string { return m[:1] + "_" + m[1:] }))
}

func TestProtocol_ErrorCodes(t *testing.T) {
	want := make(map[string]int64)
	for name, v := range constants(t, "nanobus/wire") {
		if c, ok := strings.CutPrefix(name, "Code"); ok {
			want[snake(c)] = v
		}
	}
	got := make(map[string]int64)
	for _, r := range rows(section(t, read(t, "docs/protocol.md"), "## 5. Requests and responses")) {
		if n, err := strconv.ParseInt(r[0], 10, 64); err == nil {
			got[r[1]] = n
		}
	}
	if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("codes: -code +document\n%s", d)
	}
}

func TestProtocol_Limits(t *testing.T) {
	have := constants(t, "nanobus")
	for _, dir := range []string{"nanobus/body", "nanobus/link", "nanobus/sp", "nanobus/tap", "nanobus/wire", "httpmsg"} {
		for k, v := range constants(t, dir) {
			have[k] = v
		}
	}
	checked := 0
	for _, r := range rows(section(t, read(t, "docs/protocol.md"), "## 10. Limits")) {
		name := strings.Trim(r[2], "`")
		if name == "" || name == "name" || strings.HasPrefix(name, "-") {
			continue
		}
		amount, unit, _ := strings.Cut(strings.ReplaceAll(r[1], ",", ""), " ")
		want, err := strconv.ParseInt(amount, 10, 64)
		if err != nil {
			t.Errorf("%s: limit %q is no number", r[0], r[1])
			continue
		}
		if unit == "s" {
			want *= int64(time.Second)
		}
		if got, ok := have[name]; !ok || got != want {
			t.Errorf("%s: the document says %d, %s is %d", r[0], want, name, got)
		}
		checked++
	}
	if checked < 10 {
		t.Errorf("%d limits checked only", checked)
	}
}

// vector reads a hex block: digits, spaces, and comments from # on.
func vector(t *testing.T, b block) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(b.text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	raw, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("line %d, %s: %v", b.line, b.info, err)
	}
	return raw
}

func TestProtocol_Vectors(t *testing.T) {
	quoted := make(map[string][]byte)
	for _, b := range blocks(read(t, "docs/protocol.md")) {
		if name, ok := strings.CutPrefix(b.info, "hex "); ok {
			quoted[name] = vector(t, b)
		}
	}
	request := httpmsg.Request{
		Method: []byte("GET"), Scheme: []byte("http"), Host: []byte("example.com"),
		Path: []byte("/profile/42"), Query: []byte("lang="), Client: []byte("192.0.2.1"),
		Header: httpmsg.Fields{{Name: []byte("accept"), Value: []byte("text/html")}},
	}
	decided := request
	decided.Version = []byte("42")
	decided.Decision = httpmsg.NewDecision(nil, 1234).AppendVersions(2)
	decided.Decision = append(decided.Decision, httpmsg.VersionsOf("web", []string{"42", "41"})...)
	decided.Decision = append(decided.Decision, httpmsg.VersionsOf("profile", []string{"7"})...).AppendVariants(1)
	decided.Decision = append(decided.Decision, httpmsg.VariantOf("new-list", "b")...)
	var response httpmsg.Response
	response.Status = 200
	response.Set("content-type", "text/plain")
	response.Body = []byte("ok")
	want := map[string][]byte{
		"http-request":         request.AppendTo(nil),
		"http-response":        response.AppendTo(nil),
		"http-request-decided": decided.AppendTo(nil),
	}
	files, err := filepath.Glob(filepath.Join(root, "nanobus/wire/testdata/*.hex"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in nanobus/wire/testdata: %v", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".hex")
		raw, err := hex.DecodeString(strings.TrimSpace(read(t, "nanobus/wire/testdata/"+filepath.Base(f))))
		if err != nil {
			t.Fatal(err)
		}
		want[name] = raw
	}
	if d := cmp.Diff(want, quoted); d != "" {
		t.Errorf("vectors: -files +document\n%s", d)
	}
}
