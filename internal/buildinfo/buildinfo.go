package buildinfo

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// unknown is the version of a build that nobody named.
const unknown = "devel"

// version is set by the linker.
var version string

// Info is what is known of the build.
type Info struct {
	// Version is what the linker was told, else the module's version, else
	// "devel".
	Version string
	// Revision is the commit, abbreviated, with "+" if the tree had changes;
	// empty if the Go tool didn't stamp it.
	Revision string
	// Go is the version of the Go tool.
	Go string
}

// Get returns the Info of the running program.
var Get = sync.OnceValue(func() Info {
	bi, _ := debug.ReadBuildInfo()
	return from(version, bi)
})

func from(linked string, bi *debug.BuildInfo) Info {
	info := Info{Version: linked, Go: runtime.Version()}
	if bi != nil {
		if v := bi.Main.Version; info.Version == "" && v != "(devel)" {
			info.Version = v
		}
		modified := false
		for _, s := range bi.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Revision = s.Value[:min(len(s.Value), 12)]
			case "vcs.modified":
				modified = s.Value == "true"
			}
		}
		if modified && info.Revision != "" {
			info.Revision += "+"
		}
	}
	if info.Version == "" {
		info.Version = unknown
	}
	return info
}

// String is Info on one line: "v1.2.3 (0123456789ab, go1.26.1 linux/amd64)".
func (i Info) String() string {
	detail := fmt.Sprintf("%s %s/%s", i.Go, runtime.GOOS, runtime.GOARCH)
	if i.Revision != "" {
		detail = i.Revision + ", " + detail
	}
	return i.Version + " (" + detail + ")"
}
