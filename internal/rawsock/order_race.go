//go:build race

package rawsock

import "syscall"

// What was done before bytes were sent is done before they are received. Package
// syscall tells the race detector so for its own reads and writes, whatever
// socket they are on. With raw ones alone it would report as races what a socket
// has put in order, where both ends are in one process. So have it tell: a
// write that fails, and a read of nothing.

func sending()            { _, _ = syscall.Write(-1, nil) }
func received(fd uintptr) { _, _ = syscall.Read(int(fd), nil) }
