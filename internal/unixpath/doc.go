// Package unixpath knows how long the path of a Unix socket may be. For a longer path the system
// says no more than "invalid argument".
//
//	if err := unixpath.Check(path); err != nil {
//		return fmt.Errorf("--handover %q: %w", path, err)
//	}
package unixpath
