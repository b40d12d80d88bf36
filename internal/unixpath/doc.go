// Package unixpath knows how long the path of a Unix socket may be. For a longer one the system
// only says "invalid argument".
//
//	if err := unixpath.Check(path); err != nil {
//		return fmt.Errorf("--handover %q: %w", path, err)
//	}
package unixpath
