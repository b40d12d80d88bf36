// Package buildinfo says which build of nanofront a program is.
//
// A release sets the version when it links:
//
//	go build -ldflags "-X nanofront/internal/buildinfo.version=v1.2.3" ./cmd/...
//
// Without that it is taken from what the Go tool stamps on the binary.
package buildinfo
