package buildinfo

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestFrom(t *testing.T) {
	stamped := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123"}
	for name, tc := range map[string]struct {
		linked            string
		bi                *debug.BuildInfo
		version, revision string
	}{
		"nothing known":      {"", nil, "devel", ""},
		"development":        {"", stamped("(devel)"), "devel", ""},
		"module version":     {"", stamped("v1.2.3"), "v1.2.3", ""},
		"the linker wins":    {"v2", stamped("v1.2.3"), "v2", ""},
		"revision":           {"", stamped("(devel)", revision), "devel", "0123456789ab"},
		"changed tree":       {"", stamped("(devel)", revision, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "devel", "0123456789ab+"},
		"changed, no commit": {"", stamped("(devel)", debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "devel", ""},
	} {
		got := from(tc.linked, tc.bi)
		if got.Version != tc.version || got.Revision != tc.revision || got.Go != runtime.Version() {
			t.Errorf("%s: %+v, want version %q, revision %q", name, got, tc.version, tc.revision)
		}
		if s := got.String(); !strings.HasPrefix(s, tc.version+" (") || !strings.Contains(s, runtime.GOOS) || !strings.Contains(s, tc.revision) {
			t.Errorf("%s: String = %q", name, s)
		}
	}
	if Get().Version == "" {
		t.Error("Get has no version")
	}
}
