//go:build !linux

package main

import "syscall"

func attr() *syscall.SysProcAttr { return nil }
