//go:build !linux

package load

func withoutPwait2(poller) bool { return false }
