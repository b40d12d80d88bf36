package e2e

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"nanofront/internal/testutil"
)

// TestPackages: the .deb is installed into a directory as dpkg does it; its programs run, its
// manual pages are for them, its units are where systemd looks, and its settings stay when it is
// installed again.
func TestPackages(t *testing.T) {
	t.Parallel()
	dpkg := testutil.Command(t, "dpkg", "dpkg")
	if os.Geteuid() != 0 {
		testutil.Skip(t, "dpkg installs for root alone")
	}
	dist, root := t.TempDir(), t.TempDir()
	build := exec.CommandContext(t.Context(), "make", "-C", "../..", "-o", "build", "packages", "BIN="+programs, "DIST="+dist, "VERSION=v1.2.3")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make packages: %v\n%s", err, out)
	}
	packages, _ := filepath.Glob(filepath.Join(dist, "*.deb"))
	rpms, _ := filepath.Glob(filepath.Join(dist, "*.rpm"))
	if len(packages) != 1 || len(rpms) != 1 || !strings.Contains(packages[0], "1.2.3") {
		t.Fatalf("packages: %q %q", packages, rpms)
	}
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(root, "var/lib/dpkg/status"), "")
	install := func() {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), dpkg, "--root="+root, "--force-script-chrootless", "--force-confold", "-i", packages[0]).CombinedOutput()
		if err != nil {
			t.Fatalf("dpkg -i: %v\n%s", err, out)
		}
	}
	install()
	for _, name := range []string{"nanofront", "terminator", "handler"} {
		out, err := exec.CommandContext(t.Context(), filepath.Join(root, "usr/bin", name), "version").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), name+" ") {
			t.Errorf("%s version: %v %s", name, err, out)
		}
		if page := gunzip(t, filepath.Join(root, "usr/share/man/man1", name+".1.gz")); !strings.Contains(page, ".TH") || !strings.Contains(page, `\-\-log\-level`) {
			t.Errorf("the page of %s:\n%.500s", name, page)
		}
		if _, err := os.Stat(filepath.Join(root, "usr/share/bash-completion/completions", name)); err != nil {
			t.Error(err)
		}
	}
	units, _ := filepath.Glob(filepath.Join(root, "lib/systemd/system/nanofront*"))
	if len(units) != 4 {
		t.Errorf("units: %q", units)
	}
	settings := filepath.Join(root, "etc/nanofront/nanofront.env")
	writeFile(t, settings, "NANOFRONT_ETCD=http://10.0.0.1:2379\n")
	install()
	if raw, err := os.ReadFile(settings); err != nil || !strings.HasPrefix(string(raw), "NANOFRONT_ETCD") {
		t.Errorf("after the second installation: %v\n%s", err, raw)
	}
}

func gunzip(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDeploy_Documents: what is in deploy/ as YAML is that, and the files that it names are there.
func TestDeploy_Documents(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../deploy/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := yaml.NewDecoder(strings.NewReader(string(raw)))
		for {
			var doc map[string]any
			if err := d.Decode(&doc); err == io.EOF { //nolint:errorlint // the decoder returns it as it is
				break
			} else if err != nil {
				t.Errorf("%s: %v", file, err)
				break
			}
		}
	}
	compose, err := os.ReadFile("../../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Services map[string]struct {
			Volumes []string
			Command []string
		}
	}
	if err := yaml.Unmarshal(compose, &doc); err != nil {
		t.Fatal(err)
	}
	for name, s := range doc.Services {
		for _, v := range s.Volumes {
			if from, _, _ := strings.Cut(v, ":"); strings.HasPrefix(from, ".") {
				if _, err := os.Stat(filepath.Join("../../deploy/compose", from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if len(s.Command) > 0 && strings.HasPrefix(s.Command[0], "/usr/bin/") {
			// Its flags are known: what is wrong is a value at most.
			program := filepath.Join(programs, filepath.Base(s.Command[0]))
			if out, _ := exec.CommandContext(t.Context(), program, append(s.Command[1:], "--help")...).CombinedOutput(); !strings.HasPrefix(string(out), "Usage:") {
				t.Errorf("%s: %q:\n%s", name, s.Command, out)
			}
		}
	}
}
