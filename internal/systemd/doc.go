// Package systemd speaks with the service manager that has started the process, if that is systemd:
// sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3), by what these say of the protocol.
//
//	systemd.Notify(systemd.Ready)
//
// Without systemd all of it does nothing.
package systemd
