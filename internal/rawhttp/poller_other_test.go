//go:build !linux

package rawhttp

func withoutPwait2(Poller) bool { return false }
