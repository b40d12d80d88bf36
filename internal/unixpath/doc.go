// Package unixpath knows how long the path of a Unix socket may be. The system says no more
// than "invalid argument" of one that is longer.
//
//	if err := unixpath.Check(path); err != nil {
//		return fmt.Errorf("--handover %q: %w", path, err)
//	}
package unixpath
