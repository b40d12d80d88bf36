//go:build !unix

package embedded

import "os"

// lockFile does nothing where there is no flock: bbolt's own lock then makes
// a second server wait.
func lockFile(*os.File) error { return nil }
