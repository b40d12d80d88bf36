// Package wholefile writes files whole or not at all: an existing file stays until its replacement
// is complete.
//
//	f, err := wholefile.Create("result.json") // says now that it can't be written
//	...
//	defer f.Close() // harmless after Commit
//	_, err = f.Write(report)
//	...
//	err = f.Commit()
//
// Pitfall: the replacement is a new file, so hard links to the old one keep the old content. Its
// permissions are those of the old one, or 0644 less the umask.
package wholefile
