//go:build !linux

package nanobus_test

import "syscall"

func attr() *syscall.SysProcAttr { return nil }
