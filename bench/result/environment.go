package result

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"nanofront/internal/buildinfo"
)

// ReadEnvironment finds out where the program runs. What the system doesn't tell stays zero, as
// does what only the caller knows: Flags and Noise.
func ReadEnvironment() Environment {
	info := buildinfo.Get()
	env := readMachine("/")
	env.Cores = runtime.NumCPU()
	env.OS = runtime.GOOS + "/" + runtime.GOARCH
	env.Go = info.Go
	env.Commit = info.Revision
	if env.Commit == "" {
		env.Commit = info.Version
	}
	return env
}

// readMachine reads what Linux tells in /proc and /sys below root.
func readMachine(root string) Environment {
	at := func(parts ...string) string {
		data, err := os.ReadFile(filepath.Join(root, filepath.Join(parts...)))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
	env := Environment{
		CPU:      fieldOf(filepath.Join(root, "proc/cpuinfo"), "model name"),
		Kernel:   at("proc/sys/kernel/osrelease"),
		Governor: at("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
	}
	switch at("proc/sys/kernel/sched_autogroup_enabled") {
	case "0":
		env.Autogroup = "off"
	case "1":
		env.Autogroup = "on"
	}
	if kb, _, ok := strings.Cut(fieldOf(filepath.Join(root, "proc/meminfo"), "MemTotal"), " "); ok {
		if n, err := strconv.ParseInt(kb, 10, 64); err == nil {
			env.MemoryMB = n >> 10
		}
	}
	if quota, period, ok := strings.Cut(at("sys/fs/cgroup/cpu.max"), " "); ok && quota != "max" {
		env.Limits = append(env.Limits, "CPU quota "+quota+" of "+period+" µs")
	}
	if limit := at("sys/fs/cgroup/memory.max"); limit != "" && limit != "max" {
		if n, err := strconv.ParseInt(limit, 10, 64); err == nil {
			env.Limits = append(env.Limits, "memory "+strconv.FormatInt(n>>20, 10)+" MiB")
		}
	}
	return env
}

// fieldOf returns the value of the first line "name : value" of a file, or nothing.
func fieldOf(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
